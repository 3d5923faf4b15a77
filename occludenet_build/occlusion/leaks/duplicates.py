"""Near-duplicate clips in two splits, from the hashes of their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np

from occludenet_build.config.occlusion import Leaks
from occludenet_build.media.imaging.perceptual_hash import differing_bits
from occludenet_build.occlusion.leaks.hashes import near_pairs

_SLOTS = 1 << 20
"""Upper limit of the number of pictures of a clip."""
_COMMON = 50
"""A hash in more clips than this, such as that of a title card, gives no candidate pairs."""

VIEWS = ((0, 0), (0, 1), (1, 0))
"""Compared hashes (0: whole picture, 1: its middle): whole with whole, and whole with middle."""


@dataclass(frozen=True)
class HashedClip:
    """The hashed pictures of a clip, in ascending order of slots."""

    name: str
    split: str
    slots: np.ndarray
    """int64 (K,): picture number; see leaks.HASHES."""
    hashes: np.ndarray
    """uint64 (2, K): hashes of the whole pictures and of their middles."""


@dataclass(frozen=True)
class DuplicatePair:
    """Two clips compared at one shift: slots in `second` less slots in `first`."""

    first: HashedClip
    second: HashedClip
    pictures: int
    """Number of equal pictures."""
    share: float
    """Equal pictures, share of the overlap."""
    bits: float
    """Differing bits, median over the overlap."""
    shift: int
    evidence: float = 0.0
    """Increases with the overlap and with its similarity."""


def find_duplicates(clips: list[HashedClip], settings: Leaks) -> Iterator[DuplicatePair]:
    """The near-duplicate pairs across splits, each once, the clip of the smaller split first."""
    splits = {split: [c for c in clips if c.split == split] for split in {c.split for c in clips}}
    order = sorted(splits, key=lambda split: (len(splits[split]), split))
    for small, large in combinations(order, 2):
        yield from _pairs_between(splits[small], splits[large], settings)


def _pairs_between(
    small: list[HashedClip], large: list[HashedClip], settings: Leaks
) -> Iterator[DuplicatePair]:
    """Look up one picture per second of the smaller split in an index of the larger one."""
    index, probes = (
        _PictureIndex(large),
        _PictureIndex(small).thinned(round(settings.frames_per_second)),
    )
    candidates = [np.zeros(0, np.int64)]
    for probe_view, index_view in VIEWS:
        for probe, entry in near_pairs(index.hashes[index_view], probes.hashes[probe_view]):
            shift = index.slots[entry] - probes.slots[probe] + _SLOTS // 2
            pair = probes.clips[probe] * len(large) + index.clips[entry]
            candidates.append(np.unique(pair * _SLOTS + shift))
    for pair, members in groupby(np.unique(np.concatenate(candidates)), lambda key: key // _SLOTS):
        shifts = [int(key % _SLOTS) - _SLOTS // 2 for key in members]
        first, second = small[pair // len(large)], large[pair % len(large)]
        best = max(
            (_compare_at(first, second, shift, settings) for shift in shifts), key=_by_evidence
        )
        if _is_same(best, settings):
            yield best


class _PictureIndex:
    """The pictures of many clips in three arrays: clip number, slot and hashes."""

    def __init__(self, clips: list[HashedClip]) -> None:
        no_slots = np.zeros(0, np.int64)
        counts = [len(clip.slots) for clip in clips]
        self.clips = np.repeat(np.arange(len(clips)), counts)
        self.slots = np.concatenate([no_slots, *(clip.slots for clip in clips)])
        no_hashes = np.zeros((2, 0), np.uint64)
        self.hashes = np.concatenate([no_hashes, *(clip.hashes for clip in clips)], axis=1)
        self._keep(self._distinctive())

    def _distinctive(self) -> np.ndarray:
        """Which pictures have a hash that at most _COMMON clips share, bool (N,)."""
        _, which, counts = np.unique(self.hashes[0], return_inverse=True, return_counts=True)
        often = counts[which] > _COMMON
        pairs = np.unique(np.stack([which[often], self.clips[often]], axis=1), axis=0)
        in_clips = np.bincount(pairs[:, 0], minlength=len(counts))
        return in_clips[which] <= _COMMON

    def _keep(self, chosen: np.ndarray) -> None:
        self.clips, self.slots = self.clips[chosen], self.slots[chosen]
        self.hashes = self.hashes[:, chosen]

    def thinned(self, step: int) -> _PictureIndex:
        """Keep every `step`-th slot only; returns the index itself."""
        if step > 1:
            self._keep(self.slots % step == 0)
        return self


def _compare_at(
    first: HashedClip, second: HashedClip, shift: int, settings: Leaks
) -> DuplicatePair:
    """Compare two clips at one shift."""
    _, in_first, in_second = np.intersect1d(
        first.slots + shift, second.slots, assume_unique=True, return_indices=True
    )
    if not len(in_first):
        return DuplicatePair(first, second, 0, 0.0, 64.0, shift)
    bits = min(
        (differing_bits(first.hashes[a, in_first], second.hashes[b, in_second]) for a, b in VIEWS),
        key=lambda bits: float(np.mean(bits)),
    )
    same = int(np.count_nonzero(bits <= settings.distance))
    evidence = float(np.clip(1 - bits / 16, 0, 1).sum())
    return DuplicatePair(
        first, second, same, same / len(bits), float(np.median(bits)), shift, evidence
    )


def _by_evidence(pair: DuplicatePair) -> tuple[float, int, int]:
    """Sort key: evidence, then the smallest shift, as a static scene is equal at all shifts."""
    return (pair.evidence, -abs(pair.shift), pair.shift)


def _is_same(pair: DuplicatePair, settings: Leaks) -> bool:
    shorter = min(len(pair.first.slots), len(pair.second.slots))
    enough = min(settings.min_frames, shorter)
    return pair.pictures >= enough and pair.share >= settings.min_share
