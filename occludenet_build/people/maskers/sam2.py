"""The masker sam2: SAM 2, prompted with the box of a run's first frame and propagated through it.

A run is a sequence of frames with boxes of one track; at a cut, a gap or a change of track the
model is prompted again. It processes a run in pieces, so that memory is bounded. The next piece
begins with the last frame of the one before, prompted with its mask, or with its box where the mask
is empty:

    |0 1 2 ... 47|
               |47 48 ... 94|      frame 47 is the prompt of the second piece
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build import config
from occludenet_build.core import torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.people.maskers import interface
from occludenet_build.people.maskers.interface import BoxedClip, BoxedFrame, MaskedFrame

_PIECE = 48
"""Frames per piece. The model holds each as 1024 x 1024 float32 RGB: 12 MiB, 600 MiB in all."""
_SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
"""Name of a size in checkpoint files -> in the package's configurations."""
_ACTOR = 1
"""The actor's object id in the model."""


class Sam2:
    """The `interface.Masker` of SAM 2."""

    def __init__(self, settings: config.ActorMasks, threads: int = 1) -> None:
        build = interface.required_module("sam2.build_sam", "sam2")
        torch_models.use_threads(threads)
        path = torch_models.checkpoint_file(settings.weights, "sam2")
        named = config_name(path, settings.sam2_model)
        tensors = torch_models.load_tensors(path, "sam2", inside="model")
        device = torch_models.resolve_device(settings.device)
        self._model = build.build_sam2_video_predictor(named, device=device)
        try:
            self._model.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(
                f"sam2: {path} does not fit {named}: {torch_models.first_line(error)}; "
                "set actor_masks.sam2_model to what the file is"
            ) from error

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the frames with a mask."""
        last: np.ndarray | None = None
        for piece, goes_on in run_pieces(clip):
            prompt = last if goes_on else None
            last = None
            for number, mask in self._propagated(piece, prompt):
                if number == piece[-1][0] and mask.any():
                    last = mask
                is_prompt = prompt is not None and number == piece[0][0]
                if mask.any() and not is_prompt:
                    yield number, mask

    def _propagated(
        self, piece: list[BoxedFrame], prompt: np.ndarray | None
    ) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)); `prompt`: the first frame's mask or None."""
        with tempfile.TemporaryDirectory(prefix="occludenet-") as folder:
            _write_pictures(piece, Path(folder))
            advice = "use smaller weights or another device"  # SAM 2 takes one frame at a time
            with torch_models.memory_as_user_error("actor_masks.device", len(piece), advice):
                state = self._model.init_state(
                    folder, offload_video_to_cpu=True, offload_state_to_cpu=True
                )
        self._prompt(state, piece[0][2], prompt)
        for at, _, logits in self._model.propagate_in_video(state):
            yield piece[at][0], (logits[0, 0] > 0).cpu().numpy()

    def _prompt(self, state: Any, box: np.ndarray, mask: np.ndarray | None) -> None:
        if mask is not None:
            self._model.add_new_mask(state, frame_idx=0, obj_id=_ACTOR, mask=mask)
        else:
            self._model.add_new_points_or_box(state, frame_idx=0, obj_id=_ACTOR, box=box)


def config_name(path: Path, size: str) -> str:
    """The package's configuration for a checkpoint, from its file name or actor_masks.sam2_model.

    Raises UserError where neither gives the size.

    >>> config_name(Path("sam2.1_hiera_base_plus.pt"), "auto")
    'configs/sam2.1/sam2.1_hiera_b+.yaml'
    >>> config_name(Path("mine.pt"), "tiny")
    'configs/sam2.1/sam2.1_hiera_t.yaml'
    """
    model = "sam2.1"
    named = re.search(rf"(sam2(?:\.1)?)_hiera_({'|'.join(_SIZES)})", path.name)
    if named is not None:
        model, size = named[1], named[2] if size == "auto" else size
    if size not in _SIZES:
        raise UserError(
            f"sam2: wanted a checkpoint called sam2.1_hiera_<{', '.join(_SIZES)}>.pt, got "
            f"{path.name}; set actor_masks.sam2_model to its size"
        )
    return f"configs/{model}/{model}_hiera_{_SIZES[size]}.yaml"


def run_pieces(clip: BoxedClip) -> Iterator[tuple[list[BoxedFrame], bool]]:
    """Yields the frames of all runs in pieces, and whether a piece continues the one before.

    Each frame is (number, picture uint8 (H, W, 3), box float32 (4,)). A piece that continues
    another begins with its last frame.
    """
    begins = {run[0] for run in clip.runs()}
    piece: list[BoxedFrame] = []
    goes_on = False
    for frame in clip.frames():
        if piece and frame[0] in begins:
            if not (goes_on and len(piece) == 1):
                yield piece, goes_on
            piece, goes_on = [], False
        piece.append(frame)
        if len(piece) == _PIECE:
            yield piece, goes_on
            piece, goes_on = piece[-1:], True
    if piece and not (goes_on and len(piece) == 1):
        yield piece, goes_on


def _write_pictures(piece: list[BoxedFrame], folder: Path) -> None:
    """Write the frames as the model reads them: JPEG files named by their index in the piece."""
    for at, (_, rgb, _) in enumerate(piece):
        encoded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        (folder / f"{at:05d}.jpg").write_bytes(encoded.tobytes())
