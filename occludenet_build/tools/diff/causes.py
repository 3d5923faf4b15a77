"""The cause of a clip's difference, from the stage at which it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from occludenet_build.core.errors import TRANSIENT
from occludenet_build.tools.diff.clips import MACHINE, Change, Row
from occludenet_build.tools.diff.settings import Difference, of_stage

CAUSES = (
    *("source", "setting", "weights", "version", "machine", "other clips"),
    *("unfinished", "unknown"),
)
"""Kinds of causes, as the docstring of the package explains them."""

_OF_OTHERS = {"quota", "duplicate", "no_occluder"}
"""Reasons that depend on other clips, or on the bank."""


@dataclass(frozen=True)
class Cause:
    """Why a clip differs."""

    kind: str
    """One of CAUSES."""
    stage: str
    """The stage where the difference begins."""
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@dataclass(frozen=True)
class Known:
    """What is known to differ between the builds as wholes."""

    settings: Sequence[Difference]
    versions: Sequence[Difference]
    recorded: bool
    """Whether both builds have a record of their settings."""
    begun: Mapping[str, tuple[bool, bool]]
    """Table -> whether BUILD_A and BUILD_B have it."""


def cause_of(change: Change, known: Known) -> Cause:
    """The cause of a change."""
    step, here, there = change.step, change.here, change.there
    stage = step.of_stage
    kind, detail = _from_rows(step.table, here, there)
    if kind == "source":
        return Cause(kind, stage, detail)
    if not all(known.begun[step.table]):
        which = "BUILD_B" if known.begun[step.table][0] else "BUILD_A"
        return Cause("unfinished", stage, f"{which} has no {step.table}")
    settings = of_stage([*known.settings], stage)
    if kind == "weights" and not any(d.name.endswith((".backend", ".weights")) for d in settings):
        return Cause(kind, stage, detail)
    if settings:
        return Cause("setting", stage, ", ".join(map(str, settings)))
    versions = [str(d) for d in known.versions if d.name == stage]
    if versions:
        return Cause("version", stage, versions[0])
    if kind:
        return Cause(kind, stage, detail)
    if here is None or there is None:
        side = "BUILD_B" if there is None else "BUILD_A"
        return _absent(step.table, side, stage)
    if step.table == "acquire":
        return Cause("source", stage, "another folder: its label or split differs")
    why = "" if known.recorded else "the settings are not recorded in both builds"
    return Cause("unknown", stage, why or _outcomes(here, there))


def _absent(table: str, side: str, stage: str) -> Cause:
    """The cause of a row that one build lacks, with the same settings."""
    if table == "acquire":
        return Cause("source", stage, f"{side} does not list the video")
    return Cause("unfinished", stage, f"{side} has no row of it in {table}")


def _from_rows(table: str, here: Row | None, there: Row | None) -> tuple[str, str]:
    """(kind, detail) as far as the rows themselves tell; empty if they do not."""
    if here is None or there is None:
        return "", ""
    if table == "index" and here.get("sha256") != there.get("sha256"):
        return "source", "another content of the video"
    passing = {here["reason"], there["reason"]} & TRANSIENT
    if passing:
        return "source", f"{_outcomes(here, there)}, which may pass"
    if here.get("weights_sha256") != there.get("weights_sha256"):
        return "weights", f"{_hash(here)} -> {_hash(there)}"
    if table == "acquire":
        return "", ""
    reasons = {here["reason"], there["reason"]} & _OF_OTHERS
    if reasons or here.get("candidate") != there.get("candidate"):
        return "other clips", _outcomes(here, there)
    if table == "select" and here["status"] == there["status"]:
        return "other clips", "another occluder of the bank"
    changed = [name for name in MACHINE if here.get(name) != there.get(name)]
    pairs = (f"{n.replace('_', ' ')} {here.get(n)} -> {there.get(n)}" for n in changed)
    return ("machine", ", ".join(pairs)) if changed else ("", "")


def _outcomes(here: Row, there: Row) -> str:
    one, two = (row["reason"] or row["status"] or "ok" for row in (here, there))
    return f"{one} -> {two}" if one != two else "another result"


def _hash(row: Row) -> str:
    sha256 = row.get("weights_sha256")
    return f"{row.get('backend')} {sha256[:12] if sha256 else 'without weights'}"
