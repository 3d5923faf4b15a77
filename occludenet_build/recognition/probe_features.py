"""The features of a frozen backbone on disk, computed once per clip and view, and read in training.

    store/features/<key>/<clip>.npy   float16 (views, 1 or 2, L, C): features of the clip, and in
                                      training on pairs of its counterfactual; nan where nothing is
                                      erased in the view. L = 1 for a linear probe.

<key> is a hash of everything that the features follow from: weights, clips, input, augmentation,
seed; <clip> is one of the clip's file and its counterfactual. A file is complete or absent, so an
interrupted training computes only what is missing. Folders of another key are removed. The view of
epoch e is that of epoch e modulo train.probe_views in a training without a probe.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import replacing, short_hash
from occludenet_build.core.progress import progress
from occludenet_build.core.settings import key_values
from occludenet_build.recognition.backbones.spec import FeatureLayout, Input, normalised
from occludenet_build.recognition.car import autocast_for
from occludenet_build.recognition.datasets import SkippedClip, make_loader
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.learner import TrainingItems
from occludenet_build.recognition.probe import features_of, stored
from occludenet_build.recognition.training_clips import Batch, ClipPair, TrainingClips, collate
from occludenet_build.sources.hub import sha256_of
from occludenet_build.stages import STAGES

_OF_THE_PROBE = {
    *("arms", "alphas", "alpha", "seeds", "epochs", "batch", "learning_rate", "weight_decay"),
    *("warmup_epochs", "clip_gradient", "optimizer", "causal_term", "detach_prediction"),
    *("detach_counterfactual", "counterfactual_forward", "empty_masks", "probe_gib", "processes"),
    *("device", "workers", "memory_mib", "checkpoint_minutes", "tensorboard", "log_steps"),
    *("weights", "weights_sha256", "swap", "one_scale", "counterfactual_noise"),
}
"""Settings that features do not follow from; the file of the weights counts by its hash."""


@dataclass(frozen=True)
class FrozenBackbone:
    """A backbone that gives features."""

    model: nn.Module
    layout: FeatureLayout | None
    """The layer of the features; None: the backbone has a method `features`."""
    input: Input
    kind: str
    """Kind of the probe that reads them."""
    precision: str
    """train.precision."""
    device: str

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Features of clips uint8 (N, T, H, W, 3): float16 (N, L, C) on the CPU."""
        pixels = normalised(clips.to(self.device), self.input.mean, self.input.std)
        with autocast_for(self.precision, self.device):
            seen = features_of(self.model, self.layout, pixels)
        return stored(seen.float(), self.kind).cpu()

    def shape(self) -> tuple[int, int]:
        """Number of features of a view, and their channels."""
        size, frames = self.input.size, self.input.frames
        empty = torch.zeros((1, frames, size, size, 3), dtype=torch.uint8)
        return tuple(self.features(empty).shape[1:])  # type: ignore[return-value]


def features_key(settings: Train, seed: int, clips: TrainingClips) -> str:
    """Hash of everything that the features of a training's clips follow from."""
    values = key_values(settings)
    chosen = {name: value for name, value in values.items() if name not in _OF_THE_PROBE}
    weights = sha256_of(settings.weights) if settings.weights else ""
    data = [(c.file_hash, c.erased_hash, c.file, c.frames) for c in clips.clips]
    parts = [chosen, settings.alpha > 0, seed, data, clips.actors.identity(clips.clips)]
    version = f"train {STAGES['train'].results_version}"
    return short_hash(version, weights, *(json.dumps(part, sort_keys=True) for part in parts))


class FeatureClips(TrainingItems[Batch]):
    """Data set whose items have features, float16 (L, C), in place of pixels."""

    def __init__(self, folder: Path, clips: TrainingClips, views: int, pairs: bool) -> None:
        self.folder, self.views, self.pairs = folder, views, pairs
        self.files = [clip.file for clip in clips.clips]
        self.labels = [clips.positions[clip.label] for clip in clips.clips]
        self.names = [
            short_hash(clip.file, clip.file_hash or "", clip.erased_hash or "")
            for clip in clips.clips
        ]

    def __len__(self) -> int:
        return len(self.files)

    collate = staticmethod(collate)

    def path(self, number: int) -> Path:
        """The file of a clip's features."""
        return self.folder / f"{self.names[number]}.npy"

    def shape(self, features: tuple[int, int]) -> tuple[int, ...]:
        """The shape of a clip's file, from that of the features of a view."""
        return (self.views, 2 if self.pairs else 1, *features)

    def has(self, number: int, features: tuple[int, int]) -> bool:
        """Whether the file of a clip is there and whole."""
        try:
            return np.load(self.path(number), mmap_mode="r").shape == self.shape(features)
        except (OSError, ValueError):
            return False

    def __getitem__(self, key: tuple[int, int]) -> ClipPair | SkippedClip:
        number, epoch = key
        file = self.files[number]
        try:
            kept = np.load(self.path(number), mmap_mode="r")[epoch % self.views]
        except (OSError, ValueError) as error:
            reason = f"unreadable: its features are missing, the log says why ({error})"
            return SkippedClip(file, reason)
        seen, *others = torch.from_numpy(np.array(kept))
        erased = next((other for other in others if not other[0, 0].isnan()), None)
        return ClipPair(seen, erased, self.labels[number], file)


def computed_features(
    backbone: FrozenBackbone,
    clips: TrainingClips,
    settings: Train,
    *,
    store: Path,
    seed: int,
    process: Process,
    workers: int,
) -> FeatureClips:
    """The features of all views of the clips, after computing those that are not on disk.

    Every process computes a part. A clip that cannot be read is logged and has no file. Raises
    UserError where the features would be larger than train.probe_gib, or are not finite.
    """
    folder = store / "features" / features_key(settings, seed, clips)
    made = FeatureClips(folder, clips, settings.probe_views, settings.alpha > 0)
    backbone.model.to(backbone.device).eval()
    shape = backbone.shape()
    _check_size(made, shape, settings)
    if process.first:
        _remove_others(folder)
        folder.mkdir(parents=True, exist_ok=True)
    process.wait()
    missing = [n for n in range(len(made)) if not made.has(n, shape)]
    done = _compute(backbone, clips, made, process.part(missing), shape, settings.batch, workers)
    # the log is that of the first process
    for line in process.gathered(done.unread):
        logging.warning("skipped %s", line)
    _check_finite(process.gathered(done.infinite), process)
    return made


@dataclass
class _Without:
    """The clips of this process that have no features."""

    unread: list[str] = field(default_factory=list)
    """File and reason."""
    infinite: list[str] = field(default_factory=list)
    """File."""


def _check_finite(files: list[str], process: Process) -> None:
    """Ends all processes where features are not finite; the first raises the UserError."""
    if not files:
        return
    if not process.first:
        process.wait_for_end()
        raise SystemExit(2)
    raise UserError(
        f"train.probe: the features of {files[0]} are not finite in float16; look at the clip, or "
        "take train.precision fp32 or another backbone"
    )


def _check_size(made: FeatureClips, shape: tuple[int, int], settings: Train) -> None:
    gib = len(made) * int(np.prod(made.shape(shape))) * 2 / 2**30
    what = f"{len(made)} clips x {made.views} views{' x 2' if made.pairs else ''} x {shape[0]} x "
    what += f"{shape[1]} features in float16"
    logging.info("probe: %s, %.2f GiB on disk", what, gib)
    if gib > settings.probe_gib:
        raise UserError(
            f"train.probe_gib: wanted at most {settings.probe_gib:g} GiB of features, got "
            f"{gib:.1f} ({what}); raise it, lower train.probe_views, or set train.probe to linear"
        )


def _remove_others(folder: Path) -> None:
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _compute(
    backbone: FrozenBackbone,
    clips: TrainingClips,
    made: FeatureClips,
    numbers: list[int],
    shape: tuple[int, int],
    batch: int,
    workers: int,
) -> _Without:
    """Write the features of these clips; returns those that have none."""
    without = _Without()
    wanted = [[(number, view) for view in range(made.views)] for number in numbers]
    loaded = make_loader(clips, wanted, workers, backbone.device, collate=list)
    for number, views in progress(zip(numbers, loaded, strict=True), len(numbers), "clip"):
        unread = [view for view in views if isinstance(view, SkippedClip)]
        if unread:
            without.unread.append(f"{unread[0].file}: {unread[0].reason}")
            continue
        values = np.full(made.shape(shape), np.nan, np.float16)
        for (view, which), found in _features(backbone, views, batch):
            values[view, which] = found
        if not np.isfinite(values[:, 0]).all():
            without.infinite.append(views[0].file)
            continue
        with replacing(made.path(number)) as temporary, temporary.open("wb") as file:
            np.save(file, values)
    return without


def _features(
    backbone: FrozenBackbone, views: list[ClipPair], batch: int
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """((view, 0 or 1 for the counterfactual), features float16 (L, C)) of a clip's views."""
    pictures = {(at, 0): view.clip for at, view in enumerate(views)}
    pictures |= {
        (at, 1): view.counterfactual
        for at, view in enumerate(views)
        if view.counterfactual is not None
    }
    keys = list(pictures)
    for start in range(0, len(keys), batch):
        some = keys[start : start + batch]
        found = backbone.features(torch.stack([pictures[key] for key in some]))
        yield from zip(some, found.numpy(), strict=True)
