"""What a dataset card and its metadata say: counts and facts of the build, in plain sentences.

`statements` answers the questions of Croissant's vocabulary for responsible AI (RAI 1.0); a card
prints the same sentences, so that both agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from occludenet_build.config.export import Card
from occludenet_build.core.build import BuildTables
from occludenet_build.dataset.export.job import Job
from occludenet_build.release.terms import CLEAN, SPLITS

RELEASE = (
    "OccludeNet: A Causal Journey into Mixed-View Actor-Centric Video Action Recognition under "
    "Occlusions, arXiv:2411.15729"
)
"""The paper whose dataset a build follows."""


@dataclass(frozen=True)
class Facts:
    """What the build knows of itself."""

    counts: dict[tuple[str, str], int]
    """(set, split) -> number of clips."""
    per_class: dict[str, int]
    """Class -> number of clips."""
    categories: dict[str, int]
    """Type of occluder -> number of clips that show it."""
    detectors: tuple[str, ...]
    """How people were found, such as yolov5."""

    @staticmethod
    def of(job: Job) -> Facts:
        """The facts of the clips of an export."""
        clips = job.kept
        rows = BuildTables(job.build.root).rows("detect")
        return Facts(
            counts=dict(Counter((clip.set, clip.split) for clip in clips)),
            per_class=dict(Counter(clip.label for clip in clips)),
            categories=_known(clip.row.get("category") for clip in clips),
            detectors=tuple(sorted(_known(row.get("backend") for row in rows))),
        )

    @property
    def splits(self) -> list[str]:
        """Names of the splits that have clips: train, val, test."""
        return [split for split in SPLITS if any(split == other for _, other in self.counts)]

    @property
    def sets(self) -> list[str]:
        """Names of the sets, in the order of the clips."""
        return list(dict.fromkeys(name for name, _ in self.counts))

    @property
    def recorded(self) -> list[str]:
        """The sets of real occlusion: S, I, M."""
        return [name for name in self.sets if name != CLEAN and not name.startswith("D-")]

    @property
    def composited(self) -> list[str]:
        """The sets into whose clips an occluder was pasted."""
        return [name for name in self.sets if name.startswith("D-")]


def _known(values: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))


def statements(facts: Facts, card: Card) -> dict[str, list[str]]:
    """Property of RAI 1.0 (without prefix) -> sentences."""
    return {
        "dataCollection": _collection(facts),
        "dataPreprocessingProtocol": _processing(facts),
        "dataBiases": _biases(facts),
        "dataLimitations": _limitations(facts),
        "personalSensitiveInformation": [
            card.sensitive or "The videos show people, whose faces may be visible; nobody is named."
        ],
        "dataUseCases": [
            "Evaluation and training of video action recognition under occlusion of the actor.",
            "Segmentation, tracking and amodal completion of people that are partly hidden.",
            "Not for the identification of people, and not for the surveillance of anyone.",
        ],
        "dataSocialImpact": [
            "Models that recognise actions although the actor is hidden can make assistance and "
            "safety systems more reliable; the same models can serve surveillance."
        ],
        "machineAnnotationTools": [f"Person detector: {name}" for name in facts.detectors],
    }


def _collection(facts: Facts) -> list[str]:
    found = []
    if facts.composited:
        found.append(
            f"{', '.join(facts.composited)}: an object cut out of a photo is pasted on the moving "
            "actor of a source video, in every frame in which the actor was found; the sets differ "
            "by its size relative to the actor's box."
        )
    if CLEAN in facts.sets:
        found.append("clean: the source clips, encoded as the occluded ones, without an occluder.")
    if facts.recorded:
        found.append(
            f"{', '.join(facts.recorded)}: clips of recordings in which real objects or people "
            "hide the actor; the occlusion is measured, not made."
        )
    return found


def _processing(facts: Facts) -> list[str]:
    who = ", ".join(facts.detectors) or "the user's boxes"
    return [
        f"People are found in every frame ({who}) and linked to tracks; one of them is the actor.",
        "Frames, their times and the sound are those of the source; the clips are encoded again "
        "where pixels change.",
    ]


def _biases(facts: Facts) -> list[str]:
    least, most = min(facts.per_class.values()), max(facts.per_class.values())
    each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    found = [
        f"{len(facts.per_class)} classes with {each} clips each, over all sets.",
    ]
    if CLEAN in facts.sets or facts.composited:
        found.append(
            "Source clips in which no person was found are left out of clean and D: close-ups of "
            "hands are rare."
        )
    if facts.categories:
        shares = ", ".join(f"{name} {count:,}" for name, count in facts.categories.items())
        found.append(f"Clips by type of occluder: {shares}.")
    return found


def _limitations(facts: Facts) -> list[str]:
    found = ["Boxes and masks are those of models, not of people, and have their errors."]
    if facts.composited:
        found.append(
            "A pasted occluder is a still picture that follows the actor: it has no shadow and no "
            "blur of motion, and has the light of its own photo."
        )
    if facts.recorded:
        found.append(
            "The occlusion of recordings is measured from masks of people and objects: what has no "
            "mask hides nobody here, and where the whole actor is not known the shares are empty."
        )
    return found


def counts_table(facts: Facts) -> str:
    """Clips per set and split, as a table in Markdown."""
    splits = facts.splits
    lines = [f"| set | {' | '.join(splits)} |", "|---" * (len(splits) + 1) + "|"]
    for name in facts.sets:
        cells = (f"{facts.counts.get((name, split), 0):,}" for split in splits)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
