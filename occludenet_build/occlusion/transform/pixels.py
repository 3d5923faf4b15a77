"""Frames as the transform takes them: arrays, lists of arrays and tensors.

`Frames` has a picture (H, W, 3) per frame that can be written to, whatever was given, and returns
what was written in the form of what was given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError


@dataclass(frozen=True)
class Frames:
    """The frames of a clip."""

    pictures: Sequence[np.ndarray]
    """uint8 (H, W, 3) RGB each, views of `whole`."""
    whole: Any
    """What the caller gets back: an array, a list of arrays or a tensor."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        height, width = self.pictures[0].shape[:2]
        return width, height

    @property
    def channels_first(self) -> bool:
        """Whether R, G and B are apart in memory."""
        return self.pictures[0].strides[2] > self.pictures[0].strides[1]


def frames_of(given: Any, *, inplace: bool) -> Frames:
    """The frames given by a caller: a copy, or with `inplace` the caller's own.

    `given`: RGB, uint8: an array or tensor (T, H, W, 3) or (T, 3, H, W), a `tv_tensors.Video`
    (T, 3, H, W), or a list of T arrays (H, W, 3). Where both readings fit, a Video has its channels
    first, everything else last.

    Raises UserError for anything else: another dtype, no frame, frames of different sizes.
    """
    if is_tensor(given):
        return _of_tensor(given, inplace)
    if isinstance(given, np.ndarray):
        _check(given, "array")
        _check_writable([given], inplace)
        whole = given if inplace else given.copy()
        return Frames(list(_channels_last(whole, first=False)), whole)
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return _of_list(given, inplace)
    raise _unusable(f"a {type(given).__name__}")


def _of_tensor(given: Any, inplace: bool) -> Frames:
    if given.device.type != "cpu":
        raise UserError(
            f"occlude: wanted frames on the CPU, got a tensor on {given.device}; occlude them in "
            "the data loader, before they are moved"
        )
    plain = given.detach().as_subclass(sys.modules["torch"].Tensor)
    _check(plain, "tensor")
    whole = plain if inplace else plain.clone()
    pictures = _channels_last(whole.numpy(), first=is_tv_tensor(given, "Video"))
    return Frames(list(pictures), like(given, whole))


def _of_list(given: Sequence[Any], inplace: bool) -> Frames:
    arrays = [np.asarray(frame) for frame in given]
    if not arrays:
        raise _unusable("an empty list")
    for array in arrays:
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape != (*arrays[0].shape[:2], 3):
            raise _unusable(f"a list with {array.dtype} {array.shape}")
    _check_writable(arrays, inplace)
    # one block: copies one by one would take twice the time, in the allocation of their pages
    whole = arrays if inplace else list(np.stack(arrays))
    return Frames(whole, whole)


def _check(given: Any, kind: str) -> None:
    shape, dtype = tuple(given.shape), str(given.dtype).removeprefix("torch.")
    if dtype != "uint8" or len(shape) != 4 or 3 not in (shape[1], shape[3]) or 0 in shape:
        raise _unusable(f"{dtype} {shape}", kind)


def _check_writable(arrays: Sequence[np.ndarray], inplace: bool) -> None:
    if inplace and not all(array.flags.writeable for array in arrays):
        raise UserError(
            "occlude: wanted frames that can be written to, as inplace is set, got read-only ones; "
            "copy them, or leave inplace out"
        )


def _unusable(got: str, kind: str = "array") -> UserError:
    hint = "; put Occlude before the conversion to float and the normalisation"
    return UserError(
        f"occlude: wanted RGB frames, a uint8 {kind} (T, H, W, 3) or (T, 3, H, W) or a list of "
        f"arrays (H, W, 3), got {got}{hint if 'float' in got else ''}"
    )


def _channels_last(array: np.ndarray, *, first: bool) -> np.ndarray:
    """View with shape (T, H, W, 3). `first`: channels are first where both readings fit."""
    is_first = array.shape[1] == 3 and (first or array.shape[3] != 3)
    if first and not is_first:
        raise _unusable(
            f"a Video {array.shape}, which has no 3 channels in its second axis", "Video"
        )
    return array.transpose(0, 2, 3, 1) if is_first else array


def is_tensor(given: Any) -> bool:
    """Whether this is a tensor of PyTorch, which is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.Tensor)


def is_tv_tensor(given: Any, kind: str) -> bool:
    """Whether this is torchvision's `tv_tensors.<kind>`, which is not imported to find out."""
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    return tv_tensors is not None and isinstance(given, getattr(tv_tensors, kind))


def like(given: Any, tensor: Any) -> Any:
    """A tensor with the class of `given`: a Video stays a Video."""
    if is_tv_tensor(given, "Video"):
        return sys.modules["torchvision.tv_tensors"].wrap(tensor, like=given)
    return tensor


def in_kind_of(given: Any, masks: np.ndarray, hidden: np.ndarray) -> tuple[Any, Any]:
    """Masks, bool (T, H, W), and shares, float32 (T,), in the kind of the frames that were given.

    For a Video a `tv_tensors.Mask` and a tensor, for a tensor two tensors, else arrays.
    """
    if not is_tensor(given):
        return masks, hidden
    convert: Callable[[np.ndarray], Any] = sys.modules["torch"].from_numpy
    mask_tensor = convert(masks)
    if is_tv_tensor(given, "Video"):
        mask_tensor = sys.modules["torchvision.tv_tensors"].Mask(mask_tensor)
    return mask_tensor, convert(hidden)
