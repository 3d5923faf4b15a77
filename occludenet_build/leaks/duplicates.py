"""Clips in two splits that show the same, from the hashes of their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np

from occludenet_build.config import Leaks
from occludenet_build.core.perceptual_hash import differing_bits
from occludenet_build.leaks.hashes import near

_SLOTS = 1 << 20
"""More than the pictures of any clip."""
_COMMON = 50
"""A hash that more clips share, as of a title card, leads to no pair."""

VIEWS = ((0, 0), (0, 1), (1, 0))
"""What is compared: whole pictures, and the whole of one with the middle of the other."""


@dataclass(frozen=True)
class Clip:
    """The hashed pictures of a clip, ascending slots."""

    name: str
    split: str
    slots: np.ndarray
    """(K,) int64."""
    hashes: np.ndarray
    """(2, K) uint64: of the whole picture, of its middle."""


@dataclass(frozen=True)
class Pair:
    """Two clips that show the same; `shift`: slots in `second` less slots in `first`."""

    first: Clip
    second: Clip
    pictures: int
    share: float
    bits: float
    shift: int
    evidence: float = 0.0
    """Grows with the overlap, and with how alike it is."""


def duplicates(clips: list[Clip], settings: Leaks) -> Iterator[Pair]:
    """The pairs across splits, each once, the clip of the smaller split first."""
    splits = {split: [c for c in clips if c.split == split] for split in {c.split for c in clips}}
    order = sorted(splits, key=lambda split: (len(splits[split]), split))
    for small, large in combinations(order, 2):
        yield from _between(splits[small], splits[large], settings)


def _between(small: list[Clip], large: list[Clip], settings: Leaks) -> Iterator[Pair]:
    """Probe the larger split with one picture a second of the smaller one."""
    filed, probes = _File(large), _File(small).thinned(round(settings.frames_per_second))
    found = [np.zeros(0, np.int64)]
    for view, their_view in VIEWS:
        for mine, theirs in near(filed.hashes[their_view], probes.hashes[view]):
            shift = filed.slots[theirs] - probes.slots[mine] + _SLOTS // 2
            pair = probes.clips[mine] * len(large) + filed.clips[theirs]
            found.append(np.unique(pair * _SLOTS + shift))
    for pair, members in groupby(np.unique(np.concatenate(found)), lambda key: key // _SLOTS):
        shifts = [int(key % _SLOTS) - _SLOTS // 2 for key in members]
        first, second = small[pair // len(large)], large[pair % len(large)]
        best = max((_laid_over(first, second, shift, settings) for shift in shifts), key=_value)
        if _is_same(best, settings):
            yield best


class _File:
    """The pictures of many clips in three arrays."""

    def __init__(self, clips: list[Clip]) -> None:
        none = np.zeros(0, np.int64)
        counts = [len(clip.slots) for clip in clips]
        self.clips = np.repeat(np.arange(len(clips)), counts)
        self.slots = np.concatenate([none, *(clip.slots for clip in clips)])
        nothing = np.zeros((2, 0), np.uint64)
        self.hashes = np.concatenate([nothing, *(clip.hashes for clip in clips)], axis=1)
        self._keep(self._telling())

    def _telling(self) -> np.ndarray:
        """Which pictures (N,) do not show what many clips show."""
        _, which, counts = np.unique(self.hashes[0], return_inverse=True, return_counts=True)
        often = counts[which] > _COMMON
        pairs = np.unique(np.stack([which[often], self.clips[often]], axis=1), axis=0)
        in_clips = np.bincount(pairs[:, 0], minlength=len(counts))
        return in_clips[which] <= _COMMON

    def _keep(self, chosen: np.ndarray) -> None:
        self.clips, self.slots = self.clips[chosen], self.slots[chosen]
        self.hashes = self.hashes[:, chosen]

    def thinned(self, step: int) -> _File:
        """Every `step`-th slot only."""
        if step > 1:
            self._keep(self.slots % step == 0)
        return self


def _laid_over(first: Clip, second: Clip, shift: int, settings: Leaks) -> Pair:
    """How alike two clips are at one shift."""
    _, mine, theirs = np.intersect1d(
        first.slots + shift, second.slots, assume_unique=True, return_indices=True
    )
    if not len(mine):
        return Pair(first, second, 0, 0.0, 64.0, shift)
    bits = min(
        (differing_bits(first.hashes[a, mine], second.hashes[b, theirs]) for a, b in VIEWS),
        key=lambda bits: float(np.mean(bits)),
    )
    same = int(np.count_nonzero(bits <= settings.distance))
    evidence = float(np.clip(1 - bits / 16, 0, 1).sum())
    return Pair(first, second, same, same / len(bits), float(np.median(bits)), shift, evidence)


def _value(pair: Pair) -> tuple[float, int, int]:
    """A still scene is the same at every shift: of these the smallest."""
    return (pair.evidence, -abs(pair.shift), pair.shift)


def _is_same(pair: Pair, settings: Leaks) -> bool:
    shorter = min(len(pair.first.slots), len(pair.second.slots))
    enough = min(settings.min_frames, shorter)
    return pair.pictures >= enough and pair.share >= settings.min_share
