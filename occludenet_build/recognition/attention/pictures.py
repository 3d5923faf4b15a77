"""Files of a class activation map: arrays for the paper's figures, and a strip of frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core.files import write_bytes
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import draw_outline
from occludenet_build.recognition.attention.maps import ClassActivationMap
from occludenet_build.recognition.predict import TrainedNetwork

STRIP_FRAMES = 8
"""Number of frames in a strip."""
GREEN, RED = (60, 220, 60), (230, 50, 50)


def write_map_arrays(path: Path, made: ClassActivationMap, network: TrainedNetwork) -> None:
    """Write the .npz of a map; the package's docstring lists its arrays."""
    order = np.argsort(-made.probabilities, kind="stable")[:5]
    arrays: dict[str, Any] = {
        "frames": made.view.pictures.numpy(),
        "cam": scale_to_one(made.cam),
        "actor": made.view.regions.actor,
        "occluder": made.view.regions.occluder,
        "masked": made.view.regions.masked,
        "numbers": np.array(made.view.frames, np.int32),
        "top5": np.array([made.labels[at] for at in order]),
        "top5_p": made.probabilities[order].astype(np.float32),
    }
    arrays |= {name: getattr(made.clip, name) for name in ("clip", "set", "label")}
    arrays |= {"target": made.target, "predicted": made.predicted}
    arrays |= {name: getattr(network, name) for name in ("arm", "backbone", "seed")}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getvalue())


def scale_to_one(cam: np.ndarray) -> np.ndarray:
    """The map of a clip, float32 (T, H, W), divided by its largest value; a map of zeros stays."""
    top = cam.max()
    return (cam / top if top > 0 else cam).astype(np.float32)


def write_map_strip(path: Path, made: ClassActivationMap) -> None:
    """Write a PNG: some frames, and below them the map with the outlines of the masks."""
    picked = np.linspace(0, len(made.cam) - 1, min(STRIP_FRAMES, len(made.cam))).round().astype(int)
    frames, cam = made.view.pictures.numpy(), scale_to_one(made.cam)
    below = [_outlined(overlay_map(frames[at], cam[at]), made, at) for at in picked]
    strip = sheets.grid([*(frames[at] for at in picked), *below], len(picked))
    p = made.probabilities[made.labels.index(made.clip.label)]
    words = f"{made.clip.set}: {made.clip.label} {p:.2f}, predicted {made.predicted}"
    caption = sheets.text_image([words], dark=False, width=strip.shape[1])
    write_bytes(path, sheets.png(np.vstack([caption, strip])))


def overlay_map(frame: np.ndarray, cam: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """The frame with the map in colours from blue to red over it, uint8 (H, W, 3), RGB.

    `frame` uint8 (H, W, 3), RGB; `cam` float32 (H, W), 0 to 1; `strength`: opacity of the colours.
    The colours are those of the Grad-CAM paper (Selvaraju et al. 2017, Fig. 1).
    """
    heat = cv2.applyColorMap((255 * cam).round().astype(np.uint8), cv2.COLORMAP_JET)
    heat = cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(frame, 1 - strength, heat, strength, 0)


def _outlined(picture: np.ndarray, made: ClassActivationMap, at: int) -> np.ndarray:
    regions = made.view.regions
    for part, colour in ((regions.actor[at], GREEN), (regions.occluder[at], RED)):
        draw_outline(picture, part >= 0.5, colour)
    return picture
