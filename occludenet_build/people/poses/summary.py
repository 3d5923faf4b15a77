"""What the occluders cost: joints of the actor that are found on clean and on occluded clips.

A joint that is found on the clean twin has a known place there, and the occluder's mask says
whether that place is under it. So the loss is told apart: joints that the occluder covers, and
joints beside it, which a network loses because of the rest. A found joint need not be right:
`moved` counts those that are found away from where the clean twin has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from occludenet_build.core import tables
from occludenet_build.core.build import StageRows, detail_file
from occludenet_build.core.files import csv_text
from occludenet_build.core.poses import JOINT_COUNT, ClipPoses
from occludenet_build.media.imaging import skeletons
from occludenet_build.people.poses import SUMMARY
from occludenet_build.release.terms import CLEAN

PLACES = ("all", "under", "beside")
_FAR = 0.1
"""Distance from which a joint counts as moved, in heights of the person."""


def _zeros() -> np.ndarray:
    return np.zeros(JOINT_COUNT, np.int64)


@dataclass
class Counts:
    """Counts of one set and place; arrays are int64 (18,), by joint."""

    clips: int = 0
    rows: int = 0
    joints: np.ndarray = field(default_factory=_zeros)
    found: np.ndarray = field(default_factory=_zeros)
    clean_found: np.ndarray = field(default_factory=_zeros)
    on_both: np.ndarray = field(default_factory=_zeros)
    """Joints that are found on the clean twin and on the set's clip."""
    moved: np.ndarray = field(default_factory=_zeros)

    def add(self, among: np.ndarray, found: np.ndarray, clean: np.ndarray, far: np.ndarray) -> None:
        """Add the N boxes of one clip; all arrays are bool (N, 18).

        among: the joints that count; found, clean: found on the clip, on the clean twin; far: its
        place differs.
        """
        self.clips += 1
        self.rows += len(among)
        both = among & found & clean
        for name, what in (
            ("joints", among),
            ("found", among & found),
            ("clean_found", among & clean),
            ("on_both", both),
            ("moved", both & far),
        ):
            getattr(self, name).__iadd__(what.sum(axis=0))


SetCounts = dict[tuple[str, str], Counts]
"""(set, place) -> counts."""


def count(manifests: Iterable[Path], least: float) -> SetCounts:
    """The counts over all clips of the manifests; `least`: score from which a joint is found.

    Clips without a clean twin do not count. Raises UserError for a damaged table.
    """
    counts: SetCounts = defaultdict(Counts)
    for manifest in manifests:
        rows = [row for row in tables.read_rows(manifest) if row["status"] == "ok"]
        detail = StageRows(detail_file(manifest))
        for row in rows:
            if CLEAN in row["sets"] and row["actor_rows"]:
                table = detail.read(row["clip"])
                actors = {name: ClipPoses.of(table, name).actor for name in row["sets"]}
                _count_clip(counts, actors, least)
        detail.close()
    return dict(counts)


def _count_clip(counts: SetCounts, actors: dict[str, ClipPoses], least: float) -> None:
    """Add one clip; `actors`: set -> the same boxes of the actor, in the same order."""
    clean = actors[CLEAN]
    on_clean = _is_found(clean, least)
    for name, poses in actors.items():
        found, far = _is_found(poses, least), _is_far(clean.joints, poses.joints)
        everywhere = np.ones_like(found)
        counts[name, "all"].add(everywhere, found, on_clean, far)
        if name != CLEAN:
            counts[name, "under"].add(on_clean & poses.is_under, found, on_clean, far)
            counts[name, "beside"].add(on_clean & ~poses.is_under, found, on_clean, far)


def _is_found(poses: ClipPoses, least: float) -> np.ndarray:
    scores = poses.joints[..., 2]
    return (scores >= least) & (scores > 0)


def _is_far(clean: np.ndarray, other: np.ndarray) -> np.ndarray:
    """bool (N, 18): whether joints float32 (N, 18, 3) lie apart, by the person's height."""
    boxes = skeletons.boxes_of(clean)
    size = np.maximum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0])[:, None]
    apart = np.hypot(*np.moveaxis(clean[..., :2] - other[..., :2], -1, 0))
    return apart > _FAR * size


def _ordered(counts: SetCounts) -> Iterator[tuple[str, str, Counts]]:
    """Clean first, then the sets by size; the places in the order of PLACES."""
    names = sorted({name for name, _ in counts}, key=lambda name: (name != CLEAN, _size(name)))
    for name in names:
        for place in PLACES:
            if (name, place) in counts:
                yield name, place, counts[name, place]


def _size(name: str) -> float:
    return 0.0 if name == CLEAN else float(name.removeprefix("D-"))


def csv_of(counts: SetCounts) -> str:
    """The text of summary.csv: a row per set, place and joint, after one for all joints."""
    rows = []
    for name, place, these in _ordered(counts):
        for joint in ("all", *skeletons.JOINTS):
            picked = slice(None) if joint == "all" else skeletons.JOINTS.index(joint)
            rows.append([name, place, joint, these.clips, these.rows, *_values(these, picked)])
    return csv_text(SUMMARY, rows)


def _values(these: Counts, picked: slice | int) -> list[str | int]:
    """Columns joints to moved, of one joint or of all."""
    joints, found, clean, both, moved = (
        int(np.sum(getattr(these, name)[picked]))
        for name in ("joints", "found", "clean_found", "on_both", "moved")
    )
    share, clean_share = _share(found, joints), _share(clean, joints)
    gap = None if share is None or clean_share is None else clean_share - share
    shares = [share, clean_share, gap, _share(moved, both)]
    return [joints, found, *("" if value is None else f"{value:.4f}" for value in shares)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def lines(counts: SetCounts) -> Iterator[str]:
    """A line per set and place, for the log."""
    for name, place, these in _ordered(counts):
        joints, found, share, clean, *_ = _values(these, slice(None))
        yield (
            f"{name}, {place}: {found} of {joints} joints found ({share or '-'}; clean "
            f"{clean or '-'}), {these.rows} boxes of the actor in {these.clips} clips"
        )
