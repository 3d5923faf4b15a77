"""Settings of hiding faces in recordings, of its check, and of consent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting

MODES = ("off", "head", "face")
"""What is hidden: nothing, heads, faces."""


@dataclass(frozen=True)
class Anonymity:
    """How heads or faces are found, hidden and looked for afterwards (recordings.anonymise)."""

    weights: str | None = setting(None, path=True)
    """Weights that ultralytics loads (.pt). face: a detector with the class `face`, or with one
    class only. head: a pose model (heads from the joints) or a detector of people (the upper part
    of their boxes)."""
    boxes: str | None = setting(None, path=True)
    """Instead of weights: boxes of people (head) or of faces (face) in the recordings: a CSV or
    Parquet file clip,frame,x1,y1,x2,y2, or the folder detect/store of any detector; `clip` is the
    file of the recording, frames count from its beginning."""
    score: float = setting(0.15, low=0, high=1)
    """Minimum score of a person or face. It is low: a picture blurred for nothing harms nobody."""
    image_size: int = setting(960, low=32, high=4096)
    """Longer side of the model input, in pixels."""
    device: str = setting("cpu")
    """Device of the model: cpu, cuda, cuda:1, mps, auto. Each worker loads the model."""
    grow: float = setting(0.15, low=0, high=2)
    """Margin around a head or face, on each side, as a share of its size."""
    hold_frames: int = setting(5, low=0, high=250)
    """Number of frames before and after that hide the place of a head which they have and this
    frame lacks."""
    cells: int = setting(5, low=1, high=12)
    """Number of cells across the longer side of a hidden place: each is averaged, and then the
    cells are blurred into each other."""
    max_bare: float = setting(0.1, low=0, high=1)
    """Maximum share of the frames in which nothing is found and hidden; a clip with more is a row
    with the reason not_anonymised. 1: all are written."""
    check_weights: str | None = setting(None, path=True)
    """Weights of the detector that looks for faces in the finished clips: of faces, or of poses.
    null: `weights`, if they are of faces or poses; else nothing is checked, and the report says
    so."""
    check_every: int = setting(5, low=1, high=1000)
    """Number of frames from one that is checked to the next."""
    check_score: float = setting(0.25, low=0, high=1)
    """Minimum score of a face, or of the joints of a head, that counts as found again."""


def check_anonymity(mode: str, own: Anonymity) -> None:
    """Raises UserError where it is not said how heads or faces are found, or said twice."""
    if mode == "off":
        return
    given = [name for name in ("weights", "boxes") if getattr(own, name) is not None]
    if len(given) != 1:
        raise UserError(
            "config: recordings.anonymity: wanted weights or boxes for recordings.anonymise "
            f"{mode}, got {' and '.join(given) or 'neither'}; set one of them"
        )


def finds_by_network(mode: str, own: Mapping[str, Any]) -> bool:
    """Whether the stage recordings runs a network.

    `mode`: recordings.anonymise; `own`: the values of recordings.anonymity.

    >>> finds_by_network("off", {"weights": "a.pt"}), finds_by_network("face", {"weights": "a.pt"})
    (False, True)
    """
    return mode != "off" and bool(own.get("weights") or own.get("check_weights"))
