"""Class activation maps of a network over many clips, and their mass on actor and occluder.

`MaskedViews` gives one view of each clip together with the regions of actor and occluder in the
pixels that the network sees; `class_activation_maps` runs the network on these views.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.config.recognition import Attention
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.torch_models import FittingBatches, resolve_device
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.sample import resize_short_side
from occludenet_build.recognition.augment import crop_clip, views
from occludenet_build.recognition.backbones.spec import FeatureLayout, Input, normalised
from occludenet_build.recognition.cam import grad_cam
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader, make_loader
from occludenet_build.recognition.frame_masks import FrameMasks, MaskRow
from occludenet_build.recognition.predict import TrainedNetwork

REGION_NAMES = ("actor", "occluder", "background")
CENTRE = 0.5
"""Position of the centre crop, as a share of the space that a crop can move in."""


@dataclass(frozen=True)
class Regions:
    """Where actor and occluder are in T frames of H x W px; pixels on an edge have fractions."""

    actor: np.ndarray
    """float32 (T, H, W), 0 to 1: share of each pixel that shows the visible actor."""
    occluder: np.ndarray
    """float32 (T, H, W), 0 to 1: share of each pixel that shows the occluder."""
    masked: np.ndarray
    """bool (T,): whether the frame has an actor mask; without one its regions are unknown."""

    def shares(self, weights: np.ndarray) -> tuple[float, float, float] | None:
        """Shares of `weights` on actor, occluder and background, over the masked frames.

        `weights` float32 (T, H, W), not negative. None where they sum to 0 in these frames.
        """
        weights = weights[self.masked].astype(np.float64)
        whole = weights.sum()
        if not whole > 0:
            return None
        actor = float((weights * self.actor[self.masked]).sum() / whole)
        occluder = float((weights * self.occluder[self.masked]).sum() / whole)
        return actor, occluder, 1 - actor - occluder


def read_regions(
    masks: FrameMasks, clip: ClipRow, numbers: Sequence[int], short_side: int
) -> Regions:
    """The regions in the frames `numbers` of a clip, scaled to `short_side` px and not cropped.

    Raises ItemError where the masks lack one of these frames.
    """
    rows = masks.rows(clip)
    absent = sorted(set(numbers) - rows.keys())
    if absent:
        raise ItemError("no_mask", f"annotate/frames has no frame {absent[0]} of {clip.set}")
    pictures = [_area_shares(rows[number], short_side) for number in numbers]
    actor, occluder = np.moveaxis(np.stack(pictures), 3, 0)
    masked = np.array([rows[number].actor is not None for number in numbers])
    return Regions(actor, occluder, masked)


def _area_shares(row: MaskRow, short_side: int) -> np.ndarray:
    """float32 (h, w, 2), 0 to 1: shares of each scaled pixel that are actor and occluder."""
    size = row.height, row.width
    whole = np.zeros((*size, 2), np.float32)
    for at, code in enumerate((row.visible, row.occluder)):
        if code is not None:
            whole[:, :, at] = rle.decode(code, *size)
    return resize_short_side(whole, short_side)


class MaskedView(NamedTuple):
    """One view of a clip with its regions."""

    number: int
    """Position in the list of clips."""
    pictures: Tensor
    """uint8 (T, S, S, 3), RGB."""
    regions: Regions
    """Regions of these pictures."""
    frames: tuple[int, ...]
    """Frame numbers of the pictures in the clip."""


class UnreadableClip(NamedTuple):
    """A clip that cannot be read, with the reason; it gets a row with the status failed."""

    number: int
    reason: str
    detail: str


class MaskedViews(Dataset):
    """Data set of the clips: the middle view in time and the centre crop of each."""

    def __init__(
        self, clips: Sequence[ClipRow], source: FrameReader, masks: FrameMasks, seen: Input
    ) -> None:
        self.clips, self.source, self.masks, self.seen = clips, source, masks, seen

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> MaskedView | UnreadableClip:
        clip, seen = self.clips[number], self.seen
        (frames,) = views(clip.frames, seen.frames, 1, seen.stride)
        try:
            pictures = self.source.of(clip.file, frames)
            regions = read_regions(self.masks, clip, frames, seen.short_side)
            if regions.actor.shape != pictures.shape[:3]:
                raise ItemError("source_changed", "its masks are of pictures of another size")
        except Exception as error:
            found = as_item_error(error)
            return UnreadableClip(number, found.reason, found.detail)
        actor, occluder = self._cropped(regions.actor), self._cropped(regions.occluder)
        crop = torch.from_numpy(self._cropped(pictures))
        return MaskedView(number, crop, Regions(actor, occluder, regions.masked), frames)

    def _cropped(self, pictures: np.ndarray) -> np.ndarray:
        return crop_clip(pictures, self.seen.size, CENTRE, CENTRE, flip=False)


def draw_clips(clips: Iterable[ClipRow], count: int | None, seed: int) -> list[str]:
    """Draw `count` source clips (None: all) in the order of a hash.

    Whether a clip is drawn depends on no other clip, and a larger count adds to a smaller one.
    """
    sources = {clip.clip for clip in clips}
    order = sorted(sources, key=lambda clip: (uniform_integer(seed, clip, "attention"), clip))
    return order[:count]


@dataclass(frozen=True)
class ClassActivationMap:
    """A network's prediction for one view of a clip, and its class activation map."""

    clip: ClipRow
    view: MaskedView
    cam: np.ndarray
    """float32 (T, S, S), not negative."""
    probabilities: np.ndarray
    """float64 (K,), in the order of `labels`."""
    labels: list[str]
    target: str
    """The class whose logit is explained."""

    @property
    def predicted(self) -> str:
        """The label of the largest probability."""
        return self.labels[int(self.probabilities.argmax())]

    def row(self) -> dict[str, Any]:
        """The columns of ATTENTION_TABLE that this map determines."""
        regions = self.view.regions
        masses, areas = regions.shares(self.cam), regions.shares(np.ones_like(self.cam))
        row = {
            "predicted": self.predicted,
            "target": self.target,
            "p": float(self.probabilities[self.labels.index(self.clip.label)]),
            "frames": len(self.cam),
            "masked_frames": int(regions.masked.sum()),
        }
        return row | _status(regions, masses) | _shares(masses, areas)


def _status(regions: Regions, masses: tuple[float, ...] | None) -> dict[str, str | None]:
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
    for at, where in enumerate(REGION_NAMES):
        mass, area = (None if part is None else part[at] for part in (masses, areas))
        row[f"mass_{where}"], row[f"area_{where}"] = mass, area
        row[f"focus_{where}"] = mass / area if mass is not None and area else None
    return row


def class_activation_maps(
    network: TrainedNetwork, layout: FeatureLayout, views: MaskedViews, settings: Attention
) -> Iterator[ClassActivationMap | UnreadableClip]:
    """Run Grad-CAM on every view; results come in the order of the clips of `views`."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    device = resolve_device(settings.device)
    network.model.to(device).eval()
    numbers = list(range(len(views)))
    size = settings.batch
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    fitting = FittingBatches("attention.batch")
    call = partial(_maps, network, layout, views.clips, settings.target, device)
    for items in make_loader(views, batches, settings.workers, device, collate=list):
        read = [item for item in items if isinstance(item, MaskedView)]
        results = iter(fitting.run(call, read))
        for item in items:
            yield item if isinstance(item, UnreadableClip) else next(results)


def _maps(
    network: TrainedNetwork,
    layout: FeatureLayout,
    clips: Sequence[ClipRow],
    target: str,
    device: str,
    read: Sequence[MaskedView],
) -> list[ClassActivationMap]:
    seen, labels = network.input, network.labels
    pictures = torch.stack([view.pictures for view in read]).to(device)
    classes: Tensor | None = None
    if target == "label":
        targets = [labels.index(clips[view.number].label) for view in read]
        classes = torch.tensor(targets, device=device)
    cams, logits = grad_cam(
        network.model, layout, normalised(pictures, seen.mean, seen.std), classes
    )
    chosen = logits.argmax(dim=1) if classes is None else classes
    probabilities = logits.double().softmax(dim=1).cpu().numpy()
    return [
        ClassActivationMap(clips[view.number], view, cam, p, labels, labels[number])
        for view, cam, p, number in zip(
            read, cams.cpu().numpy(), probabilities, chosen.tolist(), strict=True
        )
    ]
