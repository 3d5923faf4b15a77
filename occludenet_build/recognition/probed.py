"""A training of a probe from start to end, and networks from what their checkpoint says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from occludenet_build.config.training import Train
from occludenet_build.recognition.backbones import hf
from occludenet_build.recognition.backbones.registry import BACKBONES, input_of
from occludenet_build.recognition.backbones.spec import FeatureLayout
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.probe import Probe, ProbedNetwork, within
from occludenet_build.recognition.probe_features import (
    FeatureClips,
    FrozenBackbone,
    computed_features,
)
from occludenet_build.recognition.training_clips import TrainingClips


def frozen(model: nn.Module, settings: Train, device: str) -> FrozenBackbone:
    """The backbone of a training of a probe; a warning where its weights are random."""
    if settings.weights is None:
        logging.warning(
            "train.probe: the frozen backbone has random weights; set train.weights to a checkpoint"
        )
    layout = _features_layout(settings.backbone)
    seen = input_of(settings)
    return FrozenBackbone(model, layout, seen, settings.probe, settings.precision, device)


def _features_layout(name: str) -> FeatureLayout | None:
    return None if name == hf.NAME else BACKBONES[name].layout


def start_probe(
    backbone: FrozenBackbone,
    clips: TrainingClips,
    settings: Train,
    *,
    store: Path,
    seed: int,
    process: Process,
    workers: int,
    classes: int,
) -> tuple[FeatureClips, Probe]:
    """The features that a probe is trained on, and the probe with its starting weights.

    `seed`: that of the training's draws. Raises UserError as `computed_features` does.
    """
    made = computed_features(
        backbone, clips, settings, store=store, seed=seed, process=process, workers=workers
    )
    torch.manual_seed(seed)
    return made, Probe(settings.probe, backbone.shape()[1], classes)


def whole_network(backbone: FrozenBackbone | None, trained: nn.Module) -> nn.Module:
    """The network that evaluation sees: what was trained, with the frozen backbone of a probe."""
    if backbone is None:
        return trained
    assert isinstance(trained, Probe)
    return ProbedNetwork(backbone.model, trained, backbone.layout)


def description_of(model: nn.Module) -> dict[str, Any]:
    """What a checkpoint says of a network besides its backbone's name: the probe, and the
    configuration of a network of transformers."""
    found: dict[str, Any] = {}
    if isinstance(model, ProbedNetwork):
        found["probe"] = model.probe.description()
        model = model.backbone
    if isinstance(model, hf.TransformersClassifier):
        found["config"] = model.description()
    return found


def with_probe(model: nn.Module, values: dict[str, Any]) -> nn.Module:
    """A backbone with the probe that its checkpoint has, which is then to be loaded."""
    if "probe" not in values:
        return model
    probe = Probe(**values["probe"], classes=len(values["labels"]))
    return ProbedNetwork(model, probe, _features_layout(values["backbone"])).eval()


def layout_of(name: str, model: nn.Module) -> FeatureLayout:
    """The layer of class activation maps of a network whose backbone has this name.

    Raises UserError for networks of transformers whose positions are not known.
    """
    if isinstance(model, ProbedNetwork):
        inner = model.backbone
        if isinstance(inner, hf.TransformersClassifier):
            return within(hf.layout_of(inner, last=True))
        return within(BACKBONES[name].layout)
    if isinstance(model, hf.TransformersClassifier):
        return hf.layout_of(model)
    return BACKBONES[name].layout
