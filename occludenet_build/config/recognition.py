"""Settings of the stages that train, evaluate and explain action-recognition networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_hub_name, require_distinct, required, setting


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
    crops: int = setting(1, choices=(1, 3))
    """Number of spatial crops per view that are averaged. 1: centre crop; 3: three crops along the
    longer side."""
    average: str = setting("softmax", choices=("softmax", "logits"))
    """What is averaged over views and crops: softmax probabilities or logits."""
    sampling: str = setting("mmaction2", choices=("published", *SAMPLINGS), added=True)
    """How the frames of the views are chosen: as in mmaction2 (without or, mmaction2_fps, with
    target_fps), UniFormerV2, SlowFast (slowfast_offset: with USE_OFFSET_SAMPLING),
    action-recognition-pytorch (ibm), IntegralAction or torchvision. published: as the authors of
    the backbone test it, which also replaces views, crops, average, size and short_side
    (docs/evaluation.md has the table)."""
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
    batch: int = setting(8, low=1, high=65_536)
    """Clips per batch; all views and crops of a clip pass through the network together."""
    device: str = setting("auto")
    """Device of the network: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    workers: int = setting(2, low=0, high=256)
    """Number of processes that decode clips; 0: the main process decodes."""

    def __post_init__(self) -> None:
        require_distinct("evaluate.lists", [listed.name for listed in self.lists], "names")


@dataclass(frozen=True)
class Dump:
    """Predictions of another program for one model and one set."""

    model: str = required()
    """Name of the model in tables."""
    set: str = required()
    """Name of the set: clean, D-25, D-50, D-75, K-400, K-400-O, S, I, M, EPIC, or any other."""
    file: str = required(path=True)
    """File of predictions: --dump of mmaction2 (0.x: --out), TEST.SAVE_RESULTS_PATH of PySlowFast,
    .npy or .npz (clips x classes), .csv (file, then a column per class), or a Parquet file of the
    stage evaluate."""
    list: str | None = setting(None, path=True)
    """List file of the clips, one per line in the order of the predictions, in a format of
    evaluate.lists; null: the file names its clips."""
    label_map: str | None = setting(None, path=True)
    """Label names in the order of the scores: a text file with one name per line, or JSON {name:
    number}; null: the file names its classes."""
    scores: str = setting("probabilities", choices=("probabilities", "logits"))
    """Meaning of the scores: probabilities, of any sum (PySlowFast adds those of all views), or
    logits."""

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


ARMS = ("baseline", "car", "clean", "stillmix", "fame")
"""Names of the arms in train.arms."""
WEIGHTED = "car_a"
"""Prefix of the arms of train.alphas: car_a0.5."""


@dataclass(frozen=True)
class Augment:
    """Augmentation of training clips; both clips of a pair get the same augmentation."""

    flip: bool = setting(True)
    """Flip clips horizontally with probability 0.5."""
    area: tuple[float, ...] | None = setting(None, low=0.01, high=1)
    """[minimum, maximum] area of a random crop as a share of the frame; the crop is resized to
    train.size. null: a random crop of train.size from the frame scaled to train.short_side."""
    aspect: tuple[float, ...] = setting((0.75, 1.3333), low=0.1, high=10)
    """[minimum, maximum] aspect ratio of that crop, width / height."""
    randaugment: int = setting(0, low=0, high=20)
    """Number of RandAugment operations per clip; 0: none."""
    randaugment_magnitude: int = setting(7, low=0, high=10)
    """Magnitude of the RandAugment operations."""
    randaugment_sd: float = setting(0.5, low=0, high=10)
    """Standard deviation of the magnitude between clips."""
    erase: float = setting(0.0, low=0, high=1)
    """Random erasing: probability that a random rectangle of a clip is replaced by noise."""
    mixup: float = setting(0.0, low=0, high=10)
    """Parameter a of mixup's Beta(a, a); 0: no mixup. A pair is mixed with another pair, with one
    ratio."""
    label_smoothing: float = setting(0.0, low=0, high=0.99)
    """Label smoothing of the cross entropy."""


@dataclass(frozen=True)
class Mix:
    """Settings of the arms stillmix and fame, which reduce background bias without counterfactual
    clips."""

    probability: float = setting(0.25, low=0, high=1)
    """Probability that a clip is mixed."""
    stills: str = setting("bank", choices=("bank", "random"))
    """StillMix: the still frames to mix in. bank: the frames with the highest confidence of a
    single-frame network, which is trained first; random: any frame of another clip in the batch."""
    still_frames: int = setting(1024, low=1, high=100_000)
    """StillMix: number of frames in the bank."""
    still_epochs: int = setting(10, low=1, high=10_000)
    """StillMix: training epochs of the single-frame network, a ResNet-18."""
    still_weights: str | None = setting(None, path=True)
    """StillMix: path of torchvision's ImageNet weights for the single-frame network; null: random
    initialization."""
    still_beta: float = setting(200.0, low=0.01)
    """StillMix: parameter b of Beta(b, b), from which the weight of the clip is drawn."""
    fame_keep: float = setting(0.5, low=0.01, high=1)
    """FAME: share of the pixels, those with the most motion, that count as foreground."""


@dataclass(frozen=True)
class Optimizer:
    """Optimizer, learning-rate schedule and weight averaging."""

    name: str = setting("adamw", choices=("adamw", "sgd"))
    """Optimizer."""
    momentum: float = setting(0.9, low=0, high=1)
    """sgd: Nesterov momentum; adamw: beta1."""
    beta2: float = setting(0.999, low=0, high=1)
    """adamw: beta2."""
    final_rate: float = setting(0.0, low=0)
    """Learning rate at the end of the cosine decay."""
    first_rate: float = setting(0.0, low=0)
    """Learning rate at the start of the warm-up."""
    layer_decay: float = setting(1.0, low=0.01, high=1)
    """Layer-wise learning-rate decay: factor from each layer to the one before it, counted from the
    head; 1: none."""
    head_rate: float = setting(1.0, low=0)
    """Learning rate of the head, relative to train.learning_rate."""
    accumulate: int = setting(1, low=1, high=65_536)
    """Gradient accumulation: batches per optimizer step."""
    ema: float = setting(0.0, low=0, high=0.999999)
    """Decay of an exponential moving average (EMA) of the weights, which is then evaluated instead
    of the weights; 0: no EMA."""


SMALL_BACKBONES = ("tiny3d",)
"""Networks that a few CPU cores train in minutes: with device auto their jobs request no GPU."""


@dataclass(frozen=True)
class Train:
    """Stage train: training of CAR, its baseline and comparison methods."""

    backbone: str = setting("r3d_18")
    """Network: tiny3d, r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v2_s, swin3d_t,
    x3d_xs, x3d_s, x3d_m, x3d_l, x3d_s_pytorchvideo, i3d_r50, ibm_i3d_resnet18, ibm_i3d_resnet50,
    ibm_i3d_resnet101, uniformerv2_b16, uniformerv2_b16_ssv2, uniformerv2_l14, videomamba_t,
    videomamba_s, videomamba_m, videomae_s, videomae_b, videomae_l; hf: the video classifier of the
    library transformers in the folder `weights`."""
    weights: str | None = setting(None, path=True, url=True, hub=True)
    """Checkpoint for initialization, in the format of its authors or of mmaction2: a path, or an
    http(s) address that the stage acquire fetches once. A head with other classes is not loaded,
    and a line is logged. null: random initialization. With backbone hf: a folder as
    save_pretrained writes it, or a name OWNER/NAME in the local cache of huggingface_hub (nothing
    is fetched)."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    arms: tuple[str, ...] = setting(("baseline", "car"), choices=ARMS)
    """Arms to train. baseline: occluded clips, alpha 0; car: CAR on pairs of occluded and
    counterfactual clips; clean: clean twins, alpha 0; stillmix, fame: baseline with that
    augmentation."""
    alpha: float = setting(1.0, low=0)
    """Weight of the causal term in the arm car."""
    alphas: tuple[float, ...] = setting((), low=0, empty=True)
    """Further weights of the causal term; each one adds an arm car_a<alpha> (Table 6)."""
    causal_term: str = setting("kl_p_y", choices=("kl_p_y", "ce_y"))
    """Causal term of the loss. kl_p_y: KL(P || Y), Eq. 4 as published; ce_y: -log Y[label]."""
    detach_prediction: bool = setting(False)
    """Stop the gradient of the causal term at the logits of the clip."""
    detach_counterfactual: bool = setting(False)
    """Stop the gradient of the causal term at the logits of the counterfactual clip."""
    counterfactual_forward: str = setting("auto", choices=("auto", "own", "shared"))
    """Forward pass of the counterfactual clips. own: in a separate batch that does not update the
    batch-norm statistics; shared: in one batch with the clips; auto: own for networks with batch
    norm, else shared."""
    empty_masks: str = setting("drop", choices=("drop", "keep"))
    """Clips in whose view nothing is erased. drop: their causal term is left out and counted; keep:
    it is computed with c = p."""
    probe: str = setting("none", choices=("none", "linear", "attentive"), added=True)
    """Train a probe on the frozen backbone instead of the backbone. linear: a linear layer on the
    mean of the features; attentive: a cross-attention block with one learned query, then a linear
    layer (V-JEPA's evaluation). The features of a view are computed once and kept on disk."""
    probe_views: int = setting(4, low=1, high=1000, added=True)
    """With a probe: number of augmented views per clip whose features are kept; the epochs use
    them in turn."""
    probe_gib: float = setting(50.0, low=0, added=True)
    """With a probe: largest size of the features of one training on disk, GiB."""
    seeds: tuple[int, ...] = setting((0,), low=0)
    """Seeds; one training per seed and arm."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0, high=4)
    """Scales of the occluded clips to train on, from composite.scales; 0: the clean twins."""
    frames: int | None = setting(None, low=1, high=512)
    """Frames per clip; null: the default of the backbone."""
    stride: int | None = setting(None, low=0, high=512)
    """Distance between sampled frames, in frames; 0: one frame from each of `frames` equal
    segments; null: the default of the backbone."""
    size: int | None = setting(None, low=16, high=1024)
    """Side of the square crop, in pixels; null: the default of the backbone."""
    short_side: int | None = setting(None, low=16, high=2048)
    """Shorter side of the frame before the crop, in pixels; null: the ratio to `size` is that of
    the backbone's defaults."""
    epochs: int = setting(5, low=1, high=100_000)
    """Number of epochs."""
    batch: int = setting(8, low=1, high=65_536)
    """Clips per batch, over all processes."""
    learning_rate: float = setting(1e-4, low=0)
    """Maximum learning rate, reached at the end of the warm-up and followed by cosine decay."""
    weight_decay: float = setting(0.05, low=0)
    """Weight decay."""
    warmup_epochs: float = setting(1.0, low=0)
    """Duration of the linear warm-up, in epochs."""
    clip_gradient: float = setting(20.0, low=0)
    """Maximum norm of the gradient; 0: no clipping."""
    precision: str = setting("fp32", choices=("fp32", "bf16", "fp16"))
    """Precision of the network (autocast); the loss is always computed in float32. fp16 requires
    CUDA."""
    optimizer: Optimizer = setting(Optimizer())
    augment: Augment = setting(Augment())
    mix: Mix = setting(Mix())
    dropout: float | None = setting(None, low=0, high=0.99)
    """Dropout rate before the head (and in the global blocks of UniFormerV2), for x3d_*,
    uniformerv2_*, videomamba_*, videomae_*; null: the default of the backbone."""
    drop_path: float | None = setting(None, low=0, high=0.99)
    """Stochastic depth, for uniformerv2_*, videomamba_*, videomae_*: drop rate of the last block;
    the rate increases linearly from 0 at the first block. null: the default of the backbone, 0."""
    processes: int = setting(1, low=1, high=1024)
    """Number of processes per training, started by torchrun, one GPU each; the batch is divided
    among them."""
    tensorboard: bool = setting(True)
    """Write TensorBoard event files in addition to the loss curve."""
    log_steps: int = setting(10, low=1)
    """Steps per row of the loss curve; the end of an epoch also ends a row."""
    checkpoint_minutes: float = setting(10.0, low=0)
    """Interval between checkpoints, in minutes, in addition to one after each epoch."""
    memory_mib: int = setting(512, low=0)
    """Memory for decoded clips, in MiB: if all training clips fit, they are decoded once and
    kept."""
    device: str = setting("auto")
    """Device of the network: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    workers: int = setting(2, low=0, high=256)
    """Number of processes that decode clips; 0: the main process decodes."""

    def __post_init__(self) -> None:
        if self.size is not None and self.short_side is not None and self.size > self.short_side:
            raise UserError(
                f"config: train.size: wanted at most train.short_side, {self.short_side}, "
                f"got {self.size}; change one of them"
            )
        _check_arms(self)
        _check_network(self)
        for name in ("first_rate", "final_rate"):
            rate = getattr(self.optimizer, name)
            if rate > self.learning_rate:
                raise UserError(
                    f"config: train.optimizer.{name}: wanted at most train.learning_rate, "
                    f"{self.learning_rate:g}, got {rate:g}; change one of them"
                )


def with_alpha(alpha: float) -> str:
    """Name of the CAR arm with this weight of the causal term.

    >>> with_alpha(0.5), with_alpha(2.0), with_alpha(1e-7)
    ('car_a0.5', 'car_a2', 'car_a0.0000001')
    """
    return f"{WEIGHTED}{Decimal(repr(alpha)).normalize():f}"


def _check_network(train: Train) -> None:
    """Check that the weights are of the backbone's kind, and that a probe can be trained.

    Raises UserError.
    """
    if train.backbone == "hf" and train.weights is None:
        raise UserError(
            "config: train.weights: wanted a folder with a network of transformers, or its name "
            "in the local cache, for train.backbone hf, got null"
        )
    if train.backbone != "hf" and train.weights is not None and is_hub_name(train.weights):
        raise UserError(
            f"config: train.weights: wanted an existing path, got {train.weights!r} "
            f"({train.weights} is missing); names of networks need train.backbone hf"
        )
    if train.probe != "none" and train.augment.mixup:
        raise UserError(
            f"config: train.augment.mixup: wanted 0 with train.probe, got {train.augment.mixup:g}: "
            "a probe sees the features of single clips; change one of them"
        )


def _check_arms(train: Train) -> None:
    """Check that no two arms are the same training.

    Raises UserError.
    """
    require_distinct("train.arms", train.arms)
    require_distinct("train.alphas", [with_alpha(alpha) for alpha in train.alphas])
    if 0 in train.alphas:
        raise UserError(
            "config: train.alphas: wanted weights above 0, got 0; alpha 0 is the arm baseline"
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
