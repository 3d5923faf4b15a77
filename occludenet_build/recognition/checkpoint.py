"""Checkpoints: what a training leaves to go on from, what it ends with, what others made.

A file of ours is a dict of tensors and plain values; every file is read with weights_only, so it
cannot run code.

The loss curve of a training, where the training stands, and its curves for TensorBoard.
"""

from __future__ import annotations

import logging
import shutil
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import replacing
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.car import LossTerms

ENVELOPES = ("model", "model_state", "state_dict", "module")
"""Keys under which known trainers keep the network."""
PREFIXES = ("module.", "_orig_mod.")
"""What wrappers for several GPUs and for compiling put before every name."""


def save(values: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; a file that is there is replaced when the new one is whole."""
    with replacing(path) as temporary:
        torch.save(values, temporary)


def load(path: Path | str) -> dict[str, Any]:
    """A checkpoint on the CPU. Raises UserError where it is missing or holds no plain values."""
    if not Path(path).is_file():
        raise UserError(f"wanted a checkpoint, {path} is missing")
    try:
        # VideoMAE and VideoMamba store their command line beside the network.
        with torch.serialization.safe_globals([Namespace]):
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names no closed set: zip, pickle, runtime errors
        raise UserError(
            f"wanted a checkpoint of tensors and plain values, {path} does not load: "
            f"{first_line(error)}"
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"wanted a checkpoint, {path} holds a {type(values).__name__}")
    return values


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """The network's tensors by name, out of the envelopes that are in use.

    Tensors are of any shape and any dtype. Raises UserError where there are none.
    """
    values = load(path)
    inner = next((values[k] for k in ENVELOPES if isinstance(values.get(k), dict)), values)
    tensors = {_bare(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"wanted a checkpoint, {path} holds no tensors; keys: {list(values)[:5]}")
    return tensors


def _bare(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


@dataclass
class Tally:
    """Sums over some steps."""

    clips: int = 0
    loss: float = 0.0
    ce: float = 0.0
    kl: float = 0.0
    """Of the causal term, whichever the settings choose."""
    dropped: int = 0
    """Clips whose causal term was dropped: no counterfactual, or nothing erased in the view."""
    skipped: int = 0
    """Clips that could not be read."""
    right: int = 0

    @classmethod
    def of(cls, terms: LossTerms, logits: Tensor, labels: Tensor) -> Tally:
        """Of a batch of logits float (N, K) and labels int64 (N,)."""
        return cls(
            clips=len(labels),
            loss=float(terms.each.detach().double().sum()),
            ce=float(terms.ce.detach().double().sum()),
            kl=float(terms.causal.detach().double().sum()),
            dropped=int(terms.dropped.sum()),
            right=int((logits.detach().argmax(dim=1).cpu() == labels.cpu()).sum()),
        )

    def numbers(self) -> list[float]:
        """Its sums in the order of its fields, to be added up over processes."""
        return [float(getattr(self, f.name)) for f in fields(self)]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Tally:
        """The sums whose `numbers` these are."""
        kinds = [type(getattr(cls(), f.name)) for f in fields(cls)]  # clips are counted whole
        return cls(*(kind(number) for kind, number in zip(kinds, numbers, strict=True)))

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def means(self) -> dict[str, float | int]:
        """Percent for top1, means over the clips for loss, ce and kl, counts for the rest."""
        number = max(self.clips, 1)
        return {
            "clips": self.clips,
            "loss": self.loss / number,
            "ce": self.ce / number,
            "kl": self.kl / number,
            "dropped": self.dropped,
            "skipped": self.skipped,
            "top1": 100 * self.right / number,
        }


@dataclass
class State:
    """Where a training stands: all that a checkpoint holds beside network and optimiser."""

    step: int = 0
    """Steps done."""
    rows: list[dict[str, float | int]] = field(default_factory=list)
    """The finished rows of the loss curve."""
    epoch: Tally = field(default_factory=Tally)
    row: Tally = field(default_factory=Tally)
    """Sums of the epoch and of the row in hand."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> State:
        """From what `dataclasses.asdict` made of one."""
        sums = {name: Tally(**values[name]) for name in ("epoch", "row")}
        return cls(**values | sums)

    def close_row(self, epoch: int, learning_rate: float) -> dict[str, float | int]:
        """Adds the row in hand to the curve and returns it."""
        head = {"epoch": epoch, "step": self.step}
        row = {**head, **self.row.means(), "learning_rate": learning_rate}
        self.rows.append(row)
        self.epoch, self.row = self.epoch + self.row, Tally()
        return row

    def close_epoch(self, epoch: int, epochs: int) -> None:
        """Write the means of the epoch to the log and begin those of the next."""
        means = self.epoch.means()
        logging.info(
            "epoch %d/%d: loss %.4f, ce %.4f, kl %.4f, dropped pairs %.1f %%, skipped %d, "
            "train top-1 %.1f %% of %d",
            epoch,
            epochs,
            means["loss"],
            means["ce"],
            means["kl"],
            100 * self.epoch.dropped / max(self.epoch.clips, 1),
            self.epoch.skipped,
            means["top1"],
            self.epoch.clips,
        )
        self.epoch = Tally()


class TensorBoard:
    """Writes rows of the curve. `writer` None: writes nothing."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, row: dict[str, float | int]) -> None:
        """Every column but step is a curve of its own."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(f"train/{name}", value, row["step"])

    def flush(self) -> None:
        """Write out what is still in memory."""
        if self._writer is not None:
            self._writer.flush()


@contextmanager
def tensorboard(folder: Path | None, step: int) -> Iterator[TensorBoard]:
    """Curves from `step` on in `folder`; None: nowhere.

    What an earlier process wrote beyond that step, and then was killed, counts as never written;
    at step 0 the folder is begun anew.
    """
    if folder is None:
        yield TensorBoard(None)
        return
    from torch.utils.tensorboard import SummaryWriter  # which takes a second to load

    if step == 0:
        shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield TensorBoard(writer)
