"""One training of MOC or STADO: its sets, its network, the loop, the checkpoint."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from occludenet_build.action_detection.average_precision import ap_by_class
from occludenet_build.action_detection.matching import match_frames
from occludenet_build.action_detection.moc.clips import ClipsOfTubes, Seen
from occludenet_build.action_detection.moc.detecting import Asked, Detections, detect
from occludenet_build.action_detection.moc.learner import Choice, DetectorLearner
from occludenet_build.action_detection.moc.sets import masks_digest
from occludenet_build.action_detection.network import ActionDetector
from occludenet_build.action_detection.truth import TubeSet, TubeVideo
from occludenet_build.action_detection.weights import load_start, load_weights
from occludenet_build.config.moc import Moc
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.settings import from_mapping, key_values
from occludenet_build.recognition import checkpoint, loop
from occludenet_build.recognition.distributed import Process
from occludenet_build.stages import STAGES

_OF_THE_MACHINE = (
    *("device", "workers", "checkpoint_minutes", "tensorboard", "processes"),
    *("weights", "weights_sha256", "seeds", "truth"),  # their content is part of the key
)


@dataclass(frozen=True)
class DetectorTraining:
    """Everything that determines the result of a training, except the version of its results."""

    network: str
    """A name of config.moc.NETWORKS."""
    trained_on: str
    seed: int
    """One of moc.seeds."""
    derived_seed: int
    """Seed of all draws: 63 bits, from the build's seed and `seed`."""
    settings: Moc
    """Those of this training (config.moc.for_training)."""
    sets: Sequence[TubeSet]
    """With the videos to train on."""
    weights: str | None
    """The file that it starts from."""
    checked: Sequence[TubeVideo] = ()
    """The videos by which the epoch is chosen; none: the last one is kept."""

    @property
    def labels(self) -> list[str]:
        """Names in the order of the heat maps."""
        return list(self.sets[0].labels)

    def key(self) -> str:
        """Hash of data, settings and version of results, which a resumable checkpoint must have."""
        values = key_values(self.settings)
        settings = {k: v for k, v in values.items() if k not in _OF_THE_MACHINE}
        data = [(one.name, [video.identity for video in one.videos]) for one in self.sets]
        masks = masks_digest(self.sets) if self.network == "stado" else ""
        parts = [self.network, self.trained_on, settings, self.derived_seed, self.labels, data]
        parts += [masks, [video.identity for video in self.checked]]
        parts.append(sha256_file(self.weights) if self.weights else "")
        version = f"moc {STAGES['moc'].results_version}"
        return short_hash(version, *(json.dumps(part, sort_keys=True) for part in parts))


def train_detector(
    training: DetectorTraining,
    process: Process,
    device: str,
    out: Path,
    version: str,
    outage_share: float,
) -> list[dict[str, Any]]:
    """Train, write the network to `out` and return the rows of the loss curve.

    `version`: of the results; `outage_share`: largest share of the clips that may be unreadable, 0
    to 1. A training that was stopped resumes from its checkpoint below the folder of `out`.
    """
    settings = training.settings
    torch.manual_seed(training.derived_seed)
    network = build_network(settings, training.network, len(training.labels))
    if training.weights is not None:
        load_start(network, training.weights, settings.start)  # type: ignore[arg-type]
    seen = Seen.of(settings, training.network, len(training.labels))
    clips = ClipsOfTubes(training.sets, seen, settings.starts, training.derived_seed)
    store, key = out.parent / "store" / out.stem, training.key()
    choice = _choice(training, device, store / "best.pt", key)
    learner = DetectorLearner.of(
        network, settings, training.derived_seed, device, process, choice=choice
    )
    logging.info(
        "%s on %s, seed %d: %s on %s, %d clips of %d videos an epoch",
        *(training.network, training.trained_on, training.seed, network.description, device),
        *(len(clips), len(clips.firsts)),
    )
    state = loop.train(
        learner,
        clips,
        workers=settings.workers,
        store=store,
        key=key,
        version=version,
        outage_share=outage_share,
    )
    if process.first:
        _write(training, learner, out)
    return state.rows


def build_network(settings: Moc, network: str, classes: int) -> ActionDetector:
    """The network of a name of config.moc.NETWORKS, with random weights."""
    return ActionDetector(
        settings.backbone,
        classes,
        settings.frames,
        attention=network != "moc",
        head_width=settings.head_width,
        attention_width=settings.attention_width,
    )


def _choice(training: DetectorTraining, device: str, path: Path, key: str) -> Choice | None:
    settings = training.settings
    if settings.choice == "last":
        return None
    asked = Asked.of(settings, settings, device)
    back_at = settings.optimizer.steps if settings.choice == "auto_stop" else ()

    def score(network: ActionDetector) -> float:
        return frame_ap(network, training.checked, asked, "soft_nms" in settings.as_released)

    return Choice(score, path, key, back_at)


def frame_ap(
    network: ActionDetector, videos: Sequence[TubeVideo], asked: Asked, released: bool
) -> float:
    """Frame AP at 0.5 over videos, 0 to 1: the mean over the classes with truth; those that cannot
    be read do not count. Raises UserError where none can."""
    matches = [
        match_frames(found.tubelets, video.tubes, network.classes, released=released)
        for video, found in detect(network, videos, asked)
        if isinstance(found, Detections)
    ]
    if not matches:
        raise UserError(
            "moc.choice: wanted videos to choose the epoch by, none can be read; see whether they "
            "are within reach, or set moc.choice to last"
        )
    values = ap_by_class(matches, released=released)
    known = values[values == values]
    return float(known.mean()) if len(known) else 0.0


def _write(training: DetectorTraining, learner: DetectorLearner, out: Path) -> None:
    """The network in the published envelope, with what is needed to use it."""
    best = None if learner.choice is None else learner.choice.kept()
    state = learner.evaluated.state_dict() if best is None else best["model"]
    values = {
        "epoch": training.settings.epochs if best is None else best["epoch"],
        "best": None if best is None else best["score"],
        "state_dict": {name: tensor.cpu() for name, tensor in state.items()},
        "network": training.network,
        "trained_on": training.trained_on,
        "seed": training.seed,
        "labels": training.labels,
        "settings": dataclasses.asdict(training.settings),
    }
    checkpoint.save(values, out)


@dataclass(frozen=True)
class TrainedDetector:
    """A network that this stage has written."""

    model: ActionDetector
    network: str
    trained_on: str
    seed: int
    labels: list[str]
    settings: Moc
    """Of its training."""

    @classmethod
    def read(cls, path: Path) -> TrainedDetector:
        """Read a checkpoint. Raises UserError, which names what is missing, for another file."""
        values = checkpoint.load(path)
        kept = ("network", "trained_on", "seed", "labels", "settings")
        missing = {"state_dict", *kept} - set(values)
        if missing:
            raise UserError(
                f"wanted a network written by moc, {path} lacks {', '.join(sorted(missing))}; give "
                "a file of moc train"
            )
        # paths of the machine that trained
        plain = values["settings"] | {"weights": None, "truth": {}}
        settings = from_mapping(Moc, plain, late=True)
        model = build_network(settings, values["network"], len(values["labels"]))
        load_weights(model, path)
        named = {name: values[name] for name in kept if name != "settings"}
        return cls(model=model.eval(), settings=settings, **named)

    @classmethod
    def published(
        cls, path: Path, network: str, settings: Moc, labels: Sequence[str]
    ) -> TrainedDetector:
        """Read a checkpoint of MOC or STADO, whose classes are `labels` in their order.

        Raises UserError, which names the tensors that are missing, for another file.
        """
        model = build_network(settings, network, len(labels))
        load_weights(model, path)
        return cls(model.eval(), network, "published", 0, list(labels), settings)
