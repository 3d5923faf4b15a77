"""A network's maps over many clips, and what of them lies where.

The actor and the occluder of a clip, in the very pixels that the network sees.

The clips whose maps are made, as a data set: one view of each, with its regions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.config.recognition import Attention
from occludenet_build.core.build import clip_rows, files_by_clip
from occludenet_build.core.errors import ItemError
from occludenet_build.core.seeds import integer
from occludenet_build.core.torch_models import memory_as_user_error, resolve_device
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.sample import scaled
from occludenet_build.recognition.augment import crop_clip, views
from occludenet_build.recognition.backbones.spec import FeatureLayout, Input, normalised
from occludenet_build.recognition.cam import grad_cam
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import Frames, make_loader
from occludenet_build.recognition.predict import TrainedNetwork
from occludenet_build.release.terms import CLEAN

MASK_COLUMNS = ("frame", "height", "width", "occluder_rle", "actor_rle", "visible_rle")


@dataclass(frozen=True)
class Regions:
    """Of T frames of H x W px; a pixel on an edge belongs to several, by its shares."""

    actor: np.ndarray
    """float32 (T, H, W), 0 to 1: what is seen of the actor."""
    occluder: np.ndarray
    """float32 (T, H, W): of the occluder."""
    masked: np.ndarray
    """bool (T,): the frame has an actor mask; without one nothing is known of it."""

    def shares(self, weights: np.ndarray) -> tuple[float, float, float] | None:
        """Shares of `weights`, (T, H, W), 0 and up, in actor, occluder and background, over the
        masked frames; None where these have none."""
        weights = weights[self.masked].astype(np.float64)
        whole = weights.sum()
        if not whole > 0:
            return None
        actor = float((weights * self.actor[self.masked]).sum() / whole)
        occluder = float((weights * self.occluder[self.masked]).sum() / whole)
        return actor, occluder, 1 - actor - occluder


@dataclass(frozen=True)
class FrameMasks:
    """The masks of annotate/frames, by clip."""

    folder: Path
    shards: dict[str, str] = field(default_factory=dict)
    """Source clip -> the table that has its frames."""

    @staticmethod
    def over(folder: Path, clips: Iterable[str]) -> FrameMasks:
        """Looks once where the frames of these source clips are."""
        shards = files_by_clip(folder, clips, "run annotate again")
        return FrameMasks(folder, shards)

    def of(self, clip: Clip, numbers: Sequence[int], short_side: int) -> Regions:
        """The regions in the frames with these numbers, scaled as the pictures are, uncropped.

        Raises ItemError where one of these frames is not in the table.
        """
        rows = self._rows(clip)
        absent = sorted(set(numbers) - rows.keys())
        if absent:
            raise ItemError("no_mask", f"annotate/frames has no frame {absent[0]} of {clip.set}")
        pictures = [_area_shares(rows[number], clip, short_side) for number in numbers]
        actor, occluder = np.moveaxis(np.stack(pictures), 3, 0)
        masked = np.array([rows[number]["actor_rle"] is not None for number in numbers])
        return Regions(actor, occluder, masked)

    def _rows(self, clip: Clip) -> dict[int, dict[str, Any]]:
        """Frame -> its row; of a clean twin those of any scale, as the actor is the same."""
        table = clip_rows(self.folder / self.shards[clip.clip], clip.clip)
        assert table is not None  # `over` has seen it
        name = table["set"][0].as_py() if clip.set == CLEAN else clip.set
        table = table.filter(pc.equal(table["set"], name)).select(MASK_COLUMNS)
        return {row["frame"]: row for row in table.to_pylist()}


def _area_shares(row: dict[str, Any], clip: Clip, short_side: int) -> np.ndarray:
    """float32 (h, w, 2), 0 to 1: how much of each scaled pixel is actor and occluder."""
    size = row["height"], row["width"]
    clean = clip.set == CLEAN
    codes = row["actor_rle" if clean else "visible_rle"], None if clean else row["occluder_rle"]
    whole = np.zeros((*size, 2), np.float32)
    for at, code in enumerate(codes):
        if code is not None:
            whole[:, :, at] = masks.decode(code, *size)
    return scaled(whole, short_side)


CENTRE = 0.5


class MaskedView(NamedTuple):
    number: int
    """In the list of clips."""
    pictures: Tensor
    """uint8 (T, S, S, 3), RGB."""
    regions: Regions
    """Of these pictures."""
    frames: tuple[int, ...]
    """Their numbers in the clip."""


class UnreadableClip(NamedTuple):
    """A clip that cannot be used; it becomes a row that says so."""

    number: int
    reason: str
    detail: str


class MaskedViews(Dataset):
    """Items by number: the middle view in time, the centre crop."""

    def __init__(
        self, clips: Sequence[Clip], source: Frames, masks: FrameMasks, seen: Input
    ) -> None:
        self.clips, self.source, self.masks, self.seen = clips, source, masks, seen

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> MaskedView | UnreadableClip:
        clip, seen = self.clips[number], self.seen
        (frames,) = views(clip.frames, seen.frames, 1, seen.stride)
        try:
            pictures = self.source.of(clip.file, frames)
            regions = self.masks.of(clip, frames, seen.short_side)
            if regions.actor.shape != pictures.shape[:3]:
                raise ItemError("source_changed", "its masks are of pictures of another size")
        except ItemError as error:
            return UnreadableClip(number, error.reason, error.detail)
        actor, occluder = self._cropped(regions.actor), self._cropped(regions.occluder)
        shown = torch.from_numpy(self._cropped(pictures))
        return MaskedView(number, shown, Regions(actor, occluder, regions.masked), frames)

    def _cropped(self, pictures: np.ndarray) -> np.ndarray:
        return crop_clip(pictures, self.seen.size, CENTRE, CENTRE, flip=False)


def draw_clips(clips: Iterable[Clip], count: int | None, seed: int) -> list[str]:
    """`count` source clips (None: all) by hash: who is drawn hangs on no other clip, and those of
    a smaller count are among those of a larger one."""
    sources = {clip.clip for clip in clips}
    order = sorted(sources, key=lambda clip: (integer(seed, clip, "attention"), clip))
    return order[:count]


REGION_NAMES = ("actor", "occluder", "background")


@dataclass(frozen=True)
class ClassActivationMap:
    """What a network says of one view of a clip, and why."""

    clip: Clip
    view: MaskedView
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
    for at, where in enumerate(REGION_NAMES):
        mass, area = (None if part is None else part[at] for part in (masses, areas))
        row[f"mass_{where}"], row[f"area_{where}"] = mass, area
        row[f"focus_{where}"] = mass / area if mass is not None and area else None
    return row


def class_activation_maps(
    network: TrainedNetwork, layout: FeatureLayout, views: MaskedViews, settings: Attention
) -> Iterator[ClassActivationMap | UnreadableClip]:
    """In the order of the clips of `views`."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    device = resolve_device(settings.device)
    network.model.to(device).eval()
    numbers = list(range(len(views)))
    size = settings.batch
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    for items in make_loader(views, batches, settings.workers, device, collate=list):
        read = [item for item in items if isinstance(item, MaskedView)]
        with memory_as_user_error("attention.batch", size):
            made = iter(_maps(network, layout, views.clips, read, settings.target, device))
        for item in items:
            yield item if isinstance(item, UnreadableClip) else next(made)


def _maps(
    network: TrainedNetwork,
    layout: FeatureLayout,
    clips: Sequence[Clip],
    read: list[MaskedView],
    target: str,
    device: str,
) -> list[ClassActivationMap]:
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
        ClassActivationMap(clips[view.number], view, cam, p, labels, labels[number])
        for view, cam, p, number in zip(
            read, cams.cpu().numpy(), probabilities, chosen.tolist(), strict=True
        )
    ]
