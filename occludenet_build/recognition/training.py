"""One training from start to end: its clips, its network, the loop and the final checkpoint."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from occludenet_build.config.arms import mix_kind
from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash
from occludenet_build.core.settings import key_values
from occludenet_build.recognition import checkpoint, loop
from occludenet_build.recognition.backbones import hf
from occludenet_build.recognition.backbones.registry import (
    build_backbone,
    input_of,
    options_of,
    refuse_options,
)
from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.backbones.weights import load_weights
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader, fit_in_memory
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.learner import TrainingItems
from occludenet_build.recognition.probed import description_of, frozen, start_probe, whole_network
from occludenet_build.recognition.stillmix_bank import load_or_make_bank
from occludenet_build.recognition.train_step import CarLearner
from occludenet_build.recognition.training_clips import (
    Actors,
    Batch,
    ClipPair,
    TrainingClips,
)
from occludenet_build.sources.hub import sha256_of
from occludenet_build.stages import STAGES


@dataclass(frozen=True)
class Training:
    """Everything that determines the result of a training, except the version of its results."""

    arm: str
    seed: int
    """One of train.seeds."""
    derived_seed: int
    """Seed of all draws: 63 bits, from the build's seed and `seed`."""
    settings: Train
    """Settings of the arm: alpha is 0 in the baseline."""
    labels: list[str]
    """Names in the order of the logits."""
    clips: list[ClipRow]
    actors: Actors = Actors()
    """What the arm reads of actors and counterfactuals."""

    def key(self) -> str:
        """Hash of data, settings and version of results, which a resumable checkpoint must have.

        The code is not part of it, so an unrelated correction does not discard days of training.
        """
        ignored = {"device", "workers", "memory_mib", "checkpoint_minutes", "tensorboard"}
        ignored |= {"arms", "alphas", "one_scale", "seeds"}  # the other trainings of the build
        ignored |= {"probe_gib", "weights", "weights_sha256"}  # the file's hash is part of the key
        settings = {
            name: value for name, value in key_values(self.settings).items() if name not in ignored
        }
        weights = sha256_of(self.settings.weights) if self.settings.weights else ""
        data = [(c.file_hash, c.erased_hash, c.label, c.file, c.frames) for c in self.clips]
        parts = [settings, mix_kind(self.arm), self.derived_seed, self.labels, data]
        identity = self.actors.identity(self.clips)
        parts += [identity] if identity else []  # keys of earlier trainings have no such part
        version = f"train {STAGES['train'].results_version}"
        if self.settings.alpha > 0:
            version += f" pairs {STAGES['train'].parts['pairs']}"
        return short_hash(version, weights, *(json.dumps(part, sort_keys=True) for part in parts))


def run_training(
    training: Training,
    process: Process,
    device: str,
    root: Path,
    store: Path,
    out: Path,
    version: str,
    outage_share: float = 1.0,
) -> list[dict]:
    """Train, write the network to `out` and return the rows of the loss curve.

    `version`: that of the results, with a digest of the code if `rerun_on` includes the code.
    `outage_share`: largest share of the clips that may be unreadable, 0 to 1.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    settings = training.settings
    network, backbone = _network(training), None
    clips, kept = _data(training, root)
    workers = 0 if kept else settings.workers  # kept frames live in one process
    data: TrainingItems[Batch] = clips
    if settings.probe != "none":
        backbone = frozen(network, settings, device)
        data, network = start_probe(
            backbone,
            clips,
            settings,
            store=store,
            seed=training.derived_seed,
            process=process,
            workers=workers,
            classes=len(training.labels),
        )
    learner = CarLearner.of(
        network,
        settings,
        classes=len(training.labels),
        seed=training.derived_seed,
        device=device,
        process=process,
        mix=mix_kind(training.arm),
    )
    _log_start(training, device, process)
    key = training.key()
    if learner.mix == "stillmix" and settings.mix.stills == "bank":
        learner.bank = _bank(training, clips, learner, workers, store / "bank.pt", key)
    state = loop.train(
        learner,
        data,
        workers=workers,
        store=store,
        key=key,
        version=version,
        outage_share=outage_share,
    )
    if process.first:
        whole = whole_network(backbone, learner.evaluated)
        _check_answers(whole, clips, input_of(settings), device)
        _write(training, whole, out)
    return state.rows


def _log_start(training: Training, device: str, process: Process) -> None:
    logging.info(
        "%s, seed %d: %s on %s%s, %d clips of %d classes, %d with the actor erased",
        training.arm,
        training.seed,
        training.settings.backbone,
        device,
        f", {process.size} processes" if process.size > 1 else "",
        len(training.clips),
        len({clip.label for clip in training.clips}),
        sum(clip.erased_hash is not None for clip in training.clips),
    )


def _bank(
    training: Training,
    clips: TrainingClips,
    learner: CarLearner,
    workers: int,
    path: Path,
    key: str,
) -> Tensor | None:
    """The bank of stills: the first process makes it, the others read it."""
    for turn in (learner.process.first, not learner.process.first):
        if turn:
            found = load_or_make_bank(
                clips,
                training.settings,
                seed=training.derived_seed,
                device=learner.device,
                workers=workers,
                path=path,
                key=key,
            )
        learner.process.wait()
    return found if len(found) else None


def _network(training: Training) -> nn.Module:
    """The network with its starting weights, which are the same for all arms of one seed."""
    settings = training.settings
    torch.manual_seed(training.derived_seed)
    seen, options = input_of(settings), options_of(settings)
    if settings.backbone == hf.NAME:
        refuse_options(hf.NAME, options)
        return hf.load(str(settings.weights), training.labels, seen.frames, seen.size)
    model = build_backbone(
        settings.backbone,
        len(training.labels),
        seen.frames,
        seen.size,
        **options,
    )
    if settings.weights is not None:
        load_weights(model, settings.backbone, settings.weights, settings.inflation)
    return model


def _data(training: Training, root: Path) -> tuple[TrainingClips, bool]:
    """The training clips, and whether this process keeps them decoded."""
    settings, seen = training.settings, input_of(training.settings)
    actors = training.actors
    others = max(1, len(actors.fills)) if actors.pixels else 0
    lengths = [c.frames * (1 + others * bool(c.erased_hash)) for c in training.clips]
    kept = fit_in_memory(lengths, seen.short_side, settings.memory_mib)
    clips = TrainingClips(
        training.clips,
        training.labels,
        FrameReader(root, seen.short_side, kept),
        frames=seen.frames,
        size=seen.size,
        stride=seen.stride,
        augment=settings.augment,
        seed=training.derived_seed,
        actors=actors,
        sampling=settings.sampling,
    )
    return clips, kept


@torch.no_grad()
def _check_answers(model: nn.Module, clips: TrainingClips, seen: Input, device: str) -> None:
    """Raises UserError where the network answers a training clip with a number that is not finite.

    The loss is looked at before a step is done, so what the last step does shows here only.
    """
    items = (clips[number, 0] for number in range(len(clips)))
    pair = next((item for item in items if isinstance(item, ClipPair)), None)
    if pair is None:
        return
    logits = model.eval()(normalised(pair.clip[None].to(device), seen.mean, seen.std))
    if not torch.isfinite(logits).all():
        raise UserError(
            f"train: wanted finite logits of the trained network, got {logits.flatten()[0]} for "
            f"{pair.file}; the last step went too far: lower train.learning_rate"
        )


def _write(training: Training, model: nn.Module, out: Path) -> None:
    values = {
        "model": {name: tensor.cpu() for name, tensor in model.state_dict().items()},
        "backbone": training.settings.backbone,
        "labels": training.labels,
        "settings": dataclasses.asdict(training.settings),
        "input": dataclasses.asdict(input_of(training.settings)),
        "arm": training.arm,
        "seed": training.seed,
        **description_of(model),
    }
    checkpoint.save(values, out)
