"""Class activation maps: how much each position of a clip raises the logit of a class.

Grad-CAM, Selvaraju et al., ICCV 2017, section 3, over t, y and x: captum weights the channels of a
layer by the mean gradient of the class's logit (equation 1), sums them and sets negative values to
0 (equation 2). captum requires the channels as the second axis: a hook brings tokens and
channels-last outputs into that order, passes them through an identity that captum observes, and
restores the order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.spec import FeatureLayout


def _volume(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    return output


def _channels_last(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    return output.movedim(-1, 1)


def _tokens(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    """(N, first + t h w, C) -> (N, C, t, h, w)"""
    times = frames // layout.frames
    patches = output.shape[1] - layout.first
    side = math.isqrt(max(patches, 0) // times)
    return output[:, layout.first :].unflatten(1, (times, side, side)).movedim(-1, 1)


def _frame_tokens(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    """(N t, first + h w, C) -> (N, C, t, h, w)"""
    side = math.isqrt(max(output.shape[1] - layout.first, 0))
    patches = output[:, layout.first :].unflatten(1, (side, side))
    return patches.unflatten(0, (-1, frames // layout.frames)).movedim(-1, 1)


def _tokens_in_time(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    """(N, first + h w t, C) -> (N, C, t, h, w)"""
    times = frames // layout.frames
    side = math.isqrt(max(output.shape[1] - layout.first, 0) // times)
    return output[:, layout.first :].unflatten(1, (side, side, times)).permute(0, 4, 3, 1, 2)


VOLUMES: dict[str, Callable[[Tensor, FeatureLayout, int], Tensor]] = {
    "volume": _volume,
    "channels_last": _channels_last,
    "tokens": _tokens,
    "frame_tokens": _frame_tokens,
    "tokens_in_time": _tokens_in_time,
}
"""By order of the layout: (output, layout, frames of the clip) -> volume (N, C, t, h, w)."""


def as_volume(output: Tensor, layout: FeatureLayout, frames: int) -> Tensor:
    """A layer's output as a volume of positions, float32 (N, C, t, h, w), without class tokens.

    `output`: float32 of a shape that `layout` describes. Raises UserError for another shape.
    """
    try:
        volume = VOLUMES[layout.order](output, layout, frames)
    except (RuntimeError, IndexError) as error:
        raise _wrong_layer(output, layout) from error
    if volume.ndim != 5:
        raise _wrong_layer(output, layout)
    return volume


def _wrong_layer(output: Tensor, layout: FeatureLayout) -> UserError:
    return UserError(
        f"attention.layer: wanted a module whose output has the layout {layout.order}, "
        f"{layout.layer} gives {tuple(output.shape)}; name another, or null for the backbone's own"
    )


def _back(volume: Tensor, output: Tensor, layout: FeatureLayout) -> Tensor:
    """`volume` in the layout of `output`, with the class tokens of `output`."""
    if layout.order == "volume":
        return volume
    patches = volume.movedim(1, -1)
    if layout.order == "channels_last":
        return patches
    if layout.order == "tokens_in_time":
        patches = patches.permute(0, 2, 3, 1, 4)
    if layout.order == "frame_tokens":
        patches = patches.flatten(0, 1)
    tokens = patches.reshape(len(output), -1, output.shape[-1])
    return torch.cat([output[:, : layout.first], tokens], dim=1)


@contextmanager
def layer_features(model: nn.Module, layout: FeatureLayout, frames: int) -> Iterator[nn.Module]:
    """A module whose output, within the context, is the layer's volume (N, C, t, h, w).

    The output of the network does not change. Raises UserError where the network has no such layer.
    """
    seen = nn.Identity()

    def hook(module: nn.Module, args: object, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor):
            raise UserError(
                f"attention.layer: wanted a module that gives one tensor, {layout.layer} gives a "
                f"{type(output).__name__}; name another, or null for the backbone's own"
            )
        # a copy, since the following module may work in place
        return _back(seen(as_volume(output, layout, frames)), output, layout).clone()

    handle = _layer(model, layout.layer).register_forward_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()


def _layer(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        known = [key for key, _ in model.named_children()]
        raise UserError(
            f"attention.layer: wanted a module of the network, such as {', '.join(known)}, got "
            f"{name!r}; change it"
        ) from error


def grad_cam(
    model: nn.Module, layout: FeatureLayout, clips: Tensor, classes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Maps float32 (N, T, H, W), not negative, and logits float32 (N, K) of normalised `clips`.

    `clips`: float32 (N, 3, T, H, W); `classes`: int64 (N,), the classes whose logits are explained;
    None: the class of each clip's largest logit. The network must be in eval mode, in which the
    clips of a batch do not influence each other.
    """
    logits = []

    def score(x: Tensor) -> Tensor:
        given = model(x)
        logits.append(given.detach().float())
        chosen = given.argmax(dim=1) if classes is None else classes
        return given.gather(1, chosen[:, None])[:, 0]

    with layer_features(model, layout, clips.shape[2]) as seen:
        coarse = LayerGradCam(score, seen).attribute(clips, relu_attributions=True)
    # The layer's positions are cells that fill the clip: edges are aligned, not centres.
    size = tuple(clips.shape[2:])
    maps = LayerAttribution.interpolate(coarse, size, interpolate_mode="trilinear")
    return maps[:, 0].detach().float(), logits[0]
