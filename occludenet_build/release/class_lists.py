"""Lists of classes that others published and that a build may be restricted to, by name.

A name of CLASS_LISTS stands for its classes wherever a setting takes names of classes of source
videos (acquire.classes, kinetics.classes). Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class ClassList:
    """A list of classes: a text file beside this module, with a name per line, sorted."""

    file: str
    source: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, as Kinetics spells them."""
        text = Path(__file__).with_name(self.file).read_text(encoding="utf-8")
        return tuple(text.splitlines())


CLASS_LISTS = {
    # mini_kinetics400.txt; its last line reads yoga''. there, with two apostrophes and a full stop
    # that are no part of the name
    "mini_kinetics_200": ClassList(
        "mini_kinetics_200.txt",
        "github.com/IBM/action-recognition-pytorch at cc80618, mini_kinetics400.txt (Apache-2.0)",
    ),
}
"""By the name that settings take."""


def plain_label(label: str) -> str:
    """Normal form of a class name, which folders spell with `_` for blanks and slashes.

    >>> plain_label("Passing_American football")
    'passing american football'
    """
    return re.sub(r"[\s_/]+", " ", label).strip().casefold()


def expanded(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, with the classes of a list in place of its name; each class once.

    >>> expanded(["yoga", "juggling balls"])
    ('yoga', 'juggling balls')
    >>> len(expanded(["mini_kinetics_200", "yoga"]))
    200
    """
    several = [CLASS_LISTS[name].names if name in CLASS_LISTS else (name,) for name in classes]
    return tuple(dict.fromkeys(name for names in several for name in names))
