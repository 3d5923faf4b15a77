"""The sets that the settings name, as videos with tubes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.action_detection.build_truth import build_sets
from occludenet_build.action_detection.pickle_truth import pickle_set
from occludenet_build.action_detection.static_occluder import occluded_set, read_bank
from occludenet_build.action_detection.truth import TubeSet
from occludenet_build.config.moc import Truth, set_parts
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash
from occludenet_build.release.terms import CLEAN


@dataclass(frozen=True)
class Source:
    """Where videos and their truth come from."""

    root: Path
    """Folder of the build; it has the cut-outs of the static occluders too."""
    truth: Truth = Truth()
    """A pickle that replaces the truth of the build."""
    seed: int = 0
    """The seed of the build, by which static occluders and the split val of a pickle are drawn."""

    def sets(self, names: Sequence[str], split: str, setting: str) -> dict[str, TubeSet]:
        """Name -> set, with the videos of one split. `setting`: where the names are from.

        Raises UserError where a set has no video of the split, where the sets have not the same
        labels, or where nothing is known of one.
        """
        parts = {name: set_parts(name) for name in names}
        bases = self._bases(sorted({base for base, _ in parts.values()}), split, setting)
        bank = read_bank(self.root) if any(n for _, n in parts.values()) else {}
        found = {
            name: bases[base] if n is None else occluded_set(bases[base], n, bank, self.seed)
            for name, (base, n) in parts.items()
        }
        for name, one in found.items():
            if not one.videos:
                raise UserError(
                    f"{setting}: wanted videos of the split {split} in {name}, got none; name "
                    "another set or split"
                )
        check_labels(found, next(iter(found.values())).labels, setting)
        return found

    def _bases(self, names: Sequence[str], split: str, setting: str) -> dict[str, TubeSet]:
        if self.truth.file is None or self.truth.frames is None:
            return build_sets(self.root, names, (split,), setting)
        whole = pickle_set(
            Path(self.truth.file),
            Path(self.truth.frames),
            self.truth.split,
            self.truth.validation,
            self.seed,
            CLEAN,
        )
        chosen = tuple(whole.of_split(split))
        return {CLEAN: TubeSet(whole.name, whole.labels, chosen, whole.left_out)}


def check_labels(sets: dict[str, TubeSet], labels: Sequence[str], setting: str) -> None:
    """Raise UserError where a set has other labels than these, or another order."""
    for name, one in sets.items():
        if list(one.labels) != list(labels):
            raise UserError(
                f"{setting}: wanted sets with the labels {', '.join(labels)}, {name} has "
                f"{', '.join(one.labels)}; train and test on sets with the same labels"
            )


def masks_digest(sets: Sequence[TubeSet]) -> str:
    """Hash of the masks of the videos, for the keys of trainings that see them."""
    return short_hash(
        *(
            short_hash(video.name, *(str(video.masks.of(number)) for number in range(video.frames)))
            for one in sets
            for video in one.videos
            if video.masks is not None
        )
    )
