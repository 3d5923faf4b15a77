"""The release's order of splits, classes and occluder types, and the label ids that follow it."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = ("train", "val", "test")
CATEGORIES = ("handbag", "backpack", "suitcase", "dog")
"""The order of the release within a class; other types follow by name."""


def class_order(label: str) -> str:
    """Sorts class names as the release does: as paths, "drinking beer/" before "drinking/"."""
    return label + "/"


def label_ids(labels: Iterable[str]) -> dict[str, int]:
    """Class name -> number, counted from 0 in the order of the release."""
    return {name: number for number, name in enumerate(sorted(set(labels), key=class_order))}
