"""Settings of the stage that trains and evaluates MOC and STADO."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from occludenet_build.config.loop import Loop, Optimizer
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, setting

NETWORKS = ("moc", "stado", "stado_boxes")
"""moc: without attention; the others with: stado learns it from what is seen of the actor,
stado_boxes from whole boxes, as published."""
TRAININGS = ("clean", "occluded")
CLEAN = TRAININGS[0]
"""It is the name of a set too."""
FAULTS = ("mask_boxes", "mask_loss", "soft_nms", "flip", "worker_seeds", "model_choice")
"""Faults of the published code that numbers depend on."""
STATIC = {"25": 4, "33": 3, "50": 2}
"""Ending of a set with STADO's occluders -> n: the occluder has 1/n of the largest box."""
_STATIC_NAME = re.compile(rf"(.+)_({'|'.join(STATIC)})")


@dataclass(frozen=True)
class Truth:
    """Ground truth of another data set, in the place of the build's."""

    file: str | None = setting(None, path=True)
    """A *-GT.pkl of UCF101-24, JHMDB, MOC or STADO; null: the tubes of the build's clips."""
    frames: str | None = setting(None, path=True)
    """Folder of its frames, <class>/<video>/00001.jpg or .png below it."""
    split: int = setting(1, low=1)
    """Number of its split."""
    validation: float = setting(0.0, low=0, high=0.9)
    """Share of the groups of its training videos that are val instead; it has no val."""

    def __post_init__(self) -> None:
        if (self.file is None) != (self.frames is None):
            lacking = "frames" if self.frames is None else "file"
            raise UserError(
                "config: moc.truth: wanted a file with its folder of frames, got one of them; set "
                f"{lacking} too"
            )


@dataclass(frozen=True)
class Moc(Loop):
    """Stage moc: detection of actions in space and time with MOC, and with STADO's attention on
    what is seen of the actor; see docs/action_detection.md."""

    SECTION: ClassVar[str] = "moc"

    networks: tuple[str, ...] = setting((), choices=NETWORKS, empty=True)
    """What to train and evaluate; empty: nothing. moc: without attention; stado: its attention
    learns what is seen of the actor; stado_boxes: it learns whole boxes, as published."""
    trained_on: tuple[str, ...] = setting(TRAININGS, choices=TRAININGS)
    """Videos to train on; one training per network, seed and name. In both, a video has the same
    frames, crops and order."""
    occluded: tuple[str, ...] = setting((), empty=True)
    """Sets of `occluded`: D-25, ..., S, I, M, or a set with STADO's static occluder of 25, 33 or 50
    percent of the box, clean_25; each epoch draws one for each video. Empty: those of
    composite.scales; with truth.file, clean_25."""
    tests: tuple[str, ...] = setting((), empty=True)
    """Sets to evaluate, named in the same way. Empty: clean, those of composite.scales (not with
    truth.file), and clean_25, clean_33, clean_50."""
    split: str = setting("test", choices=("train", "val", "test"))
    """Split to evaluate."""
    truth: Truth = setting(Truth())
    backbone: str = setting(
        "dla_34",
        choices=("dla_34", *(f"resnet_{depth}" for depth in (18, 34, 50, 101, 152))),
    )
    """Backbone."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """File that the training starts from: a path, or an http(s) address that the stage acquire
    fetches once. null: random initialization."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    start: str = setting("coco", choices=("coco", "imagenet", "ucf"))
    """What the weights are. coco: CenterNet's detector; imagenet: a classifier; ucf: a network of
    UCF101-24, or another one of this stage, of which centres and movements begin anew."""
    frames: int = setting(7, low=1, high=63)
    """K, the frames of a clip."""
    size: int = setting(288, low=32, high=2048)
    """Side of the square that pictures are stretched to, in pixels, a multiple of 32."""
    head_width: int = setting(256, low=8, high=4096)
    """Channels within the heads; published checkpoints have 256."""
    attention_width: int = setting(512, low=8, high=4096)
    """Channels within the head of the attention; published checkpoints have 512."""
    mask_weight: float = setting(0.5, low=0)
    """Weight of the loss of the attention."""
    augment: bool = setting(True)
    """Mirror, colours, expansion and crop, as published."""
    starts: int = setting(0, low=0)
    """Clips of each video in an epoch, whose first frames each epoch draws; 0: all that there
    are."""
    choice: str = setting("last", choices=("last", "best", "auto_stop"))
    """Which epoch's network is kept. last: the last one; best: that of the best frame AP on the
    split val; auto_stop: the same, and at each epoch of optimizer.steps the training goes on from
    the best one so far, as published for JHMDB."""
    objects: int = setting(100, low=1, high=10_000)
    """Tubelets that are detected per clip."""
    flip_test: bool = setting(True)
    """Average the answers with those for the mirrored clip."""
    test_step: int = setting(1, low=1, high=63)
    """Distance between the first frames of the clips that are evaluated, at most `frames`; 1:
    every frame begins one, as published."""
    as_released: tuple[str, ...] = setting((), choices=FAULTS, empty=True)
    """Faults of the published code to repeat. mask_boxes: stado_boxes learns boxes whose x and y
    are exchanged; mask_loss: the loss of the attention is lowest for none on the actor; soft_nms:
    suppression subtracts a sum, and equal scores come in the order of numpy's sort; flip: the
    movements of the mirrored clip do not count; worker_seeds: each worker draws the same views, in
    each epoch anew; model_choice: `choice` looks at the split test."""
    epochs: int = setting(12, low=1, high=100_000)
    """Number of epochs."""
    batch: int = setting(32, low=1, high=65_536)
    """Clips per batch, over all processes."""
    learning_rate: float = setting(5e-4, low=0)
    """Learning rate."""
    weight_decay: float = setting(0.0, low=0)
    """Weight decay."""
    warmup_epochs: float = setting(0.0, low=0)
    """Duration of the linear warm-up, in epochs."""
    clip_gradient: float = setting(0.0, low=0)
    """Maximum norm of the gradient; 0: no clipping."""
    optimizer: Optimizer = setting(Optimizer(name="adam", schedule="steps", steps=(6, 8)))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("networks", "trained_on", "occluded", "tests"):
            require_distinct(f"moc.{name}", getattr(self, name))
        if self.size % 32:
            raise UserError(
                f"config: moc.size: wanted a multiple of 32, got {self.size}; change it"
            )
        if self.test_step > self.frames:
            raise UserError(
                f"config: moc.test_step: wanted at most moc.frames, {self.frames}, got "
                f"{self.test_step}: frames between the clips would have no answer; change it"
            )
        if self.truth.file is not None:
            self._check_sets_of_file()

    def _check_sets_of_file(self) -> None:
        for name in ("occluded", "tests"):
            others = [one for one in getattr(self, name) if set_parts(one)[0] != CLEAN]
            if others:
                raise UserError(
                    f"config: moc.{name}: wanted clean, clean_25, clean_33 or clean_50 with "
                    f"moc.truth.file, got {', '.join(others)}; change it"
                )
        unchecked = self.choice == "last" or "model_choice" in self.as_released
        if not unchecked and self.truth.validation == 0:
            raise UserError(
                f"config: moc.truth.validation: wanted a share above 0 for moc.choice "
                f"{self.choice}, as the file has no split val, got 0; set it"
            )


def set_parts(name: str) -> tuple[str, int | None]:
    """The set of videos, and n of STADO's static occluder; None: without one.

    >>> set_parts("D-50"), set_parts("clean_33")
    (('D-50', None), ('clean', 3))
    """
    found = _STATIC_NAME.fullmatch(name)
    return (name, None) if found is None else (found[1], STATIC[found[2]])


def with_sets(settings: Moc, built: Sequence[str]) -> Moc:
    """The settings with the names of the sets; `built`: the occluded ones of composite.scales.

    >>> with_sets(Moc(), ("D-50",)).tests
    ('clean', 'D-50', 'clean_25', 'clean_33', 'clean_50')
    """
    built = () if settings.truth.file else tuple(built)
    static = tuple(f"{CLEAN}_{ending}" for ending in STATIC)
    return dataclasses.replace(
        settings,
        occluded=settings.occluded or built or static[:1],
        tests=settings.tests or (CLEAN, *built, *static),
    )


def for_training(settings: Moc, network: str, trained_on: str, seed: int) -> Moc:
    """The settings of one training, without those that it does not depend on.

    >>> one = for_training(with_sets(Moc(), ("D-50",)), "moc", "clean", 3)
    >>> one.networks, one.trained_on, one.occluded, one.tests
    (('moc',), ('clean',), ('clean',), ())
    """
    unused = ["tests", "split", "test_step"]
    if settings.choice == "last":
        unused += ["objects", "flip_test"]
    if network == "moc":
        unused += ["attention_width", "mask_weight"]
    if settings.weights is None:
        unused += ["start"]
    relevant = {*FAULTS} - ({"soft_nms", "flip"} if settings.choice == "last" else set())
    relevant -= {"mask_boxes"} if network != "stado_boxes" else set()
    relevant -= {"mask_loss"} if network == "moc" else set()
    plain: dict[str, Any] = {name: getattr(Moc(), name) for name in unused}
    return dataclasses.replace(
        settings,
        networks=(network,),
        trained_on=(trained_on,),
        seeds=(seed,),
        occluded=(CLEAN,) if trained_on == "clean" else settings.occluded,
        as_released=tuple(fault for fault in settings.as_released if fault in relevant),
        **plain,
    )
