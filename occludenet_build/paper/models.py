"""Whose predictions stand in the tables and figures: read, checked, named apart, made comparable.

A line of a table is a model with its arm; its trainings (seeds) share `about.name`. The name of a
network that another build trained says which, and so does one that two recipes or two builds would
share: `x3d_s [s10] + car`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.paper.items import predictions_in
from occludenet_build.recognition.predictions import About, Predicted, must_agree, read
from occludenet_build.release.terms import CLEAN


@dataclass(frozen=True)
class Sourced(Predicted):
    """Predictions of one training, or of a model from elsewhere, and where they come from. The
    rows are without logits: those of eight models of 400 classes fill a gigabyte."""

    backbone: str
    """The model's name as its file has it, whatever was added to tell it from others."""
    build: str
    """Folder of the other build; "" for this one."""


def read_all(root: Path, config: Config) -> tuple[Sourced, ...]:
    """All predictions of this build, of its dumps and of predictions.builds, names unique.

    Raises UserError where a named build has none, where a model says two things of one clip, or
    where two models that were shown the same set know different labels.
    """
    own = predictions_in(root, config.paper.trained)
    found = [_sourced(path, "") for path in own]
    for build in config.predictions.builds:
        files = predictions_in(Path(build))
        if not files:
            raise UserError(
                f"config: predictions.builds: wanted a build with evaluate/ or predictions/, "
                f"{build} has neither; run evaluate there, or remove it"
            )
        found += [_sourced(path, build) for path in files]
    named = _named_apart(_joined(found))
    _must_be_single(named)
    must_agree_by_set(named)
    return tuple(named)


def _sourced(path: Path, build: str) -> Sourced:
    predicted = read(path)
    rows = predicted.rows.drop(columns=["logits", "erased_logits"])
    return Sourced(predicted.about, rows, predicted.about.model, build)


def _joined(found: Sequence[Sourced]) -> list[Sourced]:
    """One per training: a model from elsewhere may have a file per set."""
    groups: dict[tuple[str, About], list[Sourced]] = {}
    for one in found:
        groups.setdefault((one.build, one.about), []).append(one)
    return [
        replace(parts[0], rows=pd.concat([part.rows for part in parts], ignore_index=True))
        for parts in groups.values()
    ]


def _must_be_single(named: Sequence[Sourced]) -> None:
    rows = scored(named)
    twice = rows[rows.duplicated(["name", "seed", "set", "clip"])]
    if len(twice):
        name, clip, where = twice[["name", "clip", "set"]].iloc[0]
        raise UserError(
            f"{name}: wanted one prediction per clip and set, got two of {clip} in {where}; name "
            "its file once"
        )


def _named_apart(found: Sequence[Sourced]) -> list[Sourced]:
    named = []
    for one in found:
        same = [other for other in found if other.about.name == one.about.name]
        marks = []
        # a network trained elsewhere saw other clips, even where no name here is its own
        if one.build and (one.about.arm or len({other.build for other in same}) > 1):
            marks.append(_folder(one.build, {other.build for other in found}))
        here = [other.about for other in same if other.build == one.build]
        if len({about.epochs for about in here}) > 1:
            marks.append(f"{one.about.epochs} epochs")
        if len({about.alpha for about in here}) > 1:
            marks.append(f"alpha {one.about.alpha:g}" if one.about.alpha is not None else "alpha ?")
        mark = f" [{', '.join(marks)}]" if marks else ""
        named.append(replace(one, about=replace(one.about, model=one.about.model + mark)))
    return named


def _folder(build: str, others: Iterable[str]) -> str:
    """The name of a build's folder, or its path where another's has that name too."""
    name = Path(build).name
    return build if sum(Path(other).name == name for other in others) > 1 else name


def must_agree_by_set(predicted: Sequence[Predicted]) -> None:
    """Models that were shown the same set know the same labels. Raises UserError."""
    shown: dict[str, list[Predicted]] = {}
    for one in predicted:
        for name in one.rows["set"].unique():
            shown.setdefault(name, []).append(one)
    for name, those in shown.items():
        try:
            must_agree(those)
        except UserError as error:
            raise UserError(f"set {name}: {error}") from error


def scored(predicted: Sequence[Predicted]) -> pd.DataFrame:
    """A row per training, set and clip: `name` (of the line), `seed` (0 where there is none),
    `set`, `clip`, `label`, `top1`, `top5` (bool)."""
    columns = ["set", "clip", "label", "top1", "top5"]
    parts = [
        one.rows[columns].assign(name=one.about.name, seed=one.about.seed or 0) for one in predicted
    ]
    empty = pd.DataFrame(columns=[*columns, "name", "seed"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def common(rows: pd.DataFrame, who: str | Sequence[str] = ("name", "seed")) -> pd.DataFrame:
    """The rows of clips that all who were shown a set were shown in it.

    `who`: the columns that tell trainings apart. OccludeNet-D and its clean twins are one family:
    a source clip stays where each of their sets has it, so that levels are compared on the same.
    """
    columns = [who] if isinstance(who, str) else list(who)
    family = rows["set"].where(~of_d(rows["set"]), "D").rename("family")
    wanted = rows.drop_duplicates([*columns, "set"]).groupby(family).size()
    times = rows.groupby([family, rows["clip"]])["set"].transform("size")
    return rows[times.to_numpy() == family.map(wanted).to_numpy()].reset_index(drop=True)


def of_d(sets: pd.Series) -> pd.Series:
    """Whether a set is one of OccludeNet-D's or their clean twins."""
    return sets.eq(CLEAN) | sets.str.fullmatch(r"D-\d+(\.\d+)?")


def left_out(rows: pd.DataFrame, kept: pd.DataFrame) -> dict[str, int]:
    """Set -> clips that some model was shown and that do not count."""
    before = rows.groupby("set")["clip"].nunique()
    after = kept.groupby("set")["clip"].nunique()
    return {name: int(count - after.get(name, 0)) for name, count in before.items()}


def backbone(one: Predicted) -> str:
    """The model without what tells it from others of its name."""
    return one.backbone if isinstance(one, Sourced) else one.about.model
