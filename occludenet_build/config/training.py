"""Settings of the stage train: recipe, arms, augmentation, mixing, swapping."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from occludenet_build.config.loop import Loop
from occludenet_build.config.occlusion import DRAWN_FILLS
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_hub_name, is_url, require_distinct, setting

ARMS = ("baseline", "car", "clean", "stillmix", "fame", "swap", "car_swap", "baseline_long")
"""Names of the arms in train.arms."""
WEIGHTED = "car_a"
"""Prefix of the arms of train.alphas: car_a0.5."""
ONE_SCALE = "scale_"
"""Prefix of the arms of train.one_scale: scale_0.25."""


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
    crop: str = setting("plain", choices=("plain", "multi_scale", "jitter"), added=True)
    """How the crop is drawn. plain: as `area` says; multi_scale: height and width of 1, 0.875, 0.75
    or 0.66 of the short side, at most one step apart, at one of 13 places, resized to train.size;
    jitter: the frame is scaled to a drawn short side first. The last two are the augmentors v1 and
    v2 of action-recognition-pytorch."""
    jitter: tuple[int, ...] = setting((256, 320), low=16, high=2048, added=True)
    """crop jitter: [minimum, maximum] of the short side, in pixels."""
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

    def __post_init__(self) -> None:
        if self.crop != "plain" and self.area is not None:
            raise UserError(
                f"config: train.augment.area: wanted null with train.augment.crop {self.crop}, "
                f"which draws a crop of its own, got {list(self.area)}; change one of them"
            )


def check_jitter(augment: Augment, size: int) -> None:
    """Raises UserError where the short side that is drawn may be smaller than the crop, `size`."""
    if augment.crop == "jitter" and min(augment.jitter) < size:
        raise UserError(
            f"config: train.augment.jitter: wanted at least {size}, the side of the crop, got "
            f"{min(augment.jitter)}; change it or train.size"
        )


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
class Swap:
    """Settings of the arms swap and car_swap: the actor of a clip before the scenery of another
    clip, do(B = b')."""

    probability: float = setting(0.5, low=0, high=1)
    """Probability that a clip gets the scenery of another training clip, without that clip's actor;
    its own actor, and what hides them, stay."""
    counterfactual: str = setting("new", choices=("new", "own"))
    """car_swap: the counterfactual of such a clip. new: the new scenery without the actor, so that
    both clips of the pair differ by the actor alone; own: that of the clip itself, in its own
    scenery."""
    min_frames: float = setting(0.5, low=0, high=1)
    """Least share of the frames of a view in which the actor is seen; a view with less keeps its
    scenery."""
    min_share: float = setting(0.01, low=0, high=1)
    """Least share of the pixels of a view, over its frames, that are the actor's mask; a view with
    less keeps its scenery, which may be all that tells the action."""


DATASET_D = "D"
"""Name in train.datasets of the composited clips, OccludeNet-D."""
OF_CNN_STUDY = "ibm_"
"""Prefix of the networks of the CNN study of IBM."""
SMALL_BACKBONES = ("tiny3d", "scene3d")
"""Networks that a few CPU cores train in minutes: with device auto their jobs request no GPU."""


@dataclass(frozen=True)
class Train(Loop):
    """Stage train: training of CAR, its baseline and comparison methods."""

    backbone: str = setting("r3d_18")
    """Network: tiny3d, scene3d, r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v2_s, swin3d_t,
    x3d_xs, x3d_s, x3d_m, x3d_l, x3d_s_pytorchvideo, i3d_r50, uniformerv2_b16, uniformerv2_b16_ssv2,
    uniformerv2_l14, videomamba_t, videomamba_s, videomamba_m, videomae_s, videomae_b, videomae_l;
    of the CNN study of IBM: ibm_i3d, ibm_s3d, ibm_tsn_inception_v1, ibm_tam_inception_v1 (these
    four on Inception-V1), ibm_i3d_resnet18, ibm_i3d_resnet50, ibm_i3d_resnet101, ibm_s3d_resnet18,
    ibm_s3d_resnet50, ibm_s3d_resnet101, ibm_tsn_resnet18, ibm_tsn_resnet50, ibm_tsn_resnet101,
    ibm_tam_resnet18, ibm_tam_resnet50, ibm_tam_resnet101; hf: the video classifier of the library
    transformers in the folder `weights`."""
    weights: str | None = setting(None, path=True, url=True, hub=True, late=True)
    """Checkpoint for initialization, in the format of its authors or of mmaction2: a path, or an
    http(s) address that the stage acquire fetches once. A head with other classes is not loaded,
    and a line is logged. With backbone ibm_* also torchvision's resnet of that depth, or googlenet,
    trained on images. null: random initialization. With backbone hf: a folder as save_pretrained
    writes it, or a name OWNER/NAME in the local cache of huggingface_hub (nothing is fetched)."""
    inflation: str = setting("divided", choices=("divided", "repeated"), added=True)
    """With backbone ibm_* and torchvision's resnet or googlenet as weights: how a kernel becomes
    one over kT frames. divided: repeated over time and divided by kT, so that the batch-norm
    statistics fit; repeated: not divided, as in IBM's repository, where they fit after about fifty
    steps. The head, and layers that the 2-D network lacks, stay random, and a line is logged."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    datasets: tuple[str, ...] = setting((DATASET_D,), added=True)
    """Datasets to train and evaluate networks on, each by itself. D: the clips that composite
    makes; S: those of segments; I, M, or another name of recordings.sets: those of recordings. All
    but D are measured first (stage measure), which finds the actors that CAR erases."""
    arms: tuple[str, ...] = setting(("baseline", "car"), choices=ARMS)
    """Arms to train. baseline: occluded clips, alpha 0; car: CAR on pairs of occluded and
    counterfactual clips; clean: clean twins, alpha 0; stillmix, fame: baseline with that
    augmentation; swap: baseline on clips of which some have another scenery; car_swap: CAR on
    these; baseline_long: baseline with twice the epochs, which costs as much as car."""
    alpha: float = setting(1.0, low=0)
    """Weight of the causal term in the arm car."""
    alphas: tuple[float, ...] = setting((), low=0, empty=True)
    """Further weights of the causal term; each one adds an arm car_a<alpha> (Table 6)."""
    one_scale: bool = setting(False, added=True)
    """Also train an arm scale_<scale> for each of train.scales, on its clips alone and for as many
    steps as the baseline: the network that knows how much is hidden, a reference."""
    causal_term: str = setting("kl_p_y", choices=("kl_p_y", "ce_y", "uniform"))
    """Causal term of the loss. kl_p_y: KL(P || Y), Eq. 4 as published; ce_y: -log Y[label];
    uniform: KL(U || softmax(c)), U uniform (human mask confusion)."""
    detach_prediction: bool = setting(False)
    """Stop the gradient of the causal term at the logits of the clip."""
    detach_counterfactual: bool = setting(False)
    """Stop the gradient of the causal term at the logits of the counterfactual clip."""
    counterfactual_forward: str = setting("auto", choices=("auto", "own", "shared"))
    """Forward pass of the counterfactual clips. own: in a separate batch that does not update the
    batch-norm statistics; shared: in one batch with the clips; auto: own for networks with batch
    norm, else shared."""
    counterfactual_noise: str = setting("same", choices=("same", "own"), added=True)
    """Dropout and stochastic depth of a pair in training. same: both clips have the same random
    masks, so that p - c does not measure them; own: each has its own."""
    empty_masks: str = setting("drop", choices=("drop", "keep"))
    """Clips in whose view nothing is erased. drop: their causal term is left out and counted; keep:
    it is computed with c = p."""
    min_erased: float = setting(0.0, low=0, high=1, added=True)
    """Least share of the pixels of a view, over its frames, from which the actor is erased; with
    less, or with none, nothing counts as erased in the view."""
    fills: tuple[str, ...] = setting((), choices=DRAWN_FILLS, empty=True, added=True)
    """Fills of which one is drawn for each clip and epoch, so that no fill is the sign of an erased
    clip; the actor is then erased when a clip is read. Empty: the clips of counterfactual.fill."""
    probe: str = setting("none", choices=("none", "linear", "attentive"), added=True)
    """Train a probe on the frozen backbone instead of the backbone. linear: a linear layer on the
    mean of the features; attentive: a cross-attention block with one learned query, then a linear
    layer (V-JEPA's evaluation). The features of a view are computed once and kept on disk."""
    probe_views: int = setting(4, low=1, high=1000, added=True)
    """With a probe: number of augmented views per clip whose features are kept; the epochs use
    them in turn."""
    probe_gib: float = setting(50.0, low=0, added=True)
    """With a probe: largest size of the features of one training on disk, GiB."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0, high=4)
    """Scales of the occluded clips to train on, from composite.scales; 0: the clean twins."""
    frames: int | None = setting(None, low=1, high=512)
    """Frames per clip; null: the default of the backbone."""
    stride: int | None = setting(None, low=0, high=512)
    """Distance between sampled frames, in frames; 0: one frame from each of `frames` equal
    segments; null: the default of the backbone."""
    sampling: str = setting("own", choices=("own", "ibm"), added=True)
    """How the frames of a view are drawn. own: with stride 0 one from each of `frames` equal
    segments, else any first frame; ibm: as in action-recognition-pytorch: with stride 0 one offset
    for all segments, else all first frames but the last (docs/cnn_study.md)."""
    size: int | None = setting(None, low=16, high=1024)
    """Side of the square crop, in pixels; null: the default of the backbone."""
    short_side: int | None = setting(None, low=16, high=2048)
    """Shorter side of the frame before the crop, in pixels; null: the ratio to `size` is that of
    the backbone's defaults."""
    augment: Augment = setting(Augment())
    mix: Mix = setting(Mix())
    swap: Swap = setting(Swap(), added=True)
    dropout: float | None = setting(None, low=0, high=0.99)
    """Dropout rate before the head (and in the global blocks of UniFormerV2), for x3d_*,
    ibm_*, uniformerv2_*, videomamba_*, videomae_*; null: the default of the backbone."""
    temporal_stride: bool = setting(False, added=True)
    """With backbone ibm_*: the variant of the CNN study that halves the number of frames at three
    places of the network."""
    drop_path: float | None = setting(None, low=0, high=0.99)
    """Stochastic depth, for uniformerv2_*, videomamba_*, videomae_*: drop rate of the last block;
    the rate increases linearly from 0 at the first block. null: the default of the backbone, 0."""
    memory_mib: int = setting(512, low=0)
    """Memory for decoded clips, in MiB: if all training clips fit, they are decoded once and
    kept."""

    def __post_init__(self) -> None:
        if self.size is not None and self.short_side is not None and self.size > self.short_side:
            raise UserError(
                f"config: train.size: wanted at most train.short_side, {self.short_side}, "
                f"got {self.size}; change one of them"
            )
        if self.size is not None:
            check_jitter(self.augment, self.size)
        super().__post_init__()
        _check_arms(self)
        _check_network(self)


def with_alpha(alpha: float) -> str:
    """Name of the CAR arm with this weight of the causal term.

    >>> with_alpha(0.5), with_alpha(2.0), with_alpha(1e-7)
    ('car_a0.5', 'car_a2', 'car_a0.0000001')
    """
    return f"{WEIGHTED}{Decimal(repr(alpha)).normalize():f}"


def for_scale(scale: float) -> str:
    """Name of the arm that is trained on the clips of one scale.

    >>> for_scale(0.25), for_scale(0.0)
    ('scale_0.25', 'scale_0')
    """
    return f"{ONE_SCALE}{Decimal(repr(scale)).normalize():f}"


def _check_network(train: Train) -> None:
    """Check that the weights are of the backbone's kind, and that a probe can be trained.

    Raises UserError.
    """
    if train.backbone == "hf" and train.weights is None:
        raise UserError(
            "config: train.weights: wanted a folder with a network of transformers, or its name "
            "in the local cache, for train.backbone hf, got null"
        )
    if train.backbone == "hf" and not _may_be_network(train.weights or ""):
        raise UserError(
            f"config: train.weights: wanted an existing path, got {train.weights!r} "
            f"({train.weights} is missing)"
        )
    if train.backbone != "hf" and train.weights is not None and Path(train.weights).is_dir():
        raise UserError(
            f"config: train.weights: wanted a checkpoint for train.backbone {train.backbone}, got "
            f"the folder {train.weights}; folders of transformers need train.backbone hf"
        )
    if train.backbone != "hf" and train.weights is not None and is_hub_name(train.weights):
        raise UserError(
            f"config: train.weights: wanted an existing path, got {train.weights!r} "
            f"({train.weights} is missing); names of networks need train.backbone hf"
        )
    _check_study(train)
    mixing = [arm for arm in train.arms if arm in ("stillmix", "fame")]
    if train.probe != "none" and mixing:
        raise UserError(
            f"config: train.probe: wanted none with the arm {mixing[0]}, got {train.probe}: the "
            f"arm mixes the pictures of a batch, a probe sees features; change it or take "
            f"{mixing[0]} out of train.arms"
        )
    if train.probe != "none" and train.augment.mixup:
        raise UserError(
            f"config: train.augment.mixup: wanted 0 with train.probe, got {train.augment.mixup:g}: "
            "a probe sees the features of single clips; change one of them"
        )


def _check_study(train: Train) -> None:
    """Check that the settings of the CNN study's networks have one, and that a probe can use it.

    Raises UserError.
    """
    of_study = train.backbone.startswith(OF_CNN_STUDY)
    if train.temporal_stride and not of_study:
        raise UserError(
            f"config: train.temporal_stride: wanted false for train.backbone {train.backbone}, "
            f"which has no such variant, got true; {OF_CNN_STUDY}* have it"
        )
    if train.inflation == "repeated" and not of_study:
        raise UserError(
            f"config: train.inflation: wanted divided, the default, for train.backbone "
            f"{train.backbone}, which does not start from a 2-D network, got repeated; change it"
        )
    if train.inflation == "repeated" and train.probe != "none":
        raise UserError(
            "config: train.inflation: wanted divided with train.probe, got repeated: kernels that "
            "are not divided do not fit the batch-norm statistics of the 2-D network, which a "
            "frozen network keeps; change one of them"
        )


def _may_be_network(weights: str) -> bool:
    """Whether weights are a folder, a name in the local cache, or an address."""
    return is_hub_name(weights) or is_url(weights) or Path(weights).exists()


def _check_arms(train: Train) -> None:
    """Check that no two arms are the same training.

    Raises UserError.
    """
    require_distinct("train.arms", train.arms)
    require_distinct("train.datasets", train.datasets, "names")
    require_distinct("train.fills", train.fills)
    require_distinct("train.alphas", [with_alpha(alpha) for alpha in train.alphas])
    if 0 in train.alphas:
        raise UserError(
            "config: train.alphas: wanted weights above 0, got 0; alpha 0 is the arm baseline"
        )
    of_car = [arm for arm in train.arms if arm in ("car", "car_swap")]
    if of_car and train.alpha == 0:
        raise UserError(
            f"config: train.alpha: wanted more than 0 for the arm {of_car[0]}, got 0; change it or "
            f"take {of_car[0]} out of train.arms"
        )
    if "car" in train.arms and train.alpha in train.alphas:
        raise UserError(
            f"config: train.alphas: wanted other weights than train.alpha, {train.alpha:g}, which "
            "the arm car has; take it out"
        )
