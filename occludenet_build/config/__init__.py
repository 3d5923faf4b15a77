"""Every setting: one frozen dataclass per room, unit and range under each field.

A configuration is a YAML mapping of room -> settings. `load` checks it as a whole before any
job starts; `canonical` writes the settings that one room depends on as one JSON string, in which
neither the order of keys nor a written-out default makes a difference. Standard library only:
the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from occludenet_build.config.audit import Audit, ResidualActor
from occludenet_build.config.backends import BACKENDS
from occludenet_build.config.clips import (
    ActorMasks,
    Composite,
    Counterfactual,
    Detect,
    Quota,
    Select,
    Window,
)
from occludenet_build.config.evaluation import (
    Attention,
    Dump,
    Evaluate,
    ListedSet,
    Paper,
    Predictions,
    Report,
)
from occludenet_build.config.kinetics import Kinetics, YouTube
from occludenet_build.config.sources import Acquire, Downloads, Fractions, Gates, Index, Occluders
from occludenet_build.config.surveillance import Leaks, Proposals, Segments
from occludenet_build.config.training import ARMS, Augment, Mix, Optimizer, Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import build, setting
from occludenet_build.stages import STAGES

__all__ = [
    "ARMS",
    "Acquire",
    "ActorMasks",
    "Attention",
    "Audit",
    "Augment",
    "Composite",
    "Config",
    "Counterfactual",
    "Detect",
    "Downloads",
    "Dump",
    "Evaluate",
    "Fractions",
    "Gates",
    "Index",
    "Kinetics",
    "Leaks",
    "ListedSet",
    "Mix",
    "Occluders",
    "Optimizer",
    "Paper",
    "Predictions",
    "Proposals",
    "Quota",
    "Report",
    "ResidualActor",
    "Segments",
    "Select",
    "Train",
    "Window",
    "YouTube",
    "canonical",
    "load",
    "load_part",
    "room_settings",
]

Section = TypeVar("Section")


def _with_sections(cls: type) -> type:
    """Config with a section for every stage whose row names a module for its settings."""
    for stage in STAGES.values():
        if stage.settings:
            module = importlib.import_module(f"{__name__}.{stage.settings}")
            section = getattr(module, stage.name.title().replace("_", ""))
            cls.__annotations__[stage.name] = section
            setattr(cls, stage.name, setting(section()))
    return cls


@dataclass(frozen=True)
@_with_sections
class Config:
    """All settings. A stage that is added needs no field here: its row in STAGES names the module
    of its settings, and `section` gives them, typed."""

    build_dir: str = setting("build")
    """Where everything is written, relative to Snakemake's working directory."""
    seed: int = setting(0, low=0)
    """All draws follow from it: splits, selection, occluders, training."""
    rerun_on: str = setting("version", choices=("version", "code"))
    """What makes results again beside inputs and settings: a new version of a stage's results,
    which the project announces in CHANGELOG; or, for who changes the code, an edit of it too
    (comments, docstrings and formatting do not count). Other values make all results again once."""
    download: Downloads = setting(Downloads())
    acquire: Acquire = setting(Acquire())
    kinetics: Kinetics = setting(Kinetics())
    index: Index = setting(Index())
    detect: Detect = setting(Detect())
    occluders: Occluders = setting(Occluders())
    select: Select = setting(Select())
    composite: Composite = setting(Composite())
    actor_masks: ActorMasks = setting(ActorMasks())
    counterfactual: Counterfactual = setting(Counterfactual())
    train: Train = setting(Train())
    evaluate: Evaluate = setting(Evaluate())
    predictions: Predictions = setting(Predictions())
    attention: Attention = setting(Attention())
    paper: Paper = setting(Paper())
    report: Report = setting(Report())
    leaks: Leaks = setting(Leaks())
    audit: Audit = setting(Audit())
    residual_actor: ResidualActor = setting(ResidualActor())
    proposals: Proposals = setting(Proposals())
    segments: Segments = setting(Segments())

    def section(self, kind: type[Section]) -> Section:
        """The settings of that class. Raises KeyError where Config has none."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is kind:
                return value
        raise KeyError(kind.__name__)


RENAMED = {"leftover": "residual_actor"}
"""Sections by their former names."""


def load(values: dict[str, Any], base: Path | str = ".") -> Config:
    """Check a whole configuration and return it with every default filled in.

    Paths are relative to `base` and must exist. Raises UserError with one line that names the
    key, what was wanted and what came.
    """
    _refuse_old_names(values)
    config = build(Config, values, base)
    _check_whole(config)
    return config


def load_part(values: dict[str, Any]) -> Config:
    """Check the settings of some rooms, as a room gets them; the others keep their defaults."""
    _refuse_old_names(values)
    return build(Config, values)


def room_settings(config: Config, room: str) -> dict[str, Any]:
    """What one room depends on, as plain values: its section, those it borrows, its seed."""
    own = (room,) if hasattr(config, room) else ()
    sections = (*own, *STAGES[room].borrows)
    seed = {"seed": config.seed} if STAGES[room].draws else {}
    return seed | {s: dataclasses.asdict(getattr(config, s)) for s in sections}


def canonical(settings: dict[str, Any]) -> str:
    """One string for equal settings, whatever the order of the keys."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _refuse_old_names(values: Any) -> None:
    for old, new in RENAMED.items():
        if isinstance(values, dict) and old in values:
            raise UserError(
                f"config: unknown key {old}: wanted its new name, {new}; rename the section"
            )


def _check_whole(config: Config) -> None:
    """What one field alone cannot tell."""
    for key, shares in (("acquire", config.acquire.split), ("occluders", config.occluders.split)):
        total = shares.train + shares.val + shares.test
        if abs(total - 1) > 1e-9:
            raise UserError(f"config: {key}.split: wanted shares that sum to 1, got {total:g}")
    for stage in ("detect", "actor_masks"):
        _wants(getattr(config, stage), stage)
    if config.select.assignment == "published" and config.select.published is None:
        raise UserError(
            "config: select.published: wanted a release's CSV file or folder for "
            "select.assignment published, got nothing; set it"
        )
    if config.composite.scale_mode == "target" and max(config.composite.scales) > 1:
        raise UserError(
            "config: composite.scales: wanted shares of at most 1 for scale_mode target, got "
            f"{max(config.composite.scales):g}"
        )
    _different("composite.scales", [f"{scale:.2f}" for scale in config.composite.scales])
    _different("train.seeds", [str(seed) for seed in config.train.seeds])
    erased = config.counterfactual.splits
    if config.evaluate.counterfactuals and config.evaluate.split not in erased:
        raise UserError(
            f"config: counterfactual.splits: wanted {config.evaluate.split} among them for "
            f"evaluate.counterfactuals, got {', '.join(erased) or 'none'}; add it"
        )
    missing = set(config.train.scales) - {0.0, *config.composite.scales}
    if missing:
        raise UserError(
            f"config: train.scales: wanted some of composite.scales {config.composite.scales}, "
            f"got {config.train.scales}"
        )


def _different(key: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise UserError(f"config: {key}: wanted different values, got {', '.join(values)}")


def _wants(section: Any, name: str) -> None:
    needed = BACKENDS[name][section.backend].needs
    if needed and getattr(section, needed) is None:
        raise UserError(
            f"config: {name}.{needed}: wanted a file for {name}.backend {section.backend}, "
            f"got nothing; set it or choose another backend"
        )
