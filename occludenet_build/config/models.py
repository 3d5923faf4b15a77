"""Settings of the stage that trains and compares several networks, and those of each network.

A member of the stage `models` is a network with the recipe of the sections train and evaluate, in
which it replaces some settings. This module uses the standard library only because the workflow
imports it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from occludenet_build.config.recognition import Evaluate
from occludenet_build.config.training import DATASET_D, Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import replaced, replacements, required

Whole = TypeVar("Whole")
"""A whole configuration, config.Config, which this module cannot import."""
_PREFIX = "config: "
_LONGEST = 60
"""Characters of a name: it stands in every row of the tables."""


@dataclass(frozen=True)
class Member:
    """A network to train and evaluate."""

    name: str = required()
    """Its name in tables, of at most 60 characters."""
    train: Mapping[str, Any] = replacements(Train)
    """Settings of the section train that are others for it."""
    evaluate: Mapping[str, Any] = replacements(Evaluate)
    """Settings of the section evaluate that are others for it."""

    def __post_init__(self) -> None:
        if not self.slug or not self._fits_a_table:
            raise UserError(
                "config: models.members: wanted names with letters or digits (a to z, 0 to 9) on "
                f"one line of at most {_LONGEST} characters, without space around them, got "
                f"{self.name[:80]!r}; change it"
            )
        if "datasets" in self.train:
            raise UserError(
                f"config: models.members: {self.name}: train.datasets: wanted nothing, as members "
                f"are trained on {DATASET_D}, got {', '.join(self.train['datasets'])}; remove it"
            )

    @property
    def _fits_a_table(self) -> bool:
        plain = self.name.isprintable() and self.name == self.name.strip()
        return plain and len(self.name) <= _LONGEST

    @property
    def slug(self) -> str:
        """The name as that of its folder, models/<slug>/.

        >>> Member("R(2+1)D-18").slug, Member("TSN, ResNet-18").slug
        ('R_2+1_D-18', 'TSN_ResNet-18')
        """
        return re.sub(r"[^A-Za-z0-9+-]+", "_", self.name).strip("_-")


@dataclass(frozen=True)
class Models:
    """Stage models: several networks, trained and evaluated on OccludeNet-D, in one table by degree
    of occlusion."""

    members: tuple[Member, ...] = ()
    """Networks: [{name: I3D, train: {backbone: ibm_i3d}}, {name: TSN, train: {backbone:
    ibm_tsn_resnet18}, evaluate: {views: 1}}, ...]. `train` and `evaluate` replace settings of these
    sections for the member, arms and seeds too. A member with another backbone does not start from
    train.weights but from weights of its own, or from none."""

    def __post_init__(self) -> None:
        names: dict[str, str] = {}
        for member in self.members:
            if member.slug.casefold() in names:
                other = names[member.slug.casefold()]
                raise UserError(
                    "config: models.members: wanted names that differ in letters or digits, got "
                    f"{other!r} and {member.name!r}; rename one"
                )
            names[member.slug.casefold()] = member.name

    def name_of(self, slug: str) -> str:
        """The name of the member with this folder; the folder itself where there is none."""
        return next((m.name for m in self.members if m.slug == slug), slug)


def of_member(config: Whole, member: Member) -> Whole:
    """The configuration with the settings of a member in the sections train and evaluate.

    Raises UserError, with the member, where its settings do not go together.
    """
    whole: Any = config
    changes = {"datasets": (DATASET_D,), **_weights(whole.train, member.train), **member.train}
    with naming(member):
        train = replaced(whole.train, changes)
        evaluate = replaced(whole.evaluate, member.evaluate)
    return dataclasses.replace(whole, train=train, evaluate=evaluate)


def _weights(train: Train, changes: Mapping[str, Any]) -> dict[str, None]:
    """Which settings of the weights a member does not share: those of another network or file."""
    another = changes.get("backbone", train.backbone) != train.backbone
    if another or changes.get("weights", train.weights) != train.weights:
        return {"weights": None, "weights_sha256": None}
    return {}


@contextmanager
def naming(member: Member) -> Iterator[None]:
    """A check of a member's settings: its UserError names the member."""
    try:
        yield
    except UserError as error:
        text = str(error).removeprefix(_PREFIX)
        raise UserError(f"{_PREFIX}models.members: {member.name}: {text}") from error
