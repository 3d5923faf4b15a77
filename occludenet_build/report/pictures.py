"""Pictures inside the page: as data URIs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core import thumbnails


def jpeg(picture: np.ndarray) -> str:
    """A data URI of an RGB picture."""
    return _uri("image/jpeg", thumbnails.jpeg(picture))


def cutout_png(path: Path, side: int = 92) -> str | None:
    """A data URI of a cut-out inside `side` x `side` pixels; None if the file does not read."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3:
        return None
    factor = min(1.0, side / max(image.shape[:2]))
    size = [max(1, round(edge * factor)) for edge in image.shape[1::-1]]
    done, coded = cv2.imencode(".png", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return _uri("image/png", coded.tobytes()) if done else None


def _uri(kind: str, coded: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(coded).decode()}"
