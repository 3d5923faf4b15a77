"""`Occlude`: the transform of a data loader; occluder and scale are drawn per clip and epoch.

What is drawn is a function of (seed, clip, epoch) alone: not of the worker, the order of the
samples or any global random state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.occlusion.transform.bank import Bank
from occludenet_build.occlusion.transform.function import Occluded, composite_settings, occlude
from occludenet_build.occlusion.transform.pixels import frames_of, in_kind_of

KEYS = ("clip", "epoch", "at", "fps")
"""Entries of a sample that say which frames of which clip it holds; all but clip are optional."""


class Drawn(NamedTuple):
    """What a clip gets in an epoch."""

    occluders: tuple[str, ...]
    """Names in the bank; empty: the clip stays as it is."""
    scale: float
    motion: str
    seed: int
    """For `occlude`, 64 bits."""


class Occlude:
    """Occludes clips, for `torchvision.transforms.v2.Compose`, a data set, or a mapped function.

        occlude = Occlude(Bank.open("build"), boxes=BuildBoxes.open("build"))
        frames, masks, hidden = occlude(frames, clip="abseiling_0001", epoch=3)
        sample = occlude({"video": video, "boxes": boxes, "clip": "abseiling_0001"})

    `bank`: a Bank, of the split that is trained on. `scale`, `motion`: one, or several of which a
    clip gets one. `seed`: determines all that is drawn, with the clip's name and the epoch. `p`:
    share of the clips that are occluded. `occluders`: number on a clip at the same time. `boxes`:
    clip -> its boxes, such as a BuildBoxes, for samples without boxes. `settings`: scale_mode,
    window, smooth_seconds and target_tolerance of composite. `inplace`: write into given frames.

    It can be pickled, holds no open file and no random state, and needs PyTorch for tensors only.
    Raises UserError for settings that composite would not take.
    """

    def __init__(
        self,
        bank: Bank,
        scale: float | Sequence[float] = (0.25, 0.5, 0.75),
        motion: str | Sequence[str] = "track",
        seed: int = 0,
        *,
        p: float = 1.0,
        occluders: int = 1,
        boxes: Mapping[str, Any] | Any = None,
        inplace: bool = False,
        **settings: Any,
    ) -> None:
        self.bank, self.seed, self.p, self.occluders = bank, seed, p, occluders
        self.scales = _several(scale)
        self.motions = _several(motion)
        self.boxes, self.inplace, self.settings = boxes, inplace, settings
        self.epoch = 0
        if not isinstance(bank, Bank):
            raise UserError(
                f"Occlude: wanted a Bank, got {type(bank).__name__}; see Bank.open and Bank.of"
            )
        if not self.scales or not self.motions:
            raise UserError("Occlude: wanted a scale and a motion, got an empty list")
        for one, path in product(self.scales, self.motions):
            composite_settings(one, path, settings)
        if not 0 <= p <= 1:
            raise UserError(f"Occlude: wanted p, a share of the clips from 0 to 1, got {p}")
        if not isinstance(occluders, int) or occluders < 1:
            raise UserError(f"Occlude: wanted occluders, 1 or more on a clip, got {occluders!r}")

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of samples that do not name theirs.

        The workers of a data loader get it when they start: with persistent workers the samples
        must name it.
        """
        self.epoch = epoch

    def draw(self, clip: str, epoch: int | None = None) -> Drawn:
        """What a clip gets in an epoch (None: that of `set_epoch`)."""
        epoch = self.epoch if epoch is None else epoch
        seed = seeds.uniform_integer(self.seed, clip, f"epoch {int(epoch)}")
        scale = self.scales[seeds.uniform_integer(seed, "scale") % len(self.scales)]
        motion = self.motions[seeds.uniform_integer(seed, "motion") % len(self.motions)]
        if seeds.uniform(seed, "occluded") >= self.p:
            return Drawn((), scale, motion, seed)
        return Drawn(tuple(self.bank.draw(seed, clip, self.occluders)), scale, motion, seed)

    def __call__(
        self,
        frames: Any,
        boxes: Any = None,
        *,
        clip: str | None = None,
        epoch: int | None = None,
        at: Sequence[int] | np.ndarray | None = None,
        fps: float | None = None,
    ) -> Any:
        """Occlude a clip: frames, uint8 (T, H, W, 3), and boxes (T, 4), as `occlude` takes them.

        Without boxes they are those of `boxes` given to the constructor. Returns an Occluded.

        A sample, a dict with the frames as `video`, and `boxes`, `clip`, `epoch`, `at` and `fps`
        (all but `video` and `clip` optional), is returned as a new dict with the frames as `video`,
        and the entries `masks` and `hidden`; its other entries stay as they are.

        Raises UserError as `occlude` does, and where the name of the clip or its boxes are missing.
        """
        if isinstance(frames, Mapping):
            return self._sample(frames)
        if not isinstance(clip, str) or not clip:
            raise UserError(
                f"Occlude: wanted the clip's name, which determines its occluder, got {clip!r}; "
                "call it with clip=..., or with a sample that has an entry `clip`"
            )
        drawn = self.draw(clip, epoch)
        if not drawn.occluders:
            return _unchanged(frames)
        if boxes is None:
            boxes = self._boxes_of(clip)
        pixels = [self.bank[name] for name in drawn.occluders]
        named: dict[str, Any] = {"clip": clip, "at": at, "fps": fps, "inplace": self.inplace}
        _, scale, motion, seed = drawn
        return occlude(frames, boxes, pixels, scale, motion, seed, **named, **self.settings)

    def _sample(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        if "video" not in sample:
            raise UserError(
                "Occlude: wanted a sample with its frames as the entry `video`, got one with "
                f"{', '.join(map(str, sample)) or 'no entry'}"
            )
        named = {key: sample[key] for key in KEYS if sample.get(key) is not None}
        made = self(sample["video"], sample.get("boxes"), **named)
        return {**sample, "video": made.frames, "masks": made.masks, "hidden": made.hidden}

    def _boxes_of(self, clip: str) -> Any:
        if self.boxes is None:
            raise UserError(
                f"Occlude: wanted the actor's boxes of {clip}, got none; give them with the "
                "frames, or to the constructor: boxes=BuildBoxes.open(build)"
            )
        try:
            return self.boxes[clip]
        except KeyError:
            raise UserError(
                f"Occlude: wanted boxes of {clip} in those of the constructor, got none; give them "
                "with the frames"
            ) from None

    def __repr__(self) -> str:
        drawn = f"scale={self.scales}, motion={self.motions}, seed={self.seed}, p={self.p}"
        return f"Occlude({self.bank}, {drawn}, occluders={self.occluders})"


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _unchanged(frames: Any) -> Occluded:
    """The frames as they were given, without an occluder."""
    given = frames_of(frames, inplace=True)
    width, height = given.size
    masks = np.zeros((len(given.pictures), height, width), bool)
    return Occluded(frames, *in_kind_of(frames, masks, np.zeros(len(masks), np.float32)))
