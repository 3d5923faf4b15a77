"""What the checks found, as rows of FINDINGS, and the summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from occludenet_build.config import Leaks
from occludenet_build.leaks.duplicates import Pair
from occludenet_build.leaks.lists import Listed, is_leak, joined
from occludenet_build.release.terms import SPLITS

Row = dict[str, Any]


def same_videos(clips: list[Row]) -> Iterator[Row]:
    """A row per pair of clips of one YouTube video in two splits."""
    videos: dict[str, list[Row]] = defaultdict(list)
    for clip in clips:
        if clip["youtube_id"]:
            videos[clip["youtube_id"]].append(clip)
    for youtube_id, members in sorted(videos.items()):
        for one, other in product(members, members):
            if _place(one) < _place(other):
                detail = f"both are cut from {youtube_id}"
                yield _row("same_youtube_id", one, other, detail) | {"youtube_id": youtube_id}


def _place(clip: Row) -> int:
    return SPLITS.index(clip["split"])


def near_duplicates(pairs: Iterable[Pair], clips: list[Row], settings: Leaks) -> Iterator[Row]:
    known = {clip["clip"]: clip for clip in clips}
    for pair in pairs:
        one, other = known[pair.first.name], known[pair.second.name]
        shift = pair.shift / settings.frames_per_second
        if _place(one) > _place(other):
            one, other, shift = other, one, -shift
        detail = f"{pair.pictures} pictures, {100 * pair.share:.0f} % of the overlap"
        yield _row("near_duplicate", one, other, detail) | {
            "youtube_id": one["youtube_id"],
            "pictures": pair.pictures,
            "share": pair.share,
            "bits": pair.bits,
            "shift_seconds": shift + 0.0,
        }


def in_list(clips: list[Row], listed: Listed) -> Iterator[Row]:
    for clip, list_split, same in joined(clips, listed):
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


def summary(clips: list[Row], rows: list[Row], notes: list[str]) -> dict[str, Any]:
    """Clips per split and status; per check and pair of splits, the pairs and the clips in them."""
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


def in_words(summary: dict[str, Any]) -> list[str]:
    """The summary for the log."""
    lines = []
    for check in ("same_youtube_id", "near_duplicate"):
        found = [f"{splits} {n['pairs']} pairs" for splits, n in summary[check].items()]
        lines.append(f"{check}: {', '.join(found) or 'none'}")
    return [*lines, *summary["lists"]]
