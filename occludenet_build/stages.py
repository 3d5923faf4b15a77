"""The stages of the workflow, in the order of the data: one table that everything else reads.

A stage is one step: a rule file `workflow/<name>.smk`, a package, a section of the config, a folder
of a build and a command, all of the same name. Standard library only: the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def module_of(name: str, wing: str) -> str:
    """Dotted name of the module or package behind the command `name`, which belongs to `wing`."""
    return f"occludenet_build.{name}"


@dataclass(frozen=True)
class Stage:
    """One row of STAGES."""

    name: str
    wing: str
    """The package that the stage's package lies in."""
    summary: str
    """One line for `occludenet --help` and the documentation."""
    borrows: tuple[str, ...] = ()
    """Sections of the config that the stage reads beside its own."""
    draws: bool = False
    """Whether its results depend on the seed."""
    results_version: int = 1
    """Bumped by hand when the stage would give another result for the same inputs and settings:
    its results, and those that follow, are then made again. CONTRIBUTING.md has the policy."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Versions of those parts of its results that are kept by keys of their own: a bump makes that
    part again, and leaves the rest of the stage's results where they are."""
    in_all: bool = True
    """Whether `snakemake all` needs it (where the settings ask for it)."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """What it writes for others to read: the table's name -> its files, a pattern below the build's
    folder. Empty: findings, pages and files only."""
    items: bool = False
    """Whether its tables have a row per item with a status and a reason."""
    unit: str = "one"
    """The count that drives what it costs, by its name in plan.counts."""
    settings: str = ""
    """Module of config that holds its settings, the class of the stage's name in CamelCase, where
    Config has no field of its own for them."""

    @property
    def module(self) -> str:
        return module_of(self.name, self.wing)


_ROWS = (
    Stage(
        "kinetics",
        "sources",
        "Fetch Kinetics-400 (archives, YouTube or a mirror) and list the clips that are there",
        draws=True,
        tables={"kinetics": "kinetics/clips.parquet"},
        unit="fetched_clips",
    ),
    Stage(
        "acquire",
        "sources",
        "List the videos with class and split; fetch COCO, weights and UCF-Crime; record hashes",
        draws=True,
        tables={"acquire": "acquire/videos.parquet"},
        items=True,
        unit="videos",
    ),
    Stage(
        "index",
        "sources",
        "Decode every video once: size, rotation, exact times, sound; a reason for each bad file",
        ("select",),
        draws=True,
        parts={"facts": 1},
        tables={"index": "index/videos.parquet"},
        items=True,
        unit="index_px",
    ),
    Stage(
        "detect",
        "people",
        "Find person boxes in every frame, link them to tracks, choose the actor",
        tables={"detect": "detect/*.parquet"},
        items=True,
        unit="search_px",
    ),
    Stage(
        "occluders",
        "occlusion",
        "Cut RGBA occluders out of COCO, with origin and licence",
        draws=True,
        tables={"occluders": "occluders/occluders.parquet"},
        items=True,
        unit="objects",
    ),
    Stage(
        "select",
        "occlusion",
        "Choose the clips to occlude and the occluder of each: quota per class and type",
        ("occluders",),
        draws=True,
        tables={"select": "select/clips.parquet"},
        items=True,
        unit="candidates",
    ),
    Stage(
        "leaks",
        "occlusion",
        "Report clips, YouTube ids and near-duplicate videos that two splits share",
        unit="chosen_px",
    ),
    Stage(
        "audit",
        "people",
        "Compare the actor's boxes with a second detector on a sample of clips",
        draws=True,
        in_all=False,
    ),
    Stage(
        "actor_masks",
        "people",
        "Segment the actor in every frame",
        tables={"actor_masks": "actor_masks/*.parquet"},
        items=True,
        unit="actor_frames",
    ),
    Stage(
        "composite",
        "occlusion",
        "Write occluded clips, clean twins, counterfactual clips and the ground truth in one pass",
        ("counterfactual",),
        draws=True,
        parts={"counterfactual": 1},
        tables={"composite": "composite/*.parquet", "counterfactual": "counterfactual/*.parquet"},
        items=True,
        unit="output_px",
    ),
    Stage(
        "annotate",
        "dataset",
        "Write OccludeNet's annotation files, and Parquet tables with everything",
        ("composite", "counterfactual", "occluders"),
        tables={"annotate": "annotate/clips.parquet", "frames": "annotate/frames/*.parquet"},
        unit="truth_rows",
    ),
    Stage(
        "validate",
        "dataset",
        "Check annotation files for contradictions, and against a published release",
        ("composite", "select"),
        unit="released",
    ),
    Stage(
        "train",
        "recognition",
        "Train CAR, its baseline and the methods it is compared with",
        ("counterfactual",),
        draws=True,
        tables={"train": "train/*.csv"},
        unit="train_views",
    ),
    Stage(
        "evaluate",
        "recognition",
        "Predict every clip of the test sets; top-1, top-5 and the causal effect per class",
        ("counterfactual",),
        draws=True,
        tables={"evaluate": "evaluate/*.parquet"},
        unit="test_views",
    ),
    Stage(
        "predictions",
        "recognition",
        "Read the predictions of other programs (mmaction2, PySlowFast, your own)",
    ),
    Stage(
        "attention",
        "recognition",
        "Grad-CAM: how much of it lies on actor, occluder and background",
        ("evaluate",),
        draws=True,
        tables={"attention": "attention/*.parquet"},
        unit="attended",
    ),
    Stage(
        "paper",
        "results",
        "Make the paper's tables and figures from your numbers, beside the printed ones",
        ("composite", "evaluate", "predictions"),
        draws=True,
    ),
    Stage(
        "report",
        "results",
        "Write the HTML page of a build",
        ("select", "composite", "train", "evaluate"),
        draws=True,
    ),
    Stage(
        "residual_actor",
        "occlusion",
        "Look for people again in the counterfactual clips: is the actor gone?",
        ("counterfactual", "detect", "select"),
        draws=True,
        in_all=False,
    ),
    Stage(
        "proposals",
        "people",
        "Find people whom static things hide, in long surveillance videos",
        in_all=False,
    ),
    Stage(
        "segments",
        "sources",
        "Cut accepted proposals into clips of 8 to 10 s (OccludeNet-S)",
        ("composite",),
        in_all=False,
        tables={"segments": "segments/clips.parquet"},
    ),
)

STAGES: dict[str, Stage] = {stage.name: stage for stage in _ROWS}
"""Stage by name, in the order of the data."""

TABLES: dict[str, str] = {name: files for stage in _ROWS for name, files in stage.tables.items()}
"""Table -> its files, a pattern below the build's folder, in the order of the data."""
