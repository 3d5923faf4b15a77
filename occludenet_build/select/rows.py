"""What both assignments share: a clip's row, its actor, its occluders, the bank."""

from __future__ import annotations

from typing import Any

from occludenet_build.config import Select
from occludenet_build.core import seeds

Row = dict[str, Any]

_FROM_INDEX = (
    "path", "sha256", "label", "split", "frames", "width", "height", "fps", "duration_seconds",
    "pts_hash",
)  # fmt: skip


def skipped(video: Row, reason: str | None = None, detail: str | None = None) -> Row:
    """The row of a video that is not chosen (yet)."""
    row = {"clip": video["clip"], "status": "skipped", "reason": reason, "detail": detail}
    row |= {name: video[name] for name in _FROM_INDEX}
    return row | occluders([])


def actor_problem(video: Row, found: Row, settings: Select) -> Row | None:
    """Why detect's row does not do: reason and detail; None where it does."""
    if found["status"] != "ok":
        return {"reason": found["reason"], "detail": found["detail"]}
    wanted = max(settings.min_actor_frames, settings.min_actor_share * video["frames"])
    if found["actor_frames"] < wanted:
        detail = f"{found['actor_frames']} of {video['frames']} frames, wanted {wanted:g}"
        return {"reason": "too_few_actor_frames", "detail": detail}
    return None


def place(clip: str, found: Row, settings: Select) -> Row:
    """What a chosen clip has besides its occluders."""
    return {
        "status": "ok",
        "shard": seeds.shard_of(clip, settings.shards),
        "detect_shard": found["shard"],
        "boxes_hash": found["boxes_hash"],
    }


def occluders(cutouts: list[Row]) -> Row:
    """The columns of a clip's cut-outs, rows of the bank: the first, and the others as lists."""
    first = cutouts[0] if cutouts else dict.fromkeys(("occluder", "file", "sha256"))
    return {
        "occluder": first["occluder"],
        "occluder_file": first["file"],
        "occluder_sha256": first["sha256"],
        "other_occluders": [row["occluder"] for row in cutouts[1:]],
        "other_files": [row["file"] for row in cutouts[1:]],
        "other_sha256": [row["sha256"] for row in cutouts[1:]],
    }
