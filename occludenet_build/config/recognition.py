"""Settings of the stages that evaluate and explain action-recognition networks, and of predictions
of other programs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, required, setting


@dataclass(frozen=True)
class ListedSet:
    """An evaluation set that is not part of this build, given by a list file."""

    name: str = required()
    """Name of the set in tables: S, I, M, K-400, K-400-O, or any other."""
    file: str = required(path=True)
    """List file: `file,label` with a header, as in OccludeNet; `action class,file name` with a
    header, as in OccludeNet-S, -I and -M; or lines `file label` with a comma, semicolon or space in
    between. A label is a class name or a number of the label map."""
    root: str | None = setting(None, path=True)
    """Folder that the file names are relative to; null: the folder of the list."""
    label_map: str | None = setting(None, path=True)
    """Names of numbered labels: a text file with one name per line, in order, or JSON {name:
    number}, as in labels.json."""
    group: str | None = setting(None, added=True)
    """Which clips are not independent: a column of the list, or a regular expression with one group
    in parentheses that finds the name of the group in a file's path, such as "(.+)_view". null: by
    the file's name, see docs/evaluation.md."""

    def __post_init__(self) -> None:
        if self.group is not None and "(" in self.group:
            check_group_pattern("evaluate.lists: group", self.group)


def check_group_pattern(key: str, pattern: str) -> None:
    """Raises UserError, with the key of the setting, unless it is an expression with one group."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise UserError(
            f"config: {key}: wanted a regular expression, got {pattern!r}: {error}"
        ) from error
    if groups != 1:
        raise UserError(
            f"config: {key}: wanted a regular expression with one group in parentheses, got "
            f"{pattern!r} with {groups}; write others as (?:...)"
        )


SAMPLINGS = (
    *("mmaction2", "mmaction2_fps", "uniformerv2", "slowfast", "slowfast_offset", "ibm"),
    *("integralaction", "torchvision"),
)
"""Names of recognition.sampling.SAMPLERS."""


@dataclass(frozen=True)
class Evaluate:
    """Stage evaluate: predictions for the test sets, and their accuracy."""

    views: int = setting(4, low=1, high=100)
    """Number of temporal views per clip that are averaged."""
    crops: int = setting(1, choices=(1, 3, 5, 10))
    """Number of spatial crops per view that are averaged. 1: centre crop; 3: three crops along the
    longer side; 5: the corners and the centre; 10: these and their mirror images."""
    crop_places: str = setting("even", choices=("even", "quarters"), added=True)
    """Where several crops lie. even: the outer ones reach the edges; quarters: in whole steps of a
    quarter of the room, rounded down, as in action-recognition-pytorch, so that up to 3 pixels
    remain on the right and below."""
    average: str = setting("softmax", choices=("softmax", "logits"))
    """What is averaged over views and crops: softmax probabilities or logits."""
    sampling: str = setting("mmaction2", choices=("published", *SAMPLINGS), added=True)
    """How the frames of the views are chosen: as in mmaction2 (without or, mmaction2_fps, with
    target_fps), UniFormerV2, SlowFast (slowfast_offset: with USE_OFFSET_SAMPLING),
    action-recognition-pytorch (ibm), IntegralAction or torchvision. published: as the authors of
    the backbone test it, which also replaces views, crops, crop_places, average, size and
    short_side (docs/evaluation.md has the table)."""
    size: int | None = setting(None, low=16, high=1024, added=True)
    """Side of the square crop, in pixels; null: that of the training."""
    short_side: int | None = setting(None, low=16, high=2048, added=True)
    """Shorter side of the frame before the crop, in pixels; null: the ratio to `size` is that of
    the training."""
    split: str = setting("test", choices=("train", "val", "test"))
    """Split to evaluate."""
    counterfactuals: bool = setting(False)
    """Also predict the counterfactual clips, which the causal effect per class (Eq. 1) needs;
    counterfactual.splits must contain the split."""
    lists: tuple[ListedSet, ...] = ()
    """Further evaluation sets: [{name: S, file: test_s.csv, root: null, label_map: null}, ...]."""
    group: str | None = setting(None, added=True)
    """Which clips of the build are not independent: a regular expression with one group in
    parentheses that finds the name of the group in the name of the source clip. null: clips of one
    YouTube video, stretches of one video and views of one performance, by name."""
    tde: tuple[float, ...] = setting((1.0,), low=0, high=100, empty=True, added=True)
    """Weights lambda of the total direct effect at test, argmax(p - lambda c) of the logits with
    (p) and without (c) the actor; only with counterfactuals."""
    batch: int = setting(8, low=1, high=65_536)
    """Clips per batch; all views and crops of a clip pass through the network together."""
    device: str = setting("auto")
    """Device of the network: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    workers: int = setting(2, low=0, high=256)
    """Number of processes that decode clips; 0: the main process decodes."""

    def __post_init__(self) -> None:
        require_distinct("evaluate.lists", [listed.name for listed in self.lists], "names")
        require_distinct("evaluate.tde", [f"{weight:g}" for weight in self.tde])
        if self.group is not None:
            check_group_pattern("evaluate.group", self.group)


@dataclass(frozen=True)
class Dump:
    """Predictions of another program for one model and one set."""

    model: str = required()
    """Name of the model in tables."""
    set: str = required()
    """Name of the set: clean, D-25, D-50, D-75, K-400, K-400-O, S, I, M, EPIC, or any other."""
    file: str = required(path=True)
    """File of predictions: --dump of mmaction2 (0.x: --out), TEST.SAVE_RESULTS_PATH of PySlowFast,
    .npy or .npz (clips x classes), .csv (file, then a column per class), a Parquet file of the
    stage evaluate, or .jsonl (answers to the questions of the stage questions)."""
    list: str | None = setting(None, path=True)
    """List file of the clips, one per line in the order of the predictions, in a format of
    evaluate.lists; null: the file names its clips. For answers: key.json of the stage questions."""
    label_map: str | None = setting(None, path=True)
    """Label names in the order of the scores: a text file with one name per line, or JSON {name:
    number}; null: the file names its classes."""
    scores: str = setting("probabilities", choices=("probabilities", "logits"))
    """Meaning of the scores: probabilities, of any sum (PySlowFast adds those of all views), or
    logits."""
    group: str | None = setting(None, added=True)
    """Which clips are not independent, as in evaluate.lists: a column of `list`, or a regular
    expression with one group in parentheses."""

    def __post_init__(self) -> None:
        if self.group is not None and "(" in self.group:
            check_group_pattern("predictions.dumps: group", self.group)

    @property
    def slug(self) -> str:
        """The model's name as a file name: predictions/<slug>.parquet."""
        return re.sub(r"[^A-Za-z0-9.+]+", "_", self.model).strip("_.") or "_"


@dataclass(frozen=True)
class Predictions:
    """Stage predictions: results of models trained elsewhere, for the tables and figures."""

    dumps: tuple[Dump, ...] = ()
    """Prediction files: [{model: I3D, set: D-25, file: i3d_25.pkl, list: val_25.csv, label_map:
    k400.txt, scores: probabilities}, ...]."""
    builds: tuple[str, ...] = setting((), path=True, empty=True)
    """Build folders of other builds whose predictions are added to the tables."""

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
    """Stage attention: Grad-CAM maps of the evaluated clips."""

    clips: int | None = setting(None, low=1)
    """Number of source clips of evaluate.split, drawn by hash; each is used in every set. null:
    all."""
    target: str = setting("label", choices=("label", "predicted"))
    """Class whose score is explained: the true label or the predicted class."""
    layer: str | None = setting(None)
    """Name of the module whose activations are used; null: the backbone's last module with spatial
    dimensions."""
    pictures: int = setting(6, low=0, high=100)
    """Number of source clips in the image grids (Figures 2, 9, 17)."""
    batch: int = setting(4, low=1, high=65_536)
    """Clips per batch."""
    device: str = setting("auto")
    """Device of the network: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    workers: int = setting(2, low=0, high=256)
    """Number of processes that decode clips; 0: the main process decodes."""
