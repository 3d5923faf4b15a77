"""Settings of evaluation, of predictions from elsewhere, of attention, of tables and page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import required, setting


@dataclass(frozen=True)
class ListedSet:
    """A set of clips that did not come out of this build, by a list file."""

    name: str = required()
    """As it is called in tables: S, I, M, K-400, K-400-O, or any other."""
    file: str = required(path=True)
    """`file,label` with a header, as OccludeNet's; `action class,file name` with one, as its S, I
    and M; or `file label` lines, comma, semicolon or space between. A label is a name, or a number
    of the label map."""
    root: str | None = setting(None, path=True)
    """Folder the files are relative to; null: that of the list."""
    label_map: str | None = setting(None, path=True)
    """Names of numbered labels: a line each, in order, or JSON {name: number}, as labels.json."""


@dataclass(frozen=True)
class Evaluate:
    views: int = setting(4, low=1, high=100)
    """Clips in time that are averaged."""
    crops: int = setting(1, choices=(1, 3))
    """Crops in space that are averaged: the centre, or three along the longer side."""
    average: str = setting("softmax", choices=("softmax", "logits"))
    """What is averaged over views and crops."""
    split: str = setting("test", choices=("train", "val", "test"))
    """The split that is evaluated."""
    counterfactuals: bool = setting(False)
    """Predict the clips without their actor too, which Eq. 1's causal effect per class needs;
    counterfactual.splits must hold the split."""
    lists: tuple[ListedSet, ...] = ()
    """Further sets: [{name: S, file: test_s.csv}, ...]."""
    batch: int = setting(8, low=1, high=65_536)
    """Clips at a time; all their views and crops go through the network together."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""

    def __post_init__(self) -> None:
        names = [listed.name for listed in self.lists]
        if len(set(names)) < len(names):
            raise UserError(
                f"config: evaluate.lists: wanted different names, got {', '.join(names)}"
            )


@dataclass(frozen=True)
class Dump:
    """Predictions of one model for one set, from another program."""

    model: str = required()
    """As it is called in tables."""
    set: str = required()
    """clean, D-25, D-50, D-75, K-400, K-400-O, S, I, M, EPIC, or any other."""
    file: str = required(path=True)
    """mmaction2's --dump (0.x: --out), PySlowFast's TEST.SAVE_RESULTS_PATH, .npy or .npz (clips x
    classes), .csv (file, then a column per class), or a Parquet file of evaluate."""
    list: str | None = setting(None, path=True)
    """The list that the program read, one clip a line in the order of the rows, as those of
    evaluate.lists; not needed where the file names its clips."""
    label_map: str | None = setting(None, path=True)
    """Label names in the order of the scores: a line each, or JSON {name: number}; not needed where
    the file names its classes."""
    scores: str = setting("probabilities", choices=("probabilities", "logits"))
    """What the file holds: probabilities of any sum, as PySlowFast adds those of all views; or
    logits."""

    @property
    def slug(self) -> str:
        """The model's name as a file's: predictions/<slug>.parquet."""
        return re.sub(r"[^A-Za-z0-9.+]+", "_", self.model).strip("_.") or "_"


@dataclass(frozen=True)
class Predictions:
    """Models that were not trained here: tables and figures take them like those that were."""

    dumps: tuple[Dump, ...] = ()
    """[{model: I3D, set: D-25, file: i3d_25.pkl, list: val_25.csv, label_map: k400.txt}, ...]."""
    builds: tuple[str, ...] = setting((), path=True, empty=True)
    """Folders of other builds, whose predictions stand in the tables too."""

    def __post_init__(self) -> None:
        models: dict[str, str] = {}
        for dump in self.dumps:
            other = models.setdefault(dump.slug.casefold(), dump.model)
            if other != dump.model:
                raise UserError(
                    "config: predictions.dumps: wanted models whose names differ in letters or "
                    f"digits, got {other!r} and {dump.model!r}; rename one"
                )


@dataclass(frozen=True)
class Attention:
    """Where the networks look: Grad-CAM over the evaluated clips."""

    clips: int | None = setting(None, low=1)
    """Source clips of evaluate.split, drawn by hash; each counts in every set. null: all."""
    target: str = setting("label", choices=("label", "predicted"))
    """The class whose score is explained."""
    layer: str | None = setting(None)
    """Module whose activations are weighted; null: the backbone's last with places in it."""
    pictures: int = setting(6, low=0, high=100)
    """Source clips in the picture grids (Figures 2, 9, 17)."""
    batch: int = setting(4, low=1, high=65_536)
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""


@dataclass(frozen=True)
class Paper:
    """The paper's tables and figures, from this build's numbers beside the printed ones."""

    trained: bool = setting(True)
    """Train and evaluate train.arms for them; false: only predictions.dumps and builds count."""
    common: bool = setting(True)
    """Compare models on the clips that all of them were shown; false: each on its own."""
    bootstrap: int = setting(1000, low=10)
    """Resamplings for the bands of curves."""
    bins: int = setting(5, low=2, high=100)
    """Bins of the measured occlusion in Figures 4b and 4c."""
    dpi: int = setting(200, low=50, high=1200)
    """Of the PNG files."""
    parents: str | None = setting(None, path=True)
    """JSON {parent: [class, ...]} in the place of the paper's Appendix G."""


@dataclass(frozen=True)
class Report:
    examples: int = setting(6, low=0, high=200)
    """Clips shown as strips."""
    frames: int = setting(6, low=1, high=30)
    """Frames in a strip."""
