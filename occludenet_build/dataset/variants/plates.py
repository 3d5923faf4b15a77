"""The plate of a clip: its temporal median without the actor, and how plates differ.

The distance of two backgrounds is the Euclidean distance of the descriptors of their plates. It
needs no network, so pairs are the same on all machines and for all models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file, write_bytes
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.dataset.variants.footage import Footage, read_plate
from occludenet_build.media.imaging.fit import resize_deterministic
from occludenet_build.media.imaging.sheets import png
from occludenet_build.media.video.source import check_indexed
from occludenet_build.occlusion.counterfactual import Unerased

SIDE = 64
"""Side of the square to which a plate is scaled for its descriptor, pixels."""
CELLS = 4
"""Cells of the descriptor along each side."""
BINS = 8
"""Directions of edges, over half a turn."""
_COLOUR_SPAN = 100.0
"""Span of CIE L*: colours are divided by it."""
_FAINT = 2.0
"""Gradient of L*, per pixel, below which a cell counts as smooth."""


@dataclass(frozen=True)
class PlateJob:
    """Everything that a worker needs for the plate of one clip."""

    footage: Footage
    known: Mapping[str, Any]
    """Columns that are known before: clip, key, label, shard, masks_hash."""
    file: str
    """The plate, relative to the build folder."""
    root: Path
    dilate: int
    """Dilation of the masks, pixels."""
    unerased: Unerased
    max_unerased: float


def plate_of(job: PlateJob) -> ClipResult:
    """The plate of one clip, or a row with the reason why the clip cannot be used."""
    skipped = ("not_erased", "no_mask", "no_actor")
    return attempt(dict(job.known), lambda: (_plate(job), None), skipped=skipped)


def lost_plate(job: PlateJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(dict(job.known), error)


def _plate(job: PlateJob) -> dict[str, Any]:
    if not job.footage.masks:
        raise ItemError("no_mask")
    refused = job.unerased.refusal(job.max_unerased)
    if refused is not None:
        raise ItemError(refused["reason"], refused["detail"])
    check_indexed(job.footage.path, job.footage.sha256)
    picture = read_plate(job.footage, job.dilate)
    write_bytes(job.root / job.file, png(picture))
    described = descriptor_of(picture)
    return {
        "file": job.file,
        "file_hash": sha256_file(job.root / job.file),
        "descriptor": described.tolist(),
    }


def descriptor_of(plate: np.ndarray) -> np.ndarray:
    """Colour and texture of a plate, uint8 (H, W, 3) RGB: float32 (CELLS * CELLS * (3 + BINS),).

    The plate is scaled to SIDE x SIDE pixels and divided into CELLS x CELLS cells. Each cell gives
    its mean colour in CIE L*a*b*, divided by 100, and a histogram of the directions of its edges
    (Sobel of L*, weighted by the gradient), of length 1, or less where the cell is smooth. Both
    parts are divided by the square root of the number of cells, so that each has a length of about
    1: colour and texture count alike.
    """
    small = resize_deterministic(plate, (SIDE, SIDE), cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    side = SIDE // CELLS
    colour = lab.reshape(CELLS, side, CELLS, side, 3).mean(axis=(1, 3)) / _COLOUR_SPAN
    parts = [colour.ravel(), _edges(lab[..., 0], side).ravel()]
    # rounded, so that no processor ranks backgrounds differently
    return np.round(np.concatenate(parts) / CELLS, 4).astype(np.float32)


def _edges(light: np.ndarray, side: int) -> np.ndarray:
    """Histograms of edge directions, float32 (CELLS, CELLS, BINS), of L*, float32 (SIDE, SIDE)."""
    dx, dy = (cv2.Sobel(light, cv2.CV_32F, *order, ksize=3) / 8 for order in ((1, 0), (0, 1)))
    strength = np.hypot(dx, dy)
    # half a turn: the sign of an edge depends on what is dark
    angle = np.mod(np.arctan2(dy, dx), np.pi) / np.pi * BINS
    bins = np.minimum(angle.astype(np.int64), BINS - 1)
    found = np.zeros((CELLS, CELLS, BINS), np.float32)
    rows, columns = (index // side for index in np.indices(light.shape))
    np.add.at(found, (rows, columns, bins), strength)
    length = np.linalg.norm(found, axis=2, keepdims=True)
    return found / (length + _FAINT * side)
