"""All settings: one frozen dataclass per stage, with the unit and meaning below each field.

A configuration is a YAML mapping of stage -> settings. `load` checks it as a whole before any job
starts. `canonical` serializes the settings that a stage depends on as one JSON string, which is
equal for equal settings, whatever the order of the keys and whether defaults are written out. This
module uses the standard library only because the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from occludenet_build.config.backends import BACKENDS, check_engine, published_weights
from occludenet_build.config.failures import Failures
from occludenet_build.config.loop import Loop, Optimizer
from occludenet_build.config.models import Models, naming, of_member
from occludenet_build.config.occlusion import (
    Composite,
    Counterfactual,
    Gates,
    Leaks,
    Occluders,
    Quota,
    ResidualActor,
    Select,
    Window,
)
from occludenet_build.config.people import ActorMasks, Audit, Detect, Proposals
from occludenet_build.config.protocols import check_protocol
from occludenet_build.config.published_files import COCO_ANNOTATIONS, RELEASE
from occludenet_build.config.recognition import Attention, Dump, Evaluate, ListedSet, Predictions
from occludenet_build.config.results import Paper, Report
from occludenet_build.config.sources import (
    Acquire,
    Cluster,
    Downloads,
    Fractions,
    Index,
    Kinetics,
    Segments,
    YouTube,
)
from occludenet_build.config.training import ARMS, Augment, Mix, Train
from occludenet_build.config.variants import Outside, Variants
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import (
    from_mapping,
    is_hub_name,
    is_url,
    key_values,
    require_distinct,
    setting,
)
from occludenet_build.stages import STAGES

__all__ = [
    "ARMS",
    "Acquire",
    "ActorMasks",
    "Attention",
    "Audit",
    "Augment",
    "Cluster",
    "Composite",
    "Config",
    "Counterfactual",
    "Detect",
    "Downloads",
    "Dump",
    "Evaluate",
    "Failures",
    "Fractions",
    "Gates",
    "Index",
    "Kinetics",
    "Leaks",
    "ListedSet",
    "Loop",
    "Mix",
    "Occluders",
    "Optimizer",
    "Outside",
    "Paper",
    "Predictions",
    "Proposals",
    "Quota",
    "Report",
    "ResidualActor",
    "Segments",
    "Select",
    "Train",
    "Variants",
    "Window",
    "YouTube",
    "canonical",
    "load",
    "load_part",
    "recorded",
    "require_file",
    "require_weights",
    "stage_settings",
    "with_published_weights",
]

Section = TypeVar("Section")


def _with_sections(cls: type) -> type:
    """Add a section to Config for every stage whose row in STAGES names a settings module."""
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
    """All settings of a build.

    A new stage needs no field here: its row in STAGES names the module of its settings, and
    `section` returns them with their type.
    """

    build_dir: str = setting("build")
    """Output folder of the build, relative to Snakemake's working directory."""
    seed: int = setting(0, low=0)
    """Seed of all random choices: splits, selection, occluders, training."""
    rerun_on: str = setting("version", choices=("version", "code"))
    """What reruns a stage besides changed inputs and settings. version: a new version of the
    stage's results, announced in CHANGELOG.md; code: also a change of the code that the stage runs,
    except comments, docstrings and formatting (for development). Switching the value reruns all
    stages once."""
    download: Downloads = setting(Downloads())
    failures: Failures = setting(Failures())
    cluster: Cluster = setting(Cluster())
    acquire: Acquire = setting(Acquire())
    kinetics: Kinetics = setting(Kinetics())
    index: Index = setting(Index())
    detect: Detect = setting(Detect())
    occluders: Occluders = setting(Occluders())
    select: Select = setting(Select())
    composite: Composite = setting(Composite())
    actor_masks: ActorMasks = setting(ActorMasks())
    counterfactual: Counterfactual = setting(Counterfactual())
    outside: Outside = setting(Outside())
    variants: Variants = setting(Variants())
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
        """Return the section of this class. Raises KeyError if Config has none."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is kind:
                return value
        raise KeyError(kind.__name__)


RENAMED = {"leftover": "residual_actor"}
"""Former name of a section -> current name."""


def load(values: dict[str, Any], base: Path | str = ".", require_files: bool = True) -> Config:
    """Check a whole configuration and return it with every default filled in.

    Weights that a backend needs, and COCO's annotations, are by default the addresses in
    config.published_files; nothing is fetched before a target needs it. Paths are relative to
    `base` and must exist. Without `require_files`, the files that the backends of detect and
    actor_masks need may be unset (`require_file` checks one), and files of weights may be missing
    (`require_weights`): some targets use none of them. Raises UserError, with the key, the expected
    value and the actual value in one line.
    """
    _refuse_old_names(values)
    config = _with_published_files(from_mapping(Config, values, base, late=not require_files))
    _check_whole(config)
    for member in config.section(Models).members:
        one = of_member(config, member)
        with naming(member):
            _check_whole(one)
    for stage in ("detect", "actor_masks") if require_files else ():
        require_file(getattr(config, stage), stage)
    return config


def require_weights(section: Any, name: str) -> None:
    """Raise UserError if the weights of the stage `name` are a file that does not exist."""
    weights = section.weights
    is_name = name == "train" and weights and is_hub_name(weights)
    if weights and not is_url(weights) and not is_name and not Path(weights).exists():
        raise UserError(
            f"config: {name}.weights: wanted an existing path, got {weights!r}, which is missing; "
            "correct it"
        )


def load_part(values: dict[str, Any]) -> Config:
    """Check the settings of some stages, as passed by --settings; the others keep their defaults.

    Raises UserError as `load` does.
    """
    _refuse_old_names(values)
    return from_mapping(Config, values)


def with_published_weights(stage: str, section: Section) -> Section:
    """A section of settings, with the address and hash of the published weights if none are set."""
    values: Any = section
    published = published_weights(stage, section) if values.weights is None else None
    if published is None:
        return section
    return dataclasses.replace(
        values, weights=published.url, weights_sha256=values.weights_sha256 or published.sha256
    )


def _with_published_files(config: Config) -> Config:
    weights = {
        stage: with_published_weights(stage, getattr(config, stage))
        for stage in ("detect", "actor_masks", "poses")
    }
    instances = config.acquire.coco_instances or COCO_ANNOTATIONS.url
    acquire = dataclasses.replace(config.acquire, coco_instances=instances)
    select = config.select
    if select.assignment == "published" and select.published is None:
        select = dataclasses.replace(select, published=RELEASE)
    return dataclasses.replace(config, acquire=acquire, select=select, **weights)


def stage_settings(config: Config, stage: str) -> dict[str, Any]:
    """Settings that a stage depends on: its section, the sections it borrows, and the seed."""
    own = (stage,) if hasattr(config, stage) else ()
    sections = (*own, *STAGES[stage].borrows)
    seed = {"seed": config.seed} if STAGES[stage].draws else {}
    return seed | {s: key_values(getattr(config, s)) for s in sections}


NOT_RECORDED = ("download", "failures", "cluster")
"""Sections that change no result; the first may hold passwords."""


def recorded(config: Config) -> dict[str, Any]:
    """The settings that a build keeps in its settings.json: those that results depend on."""
    fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {
        name: key_values(value) if dataclasses.is_dataclass(value) else value
        for name, value in fields.items()
        if name not in NOT_RECORDED
    }


def canonical(settings: dict[str, Any]) -> str:
    """Serialize settings as JSON with sorted keys: equal settings give equal strings."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _refuse_old_names(values: Any) -> None:
    for old, new in RENAMED.items():
        if isinstance(values, dict) and old in values:
            raise UserError(
                f"config: unknown key {old}: wanted its new name, {new}; rename the section"
            )


def _check_whole(config: Config) -> None:
    """Check conditions that involve several fields. Raises UserError."""
    for key, shares in (("acquire", config.acquire.split), ("occluders", config.occluders.split)):
        total = shares.train + shares.val + shares.test
        if abs(total - 1) > 1e-9:
            raise UserError(f"config: {key}.split: wanted shares that sum to 1, got {total:g}")
    if config.kinetics.route != "none" and config.acquire.classes:
        raise UserError(
            f"config: acquire.classes: wanted [] with kinetics.route {config.kinetics.route}, "
            f"which takes kinetics.classes, got {', '.join(config.acquire.classes)}; set them there"
        )
    require_distinct("composite.scales", [f"{scale:.2f}" for scale in config.composite.scales])
    require_distinct("train.seeds", [str(seed) for seed in config.train.seeds])
    _check_scales(config)
    _check_counterfactuals(config)
    check_protocol(config.evaluate, config.train.backbone)
    for stage in ("detect", "actor_masks"):
        check_engine(stage, getattr(config, stage))


def _check_scales(config: Config) -> None:
    if config.composite.scale_mode == "target" and max(config.composite.scales) > 1:
        raise UserError(
            "config: composite.scales: wanted shares of at most 1 for scale_mode target, got "
            f"{max(config.composite.scales):g}"
        )
    if set(config.train.scales) - {0.0, *config.composite.scales}:
        raise UserError(
            f"config: train.scales: wanted some of composite.scales {config.composite.scales}, "
            f"got {config.train.scales}"
        )


def _check_counterfactuals(config: Config) -> None:
    erased = config.counterfactual.splits
    if config.evaluate.counterfactuals and config.evaluate.split not in erased:
        raise UserError(
            f"config: counterfactual.splits: wanted {config.evaluate.split} among them for "
            f"evaluate.counterfactuals, got {', '.join(erased) or 'none'}; add it"
        )


def require_file(section: Any, name: str) -> None:
    """Raise UserError if the backend in the section of the stage `name` needs a file that is not
    set."""
    needed = BACKENDS[name][section.backend].needs
    if needed and getattr(section, needed) is None:
        raise UserError(
            f"config: {name}.{needed}: wanted a file for {name}.backend {section.backend}, "
            f"got nothing; set it or choose another backend"
        )
