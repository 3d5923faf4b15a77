"""The training loop of CAR and, with alpha 0, of its baseline; checkpoints, and going on.

Nothing random is kept in a checkpoint: the order of an epoch, the view of a clip and the dropout
of a step are functions of the seed, so a training that was killed goes on to the same curve.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from occludenet_build.core.progress import progress
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.checkpoint import State, tensorboard
from occludenet_build.recognition.datasets import TrainingClips, make_loader
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.optim import BatchOrder, Schedule, learning_rate, set_rate
from occludenet_build.recognition.train_step import Learner


def train(
    learner: Learner,
    clips: TrainingClips,
    *,
    workers: int,
    store: Path,
    key: str,
    version: str = "",
) -> State:
    """Train in place and return the loss curve, which is that of all processes together.

    store/checkpoint.pt is written after every epoch and every `checkpoint_minutes`; one that
    carries the same `key` is gone on from: with a warning if another `version` (of the code) made
    it, but a finished training of another version begins anew. Raises UserError on a loss that is
    not finite.
    """
    settings, process = learner.settings, learner.process
    steps = Schedule.of(len(clips), settings)
    state = _resumed(store / "checkpoint.pt", key, version, learner, steps.total)
    order = BatchOrder(
        len(clips), settings.batch, settings.epochs, learner.seed, steps.first_batch(state.step)
    )
    batches = iter(make_loader(clips, _Parts(order, process), workers, learner.device))
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
            epoch, place = divmod(step, steps.per_epoch)
            epoch_ends = place + 1 == steps.per_epoch
            if epoch_ends or state.step % settings.log_steps == 0:
                curves.add(state.close_row(epoch + 1, rate))
            if epoch_ends:
                state.close_epoch(epoch + 1, settings.epochs)
            if epoch_ends or time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                if process.first:
                    curves.flush()
                    _save(store / "checkpoint.pt", key, version, learner, state)
                saved = time.monotonic()
    return state


class _Parts:
    """This process's parts of the batches."""

    def __init__(self, batches: Iterable[list], process: Process) -> None:
        self._batches, self._process = batches, process

    def __iter__(self) -> Iterator[list]:
        for batch in self._batches:
            yield self._process.part(batch)


def _save(path: Path, key: str, version: str, learner: Learner, state: State) -> None:
    values: dict[str, Any] = {"key": key, "version": version, "state": asdict(state)}
    values |= {name: part.state_dict() for name, part in _parts(learner).items()}
    checkpoint.save(values, path)


def _resumed(path: Path, key: str, version: str, learner: Learner, total: int) -> State:
    """The state of a checkpoint that belongs to this training, loaded; else a fresh one."""
    if not path.exists():
        return State()
    values = checkpoint.load(path)
    if values.get("key") != key:
        logging.info("%s was made by other settings, data or version: not gone on from", path)
        return State()
    if values.get("version") != version:
        if values["state"]["step"] >= total:
            logging.info("%s was made by other code: training again", path)
            return State()
        logging.warning("%s was begun by other code: going on with this one", path)
    for name, part in _parts(learner).items():
        part.load_state_dict(values[name])
    state = State.of(values["state"])
    logging.info("going on from %s, %d steps done", path, state.step)
    return state


def _parts(learner: Learner) -> dict[str, Any]:
    """What a checkpoint holds of the learner, by name."""
    parts = {"model": learner.model, "optimizer": learner.optimizer, "scaler": learner.scaler}
    return parts if learner.ema is None else parts | {"average": learner.ema}
