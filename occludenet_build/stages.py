"""Table of the stages of the workflow, in the order of the data.

A stage is one step of the workflow. Its rule file `workflow/<name>.smk`, package, section of the
configuration, folder in a build and command have the same name. This module uses the standard
library only because the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def module_of(name: str, wing: str) -> str:
    """Dotted name of the module or package of the command `name` in the package `wing`."""
    return f"occludenet_build.{wing}.{name}"


@dataclass(frozen=True)
class Stage:
    """A stage of the workflow: one row of STAGES."""

    name: str
    wing: str
    """The package that contains the stage's package."""
    summary: str
    """One line for `occludenet --help` and the documentation."""
    borrows: tuple[str, ...] = ()
    """Sections of the configuration that the stage reads in addition to its own."""
    draws: bool = False
    """Whether its results depend on the seed."""
    results_version: int = 1
    """Version of its results, increased by hand when the stage gives other results for the same
    inputs and settings; then the stage and the stages after it are rerun. See CONTRIBUTING.md."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Part of its results with separate ledger keys -> version: a new version reruns that part
    only."""
    in_all: bool = True
    """Whether `snakemake all` runs it, if the settings enable it."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Tables that other stages read: name -> glob pattern of the files below the build folder.
    Empty: the stage writes findings, pages and other files only."""
    items: bool = False
    """Whether its tables have one row per item, with a status and a reason."""
    unit: str = "one"
    """The count, by its name in tools.plan.counts, that its cost is proportional to."""
    settings: str = ""
    """Module in config with its settings, a class with the stage's name in CamelCase; empty if
    Config has a field for them."""
    reads: tuple[str, ...] = ()
    """The stages whose results it reads, with any settings."""
    shards: str = ""
    """The stage whose tables `shards/` list the clips of its jobs, which `split` hands out."""
    others: tuple[str, ...] = ()
    """What it writes besides the folder of its name; {dataset} is composite.dataset."""
    clip_folders: tuple[str, ...] = ()
    """Folders of clips that it writes into, of which it does not own all files."""
    clip_columns: tuple[str, ...] = ()
    """Columns of its tables with the clips that it writes elsewhere, relative to the build."""
    lists: str = ""
    """Pattern of its tables that say where clips of the stages that it reads are."""
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What no run can make again: word for it -> patterns (fnmatch) of paths below the build."""

    @property
    def module(self) -> str:
        """Dotted name of its package."""
        return module_of(self.name, self.wing)

    def folders(self, dataset: str) -> tuple[str, ...]:
        """What it writes, relative to the build folder; `dataset`: composite.dataset."""
        clips = (one.format(dataset=dataset) for one in self.clip_folders)
        return (*self.own(dataset), *clips)

    def own(self, dataset: str) -> tuple[str, ...]:
        """Of these, what no other stage or user writes into."""
        return (self.name, *(one.format(dataset=dataset) for one in self.others))


_ROWS = (
    Stage(
        "kinetics",
        "sources",
        "Fetch Kinetics-400 (archives, YouTube or a mirror) and list the available clips",
        draws=True,
        tables={"kinetics": "kinetics/clips.parquet"},
        unit="fetched_clips",
        unique={"downloads": ("*",)},
    ),
    Stage(
        "acquire",
        "sources",
        "List the videos with class and split; fetch COCO, weights and UCF-Crime; record hashes",
        draws=True,
        tables={"acquire": "acquire/videos.parquet"},
        items=True,
        unit="videos",
        reads=("kinetics",),
        others=("coco", "release", "surveillance/archives.json", "surveillance/videos"),
        unique={"downloads": ("*",)},
    ),
    Stage(
        "index",
        "sources",
        "Decode every video once: size, rotation, exact times, sound, and errors with a reason",
        ("select",),
        draws=True,
        parts={"facts": 2},
        tables={"index": "index/videos.parquet"},
        items=True,
        unit="index_px",
        reads=("acquire",),
    ),
    Stage(
        "detect",
        "people",
        "Find person boxes in every frame, link them to tracks, choose the actor",
        tables={"detect": "detect/*.parquet"},
        items=True,
        unit="search_px",
        reads=("acquire", "index"),
        shards="index",
    ),
    Stage(
        "occluders",
        "occlusion",
        "Cut RGBA occluders out of COCO, with origin and licence",
        draws=True,
        tables={"occluders": "occluders/occluders.parquet"},
        items=True,
        unit="objects",
        reads=("acquire",),
    ),
    Stage(
        "select",
        "occlusion",
        "Choose the clips to occlude and the occluder of each: quota per class and type",
        ("occluders",),
        draws=True,
        results_version=2,
        tables={"select": "select/clips.parquet"},
        items=True,
        unit="candidates",
        reads=("acquire", "index", "detect", "occluders"),
    ),
    Stage(
        "leaks",
        "occlusion",
        "Report clips, YouTube ids and near-duplicate videos that two splits share",
        unit="chosen_px",
        reads=("select",),
    ),
    Stage(
        "audit",
        "people",
        "Compare the actor's boxes with a second detector on a sample of clips",
        draws=True,
        in_all=False,
        reads=("acquire", "detect", "select"),
    ),
    Stage(
        "actor_masks",
        "people",
        "Segment the actor in every frame",
        tables={"actor_masks": "actor_masks/*.parquet"},
        items=True,
        unit="actor_frames",
        reads=("acquire", "detect", "select"),
        shards="select",
    ),
    Stage(
        "composite",
        "occlusion",
        "Write occluded clips, clean twins, counterfactual clips and the ground truth in one pass",
        ("counterfactual",),
        draws=True,
        parts={"counterfactual": 1, "unerased": 1},
        tables={"composite": "composite/*.parquet", "counterfactual": "counterfactual/*.parquet"},
        items=True,
        unit="output_px",
        reads=("detect", "occluders", "select", "actor_masks"),
        shards="select",
        others=("counterfactual",),
        clip_folders=("{dataset}", "{dataset}-clean", "{dataset}-counterfactual"),
        clip_columns=("files", "clean_file"),
    ),
    Stage(
        "outside",
        "occlusion",
        "Check counterfactual clips of another program frame by frame, and measure what it changed",
        ("composite", "counterfactual"),
        in_all=False,
        tables={"outside": "outside/*.parquet"},
        unit="output_px",
        reads=("actor_masks", "composite"),
    ),
    Stage(
        "poses",
        "people",
        "Find the joints of the actor and of others, on clean twins and on occluded clips",
        in_all=False,
        tables={"poses": "poses/[0-9]*.parquet"},
        items=True,
        settings="poses",
        reads=("acquire", "detect", "select", "composite"),
    ),
    Stage(
        "annotate",
        "dataset",
        "Write the annotation files of OccludeNet, and Parquet tables with all facts",
        ("composite", "counterfactual", "occluders"),
        tables={"annotate": "annotate/clips.parquet", "frames": "annotate/frames/*.parquet"},
        unit="truth_rows",
        reads=("select", "occluders", "actor_masks", "composite", "outside"),
        others=("{dataset}/annotations",),
        lists="annotate/clips.parquet",
    ),
    Stage(
        "validate",
        "dataset",
        "Check annotation files for contradictions and against a published release",
        ("composite", "select"),
        unit="released",
        reads=("acquire", "annotate"),
    ),
    Stage(
        "variants",
        "dataset",
        "Write derived test sets: background only, human only, action swap, SCUBA, SCUFO, greyed",
        ("composite", "counterfactual", "evaluate"),
        draws=True,
        parts={"plates": 1, "clips": 1},
        in_all=False,
        tables={"variants": "variants/items/*.parquet"},
        items=True,
        reads=("detect", "select", "actor_masks", "composite"),
    ),
    Stage(
        "export",
        "dataset",
        "Write the dataset in the formats of other programs, which their own readers read",
        in_all=False,
        settings="export",
        reads=("detect", "select", "actor_masks", "poses", "annotate", "measure"),
    ),
    Stage(
        "train",
        "recognition",
        "Train CAR, its baseline and comparison methods",
        ("counterfactual",),
        draws=True,
        parts={"pairs": 2},
        tables={"train": "train/*.csv"},
        unit="train_views",
        reads=("acquire", "annotate", "measure"),
    ),
    Stage(
        "evaluate",
        "recognition",
        "Predict every clip of the test sets; top-1, top-5 and the causal effect per class",
        ("counterfactual",),
        draws=True,
        parts={"erased": 2},
        tables={"evaluate": "evaluate/*.parquet"},
        unit="test_views",
        reads=("annotate", "variants", "train", "measure"),
    ),
    Stage(
        "integralaction",
        "recognition",
        "Train and evaluate IntegralAction on RGB and poses; its gate by degree of occlusion",
        draws=True,
        in_all=False,
        settings="integralaction",
        reads=("acquire", "poses", "annotate"),
    ),
    Stage(
        "moc",
        "action_detection",
        "Train MOC and STADO; AP by occlusion, and where their attention is",
        draws=True,
        in_all=False,
        settings="moc",
        reads=("acquire", "detect", "occluders", "actor_masks", "annotate", "measure"),
    ),
    Stage(
        "questions",
        "recognition",
        "Write multiple-choice questions about the clips for video language models",
        ("evaluate",),
        draws=True,
        in_all=False,
        settings="questions",
        reads=("annotate", "evaluate", "predictions"),
    ),
    Stage(
        "predictions",
        "recognition",
        "Read the predictions of other programs (mmaction2, PySlowFast, your own)",
        reads=("annotate",),
    ),
    Stage(
        "attention",
        "recognition",
        "Compute Grad-CAM maps and their shares on actor, occluder and background",
        ("evaluate",),
        draws=True,
        tables={"attention": "attention/*.parquet"},
        unit="attended",
        reads=("annotate", "train"),
    ),
    Stage(
        "models",
        "results",
        "Train and evaluate several networks, and compare them by degree of occlusion",
        ("train",),
        draws=True,
        in_all=False,
        tables={"models": "models/*/*.parquet"},
        settings="models",
        reads=("acquire", "annotate", "integralaction", "moc"),
    ),
    Stage(
        "paper",
        "results",
        "Write the paper's tables and figures from your results, next to the published ones",
        ("composite", "evaluate", "predictions"),
        draws=True,
        reads=("occluders", "annotate", "evaluate", "predictions", "attention"),
    ),
    Stage(
        "report",
        "results",
        "Write the HTML page of a build",
        ("select", "composite", "train", "evaluate"),
        draws=True,
        reads=("annotate", "evaluate", "integralaction", "models", "paper"),
    ),
    Stage(
        "residual_actor",
        "occlusion",
        "Detect people that remain in the counterfactual clips",
        ("counterfactual", "detect", "select"),
        draws=True,
        results_version=2,
        in_all=False,
        reads=("acquire", "detect", "occluders", "select", "actor_masks", "composite", "outside"),
    ),
    Stage(
        "proposals",
        "people",
        "Find people occluded by static objects in long surveillance videos",
        results_version=2,
        in_all=False,
        reads=("acquire",),
        others=("surveillance/videos.parquet", "surveillance/index", "surveillance/detect"),
        unique={"reviews": ("proposals/review*.csv",)},
    ),
    Stage(
        "segments",
        "sources",
        "Cut accepted proposals into clips of 8 to 10 s (OccludeNet-S)",
        ("composite",),
        in_all=False,
        tables={"segments": "segments/clips.parquet"},
        reads=("acquire", "proposals"),
        clip_columns=("file",),
    ),
    Stage(
        "recordings",
        "sources",
        "Cut your recordings into clips with splits by person (OccludeNet-I and -M)",
        ("composite",),
        draws=True,
        in_all=False,
        tables={"recordings": "recordings/clips.parquet"},
        settings="recordings",
        clip_columns=("file",),
        unique={"recordings": ("*",)},
    ),
    Stage(
        "measure",
        "occlusion",
        "Measure who hides whom in the clips of OccludeNet-S, -I and -M, from tracks and masks",
        ("actor_masks", "counterfactual"),
        in_all=False,
        settings="measure",
        reads=("acquire", "segments", "recordings"),
        lists="measure/*/clips.parquet",
    ),
)

STAGES: dict[str, Stage] = {stage.name: stage for stage in _ROWS}
"""Stage by name, in the order of the data."""

TABLES: dict[str, str] = {name: files for stage in _ROWS for name, files in stage.tables.items()}
"""Table -> glob pattern of its files below the build folder, in the order of the data."""
