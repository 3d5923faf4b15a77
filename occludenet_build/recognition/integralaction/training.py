"""One training of IntegralAction: its clips and poses, its network, the loop, the checkpoint."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from occludenet_build.config.integralaction import BOTH, Integralaction
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.settings import key_values
from occludenet_build.recognition import checkpoint, loop
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader, fit_in_memory
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.integralaction import merge
from occludenet_build.recognition.integralaction.clips import PosedClips, Seen, sampling_of
from occludenet_build.recognition.integralaction.learner import GateLearner
from occludenet_build.recognition.integralaction.network import IntegralAction
from occludenet_build.recognition.integralaction.pose_sources import PoseSource
from occludenet_build.stages import STAGES

_OF_THE_MACHINE = (
    *("device", "workers", "memory_mib", "checkpoint_minutes", "tensorboard", "processes"),
    *("weights", "weights_sha256", "seeds"),  # their content is part of the key
)


@dataclass(frozen=True)
class ModeTraining:
    """Everything that determines the result of a training, except the version of its results."""

    mode: str
    """One of MODES."""
    seed: int
    """One of integralaction.seeds."""
    derived_seed: int
    """Seed of all draws: 63 bits, from the build's seed and `seed`."""
    settings: Integralaction
    """Those of the mode (config.integralaction.for_mode)."""
    labels: list[str]
    """Names in the order of the logits."""
    clips: list[ClipRow]
    poses: PoseSource | None
    """None for rgb_only."""
    starts: tuple[Path, ...] = ()
    """Files that the network starts from: for rgb_pose those of rgb_only and pose_only; for others
    integralaction.weights, or none."""

    def key(self) -> str:
        """Hash of data, settings and version of results, which a resumable checkpoint must have."""
        values = key_values(self.settings)
        settings = {k: v for k, v in values.items() if k not in _OF_THE_MACHINE}
        data = [(c.file_hash, c.label, c.file, c.frames) for c in self.clips]
        poses = "" if self.poses is None else self.poses.identity(self.clips)
        parts = [self.mode, settings, self.derived_seed, self.labels, data, poses]
        parts.append([sha256_file(path) for path in self.starts])
        version = f"integralaction {STAGES['integralaction'].results_version}"
        return short_hash(version, *(json.dumps(part, sort_keys=True) for part in parts))


def train_mode(
    training: ModeTraining,
    process: Process,
    device: str,
    root: Path,
    out: Path,
    version: str,
    outage_share: float,
) -> list[dict[str, Any]]:
    """Train, write the network to `out` and return the rows of the loss curve.

    `root`: folder of the clip files; `version`: of the results; `outage_share`: largest share of
    the clips that may be unreadable, 0 to 1. A training that was stopped resumes from its
    checkpoint below the folder of `out`.
    """
    settings = training.settings
    network = start_network(training)
    clips, kept = _data(training, root)
    learner = GateLearner.of(network, settings, training.derived_seed, device, process)
    logging.info(
        "%s, seed %d: IntegralAction on %s, %d clips of %d classes",
        *(training.mode, training.seed, device, len(training.clips), len(training.labels)),
    )
    state = loop.train(
        learner,
        clips,
        workers=0 if kept else settings.workers,  # kept frames live in one process
        store=out.parent / "store" / out.stem,
        key=training.key(),
        version=version,
        outage_share=outage_share,
    )
    if process.first:
        _write(training, learner, out)
    return state.rows


def start_network(training: ModeTraining) -> IntegralAction:
    """The network with its starting weights, which depend on the seed alone and on the files.

    Raises UserError where a file is another network's.
    """
    settings, released = training.settings, training.settings.as_released
    torch.manual_seed(training.derived_seed)
    network = IntegralAction(
        len(training.labels),
        training.mode,
        settings.frame_factor,
        dropout=0.0 if "dropout" in released else settings.dropout,
        frozen_statistics="statistics" not in released,
    )
    if training.mode == BOTH:
        merge.load_merge(network, *training.starts)
    elif training.starts:
        merge.load_start(network, training.starts[0])
    return network


def _data(training: ModeTraining, root: Path) -> tuple[PosedClips, bool]:
    """The training clips, and whether this process keeps them decoded."""
    settings = training.settings
    seen = Seen.of(settings, training.mode)
    lengths = [clip.frames for clip in training.clips if seen.sees_rgb]
    kept = seen.sees_rgb and fit_in_memory(lengths, settings.short_side, settings.memory_mib)
    source = FrameReader(root, settings.short_side, kept)
    clips = PosedClips(
        training.clips,
        training.labels,
        source,
        training.poses,
        seen,
        settings.poses,
        training.derived_seed,
    )
    return clips, kept


def long_enough(clips: list[ClipRow], settings: Integralaction) -> list[ClipRow]:
    """The clips that have the frames of a view; the number of the others is logged.

    Raises UserError where there are none.
    """
    span = sampling_of(settings).span
    kept = [clip for clip in clips if clip.frames >= span]
    if len(kept) < len(clips):
        logging.warning(
            "%d of %d clips are left out: too_few_frames, wanted %d (%d frames, %d apart); change "
            "integralaction.interval",
            *(len(clips) - len(kept), len(clips), span, settings.frames, settings.interval),
        )
    if not kept:
        raise UserError(
            f"integralaction.interval: wanted clips of at least {span} frames ({settings.frames} "
            f"frames, {settings.interval} apart), got none of {len(clips)}; make it smaller"
        )
    return kept


def _write(training: ModeTraining, learner: GateLearner, out: Path) -> None:
    """The network in the published envelope, with what is needed to use it."""
    values = {
        "epoch": training.settings.epochs - 1,
        "network": {name: t.cpu() for name, t in learner.evaluated.state_dict().items()},
        "mode": training.mode,
        "labels": training.labels,
        "settings": dataclasses.asdict(training.settings),
        "seed": training.seed,
    }
    checkpoint.save(values, out)
