"""Settings of the wing recognition: training and its recipe, evaluation, predictions, attention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

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


ARMS = ("baseline", "car", "clean", "stillmix", "fame")


WEIGHTED = "car_a"


@dataclass(frozen=True)
class Augment:
    """How training clips are changed; both clips of a pair alike, from one draw."""

    flip: bool = setting(True)
    """Mirror half of the clips."""
    area: tuple[float, ...] | None = setting(None, low=0.01, high=1)
    """Smallest and largest share of the picture that a random crop takes before it is resized to
    train.size; null: a crop of train.size out of train.short_side, unresized."""
    aspect: tuple[float, ...] = setting((0.75, 1.3333), low=0.1, high=10)
    """Narrowest and widest shape of such a crop, width / height."""
    randaugment: int = setting(0, low=0, high=20)
    """RandAugment's operations per clip; 0: none."""
    randaugment_magnitude: int = setting(7, low=0, high=10)
    """Their strength."""
    randaugment_sd: float = setting(0.5, low=0, high=10)
    """Standard deviation of the strength from clip to clip."""
    erase: float = setting(0.0, low=0, high=1)
    """Share of the clips in which a random rectangle becomes noise."""
    mixup: float = setting(0.0, low=0, high=10)
    """Mixup's Beta(a, a); 0: none. A pair is mixed with a pair, by one share."""
    label_smoothing: float = setting(0.0, low=0, high=0.99)


@dataclass(frozen=True)
class Mix:
    """The arms stillmix and fame, which fight the background instead of erasing the actor."""

    probability: float = setting(0.25, low=0, high=1)
    """Share of the clips that are mixed."""
    stills: str = setting("bank", choices=("bank", "random"))
    """StillMix: what is mixed in. bank: frames that a network of single frames is surest of, which
    is trained first; random: any frame of another clip of the batch."""
    still_frames: int = setting(1024, low=1, high=100_000)
    """Frames in the bank."""
    still_epochs: int = setting(10, low=1, high=10_000)
    """Of the network of single frames, a ResNet-18."""
    still_weights: str | None = setting(None, path=True)
    """What it starts from, torchvision's ImageNet weights; null: from nothing."""
    still_beta: float = setting(200.0, low=0.01)
    """StillMix: the share of the clip's own picture is drawn from Beta(b, b)."""
    fame_keep: float = setting(0.5, low=0.01, high=1)
    """FAME: share of the pixels, those that move most, that count as foreground."""


@dataclass(frozen=True)
class Optimizer:
    """The recipe of a step."""

    name: str = setting("adamw", choices=("adamw", "sgd"))
    momentum: float = setting(0.9, low=0, high=1)
    """Of sgd (with Nesterov's); adamw's first beta."""
    beta2: float = setting(0.999, low=0, high=1)
    """adamw's second beta."""
    final_rate: float = setting(0.0, low=0)
    """Learning rate at the end of the cosine."""
    first_rate: float = setting(0.0, low=0)
    """Learning rate at the beginning of the warm-up."""
    layer_decay: float = setting(1.0, low=0.01, high=1)
    """Each layer learns at this times the rate of the next one towards the head."""
    head_rate: float = setting(1.0, low=0)
    """The head learns at this times train.learning_rate."""
    accumulate: int = setting(1, low=1, high=65_536)
    """Batches per step of the optimizer."""
    ema: float = setting(0.0, low=0, high=0.999999)
    """Decay of an exponential moving average of the weights, which is then what is evaluated; 0:
    none."""


@dataclass(frozen=True)
class Train:
    backbone: str = setting("r3d_18")
    """Name in recognition.backbones: tiny3d, r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v2_s, swin3d_t,
    x3d_xs, x3d_s, x3d_m, x3d_l, x3d_s_pytorchvideo, i3d_r50, ibm_i3d_resnet18, ibm_i3d_resnet50,
    ibm_i3d_resnet101, uniformerv2_b16, uniformerv2_l14, videomamba_t, videomamba_s, videomamba_m,
    videomae_s, videomae_b, videomae_l."""
    weights: str | None = setting(None, path=True, url=True)
    """Checkpoint the backbone starts from, a file or an http(s) address, in the form its authors or
    mmaction2 published; a head of other classes is left out and said."""
    weights_sha256: str | None = setting(None, sha256=True)
    """What the weights must have; another file stops the build."""
    arms: tuple[str, ...] = setting(("baseline", "car"), choices=ARMS)
    """What is trained. baseline: on the occluded clips, alpha 0; car: on pairs; clean: on the clean
    twins, alpha 0; stillmix, fame: as baseline, with that augmentation."""
    alpha: float = setting(1.0, low=0)
    """Weight of CAR's causal term in the arm car."""
    alphas: tuple[float, ...] = setting((), low=0, empty=True)
    """Further weights, an arm car_a<alpha> each, for Table 6."""
    causal_term: str = setting("kl_p_y", choices=("kl_p_y", "ce_y"))
    """kl_p_y: KL(P || Y), Eq. 4 as printed; ce_y: -log Y[label]."""
    detach_prediction: bool = setting(False)
    """Stop the causal term's gradient through the clip's logits."""
    detach_counterfactual: bool = setting(False)
    """Stop the gradient through the counterfactual's logits."""
    counterfactual_forward: str = setting("auto", choices=("auto", "own", "shared"))
    """own: the counterfactuals go through the network in a batch of their own, whose batch norm
    statistics are not kept; shared: in one batch with the clips; auto: own where the network has
    batch norm, else shared."""
    empty_masks: str = setting("drop", choices=("drop", "keep"))
    """A clip in whose view nothing is erased: drop its causal term and count it, or keep it with
    c = p."""
    seeds: tuple[int, ...] = setting((0,), low=0)
    """One training per seed and arm."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0, high=4)
    """Occlusion scales of the training clips; 0: the clean twins."""
    frames: int | None = setting(None, low=1, high=512)
    """Frames per clip; null: as many as the backbone was made for."""
    stride: int | None = setting(None, low=0, high=512)
    """Frames from one to the next; 0: one from each of as many equal segments; null: as the
    backbone was made for."""
    size: int | None = setting(None, low=16, high=1024)
    """Side of the square crop, pixels; null: what the backbone was made for."""
    short_side: int | None = setting(None, low=16, high=2048)
    """The short side is scaled to this before the crop, pixels; null: larger than the crop as with
    the backbone's own."""
    epochs: int = setting(5, low=1, high=100_000)
    batch: int = setting(8, low=1, high=65_536)
    """Clips per step, of all processes together."""
    learning_rate: float = setting(1e-4, low=0)
    """The largest, at the end of the warm-up; half a cosine leads down from it."""
    weight_decay: float = setting(0.05, low=0)
    warmup_epochs: float = setting(1.0, low=0)
    clip_gradient: float = setting(20.0, low=0)
    """Largest norm of the gradient; 0: no limit."""
    precision: str = setting("fp32", choices=("fp32", "bf16", "fp16"))
    """Of the network's arithmetic (autocast); the loss is always float32."""
    optimizer: Optimizer = setting(Optimizer())
    augment: Augment = setting(Augment())
    mix: Mix = setting(Mix())
    dropout: float | None = setting(None, low=0, high=0.99)
    """Of x3d_*, uniformerv2_*, videomamba_*, videomae_*: share of the head's inputs (and of
    UniFormerV2's global blocks) that is zeroed in training; null: the backbone's own."""
    drop_path: float | None = setting(None, low=0, high=0.99)
    """Of uniformerv2_*, videomamba_*, videomae_*: share of the clips that skip the last block,
    rising evenly from 0 at the first; null: the backbone's own, 0."""
    processes: int = setting(1, low=1, high=1024)
    """Of one training, by torchrun, one GPU each; the same batch is shared out."""
    tensorboard: bool = setting(True)
    """Write TensorBoard's event files beside the loss curve."""
    log_steps: int = setting(10, low=1)
    """Steps per row of the loss curve; an epoch always ends one."""
    checkpoint_minutes: float = setting(10.0, low=0)
    """A checkpoint after each epoch, and after so many minutes."""
    memory_mib: int = setting(512, low=0)
    """Where all training clips fit into this decoded, they are decoded once and kept."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""

    def __post_init__(self) -> None:
        if self.size is not None and self.short_side is not None and self.size > self.short_side:
            raise UserError(
                f"config: train.size: wanted at most train.short_side, {self.short_side}, "
                f"got {self.size}; change one of them"
            )
        _check_arms(self)
        for name in ("first_rate", "final_rate"):
            rate = getattr(self.optimizer, name)
            if rate > self.learning_rate:
                raise UserError(
                    f"config: train.optimizer.{name}: wanted at most train.learning_rate, "
                    f"{self.learning_rate:g}, got {rate:g}; change one of them"
                )


def with_alpha(alpha: float) -> str:
    """The name of CAR's arm of this weight.

    >>> with_alpha(0.5), with_alpha(2.0), with_alpha(1e-7)
    ('car_a0.5', 'car_a2', 'car_a0.0000001')
    """
    return f"{WEIGHTED}{Decimal(repr(alpha)).normalize():f}"


def _check_arms(train: Train) -> None:
    """No training twice under two names, and none that is another's by its alpha."""
    _different("train.arms", train.arms)
    _different("train.alphas", [with_alpha(alpha) for alpha in train.alphas])
    if 0 in train.alphas:
        raise UserError(
            "config: train.alphas: wanted weights above 0, got 0; that is the arm baseline"
        )
    if "car" not in train.arms:
        return
    if train.alpha == 0:
        raise UserError(
            "config: train.alpha: wanted more than 0 for the arm car, got 0; change it or take car "
            "out of train.arms"
        )
    if train.alpha in train.alphas:
        raise UserError(
            f"config: train.alphas: wanted other weights than train.alpha, {train.alpha:g}, which "
            "the arm car has; take it out"
        )


def _different(key: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise UserError(f"config: {key}: wanted different values, got {', '.join(values)}")
