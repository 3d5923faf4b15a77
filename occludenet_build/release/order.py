"""The release's order of classes and occluder types, and the label ids that follow it."""

from __future__ import annotations

from collections.abc import Iterable

CATEGORIES = ("handbag", "backpack", "suitcase", "dog")
"""The order of the release within a class; other types follow by name."""


def class_order(label: str) -> str:
    """Sorts class names as the release does: as paths, "drinking beer/" before "drinking/"."""
    return label + "/"


def type_order(category: str) -> tuple[int, str]:
    """Sorts occluder types as the release does, others behind them by name."""
    known = CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)
    return known, category


def label_ids(labels: Iterable[str]) -> dict[str, int]:
    """Class name -> number, counted from 0 in the order of the release."""
    return {name: number for number, name in enumerate(sorted(set(labels), key=class_order))}
