"""Probes: small networks that classify the features of a frozen backbone.

`linear` is a linear layer on the mean of the features, each of which is normalised over its
channels before (layer norm without parameters: the scale of features differs by orders of magnitude
between backbones). `attentive` is the evaluation of V-JEPA (Bardes et al.: Revisiting Feature
Prediction for Learning Visual Representations from Video, 2024): a block in which one learned query
attends to all features, with a residual two-layer perceptron, and a linear layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from occludenet_build.recognition.backbones.spec import FeatureLayout, Input, normalised

_HEADS = (16, 12, 8, 6, 4, 3, 2, 1)


class AttentivePooling(nn.Module):
    """Features (N, L, C) -> (N, C): a learned query attends to them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = next(heads for heads in _HEADS if width % heads == 0)
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        inner = 4 * width
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        nn.init.trunc_normal_(self.query, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, L, C) -> (N, C)."""
        keys = self.before(features)
        query = self.query.expand(len(features), -1, -1)
        seen = query + self.attention(query, keys, keys, need_weights=False)[0]
        return (seen + self.mlp(self.between(seen)))[:, 0]


class Probe(nn.Module):
    """Features float32 (N, L, C), C = `width` -> logits (N, classes)."""

    def __init__(self, kind: str, width: int, classes: int) -> None:
        """`kind`: linear or attentive."""
        super().__init__()
        self.kind, self.width = kind, width
        self.pooling = AttentivePooling(width) if kind == "attentive" else None
        self.linear = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, L, C), as `stored` gives them, -> logits float32 (N, classes)."""
        pooled = features.mean(dim=1) if self.pooling is None else self.pooling(features)
        return self.linear(pooled)

    def description(self) -> dict[str, Any]:
        """What `Probe` is made from besides the classes, for a checkpoint."""
        return {"kind": self.kind, "width": self.width}


class ProbedNetwork(nn.Module):
    """A frozen backbone and its probe as one network: (N, 3, T, H, W) -> logits (N, classes)."""

    def __init__(self, backbone: nn.Module, probe: Probe, layout: FeatureLayout | None) -> None:
        """`layout`: the layer of the features; None: the backbone has a method `features`."""
        super().__init__()
        self.backbone, self.probe, self._layout = backbone, probe, layout

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        seen = stored(features_of(self.backbone, self._layout, x), self.probe.kind)
        return self.probe(seen.float())


def features_of(backbone: nn.Module, layout: FeatureLayout | None, x: Tensor) -> Tensor:
    """Features of clips float32 (N, 3, T, H, W) at all positions: float (N, L, C).

    Class tokens are among them.
    """
    if layout is None:
        return backbone.features(x)  # type: ignore[operator]
    with _output_of(backbone.get_submodule(layout.layer)) as outputs:
        backbone(x)
    (output,) = outputs
    if layout.order == "volume":
        return output.flatten(2).transpose(1, 2)
    if layout.order == "channels_last":
        return output.flatten(1, -2)
    if layout.order == "frame_tokens":
        return output.unflatten(0, (len(x), -1)).flatten(1, 2)
    return output


@contextmanager
def _output_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """A list that holds the outputs of a module's forward passes."""
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda module, args, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


def stored(features: Tensor, kind: str) -> Tensor:
    """Features float (N, L, C) as a probe of this kind sees them: float16.

    The linear probe needs their normalised mean only: (N, 1, C).
    """
    if kind == "linear":
        norm = torch.nn.functional.layer_norm
        features = norm(features.float(), features.shape[-1:]).mean(dim=1, keepdim=True)
    return features.half()


def network_input(clips: Tensor, seen: Input) -> Tensor:
    """The input of the network that is trained, float32: pixels of clips uint8 (N, T, H, W, 3) as
    its backbone takes them, or, for a probe, features float16 (N, L, C) as they are."""
    return clips.float() if clips.ndim == 3 else normalised(clips, seen.mean, seen.std)


def within(layout: FeatureLayout) -> FeatureLayout:
    """The layout of a backbone's layer by its name in ProbedNetwork."""
    return dataclasses.replace(layout, layer=f"backbone.{layout.layer}")
