"""Figures of background bias: what networks say of the derived test sets of the stage variants.

    accuracy   share of the clips that are recognised, on the usual sets beside the derived ones
    BOAcc      on background: the actor is erased; what the scene alone tells
    HOAcc      on human: the background is one colour
    SHAcc      on action swaps: the class of the actor is predicted
    SBErr      on action swaps: the class of the background's clip is predicted. `same` has none
    SCUBA      before stripes, plates, pictures; SCUFO: on one frame of these clips, repeated
    Contrast   share of the clips that are recognised moving (SCUBA) and not still (SCUFO)
    ring       on the ring around the actor alone; ring-flat: on that ring painted black
    ring-pixels  ring less ring-flat: what the pixels of the ring tell beyond its outline
    refitted   on ring, ring-flat, background and human: a linear read-out of the network's logits
               that is fitted on such clips (results.report.read_out)
    greyed     on occluded clips whose occluder is painted over; greyed-gain: less the same clips
               with the occluder

BOAcc, HOAcc, SHAcc and SBErr are those of HAT (Chung et al., NeurIPS 2022), Contrast is the
contrasted accuracy of Li et al. (ICCV 2023). SHAcc and SBErr of a pairing are means over its draws.
`refitted` is not for models that chose among a few options: the options hold the class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    SHARES,
    Accuracy,
    bootstrap_mean,
)
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.prediction_table import Predictions
from occludenet_build.release.terms import CLEAN, ungreyed_set
from occludenet_build.results.report.facts import ReportBuild
from occludenet_build.results.report.read_out import read_out

_SWAP = re.compile(r"swap-([a-z]+)-(\d+)")
Answers = dict[str, pd.DataFrame]
"""Set -> its rows: clip, label, predicted, top1, logits, group, background_label."""


@dataclass(frozen=True)
class BiasFigure:
    """One figure of one training, or of one model of another program."""

    arm: str
    seed: int
    measure: str
    set: str
    """The set, the pairing (random, close, far, same), or what is behind the actor."""
    value: float
    """Share of the answers, 0 to 1, or a difference of two shares, -1 to 1."""
    low: float
    """Low end of its 95 % interval: Wilson for a share of clips, else a bootstrap over groups of
    clips (recognition.groups)."""
    high: float
    n: int
    """Answers: clips of all draws."""
    clips: int
    """Source clips."""
    chance: float | None
    """1 / number of the classes, or of the options, that the network chose among; of refitted,
    of the classes of the clips. None for differences and errors."""
    groups: int
    """Groups of clips that are not independent."""
    group_low: float | None = None
    """Low end of the bootstrap interval of a share that draws groups; None where each clip is one,
    and where low and high draw groups."""
    group_high: float | None = None


def bias_figures(build: ReportBuild, seed: int) -> list[BiasFigure]:
    """The figures of all trainings of a build, and of the models of predictions.dumps.

    Empty without derived sets. `seed`: of the build.
    """
    made = build.dataframe("variants")
    if made is None or made.empty:
        return []
    derived = build.derived_sets()
    behind = made[["set", "source", "background_label"]].rename(columns={"source": "clip"})
    found: list[BiasFigure] = []
    for (arm, number), predicted in _models(build).items():
        rows = predicted.rows.merge(behind, on=["set", "clip"], how="left")
        rows["group"] = groups_of(rows)
        answers = {str(name): part for name, part in rows.groupby("set")}
        if set(answers) & derived:
            about = predicted.about
            training = _Training(arm, number, about.options, len(about.labels), seed)
            found += training.figures(answers)
    return found


def _models(build: ReportBuild) -> dict[tuple[str, int], Predictions]:
    """Predictions by arm and seed; those of another program by the name of its model and 0."""
    dumps = map(build.predicted, sorted(build.root.glob("predictions/[!.]*.parquet")))
    return build.predictions() | {(dump.about.name, 0): dump for dump in dumps}


@dataclass(frozen=True)
class _Training:
    arm: str
    seed: int
    options: int | None
    classes: int
    draw: int
    """Seed of the bootstrap."""

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / (self.options or self.classes)

    def figures(self, answers: Answers) -> Iterator[BiasFigure]:
        """All figures that the sets allow, in the order of the module's docstring."""
        for name in [CLEAN, *sorted(name for name in answers if _is_occluded(name))]:
            yield from self._accuracy("accuracy", name, answers.get(name))
        yield from self._accuracy("BOAcc", "background", answers.get("background"))
        yield from self._accuracy("HOAcc", "human", answers.get("human"))
        yield from self._swaps(answers)
        yield from self._statics(answers)
        for name in ("ring", "ring-flat"):
            yield from self._accuracy(name, name, answers.get(name))
        yield from self._difference(answers, "ring-pixels", "ring", "ring-flat", "ring")
        for name in ("ring", "ring-flat", "background", "human"):
            yield from self._refitted(name, answers.get(name))
        for name in sorted(answers):
            if plain := ungreyed_set(name):
                yield from self._accuracy("greyed", plain, answers[name])
                yield from self._difference(answers, "greyed-gain", name, plain, plain)

    def _swaps(self, answers: Answers) -> Iterator[BiasFigure]:
        pairings: dict[str, list[pd.DataFrame]] = {}
        for name, rows in answers.items():
            if named := _SWAP.fullmatch(name):
                pairings.setdefault(named[1], []).append(rows)
        for pairing in sorted(pairings, key=_pairing_order):
            rows = pd.concat(pairings[pairing])
            yield self._mean("SHAcc", pairing, rows, rows["top1"], self.chance)
            if pairing != "same":
                of_scene = rows["predicted"] == rows["background_label"]
                yield self._mean("SBErr", pairing, rows, of_scene, None)

    def _statics(self, answers: Answers) -> Iterator[BiasFigure]:
        for kind, measure in (("scuba-", "SCUBA"), ("scufo-", "SCUFO")):
            for name in sorted(name for name in answers if name.startswith(kind)):
                yield from self._accuracy(measure, name.removeprefix(kind), answers[name])
        for name in sorted(name for name in answers if name.startswith("scuba-")):
            scene = name.removeprefix("scuba-")
            both = _paired(answers, name, f"scufo-{scene}")
            if both is not None:
                moving = both["top1"].astype(bool) & ~both["top1_other"].astype(bool)
                yield self._share("Contrast", scene, moving, both["group"], None)

    def _accuracy(self, measure: str, name: str, rows: pd.DataFrame | None) -> Iterator[BiasFigure]:
        if rows is not None and len(rows):
            yield self._share(measure, name, rows["top1"], rows["group"], self.chance)

    def _refitted(self, name: str, rows: pd.DataFrame | None) -> Iterator[BiasFigure]:
        """The read-out's accuracy; none without logits, or with fewer than two groups."""
        if rows is None or self.options is not None or rows["logits"].isna().any():
            return
        logits = np.array(rows["logits"].tolist(), np.float64)
        right = read_out(logits, rows["label"].tolist(), rows["group"].tolist(), self.draw)
        if right is not None:
            chance = 1 / rows["label"].nunique()
            yield self._share("refitted", name, right, rows["group"], chance)

    def _share(
        self,
        measure: str,
        name: str,
        answers: pd.Series | np.ndarray,
        groups: pd.Series,
        chance: float | None,
    ) -> BiasFigure:
        """A share of clips, each of which answers once."""
        one = Accuracy.of(answers, groups)
        values, counts = (one.share, *one.interval), (one.clips, one.clips, groups.nunique())
        found = self._figure(measure, name, values, counts, chance)
        low, high = one.by_group or (None, None)
        return replace(found, group_low=low, group_high=high)

    def _mean(
        self, measure: str, name: str, of: pd.DataFrame, answers: pd.Series, chance: float | None
    ) -> BiasFigure:
        """A share of answers of which several are of one source clip."""
        values = self._drawn(measure, name, answers.astype(float), of["group"], SHARES)
        counts = len(of), of["clip"].nunique(), of["group"].nunique()
        return self._figure(measure, name, values, counts, chance)

    def _difference(
        self, answers: Answers, measure: str, first: str, second: str, name: str
    ) -> Iterator[BiasFigure]:
        both = _paired(answers, first, second)
        if both is not None:
            apart = both["top1"].astype(float) - both["top1_other"].astype(float)
            values = self._drawn(measure, name, apart, both["group"], DIFFERENCES)
            counts = len(apart), len(apart), both["group"].nunique()
            yield self._figure(measure, name, values, counts, None)

    def _drawn(
        self,
        measure: str,
        name: str,
        answers: pd.Series,
        groups: pd.Series,
        bounds: tuple[float, float],
    ) -> tuple[float, float, float]:
        """Mean of `answers`, and its interval that draws groups."""
        random = rng(self.draw, "background_bias", self.arm, str(self.seed), measure, name)
        edges = bootstrap_mean(answers, random, bounds=bounds, groups=groups)
        return float(answers.mean()), *edges

    def _figure(
        self,
        measure: str,
        name: str,
        values: tuple[float, float, float],
        counts: tuple[int, int, int],
        chance: float | None,
    ) -> BiasFigure:
        """`values`: value, low, high; `counts`: answers, clips, groups."""
        value, low, high = map(float, values)
        n, clips, groups = counts
        key = self.arm, self.seed, measure, name
        return BiasFigure(*key, value, low, high, n, clips, chance, groups)


def _is_occluded(name: str) -> bool:
    return name.startswith("D-") and ungreyed_set(name) is None


def _pairing_order(name: str) -> tuple[int, str]:
    known = ("random", "close", "far", "same")
    return known.index(name) if name in known else len(known), name


def _paired(answers: Answers, first: str, second: str) -> pd.DataFrame | None:
    """The clips that two sets share: columns clip, top1 and top1_other; None if there are none."""
    if first not in answers or second not in answers:
        return None
    columns = ["clip", "top1"]
    both = answers[first][[*columns, "group"]].merge(
        answers[second][columns], on="clip", suffixes=("", "_other")
    )
    return both if len(both) else None


def figures_csv(found: list[BiasFigure]) -> str:
    """The text of background_bias.csv: a row per figure, shares with six digits."""
    names = [spec.name for spec in fields(BiasFigure)]
    cell: Callable[[Any], Any] = lambda v: f"{v:.6g}" if isinstance(v, float) else v  # noqa: E731
    return csv_text(names, ([cell(getattr(row, name)) for name in names] for row in found))


def figures_table(found: Sequence[BiasFigure]) -> dict[str, Any]:
    """The figures as the page shows them: a row per figure, a column per training.

    Of each row also `n` and `chance`, or None where they differ among the trainings.
    """
    trainings = list(dict.fromkeys((row.arm, row.seed) for row in found))
    rows: dict[tuple[str, str], dict[tuple[str, int], BiasFigure]] = {}
    for row in found:
        rows.setdefault((row.measure, row.set), {})[row.arm, row.seed] = row
    shared = {
        key: {name: _of_all(one, name) for name in ("n", "chance")} for key, one in rows.items()
    }
    return {"trainings": trainings, "rows": rows, "shared": shared}


def _of_all(row: dict[tuple[str, int], BiasFigure], name: str) -> float | None:
    """What all figures of a row have in a field; None where they differ."""
    values = {getattr(one, name) for one in row.values()}
    return values.pop() if len(values) == 1 else None
