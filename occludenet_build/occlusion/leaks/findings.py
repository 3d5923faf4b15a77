"""Rows of FINDINGS for each check, and the summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from occludenet_build.config.occlusion import Leaks
from occludenet_build.occlusion.leaks.duplicates import DuplicatePair
from occludenet_build.occlusion.leaks.lists import DatasetList, clips_in_list, is_leak
from occludenet_build.release.terms import SPLITS

Row = dict[str, Any]


def same_video_rows(clips: list[Row]) -> Iterator[Row]:
    """A row per pair of clips of one YouTube video in two splits."""
    videos: dict[str, list[Row]] = defaultdict(list)
    for clip in clips:
        if clip["youtube_id"]:
            videos[clip["youtube_id"]].append(clip)
    for youtube_id, members in sorted(videos.items()):
        for one, other in product(members, members):
            if _split_rank(one) < _split_rank(other):
                detail = f"both are cut from {youtube_id}"
                yield _row("same_youtube_id", one, other, detail) | {"youtube_id": youtube_id}


def _split_rank(clip: Row) -> int:
    return SPLITS.index(clip["split"])


def near_duplicate_rows(
    pairs: Iterable[DuplicatePair], clips: list[Row], settings: Leaks
) -> Iterator[Row]:
    """A row per near-duplicate pair."""
    by_name = {clip["clip"]: clip for clip in clips}
    for pair in pairs:
        one, other = by_name[pair.first.name], by_name[pair.second.name]
        shift = pair.shift / settings.frames_per_second
        if _split_rank(one) > _split_rank(other):
            one, other, shift = other, one, -shift
        detail = f"{pair.pictures} pictures, {100 * pair.share:.0f} % of the overlap"
        yield _row("near_duplicate", one, other, detail) | {
            "youtube_id": one["youtube_id"],
            "pictures": pair.pictures,
            "share": pair.share,
            "bits": pair.bits,
            "shift_seconds": shift + 0.0,
        }


def in_list_rows(clips: list[Row], listed: DatasetList) -> Iterator[Row]:
    """A row per clip whose YouTube video leaks from or into a list."""
    for clip, list_split, same in clips_in_list(clips, listed):
        if is_leak(clip["split"], list_split):
            what = "the same segment" if same else "another segment of the video"
            yield {
                "check": "in_list",
                "clip": clip["clip"],
                "split": clip["split"],
                "label": clip["label"],
                "other": listed.name,
                "other_split": list_split,
                "youtube_id": clip["youtube_id"],
                "detail": what,
            }


def _row(check: str, one: Row, other: Row, detail: str) -> Row:
    return {
        "check": check,
        "clip": one["clip"],
        "split": one["split"],
        "label": one["label"],
        "other": other["clip"],
        "other_split": other["split"],
        "other_label": other["label"],
        "detail": detail,
    }


def leak_summary(clips: list[Row], rows: list[Row], notes: list[str]) -> dict[str, Any]:
    """The content of summary.json: clips by split and by reason; pairs by check and splits."""
    checks: dict[str, Any] = {"same_youtube_id": {}, "near_duplicate": {}}
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["check"] in checks:
            groups[row["check"], f"{row['split']}-{row['other_split']}"].append(row)
    for (check, splits), members in sorted(groups.items()):
        found = {name for row in members for name in (row["clip"], row["other"])}
        checks[check][splits] = {"pairs": len(members), "clips": len(found)}
    return {
        "clips": dict(sorted(Counter(clip["split"] for clip in clips).items())),
        "not_compared": dict(sorted(Counter(c["reason"] for c in clips if c["reason"]).items())),
        "without_youtube_id": sum(clip["youtube_id"] is None for clip in clips),
        **checks,
        "in_list": sum(row["check"] == "in_list" for row in rows),
        "lists": notes,
    }


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary as lines of the log."""
    lines = []
    for check in ("same_youtube_id", "near_duplicate"):
        found = [f"{splits} {n['pairs']} pairs" for splits, n in summary[check].items()]
        lines.append(f"{check}: {', '.join(found) or 'none'}")
    return [*lines, *summary["lists"]]
