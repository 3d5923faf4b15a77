"""Settings of the stage that trains and evaluates IntegralAction."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from occludenet_build.config.loop import Loop, Optimizer
from occludenet_build.config.recognition import ListedSet
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, setting

MODES = ("rgb_only", "pose_only", "rgb_pose")
"""What a network sees, in the order of the trainings: the last one starts from both others."""
BOTH = "rgb_pose"
FAULTS = {"dropout": MODES, "statistics": (BOTH,), "swap": ("pose_only", BOTH)}
"""Faults of the published code that numbers depend on, with the modes in which they do."""
POSE_SOURCES = ("occluded", "clean")
"""On which clip a pose is found: the one that is shown, or its clean twin."""


@dataclass(frozen=True)
class PosedSet(ListedSet):
    """An evaluation set that is not part of this build, with its poses: Mimetics, Kinetics."""

    classes: str | None = setting(None, path=True)
    """JSON {class of the list: class of this build}, where a set has other names; null: the same
    names."""
    poses: str | None = setting(None, path=True)
    """Folder of the poses. mimetics: <clip>/data.json below it, <clip> being the name in the list
    without its suffix; kinetics: <id>.json of kinetics-skeleton."""
    form: str = setting("mimetics", choices=("mimetics", "kinetics"))
    """Format of the poses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.poses is None:
            raise UserError(
                f"config: integralaction.lists: wanted the folder of the poses of {self.name}, "
                "got null; set poses"
            )


@dataclass(frozen=True)
class Integralaction(Loop):
    """Stage integralaction: IntegralAction, a network of RGB and poses whose gate the poses steer;
    see docs/integralaction.md."""

    SECTION: ClassVar[str] = "integralaction"

    modes: tuple[str, ...] = setting((), choices=MODES, empty=True)
    """What to train and evaluate; empty: nothing. rgb_pose starts from the networks of both other
    modes, which are trained for it."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """What rgb_only and pose_only start from: torchvision's ResNet-18 trained on ImageNet, for both
    backbones, or a checkpoint of IntegralAction that has both streams: a path, or an http(s)
    address that the stage acquire fetches once. null: random initialization."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    poses: str = setting("occluded", choices=POSE_SOURCES)
    """Poses to train with. occluded: those found on the occluded clip; clean: those of its clean
    twin. Every network is evaluated with both."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0, high=4)
    """Scales of the occluded clips to train on, from composite.scales; 0: the clean twins."""
    split: str = setting("test", choices=("train", "val", "test"))
    """Split to evaluate."""
    lists: tuple[PosedSet, ...] = ()
    """Further evaluation sets with poses: [{name: Mimetics, file: mimetics.csv, poses:
    pose_results}, ...]."""
    frames: int = setting(8, low=1, high=512)
    """Frames per view."""
    interval: int = setting(8, low=1, high=512)
    """Distance between the frames of a view, in frames; a clip must be long enough."""
    frame_factor: int = setting(1, low=1, high=64)
    """Frames with poses to a frame of the video; divides interval."""
    size: int = setting(224, low=32, high=1024)
    """Side of the square crop, in pixels, a multiple of 4."""
    short_side: int = setting(256, low=32, high=2048)
    """Shorter side of the frame before the crop, in pixels."""
    persons: int = setting(5, low=1, high=100)
    """Persons of a frame whose poses are drawn: those with the highest scores."""
    dropout: float = setting(0.5, low=0, high=0.99)
    """Dropout rate before the classifier."""
    gate_weight: float = setting(1.5, low=0)
    """rgb_pose: weight of the loss that pulls the gate towards the poses; the paper also has
    5.0."""
    fusion_rate: float = setting(5e-4, low=0)
    """rgb_pose: learning rate of aggregator and classifier; learning_rate is that of the others."""
    fusion_epochs: int = setting(29, low=1, high=100_000)
    """rgb_pose: number of epochs. The published schedule of this stage lacks its first epoch, so
    with fewer than `epochs` the rate falls as many epochs earlier."""
    as_released: tuple[str, ...] = setting((), choices=tuple(FAULTS), empty=True)
    """Faults of the published code to repeat. dropout: none is applied; statistics: batch norm of
    the frozen backbones goes on moving in rgb_pose; swap: a mirrored view swaps left and right
    joints of the first person of the first frame only."""
    views: int = setting(10, low=1, high=100)
    """Temporal views per clip in the evaluation, of the centre; their softmax is averaged."""
    memory_mib: int = setting(512, low=0)
    """Memory for decoded clips, in MiB: if all training clips fit, they are decoded once and
    kept."""
    epochs: int = setting(30, low=1, high=100_000)
    """rgb_only, pose_only: number of epochs."""
    batch: int = setting(32, low=1, high=65_536)
    """Clips per batch, over all processes; as published, 8 on each of 4 GPUs."""
    learning_rate: float = setting(5e-3, low=0)
    """rgb_only, pose_only: learning rate of all parameters."""
    weight_decay: float = setting(1e-4, low=0)
    """Weight decay."""
    warmup_epochs: float = setting(0.0, low=0)
    """Duration of the linear warm-up, in epochs."""
    clip_gradient: float = setting(0.0, low=0)
    """Maximum norm of the gradient; 0: no clipping."""
    optimizer: Optimizer = setting(
        Optimizer(name="sgd", nesterov=False, decay="all", schedule="steps", steps=(21, 26))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_distinct("integralaction.modes", self.modes)
        require_distinct("integralaction.lists", [one.name for one in self.lists], "names")
        if self.interval % self.frame_factor:
            raise UserError(
                "config: integralaction.frame_factor: wanted a divisor of integralaction.interval, "
                f"{self.interval}, got {self.frame_factor}; change one of them"
            )
        if self.size % 4 or self.size > self.short_side:
            raise UserError(
                "config: integralaction.size: wanted a multiple of 4 and at most "
                f"integralaction.short_side, {self.short_side}, got {self.size}; change it"
            )
        least = max(self.optimizer.first_rate, self.optimizer.final_rate)
        if BOTH in self.modes and self.fusion_rate < least:
            raise UserError(
                "config: integralaction.fusion_rate: wanted at least optimizer.first_rate and "
                f"final_rate, {least:g}, got {self.fusion_rate:g}; change one of them"
            )


def trained_modes(settings: Integralaction) -> tuple[str, ...]:
    """The modes that have to be trained, in order.

    >>> trained_modes(Integralaction(modes=("rgb_pose",)))
    ('rgb_only', 'pose_only', 'rgb_pose')
    >>> trained_modes(Integralaction(modes=("rgb_only",)))
    ('rgb_only',)
    """
    return MODES if BOTH in settings.modes else tuple(m for m in MODES if m in settings.modes)


def for_mode(settings: Integralaction, mode: str, seed: int) -> Integralaction:
    """The settings of one training, with its rate and epochs, and without what it does not use.

    >>> one = for_mode(Integralaction(), "rgb_pose", 3)
    >>> one.learning_rate, one.epochs, one.optimizer.steps, one.seeds
    (0.0005, 29, (20, 25), (3,))
    """
    one = dataclasses.replace(settings, seeds=(seed,), modes=(mode,))
    unused = ["lists", "views", "split"]
    if mode != BOTH:
        unused += ["gate_weight", "fusion_rate", "fusion_epochs"]
    if mode == "rgb_only":
        unused += ["poses", "persons", "frame_factor"]
    plain: dict[str, Any] = {name: getattr(Integralaction(), name) for name in unused}
    faults = tuple(name for name in FAULTS if name in settings.as_released and mode in FAULTS[name])
    one = dataclasses.replace(one, **plain, as_released=faults)
    return _fused(one) if mode == BOTH else one


def _fused(settings: Integralaction) -> Integralaction:
    earlier = max(settings.epochs - settings.fusion_epochs, 0)
    steps = tuple(step - earlier for step in settings.optimizer.steps if step > earlier)
    optimizer = dataclasses.replace(settings.optimizer, steps=steps)
    return dataclasses.replace(
        settings,
        epochs=settings.fusion_epochs,
        learning_rate=settings.fusion_rate,
        optimizer=optimizer,
        weights=None,
        weights_sha256=None,
    )
