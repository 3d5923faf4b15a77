"""The networks of MOC and STADO: a backbone per picture, and heads over the pictures of a clip.

Li et al., "Actions as Moving Points", ECCV 2020, section 3: the heads see the features of the K
pictures joined, except the one of sizes, which sees each picture's. STADO's mask-guided attention
multiplies each picture's features by a map that says where the visible actor is. Names and shapes
of the parameters are those of the official checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from occludenet_build.action_detection.dla import DLA34
from occludenet_build.action_detection.resnet import DEPTHS, DeconvResNet

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN = 4
"""Pixels of a picture per cell of an output map, in each direction."""
FEATURES = 64
"""Channels of a backbone's output."""
HEAD_WIDTH, RESNET_SIZE_WIDTH, ATTENTION_WIDTH = 256, 64, 512
"""Channels within the heads; with ResNets, the head of sizes has fewer."""
CENTRE_BIAS = -2.19
"""First bias of the heat map: a probability of 0.1 everywhere, as in CenterNet."""

BACKBONES: dict[str, Callable[[int], nn.Module]] = {
    "dla_34": DLA34,
    **{f"resnet_{depth}": partial(DeconvResNet, depth) for depth in DEPTHS},
}
"""Name -> function of the number of input channels."""


class ActionDetector(nn.Module):
    """MOC, or with `attention` STADO; the input is K pictures, the output a dict of maps.

    `backbone`: a name of BACKBONES; `classes`: number of classes C; `frames`: K; `inputs`:
    pictures that are stacked into one input: 1 for RGB, 5 for optical flow; `head_width`,
    `attention_width`: channels within the heads.

    What `backbone` and `branch.of_picture` find in a picture does not depend on the others, so that
    an evaluation of all clips of a video computes it once; `branch.of_clip` joins it.
    """

    def __init__(
        self,
        backbone: str,
        classes: int,
        frames: int = 7,
        *,
        inputs: int = 1,
        attention: bool = False,
        head_width: int = HEAD_WIDTH,
        attention_width: int = ATTENTION_WIDTH,
    ) -> None:
        super().__init__()
        self.name, self.frames, self.inputs, self.classes = backbone, frames, inputs, classes
        self.backbone = BACKBONES[backbone](3 * inputs)
        sizes_width = head_width if backbone.startswith("dla") else RESNET_SIZE_WIDTH
        width = attention_width if attention else None
        self.branch = Heads(classes, frames, head_width, sizes_width, width)

    @property
    def attention(self) -> bool:
        """Whether it has mask-guided attention (STADO)."""
        return self.branch.mgan is not None

    @property
    def description(self) -> str:
        """What a checkpoint of it is one of, for messages."""
        kind = "STADO" if self.attention else "MOC"
        return (
            f"{kind} with {self.name}, {self.classes} classes, K = {self.frames}, "
            f"{3 * self.inputs} channels"
        )

    def forward(self, pictures: Sequence[Tensor] | Tensor) -> dict[str, Tensor]:
        """K pictures float32 (N, 3 * inputs, H, W), or one tensor (K, N, 3 * inputs, H, W).

        H and W are multiples of 32; the pictures are BGR and normalised (`augment.network_input`).
        Returns maps float32 of h = H / 4, w = W / 4 cells:

        hm    (N, C, h, w)     logits of the heat map of centres in the key frame K // 2, per class
        mov   (N, 2K, h, w)    x, y of each frame's centre relative to the cell, in cells
        wh    (N, 2K, h, w)    width, height of the box in each frame, in cells
        mgan  (N, K, h, w)     attention in 0..1, after the sigmoid; with `attention` only

        Raises ValueError if the number of pictures is not K.
        """
        if len(pictures) != self.frames:
            raise ValueError(f"wanted {self.frames} pictures, got {len(pictures)}")
        return self.branch([self.backbone(picture) for picture in pictures])


class PictureFeatures(NamedTuple):
    """What the heads see in N pictures, float32."""

    seen: Tensor
    """(N, 64, h, w): features, times the attention where there is one."""
    wh: Tensor
    """(N, 2, h, w)."""
    mgan: Tensor | None
    """(N, 1, h, w)."""


class Heads(nn.Module):
    """The heads over the features of K pictures, each (N, 64, h, w)."""

    def __init__(
        self, classes: int, frames: int, width: int, sizes_width: int, attention_width: int | None
    ) -> None:
        """`attention_width`: None without attention."""
        super().__init__()
        self.hm = _head(frames * FEATURES, width, classes)
        self.mov = _head(frames * FEATURES, width, 2 * frames)
        self.wh = _head(FEATURES, sizes_width, 2)
        self.mgan = _attention_head(attention_width) if attention_width else None
        for name, parameter in self.named_parameters():
            if name == "hm.2.bias":
                nn.init.constant_(parameter, CENTRE_BIAS)
            elif name.endswith("bias") and not name.startswith("hm."):
                nn.init.zeros_(parameter)

    def forward(self, features: list[Tensor]) -> dict[str, Tensor]:
        """K features, float32 (N, 64, h, w) each -> the maps of `ActionDetector.forward`."""
        return self.of_clip([self.of_picture(one) for one in features])

    def of_picture(self, features: Tensor) -> PictureFeatures:
        """What the heads see in each of N pictures, of features float32 (N, 64, h, w)."""
        if self.mgan is None:
            return PictureFeatures(features, self.wh(features), None)
        where = self.mgan(features)
        seen = features * where
        return PictureFeatures(seen, self.wh(seen), where)

    def of_clip(self, pictures: Sequence[PictureFeatures]) -> dict[str, Tensor]:
        """K pictures of N clips -> the maps of `ActionDetector.forward`, float32 (N, A, h, w)."""
        joined = torch.cat([one.seen for one in pictures], dim=1)
        sizes = torch.cat([one.wh for one in pictures], dim=1)
        maps = [one.mgan for one in pictures if one.mgan is not None]
        outputs = {"mgan": torch.cat(maps, dim=1)} if maps else {}
        return outputs | {"hm": self.hm(joined), "mov": self.mov(joined), "wh": sizes}


def _head(before: int, width: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, after, 1)
    )


def _attention_head(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(FEATURES, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 1, 1),
        nn.Sigmoid(),
    )
