"""A clip as the networks see it: K successive pictures, and the tubes of the people in them.

Pictures are BGR here, as OpenCV reads them and as the official networks were trained; `bgr` turns
those of a decoder. An input of the network is one picture, or `inputs` successive ones of optical
flow, so that a clip of K inputs takes K + inputs - 1 pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

SIZE = 288
"""Side of the square that pictures are stretched to, in pixels."""
MEAN = (0.40789654, 0.44719302, 0.47026115)
STD = (0.28863828, 0.27408164, 0.27809835)
"""Of the channels B, G, R in 0..1, as in CenterNet."""


class ClipTube(NamedTuple):
    """One person in the K frames of a clip."""

    label: int
    """Label id."""
    boxes: np.ndarray
    """float32 (K, 4): x1, y1, x2, y2 in pixels of the picture that it goes with."""


def clip_tubes(
    tubes: Mapping[int, Sequence[np.ndarray]], first: int, frames: int
) -> list[ClipTube]:
    """The parts of a video's tubes within a clip of `frames` frames.

    `tubes`: label -> tubes float32 (N, 5) of frame number, x1, y1, x2, y2; `first`: number of the
    clip's first frame, counted as in the tubes. Boxes are float32 (K, 4). A tube that has none of
    the frames is left out. Raises ValueError where a tube has only some of them: such clips are not
    trained on.
    """
    found = []
    for label, several in tubes.items():
        for tube in several:
            inside = (tube[:, 0] >= first) & (tube[:, 0] < first + frames)
            if inside.any():
                if inside.sum() != frames:
                    raise ValueError(
                        f"wanted tubes in all {frames} frames from {first} or in none, got one in "
                        f"{inside.sum()}"
                    )
                found.append(ClipTube(label, np.array(tube[inside, 1:5], np.float32)))
    return found


def bgr(pictures: np.ndarray) -> list[np.ndarray]:
    """uint8 (T, H, W, 3) RGB -> T pictures float32 (H, W, 3) BGR in 0..255."""
    return [np.ascontiguousarray(one[..., ::-1], np.float32) for one in pictures]


def resized(pictures: Sequence[np.ndarray], size: int = SIZE) -> list[np.ndarray]:
    """Pictures float32 (H, W, 3) -> float32 (size, size, 3), stretched, bilinear."""
    return [cv2.resize(one, (size, size), interpolation=cv2.INTER_LINEAR) for one in pictures]


def resized_boxes(tubes: Sequence[ClipTube], size: tuple[int, int], cells: int) -> list[ClipTube]:
    """Tubes of a picture of `size` (height, width) -> boxes float32 (K, 4) in cells of a map of
    `cells` x `cells`."""
    height, width = size
    divisor = np.array([width, height, width, height], np.float32)
    return [ClipTube(one.label, one.boxes / divisor * np.float32(cells)) for one in tubes]


def resized_masks(masks: np.ndarray, cells: int) -> np.ndarray:
    """Masks bool (K, H, W) -> bool (K, cells, cells): each cell has the value at its centre."""
    rows, columns = (
        ((np.arange(cells) + 0.5) * side / cells).astype(int) for side in masks.shape[1:]
    )
    return masks[:, rows[:, None], columns]


def network_input(pictures: Sequence[np.ndarray], inputs: int = 1, size: int = SIZE) -> Tensor:
    """Pictures float32 (H, W, 3), BGR in 0..255 -> float32 (K, 3 * inputs, size, size), normalised.

    K is the number of pictures - inputs + 1; input i holds the pictures i, ... i + inputs - 1, each
    with its channels B, G, R. Clips stacked on axis 1, `torch.stack(clips, 1)`, are what the
    network takes.
    """
    seen = np.stack(resized(pictures, size)).transpose(0, 3, 1, 2) / np.float32(255)
    mean, std = (np.array(one, np.float32)[:, None, None] for one in (MEAN, STD))
    normalised = torch.from_numpy((seen - mean) / std)
    count = len(pictures) - inputs + 1
    return torch.stack([normalised[i : i + inputs].flatten(0, 1) for i in range(count)])


def flow_numbers(first: int, frames: int, inputs: int, last: int) -> list[int]:
    """Numbers of the pictures of a clip of flow: K + inputs - 1 from `first`, none above `last`."""
    return [min(first + i, last) for i in range(frames + inputs - 1)]
