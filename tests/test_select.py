"""index and select: who is a candidate, who is chosen, and that no one moves another."""

from __future__ import annotations

import argparse
from collections import Counter

import pytest

from occludenet_build import config as cfg
from occludenet_build import index, select
from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import UserError


def indexed(clips, config):
    """Index rows as the room index leaves them, for clips (name, split, label)."""
    rows = [
        {"clip": c, "split": s, "label": la, "status": "ok", "path": f"/v/{c}", "sha256": c}
        | {"frames": 50, "width": 64, "height": 64, "fps": 25.0, "duration_seconds": 2.0}
        for c, s, la in clips
    ]
    index._draw(rows, config)
    return rows


def bank(categories=("dog", "backpack"), each=3):
    return [
        {"occluder": f"{c}{s}{n}.png", "category": c, "status": "ok", "split": s}
        | {"file": f"png/{c}/{n}.png", "sha256": f"{c}{s}{n}"}
        for c in categories
        for s in ("train", "val", "test")
        for n in range(each)
    ]


def choose(tmp_path, rows, occluders, config, actors=None):
    """Run the room on plain tables; actors: clip -> frames with an actor (default 40)."""
    columns = ("clip", "status", "reason", "detail", "actor_frames", "boxes_hash")
    import pyarrow as pa

    found = [{"clip": r["clip"], "actor_frames": (actors or {}).get(r["clip"], 40)} for r in rows]
    for row in found:
        row["status"] = "ok" if row["actor_frames"] else "skipped"
        row["reason"] = None if row["actor_frames"] else "no_actor"
        row["boxes_hash"], row["detail"] = "b" + row["clip"], None
    schema = index.INDEX
    full = [{name: r.get(name) for name in schema.names} for r in rows]
    tables.write(tables.from_rows(full, schema), tmp_path / "videos.parquet")
    kinds = {"actor_frames": pa.int32()}
    manifest = pa.schema([(c, kinds.get(c, pa.string())) for c in columns])
    tables.write(tables.from_rows(found, manifest), tmp_path / "000.parquet")
    names = list(occluders[0]) if occluders else ["occluder", "category", "status", "split"]
    tables.write(
        tables.from_rows(occluders, pa.schema([(n, pa.string()) for n in names])),
        tmp_path / "occluders.parquet",
    )
    args = argparse.Namespace(
        index=tmp_path / "videos.parquet",
        detect=[tmp_path / "000.parquet"],
        occluders=tmp_path / "occluders.parquet",
        out=tmp_path / "clips.parquet",
    )
    select._work(args, config)
    return {row["clip"]: row for row in tables.read_rows(args.out)}


CLIPS = [(f"c{n}", ("train", "val", "test")[n % 3], f"class{n % 2}") for n in range(240)]
SMALL = cfg.load_part({"select": {"shards": 4, "quota": {"train": 8, "val": 3, "test": 4}}})


def test_quotas_are_shared_by_the_types(tmp_path):
    rows = choose(tmp_path, indexed(CLIPS, SMALL), bank(), SMALL)
    chosen = [r for r in rows.values() if r["status"] == "ok"]
    cells = Counter((r["split"], r["label"], r["category"]) for r in chosen)
    assert max(n for (s, *_), n in cells.items() if s == "train") == 4
    assert max(n for (s, *_), n in cells.items() if s == "val") == 2  # 3 over 2 types
    assert {r["reason"] for r in rows.values()} == {None, "quota"}


def test_candidates_are_bounded_by_the_quota():
    rows = indexed(CLIPS, SMALL)
    counts = Counter((r["split"], r["label"]) for r in rows if r["candidate"])
    assert set(counts.values()) == {16, 6, 8}


def test_a_clip_without_an_actor_is_replaced_and_never_chosen(tmp_path):
    rows = indexed(CLIPS, SMALL)
    first = choose(tmp_path, rows, bank(), SMALL)
    victim = next(c for c, r in first.items() if r["status"] == "ok" and r["split"] == "train")
    second = choose(tmp_path, rows, bank(), SMALL, {victim: 0})
    assert second[victim]["reason"] == "no_actor"
    gained = [c for c, r in second.items() if r["status"] == "ok" and first[c]["status"] != "ok"]
    assert len(gained) == 1
    assert second[gained[0]]["category"] == first[victim]["category"]


def test_too_few_actor_frames(tmp_path):
    config = cfg.load_part({"select": {"min_actor_share": 0.5}})
    rows = choose(tmp_path, indexed(CLIPS[:9], config), bank(), config, {"c0": 24, "c1": 25})
    assert rows["c0"]["reason"] == "too_few_actor_frames"
    assert rows["c1"]["status"] == "ok"


def test_another_video_moves_nobody_while_quotas_are_open(tmp_path):
    config = cfg.load_part({})
    before = choose(tmp_path, indexed(CLIPS[:30], config), bank(), config)
    shards = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "shards").iterdir()}
    after = choose(
        tmp_path, indexed([*CLIPS[:30], ("new", "train", "class0")], config), bank(), config
    )
    assert {c: after[c] for c in before} == before
    rewritten = {
        p.stem for p in (tmp_path / "shards").iterdir() if p.stat().st_mtime_ns != shards[p.name]
    }
    assert rewritten == {seeds.shard_of("new", config.select.shards)}


def test_occluders_stay_in_their_split(tmp_path):
    rows = choose(tmp_path, indexed(CLIPS, SMALL), bank(), SMALL)
    for row in rows.values():
        if row["status"] == "ok":
            assert row["split"] in row["occluder"]


def test_a_split_without_occluders_is_said(tmp_path):
    only_train = [row for row in bank() if row["split"] == "train"]
    rows = choose(tmp_path, indexed(CLIPS, SMALL), only_train, SMALL)
    assert {r["reason"] for r in rows.values() if r["split"] == "test"} == {"no_occluder"}


def test_nothing_to_choose_is_one_clear_error(tmp_path):
    rows = indexed(CLIPS[:6], SMALL)
    with pytest.raises(UserError, match="wanted at least one clip with an actor"):
        choose(tmp_path, rows, bank(), SMALL, {row["clip"]: 0 for row in rows})


def test_the_same_bytes_in_two_files_are_used_once():
    rows = [{"clip": name, "status": "ok", "sha256": "same"} for name in ("b", "a")]
    index._mark_duplicates(rows)
    assert [(r["clip"], r["status"]) for r in rows] == [("b", "skipped"), ("a", "ok")]
