"""Which clip's background each actor gets: the pairs of the action swaps and of scuba-plates.

HAT (Chung et al., NeurIPS 2022, Datasets and Benchmarks) swaps actions with random, close and far
backgrounds, three draws each. Here a background is close or far by the distance of its plate
(variants.plates). The candidates of an actor are the usable clips of other classes, sorted by
distance; `close` draws one of the first variants.near of them, `far` one of the last, `random` one
of all. `same` draws any other clip of the same class, except those of the same YouTube video. A
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
from occludenet_build.release.terms import CLIP_NAME

PLATES_SET = "scuba-plates"
"""Set whose backgrounds are plates of other clips; scufo-plates has the same."""
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
        self._descriptors = np.array([row["descriptor"] for row in self.rows], np.float64)
        self._labels = np.array([row["label"] for row in self.rows])
        self._videos = np.array([video_of(row["clip"]) for row in self.rows])

    def ranked(self, number: int, same: bool) -> tuple[np.ndarray, np.ndarray]:
        """The other clips of a clip, nearest first, int64 (M,), and their distances (M,).

        `same`: those of its class, of other videos; else those of other classes.
        """
        of_class = self._labels == self._labels[number]
        others = of_class & (self._videos != self._videos[number]) if same else ~of_class
        numbers = np.flatnonzero(others)
        apart = self._descriptors[numbers] - self._descriptors[number]
        distances = np.sqrt((apart**2).sum(axis=1))
        order = np.argsort(distances, kind="stable")
        return numbers[order], distances[order]


def video_of(clip: str) -> str:
    """The YouTube id of a clip of Kinetics; the name of any other clip."""
    found = CLIP_NAME.search(clip)
    return found[1] if found else clip


def draw_pairs(rows: Sequence[Row], settings: Variants, seed: int) -> Iterator[Row]:
    """Rows of PAIRS, by clip and set. A clip without a candidate has none.

    `rows`: of PLATES; `seed`: of the build.
    """
    candidates, sets = Candidates(rows), swap_sets(settings)
    same = any(pairing == "same" for pairing, _ in sets.values())
    for number, own in enumerate(candidates.rows if sets else ()):
        ranked = {False: candidates.ranked(number, same=False)}
        if same:
            ranked[True] = candidates.ranked(number, same=True)
        for name, (pairing, draw) in sets.items():
            numbers, distances = ranked[pairing == "same"]
            if len(numbers):
                first, count = _range(pairing, len(numbers), settings.near)
                parts = (own["clip"], "background", pairing, str(draw))
                rank = first + uniform_integer(seed, *parts) % count
                place = {"distance": float(distances[rank]), "rank": rank}
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
