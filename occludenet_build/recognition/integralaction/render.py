"""Joints as pictures: heat maps of the joints, and part affinity fields of the limbs.

A heat map is a normal density of height 1 around the joint. A part affinity field (Cao et al.,
"Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017) is the direction
of the limb on all cells near it. The published thresholds differ by a hair: a heat map wants a
score above the threshold, a field one of at least the threshold at both ends.

A picture has 18 channels of joints, then x and y of each of 17 limbs: 52.
"""

from __future__ import annotations

import torch
from torch import Tensor

from occludenet_build.core.poses import JOINT_COUNT

SIDE = 56
"""Height and width of the maps, cells."""
SIGMA = 0.5
"""Of a heat map, cells."""
HALF_WIDTH = 1.0
"""How far from its line a cell may lie that a limb covers, cells."""
THRESHOLD = 0.1
"""Score of a joint."""

LIMBS = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (0, 14), (0, 15), (14, 16), (15, 17)),
)
"""Limbs by their joints, from and to, in the order of the channels: OpenPose's 18 joints."""
CHANNELS = JOINT_COUNT + 2 * len(LIMBS)
"""Of a picture: 52."""


def pictures(
    places: Tensor,
    scores: Tensor,
    limbs: tuple[tuple[int, int], ...] = LIMBS,
    side: int = SIDE,
) -> Tensor:
    """What the network takes as poses: float32 (N, J + 2 L, F, side, side).

    places: float32 or float64 (N, F, P, J, 2), x and y of J joints of P persons in cells, the
    middle of the first cell at 0. scores: float32 (N, F, P, J); a person or joint with the score 0
    is not drawn. On the device of `places`. N F pictures are made person by person, so that
    memory does not grow with P.
    """
    flat = places.float().flatten(0, 1), scores.float().flatten(0, 1)
    maps = torch.cat([heat_maps(*flat, side), affinity_fields(*flat, limbs, side)], dim=1)
    return maps.unflatten(0, tuple(places.shape[:2])).transpose(1, 2)


def heat_maps(places: Tensor, scores: Tensor, side: int = SIDE) -> Tensor:
    """float32 (B, P, J, 2) in cells, scores float32 (B, P, J) -> float32 (B, J, side, side).

    The sum over the persons, at most 1.
    """
    cells = torch.arange(side, device=places.device, dtype=places.dtype)
    # a normal density in the plane is the product of one in x and one in y
    bells = torch.exp(-((places[..., None] - cells) ** 2) / (2 * SIGMA**2))
    bells = bells * (scores > THRESHOLD)[..., None, None]
    total = places.new_zeros((len(places), places.shape[2], side, side))
    for person in range(places.shape[1]):
        total.addcmul_(bells[:, person, :, 1, :, None], bells[:, person, :, 0, None, :])
    return total.clamp_(max=1)


def affinity_fields(
    places: Tensor,
    scores: Tensor,
    limbs: tuple[tuple[int, int], ...] = LIMBS,
    side: int = SIDE,
) -> Tensor:
    """float32 (B, P, J, 2) in cells, scores float32 (B, P, J) -> float32 (B, 2 L, side, side).

    x and y of the first limb, of the second, ...; the mean over those persons whose limb covers the
    cell. A limb of length 0 has no direction and is left out.
    """
    tail, head = (list(ends) for ends in zip(*limbs, strict=True))
    drawn = (scores[..., tail] >= THRESHOLD) & (scores[..., head] >= THRESHOLD)
    total = places.new_zeros((len(places), len(limbs), 2, side, side))
    count = places.new_zeros((len(places), len(limbs), 1, side, side))
    for person in range(places.shape[1]):
        # asking a GPU would make it wait
        if drawn.device.type == "cpu" and not drawn[:, person].any():
            continue
        ends = places[:, person, tail], places[:, person, head]
        unit, covered = _limb(*ends, drawn[:, person], side)
        total += unit * covered
        count += covered
    return (total / count.clamp(min=1)).flatten(1, 2)


def _limb(start: Tensor, end: Tensor, drawn: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Ends (B, L, 2) of the limbs of one person -> their directions (B, L, 2, 1, 1), and the cells
    that they cover (B, L, 1, side, side)."""
    length = (end - start).norm(dim=-1)
    drawn = drawn & (length > 0)
    unit = (end - start) / length.where(drawn, 1)[..., None]
    cells = torch.arange(side, device=start.device, dtype=start.dtype)
    x = (cells - start[..., 0, None])[..., None, :]
    y = (cells - start[..., 1, None])[..., :, None]
    u, v = (unit[..., axis, None, None] for axis in (0, 1))
    along, across = u * x + v * y, (u * y - v * x).abs()
    covered = (along >= 0) & (along <= length[..., None, None]) & (across <= HALF_WIDTH)
    covered &= drawn[..., None, None]
    return unit[..., None, None], covered[:, :, None]
