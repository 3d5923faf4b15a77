"""Input tables of select (an index, detect's manifest, a bank), and a run on them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.occlusion.occluders import SCHEMA as OCCLUDERS
from occludenet_build.occlusion.select.command import run as run_stage
from occludenet_build.sources.index import INDEX
from occludenet_build.sources.index.command import draw_candidates

_FOUND = pa.schema(
    [(name, pa.string()) for name in ("clip", "status", "reason", "detail", "boxes_hash")]
    + [("actor_frames", pa.int32())]
)


def indexed(clips, config: Config) -> list[dict]:
    """Rows of the index for clips (name, split, label)."""
    rows = [
        {"clip": c, "split": s, "label": la, "status": "ok", "path": f"/v/{s}/{la}/{c}.mp4"}
        | {"frames": 50, "width": 64, "height": 64, "fps": 25.0, "duration_seconds": 2.0}
        | {"sha256": c}
        for c, s, la in clips
    ]
    draw_candidates(rows, config)
    return rows


def bank(categories=("dog", "backpack"), each=3) -> list[dict]:
    """Rows of the bank: `each` cut-outs per category and split."""
    return [
        {"occluder": f"{c}{s}{n}.png", "category": c, "status": "ok", "split": s}
        | {"file": f"png/{c}/{n}.png", "sha256": f"{c}{s}{n}"}
        for c in categories
        for s in ("train", "val", "test")
        for n in range(each)
    ]


def choose(folder: Path, rows, occluders, config: Config, actors=None) -> dict[str, dict]:
    """Run select; its rows by clip. `actors`: clip -> frames with an actor (default 40)."""
    full = [{name: r.get(name) for name in INDEX.names} for r in rows]
    tables.write_table(tables.from_rows(full, INDEX), folder / "videos.parquet")
    found = [_found(r["clip"], (actors or {}).get(r["clip"], 40)) for r in rows if _is_candidate(r)]
    tables.write_table(tables.from_rows(found, _FOUND), folder / "000.parquet")
    tables.write_table(tables.from_rows(occluders, OCCLUDERS), folder / "occluders.parquet")
    args = argparse.Namespace(
        index=folder / "videos.parquet",
        detect=[folder / "000.parquet"],
        shards=None,
        occluders=folder / "occluders.parquet",
        out=folder / "clips.parquet",
    )
    run_stage(args, config)
    return {row["clip"]: row for row in tables.read_rows(args.out)}


def _is_candidate(row: dict) -> bool:
    return bool(row.get("candidate"))


def _found(clip: str, frames: int) -> dict:
    status, reason = ("ok", None) if frames else ("skipped", "no_actor")
    return {"clip": clip, "status": status, "reason": reason, "detail": None} | {
        "actor_frames": frames,
        "boxes_hash": "b" + clip,
    }
