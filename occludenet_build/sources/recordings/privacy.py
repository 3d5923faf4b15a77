"""Anonymity and consent of recordings: who may be shown, what is hidden, what is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.config.recordings import Recordings
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.settings import key_values
from occludenet_build.media.video.cut import FrameChange, unchanged
from occludenet_build.sources.anonymity.consent import read_consent, refusal
from occludenet_build.sources.anonymity.finders import BoxFinder, NetworkFinder, read_boxes
from occludenet_build.sources.anonymity.hiding import Hiding
from occludenet_build.sources.anonymity.leaks import LeakCheck
from occludenet_build.sources.recordings.planning import PlannedClip

_FILES = ("weights", "boxes", "check_weights")
"""Settings that name files: keys have their content."""
_OF_CHECK = ("check_every", "check_score")


def with_consent(plans: Sequence[PlannedClip], settings: Recordings) -> list[PlannedClip]:
    """The clips; those of people who do not consent become problems. None without a table.

    Raises UserError for mistakes in the table.
    """
    if settings.consent is None:
        return list(plans)
    consents = read_consent(settings.consent)
    return [
        replace(plan, problem=found)
        if (found := refusal(plan.take.people, plan.one.name, plan.take.label, consents))
        else plan
        for plan in plans
    ]


@dataclass(frozen=True)
class Privacy:
    """What is done to the pictures of recordings, by recordings.anonymise."""

    settings: Recordings
    paths: tuple[Path, ...] = ()
    """The recordings."""
    _hashes: dict[str, str] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Whether anything is hidden."""
        return self.settings.anonymise != "off"

    def change_of(self, path: Path) -> FrameChange:
        """What changes the frames of a recording."""
        own = self.settings.anonymity
        if not self.is_on:
            return unchanged
        if own.boxes is not None:
            boxes = self._boxes.get(str(path), {})
            return Hiding(path, own, BoxFinder(self.settings.anonymise, boxes))
        return Hiding(path, own, self._network(str(own.weights), own.score))

    @cached_property
    def check(self) -> LeakCheck | None:
        """What looks for faces afterwards; None if nothing can tell.

        Raises UserError where the weights do not load.
        """
        own = self.settings.anonymity
        weights = own.check_weights or own.weights
        if not self.is_on or weights is None:
            return None
        finder = self._network(weights, own.check_score)
        if own.check_weights is not None:  # of faces or of poses, whatever is hidden
            finder = finder.of_faces_or_poses()
        return LeakCheck(finder, own.check_every) if finder.checks else None

    def key_of(self, path: Path) -> dict[str, Any]:
        """What determines the change, for the key of a clip; empty if nothing is hidden."""
        if not self.is_on:
            return {}
        own = self.settings.anonymity
        values = {k: v for k, v in key_values(own).items() if k not in (*_FILES, "device")}
        if self.check is None:
            values = {name: v for name, v in values.items() if name not in _OF_CHECK}
        for name in ("weights", "check_weights"):
            if (file := getattr(own, name)) is not None:
                values[name] = self._hash(file)
        if own.boxes is not None:
            values["boxes"] = self._boxes_hash(path)
        return {"anonymise": self.settings.anonymise, "anonymity": values}

    def _network(self, weights: str, score: float) -> NetworkFinder:
        own = self.settings.anonymity
        return NetworkFinder(weights, self.settings.anonymise, score, own.image_size, own.device)

    def _boxes_hash(self, path: Path) -> str:
        """Hash of the boxes of a recording, computed once for all of its clips."""
        name = f"boxes of {path}"
        if name not in self._hashes:
            self._hashes[name] = _digest(self._boxes.get(str(path), {}))
        return self._hashes[name]

    def _hash(self, file: str) -> str:
        if file not in self._hashes:
            self._hashes[file] = sha256_file(file)
        return self._hashes[file]

    @cached_property
    def _boxes(self) -> dict[str, dict[int, np.ndarray]]:
        """Path of a recording -> frame -> boxes."""
        stems = Counter(path.stem for path in self.paths)
        ids = {
            path.stem if stems[path.stem] == 1 else f"{path.parent.name}/{path.stem}": str(path)
            for path in self.paths
        }
        assert self.settings.anonymity.boxes is not None
        found = read_boxes(Path(self.settings.anonymity.boxes), ids)
        return {ids[name]: boxes for name, boxes in found.items()}


def _digest(boxes: Mapping[int, np.ndarray]) -> str:
    return short_hash(*(f"{frame} {boxes[frame].tolist()}" for frame in sorted(boxes)))
