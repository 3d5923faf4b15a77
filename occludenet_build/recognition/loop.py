"""The training loop of all networks, with resumable checkpoints.

A checkpoint holds no random state: the order of an epoch, the view of a clip and the dropout of a
step are functions of the seed, so an interrupted training resumes on the same curve.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.curve import Tally, TrainingState, tensorboard
from occludenet_build.recognition.datasets import make_loader
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.learner import Learner, TrainingItems
from occludenet_build.recognition.optim import BatchOrder, Schedule, learning_rate, set_rate


def train(
    learner: Learner,
    clips: TrainingItems,
    *,
    workers: int,
    store: Path,
    key: str,
    version: str = "",
    outage_share: float = 1.0,
) -> TrainingState:
    """Train `learner` in place and return the final state with the loss curve of all processes.

    store/checkpoint.pt is written after every epoch and every `checkpoint_minutes`. Training
    resumes from a checkpoint with the same `key`; if its `version` (of the code) differs, an
    unfinished training resumes with a warning and a finished one starts again. A loss that is not
    finite ends the training with a UserError, and so do more than `outage_share` of the clips of a
    row that cannot be read.
    """
    settings, process = learner.settings, learner.process
    steps = Schedule.of(len(clips), settings)
    state = _resumed(store / "checkpoint.pt", key, version, learner, steps.total)
    order = BatchOrder(
        len(clips), settings.batch, settings.epochs, learner.seed, steps.first_batch(state.step)
    )
    batches = iter(
        make_loader(clips, _Parts(order, process), workers, learner.device, clips.collate)
    )
    saved = time.monotonic()
    learner.model.train()
    writes_board = settings.tensorboard and process.first and state.step < steps.total
    left = range(state.step, steps.total)
    with tensorboard(store / "board" if writes_board else None, state.step) as curves:
        for step in progress(left, len(left), "step"):
            rate = learning_rate(step, steps.per_epoch, settings)
            set_rate(learner.optimizer, rate)
            state.row += learner.step(
                islice(batches, steps.batches(step)),
                number=step,
                first=steps.first_batch(step),
                clips=steps.clips_in(step),
            )
            state.step = step + 1
            epoch, step_in_epoch = divmod(step, steps.per_epoch)
            epoch_ends = step_in_epoch + 1 == steps.per_epoch
            if epoch_ends or state.step % settings.log_steps == 0:
                _check_read(state.row, outage_share)
                curves.add(state.close_row(epoch + 1, rate))
            if epoch_ends:
                state.close_epoch(epoch + 1, settings.epochs)
                learner.epoch_ended(epoch + 1)
            if epoch_ends or time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                if process.first:
                    curves.flush()
                    _save(store / "checkpoint.pt", key, version, learner, state)
                saved = time.monotonic()
    return state


def _check_read(row: Tally, share: float) -> None:
    """Raises UserError where too many clips were skipped: their folder is away, not some clips."""
    wanted = row.clips + row.skipped
    if row.skipped > share * wanted:
        raise UserError(
            f"{row.skipped} of {wanted} clips could not be read (the log names them); wanted at "
            f"most {share:.0%} (failures.outage_share.train). See whether the clips are within "
            "reach and start again: training goes on from its last checkpoint"
        )


class _Parts:
    """The parts of the batches that belong to this process."""

    def __init__(self, batches: Iterable[list], process: Process) -> None:
        self._batches, self._process = batches, process

    def __iter__(self) -> Iterator[list]:
        for batch in self._batches:
            yield self._process.part(batch)


def _save(path: Path, key: str, version: str, learner: Learner, state: TrainingState) -> None:
    values: dict[str, Any] = {"key": key, "version": version, "state": asdict(state)}
    values |= {name: part.state_dict() for name, part in _parts(learner).items()}
    checkpoint.save(values, path)


def _resumed(path: Path, key: str, version: str, learner: Learner, total: int) -> TrainingState:
    """The state of this training's checkpoint, loaded into the learner; else a fresh state."""
    kind = learner.TALLY
    if not path.exists():
        return TrainingState.start(kind)
    try:
        values = checkpoint.load(path)
    except UserError as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        logging.warning("%s: training begins anew, the file is kept as %s", error, aside)
        return TrainingState.start(kind)
    if values.get("key") != key:
        logging.info("%s has other settings, data or version: not resumed", path)
        return TrainingState.start(kind)
    if values.get("version") != version:
        if values["state"]["step"] >= total:
            logging.info("%s is from another version of the code: training again", path)
            return TrainingState.start(kind)
        logging.warning("%s is from another version of the code: resuming with this one", path)
    for name, part in _parts(learner).items():
        part.load_state_dict(values[name])
    state = TrainingState.of(values["state"], kind)
    logging.info("resuming from %s, %d steps done", path, state.step)
    return state


def _parts(learner: Learner) -> dict[str, Any]:
    """The parts of the learner that a checkpoint holds, by name."""
    parts = {"model": learner.model, "optimizer": learner.optimizer, "scaler": learner.scaler}
    return parts if learner.ema is None else parts | {"average": learner.ema}
