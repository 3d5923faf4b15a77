"""The table of a set: the measurements of all shards joined with the table of clips."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.config import Counterfactual
from occludenet_build.core import tables
from occludenet_build.core.files import short_hash, write_json
from occludenet_build.occlusion.counterfactual import Unerased
from occludenet_build.occlusion.measure import CLIPS
from occludenet_build.occlusion.measure.listing import clips_of
from occludenet_build.occlusion.measure.one_clip import NOT_MEASURABLE
from occludenet_build.release.terms import SPLITS, class_order, label_ids

Row = dict[str, Any]

_MEASURED = ("degree", "area_ratio", "actor_hidden", "hidden_error")
_COPIED = ("occluder", "category", "frames", "occluded_frames", "unknown_frames", "people")


@dataclass(frozen=True)
class SetTables:
    """The tables of a set."""

    clips: Path
    """Of the stage that cut the clips."""
    index: Path
    shards: list[Path]
    """The manifests of the shards."""


def write_set(given: SetTables, name: str, erase: Counterfactual, out: Path) -> None:
    """Write clips.parquet and labels.json of a set; erase: how train erases the actor.

    Raises UserError where the set has no clips.
    """
    clips = clips_of(given.clips, name)
    measured = (row for path in given.shards for row in tables.read_rows(path))
    found = {row["clip"]: row for row in (*tables.read_rows(given.index), *measured)}
    labels = label_ids(row["label"] for row in clips)
    kept = [row for row in clips if _is_usable(found.get(row["clip"]))]
    rows = [_row(row, found[row["clip"]], labels, erase) for row in kept]
    rows.sort(key=lambda r: (SPLITS.index(r["split"]), class_order(r["label"]), r["clip"]))
    write_json(out.parent / "labels.json", labels)
    tables.write_table(tables.from_rows(rows, CLIPS), out)
    done = sum(row.get("reason") is None for row in rows)
    logging.info(
        "set %s: %d clips, %d measured, %d occluded; %d left out, which do not decode",
        *(name, len(rows), done, sum(bool(r.get("occluded_frames")) for r in rows)),
        len(clips) - len(rows),
    )


def _is_usable(found: Row | None) -> bool:
    """Whether the file is whole; found: its row in a shard, else in the index."""
    return found is not None and (found["status"] == "ok" or found["reason"] in NOT_MEASURABLE)


def _row(clip: Row, found: Row, labels: Mapping[str, int], erase: Counterfactual) -> Row:
    common = {name: clip[name] for name in ("clip", "set", "split", "label", "file", "file_hash")}
    common |= {name: clip[name] for name in ("fps", "duration_seconds", "frames")}
    common |= {"label_id": labels[clip["label"]], "scale": float("nan"), "source": "measured"}
    if found["status"] != "ok":
        return common | {"reason": found["reason"], "detail": found["detail"]}
    known = 2 * found["unknown_frames"] <= found["actor_frames"]
    measures = {name: found[name] if known else None for name in _MEASURED}
    frames, fps = found["frames"], clip["fps"]
    return (
        common
        | {name: found[name] for name in _COPIED}
        | measures
        | {
            "occlusion_seconds": found["occluded_frames"] / fps if known and fps else None,
            "duration_ratio": found["occluded_frames"] / frames if known else None,
            "counterfactual_hash": _erased_at_load(clip, found, erase),
        }
    )


def _erased_at_load(clip: Row, found: Row, erase: Counterfactual) -> str | None:
    """`load:` and a key of masks and fill, as annotate gives it to clean twins; None if the actor
    cannot be erased."""
    unerased = Unerased(found["unerased_frames"], found["shown_frames"])
    # The median fill needs all frames of a clip; the training loader reads only some of them.
    refused = erase.fill == "median" or clip["split"] not in erase.splits
    if refused or unerased.refusal(erase.max_unerased):
        return None
    how = dataclasses.asdict(erase)
    del how["max_unerased"]
    text = " ".join(f"{name}={value}" for name, value in sorted(how.items()))
    return f"load:measured:{short_hash(found['key'], found['masks_hash'], text)}"
