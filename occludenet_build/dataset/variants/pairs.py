"""Which clip's background each actor gets: the pairs of the action swaps and of scuba-plates.

HAT (Chung et al., NeurIPS 2022, Datasets and Benchmarks) swaps actions with random, close and far
backgrounds, three draws each. Here a background is close or far by the distance of its plate
(variants.plates). The candidates of an actor are the usable clips of other classes, sorted by
distance; `close` draws one of the first variants.near of them, `far` one of the last, `random` one
of all. `same` draws any other clip of the same class. No pairing draws a clip of the actor's own
group (release.groups): another clip of the same video, or another view, has the same scenery. A
draw is a function of the build's seed, the set's seed, the actor's clip and the number of
candidates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from occludenet_build.config.variants import Variants
from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.release.groups import derived_group

PLATES_SET = "scuba-plates"
"""Set whose backgrounds are plates of other clips; scufo-plates has the same."""
_STEPS = 10_000
"""Steps of a descriptor's value: it is rounded to four digits (variants.plates)."""
_BLOCK = 256
"""Clips whose distances are computed at a time: with 20,000 clips, two arrays of 41 MB."""
Row = dict[str, Any]


def swap_sets(settings: Variants) -> dict[str, tuple[str, int]]:
    """Name of each set with pairs -> (pairing, seed), as the settings ask for them."""
    named: dict[str, tuple[str, int]] = {}
    if "swap" in settings.sets:
        for pairing in settings.pairs:
            named |= {f"swap-{pairing}-{seed}": (pairing, seed) for seed in settings.seeds}
    if {"scuba", "scufo"} & set(settings.sets):
        named[PLATES_SET] = ("random", 0)
    return named


class Candidates:
    """The N usable clips, in the order of their names."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """`rows`: of PLATES; those that are not ok are left out."""
        self.rows = sorted((row for row in rows if row["status"] == "ok"), key=lambda r: r["clip"])
        # whole numbers, whose products are exact in float64: in whatever order a library adds them
        # up, distances and ranks are the same on all machines
        described = np.array([row["descriptor"] for row in self.rows], np.float64)
        self._steps = np.round(described * _STEPS)
        self._labels = np.unique([row["label"] for row in self.rows], return_inverse=True)[1]
        groups = [derived_group(row["clip"]) for row in self.rows]
        self._groups = np.unique(groups, return_inverse=True)[1]

    def distances(self) -> Iterator[np.ndarray]:
        """The distances of each clip from all clips, float64 (N,), clip by clip.

        They are computed for _BLOCK clips at a time, so memory grows with N.
        """
        squares = (self._steps**2).sum(axis=-1)
        for start in range(0, len(self.rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            products = self._steps[block] @ self._steps.T
            yield from np.sqrt(squares[block, None] + squares - 2 * products) / _STEPS

    def ranked(self, number: int, distances: np.ndarray, same: bool) -> np.ndarray:
        """The candidates of a clip, nearest first, int64 (M,): never clips of its own group.

        `distances` float64 (N,): from the clip; `same`: those of its class; else of other classes.
        """
        of_class = self._labels == self._labels[number]
        others = (of_class if same else ~of_class) & (self._groups != self._groups[number])
        numbers = np.flatnonzero(others)
        return numbers[np.argsort(distances[numbers], kind="stable")]


def draw_pairs(rows: Sequence[Row], settings: Variants, seed: int) -> Iterator[Row]:
    """Rows of PAIRS, by clip and set. A clip without a candidate has none.

    `rows`: of PLATES; `seed`: of the build.
    """
    candidates, sets = Candidates(rows), swap_sets(settings)
    kinds = {pairing == "same" for pairing, _ in sets.values()}
    for number, distances in enumerate(candidates.distances() if sets else ()):
        own = candidates.rows[number]
        ranked = {same: candidates.ranked(number, distances, same) for same in kinds}
        for name, (pairing, draw) in sets.items():
            numbers = ranked[pairing == "same"]
            if len(numbers):
                first, count = _range(pairing, len(numbers), settings.near)
                parts = (own["clip"], "background", pairing, str(draw))
                rank = first + uniform_integer(seed, *parts) % count
                place = {"distance": float(distances[numbers[rank]]), "rank": rank}
                other = candidates.rows[numbers[rank]]
                yield _row(name, own, other) | place | {"candidates": len(numbers)}


def _range(pairing: str, candidates: int, near: float) -> tuple[int, int]:
    """First rank from which a pairing draws, and from how many ranks."""
    few = max(1, math.ceil(near * candidates))
    return {"close": (0, few), "far": (candidates - few, few)}.get(pairing, (0, candidates))


def _row(name: str, own: Row, other: Row) -> Row:
    return {
        "set": name,
        "clip": own["clip"],
        "label": own["label"],
        "background": other["clip"],
        "background_label": other["label"],
        "background_shard": other["shard"],
        "background_key": other["key"],
    }


def pairs_csv(rows: Sequence[Row]) -> str:
    """The text of pairs.csv: the pairs for people, without shards and keys."""
    names = ["set", "clip", "label", "background", "background_label"]
    numbers = ["distance", "rank", "candidates"]
    lines = ([*(row[n] for n in names), *(f"{row[n]:.6g}" for n in numbers)] for row in rows)
    return csv_text([*names, *numbers], lines)
