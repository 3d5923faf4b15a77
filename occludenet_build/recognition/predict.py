"""Predictions of a trained network, averaged over views in time and crops in space."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.config.recognition import Evaluate
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.settings import is_hub_name
from occludenet_build.core.torch_models import FittingBatches, first_line, resolve_device
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones import hf
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.backbones.spec import FeatureLayout, Input, normalised
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import (
    EvaluationClips,
    FrameReader,
    SkippedClip,
    make_loader,
)
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.frame_masks import ActorPixels
from occludenet_build.recognition.prediction_table import ModelInfo
from occludenet_build.recognition.probe import ProbedNetwork
from occludenet_build.recognition.probed import layout_of, with_probe
from occludenet_build.recognition.sampling import check_sampling
from occludenet_build.sources.hub import cached_folder

PUBLISHED = "published"
"""Arm of a network that was not trained here."""


class ClipPrediction(NamedTuple):
    """A network's averaged logits for one clip."""

    logits: Tensor
    """float32 (K,)."""
    erased: Tensor | None
    """float32 (K,), logits of the clip without its actor; None without a counterfactual."""
    problem: str | None
    """Why the clip's counterfactual cannot be read; None if it can, or if there is none."""


def _mean_of_logits(logits: Tensor) -> Tensor:
    return logits.mean(dim=1)


def _log_of_mean_softmax(logits: Tensor) -> Tensor:
    # the softmax of this is the mean softmax, so the logits rank as the prediction does
    return torch.logsumexp(F.log_softmax(logits, dim=2), dim=1) - log(logits.shape[1])


AVERAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _log_of_mean_softmax,
    "logits": _mean_of_logits,
}
"""By evaluate.average: logits float32 (N, views x crops, K) -> averaged logits (N, K)."""


@torch.no_grad()
def predict(
    model: nn.Module,
    clips: EvaluationClips,
    seen: Input,
    *,
    average: str,
    batch: int,
    workers: int,
    device: str,
) -> Iterator[ClipPrediction | SkippedClip]:
    """Averaged logits of every clip, in the order of the data set.

    `seen`: the network's input; `average`: a name of AVERAGES.
    """
    model.to(device).eval()
    numbers = list(range(len(clips)))
    batches = [numbers[at : at + batch] for at in range(0, len(numbers), batch)]

    fitting = FittingBatches("evaluate.batch")

    def averaged(views: list[Tensor]) -> Iterator[Tensor]:
        return iter(fitting.run(partial(_averaged, model, seen, average, device), views))

    for items in make_loader(clips, batches, workers, device, collate=list):
        read = [item for item in items if not isinstance(item, SkippedClip)]
        plain = averaged([item.clip for item in read])
        erased = averaged([item.erased for item in read if item.erased is not None])
        for item in items:
            if isinstance(item, SkippedClip):
                yield item
                continue
            twin = None if item.erased is None else next(erased)
            yield ClipPrediction(next(plain), twin, item.problem)


def _averaged(
    model: nn.Module, seen: Input, average: str, device: str, clips: Sequence[Tensor]
) -> list[Tensor]:
    views = torch.stack(list(clips)).to(device)
    logits = model(normalised(views.flatten(0, 1), seen.mean, seen.std)).float()
    return list(AVERAGES[average](logits.unflatten(0, views.shape[:2])).cpu())


@dataclass(frozen=True)
class TrainedNetwork:
    """A network written by train."""

    model: nn.Module
    backbone: str
    labels: list[str]
    """In the order of the logits."""
    input: Input
    """The clips that the network was trained with."""
    arm: str
    seed: int
    epochs: int | None
    alpha: float | None

    @classmethod
    def read(cls, path: Path) -> TrainedNetwork:
        """Read a checkpoint that train wrote, or a classifier of transformers.

        The latter is a folder, or a name in the local cache of huggingface_hub, and answers with
        its own labels. Raises UserError for any other file.
        """
        if is_hub_name(str(path)):
            return cls._published(Path(cached_folder(str(path), "--model")), str(path))
        if path.is_dir():
            return cls._published(path, path.resolve().name)
        values = checkpoint.load(path)
        missing = {"model", "backbone", "labels", "settings", "arm", "seed"} - set(values)
        if missing:
            raise UserError(
                f"wanted a network written by train, {path} lacks {', '.join(sorted(missing))}"
            )
        labels, seen = values["labels"], _input(values)
        if values["backbone"] == hf.NAME:
            model: nn.Module = hf.rebuilt(values["config"], seen.frames, seen.size)
        else:
            shape = {"temporal_stride": True} if values["settings"].get("temporal_stride") else {}
            model = build_backbone(values["backbone"], len(labels), seen.frames, seen.size, **shape)
        model = with_probe(model, values)
        model.load_state_dict(values["model"])
        trained = (values["settings"].get(name) for name in ("epochs", "alpha"))
        return cls(model, values["backbone"], labels, seen, values["arm"], values["seed"], *trained)

    @classmethod
    def _published(cls, folder: Path, name: str) -> TrainedNetwork:
        model, labels, seen = hf.load_published(str(folder))
        return cls(model, name, labels, seen, arm=PUBLISHED, seed=0, epochs=None, alpha=None)

    def spelled_as(self, labels: Iterable[str]) -> TrainedNetwork:
        """The network with the spelling of `labels` where only case and underscores differ.

        For published networks; others know the build's own labels.
        """
        if self.arm != PUBLISHED:
            return self
        wanted = {hf.folded(label): label for label in labels}
        own = [wanted.get(hf.folded(label), label) for label in self.labels]
        unique = len(set(own)) == len(set(self.labels))
        return dataclasses.replace(self, labels=own) if unique else self

    @property
    def family(self) -> str:
        """The backbone's name in config.protocols: its own, or hf:<model type>."""
        inner = self.model.backbone if isinstance(self.model, ProbedNetwork) else self.model
        if isinstance(inner, hf.TransformersClassifier):
            return f"hf:{inner.family}"
        return self.backbone

    def layout(self) -> FeatureLayout:
        """The layer of class activation maps.

        Raises UserError for networks of transformers whose positions are not known.
        """
        return layout_of(self.backbone, self.model)

    def about(self, settings: Evaluate) -> ModelInfo:
        """The facts that a table of this network's predictions carries."""
        return ModelInfo(
            model=self.backbone,
            labels=tuple(self.labels),
            arm=self.arm,
            seed=self.seed,
            average=settings.average,
            views=settings.views,
            crops=settings.crops,
            epochs=self.epochs,
            alpha=self.alpha,
        )


def _input(values: dict[str, Any]) -> Input:
    """The network's input; older checkpoints have grey statistics and evenly spread frames."""
    if "input" in values:
        return Input(**values["input"])
    settings = values["settings"]
    return Input(settings["frames"], settings["size"], settings["short_side"], stride=0)


def evaluation_input(network: TrainedNetwork, settings: Evaluate) -> Input:
    """The clips that a network is evaluated on: its own, in the size of the settings.

    Raises UserError where the crop is larger than the short side, or where the network cannot take
    clips of this size.
    """
    seen = network.input.of_size(settings.size, settings.short_side, "evaluate")
    if seen.size != network.input.size:
        _try_size(network, seen.size)
    return seen


@torch.no_grad()
def _try_size(network: TrainedNetwork, size: int) -> None:
    """Pass an empty clip of this size through the network, on the CPU."""
    try:
        network.model.eval()(torch.zeros(1, 3, network.input.frames, size, size))
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"evaluate.size: {network.family}, trained at {network.input.size} px, cannot take "
            f"frames of {size} px ({first_line(error)}); set it to null, and evaluate.sampling "
            "to one without a size of its own"
        ) from error


def predict_clips(
    network: TrainedNetwork,
    clips: Sequence[ClipRow],
    root: Path,
    settings: Evaluate,
    actors: ActorPixels | None = None,
    erasing: Erasing | None = None,
) -> Iterator[tuple[ClipRow, ClipPrediction | str]]:
    """Each clip with its prediction, or with the reason why it cannot be read.

    `settings`: with a sampling other than `published` (config.protocols.with_protocol). `actors`:
    for predictions without the actor, as of EvaluationClips; `erasing`: makes counterfactuals
    without a file. Raises UserError where the network cannot take the size or the sampling of the
    settings.
    """
    seen = evaluation_input(network, settings)
    check_sampling(settings.sampling, seen.stride)
    data = EvaluationClips(
        clips,
        FrameReader(root, seen.short_side, keep=False),
        frames=seen.frames,
        size=seen.size,
        stride=seen.stride,
        views=settings.views,
        crops=settings.crops,
        actors=actors,
        erasing=erasing,
        sampling=settings.sampling,
        places=settings.crop_places,
    )
    results = predict(
        network.model,
        data,
        seen,
        average=settings.average,
        batch=settings.batch,
        workers=settings.workers,
        device=resolve_device(settings.device),
    )
    for clip, result in progress(zip(clips, results, strict=True), len(clips), "clip"):
        yield clip, result.reason if isinstance(result, SkippedClip) else _finite(result, clip)


def _finite(found: ClipPrediction, clip: ClipRow) -> ClipPrediction:
    """Raises UserError where a logit is not finite: nan has no rank, and the first class won."""
    for logits, what in ((found.logits, ""), (found.erased, " without its actor")):
        if logits is not None and not logits.isfinite().all():
            raise UserError(
                f"{clip.file}{what}: wanted finite logits, the network gives nan or infinite; it "
                "has diverged: train it again with a lower train.learning_rate"
            )
    return found
