"""The tables of one shard: the keys of its clips, and what there is to do for each."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.compositing.erasing import Erasure
from occludenet_build.compositing.jobs import (
    ClipJob,
    actor_boxes,
    erased_outputs_of,
    inputs_of,
    job_of,
    outputs_of,
)
from occludenet_build.core import ledger, tables
from occludenet_build.core.build import Store
from occludenet_build.core.versions import results_version


@dataclass(frozen=True)
class Due:
    """What is to be made of one clip; a key is None where that part is finished."""

    job: ClipJob
    chosen: dict[str, Any]
    key: str | None
    erased_key: str | None
    unmasked: dict[str, Any] | None
    """The row of actor_masks where it has no masks: the counterfactual has its reason."""


class Shard:
    """`keys`: for `occluded` and `erased`, clip -> key."""

    def __init__(self, args: argparse.Namespace, config: cfg.Config) -> None:
        self._args, self._config = args, config
        self._chosen = {row["clip"]: row for row in tables.read_rows(args.clips)}
        self._boxes = Store(args.boxes)
        self._masked = {}
        if args.masks:
            self._masked = {row["clip"]: row for row in tables.read_rows(args.masks)}
            self._rles = Store(args.masks.parent / "store")
        splits = config.counterfactual.splits
        occluded = {clip: self._key(row) for clip, row in self._chosen.items()}
        erased = {
            clip: self._erased_key(clip, key)
            for clip, key in occluded.items()
            if self._chosen[clip]["split"] in splits
        }
        self.keys = {"occluded": occluded, "erased": erased}

    def _key(self, row: dict[str, Any]) -> str:
        settings, used = self._config.composite, []
        plain = dataclasses.asdict(settings)
        if settings.motion != "track" or row["other_occluders"]:
            used.append(str(self._config.seed))
        if settings.scale_mode == "target":
            used.append(self._masks_hash(row["clip"]))
        version = results_version("composite", "composite")
        return ledger.key("composite", version, plain, *inputs_of(row), *used)

    def _erased_key(self, clip: str, key: str) -> str:
        own = dataclasses.asdict(self._config.counterfactual)
        used = [str(self._config.seed)] if own["fill"] == "noise" else []
        version = results_version("composite", "counterfactual")
        return ledger.key("erased", version, own, key, self._masks_hash(clip), *used)

    def _masks_hash(self, clip: str) -> str:
        row = self._masked.get(clip)
        return (row["masks_hash"] or row["status"]) if row else "none"

    def due(self, clip: str, parts: set[str], settings: cfg.Composite) -> Due:
        """`parts`: which of `occluded` and `erased` are to be made."""
        chosen, masked = self._chosen[clip], self._masked.get(clip)
        unmasked = masked if masked and masked["status"] != "ok" else None
        outputs = outputs_of(chosen, settings) if "occluded" in parts else ()
        args, fill = self._args, self._config.counterfactual
        if "erased" in parts and fill.files and not unmasked:
            outputs += erased_outputs_of(chosen, settings)
        boxes = actor_boxes(self._boxes.actor(clip, chosen["detect_shard"]))
        job = job_of(chosen, boxes, args.bank, args.root, settings, self._config.seed)
        erasure = Erasure(fill.fill, fill.dilate, self._config.seed, clip)
        job = dataclasses.replace(job, outputs=outputs, erasure=erasure)
        if "erased" in parts or settings.scale_mode == "target":
            job = dataclasses.replace(job, masks=self._masks(clip))
        key = self.keys["occluded"][clip] if "occluded" in parts else None
        erased_key = self.keys["erased"][clip] if "erased" in parts else None
        return Due(job, chosen, key, erased_key, unmasked)

    def _masks(self, clip: str) -> dict[int, bytes]:
        masks = self._args.masks
        found = self._rles.rows(clip, masks.stem) if masks else None
        if found is None:
            return {}
        return dict(zip(found["frame"].to_pylist(), found["rle"].to_pylist(), strict=True))
