"""A network's maps over many clips, and what of them lies where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from occludenet_build.attention.clips import Unread, View, Views
from occludenet_build.attention.regions import Regions
from occludenet_build.config import Attention
from occludenet_build.core.torch_models import memory_as_user_error, resolve_device
from occludenet_build.recognition.backbones.spec import FeatureLayout, normalised
from occludenet_build.recognition.cam import grad_cam
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import loader
from occludenet_build.recognition.evaluation import Network

WHERE = ("actor", "occluder", "background")


@dataclass(frozen=True)
class Map:
    """What a network says of one view of a clip, and why."""

    clip: Clip
    view: View
    cam: np.ndarray
    """float32 (T, S, S), 0 and up."""
    probabilities: np.ndarray
    """float64 (K,), in the order of `labels`."""
    labels: list[str]
    target: str
    """The class whose logit is explained."""

    @property
    def predicted(self) -> str:
        return self.labels[int(self.probabilities.argmax())]

    def row(self) -> dict[str, Any]:
        """The columns of CLIPS that are of this clip."""
        regions = self.view.regions
        masses, areas = regions.shares(self.cam), regions.shares(np.ones_like(self.cam))
        row = {
            "predicted": self.predicted,
            "target": self.target,
            "p": float(self.probabilities[self.labels.index(self.clip.label)]),
            "frames": len(self.cam),
            "masked_frames": int(regions.masked.sum()),
        }
        return row | _standing(regions, masses) | _shares(masses, areas)


def _standing(regions: Regions, masses: tuple[float, ...] | None) -> dict[str, str | None]:
    if not regions.masked.any():
        detail = "the actor is not masked in any of the frames that the network is given"
        return {"status": "skipped", "reason": "no_mask", "detail": detail}
    if masses is None:
        return {"status": "skipped", "reason": "zero_map", "detail": None}
    return {"status": "ok", "reason": None, "detail": None}


def _shares(
    masses: tuple[float, ...] | None, areas: tuple[float, ...] | None
) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for at, where in enumerate(WHERE):
        mass, area = (None if part is None else part[at] for part in (masses, areas))
        row[f"mass_{where}"], row[f"area_{where}"] = mass, area
        row[f"focus_{where}"] = mass / area if mass is not None and area else None
    return row


def maps(
    network: Network, layout: FeatureLayout, views: Views, settings: Attention
) -> Iterator[Map | Unread]:
    """In the order of the clips of `views`."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    device = resolve_device(settings.device)
    network.model.to(device).eval()
    numbers = list(range(len(views)))
    size = settings.batch
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    for items in loader(views, batches, settings.workers, device, collate=list):
        read = [item for item in items if isinstance(item, View)]
        with memory_as_user_error("attention.batch", size):
            made = iter(_maps(network, layout, views.clips, read, settings.target, device))
        for item in items:
            yield item if isinstance(item, Unread) else next(made)


def _maps(
    network: Network,
    layout: FeatureLayout,
    clips: Sequence[Clip],
    read: list[View],
    target: str,
    device: str,
) -> list[Map]:
    if not read:
        return []
    seen, labels = network.input, network.labels
    pictures = torch.stack([view.pictures for view in read]).to(device)
    classes: Tensor | None = None
    if target == "label":
        wanted = [labels.index(clips[view.number].label) for view in read]
        classes = torch.tensor(wanted, device=device)
    cams, logits = grad_cam(
        network.model, layout, normalised(pictures, seen.mean, seen.std), classes
    )
    chosen = logits.argmax(dim=1) if classes is None else classes
    probabilities = logits.double().softmax(dim=1).cpu().numpy()
    return [
        Map(clips[view.number], view, cam, p, labels, labels[number])
        for view, cam, p, number in zip(
            read, cams.cpu().numpy(), probabilities, chosen.tolist(), strict=True
        )
    ]
