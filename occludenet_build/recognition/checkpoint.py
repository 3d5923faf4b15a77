"""Checkpoint files, and the state of a training: loss curve, running sums, TensorBoard.

A checkpoint is a dict of tensors and plain values. Every file, also of other projects, is read with
weights_only, so it cannot run code.
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
from occludenet_build.core.failures import damaged_file
from occludenet_build.core.files import replacing
from occludenet_build.recognition.car import LossTerms

ENVELOPES = ("model", "model_state", "state_dict", "module", "network")
"""Keys under which known training programs store the network."""
PREFIXES = ("module.", "_orig_mod.")
"""Prefixes of parameter names from wrappers for several GPUs and for torch.compile."""


def save(values: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; an existing file is replaced once the new one is complete."""
    with replacing(path) as temporary:
        torch.save(values, temporary)


def load(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint to the CPU.

    Raises UserError where the file is missing or is not a dict of tensors and plain values.
    """
    if not Path(path).is_file():
        raise UserError(f"wanted a checkpoint, {path} is missing")
    try:
        # VideoMAE and VideoMamba store their command line with the network
        with torch.serialization.safe_globals([Namespace]):
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names no closed set: zip, pickle, runtime errors
        wanted = "a checkpoint of tensors and plain values"
        raise damaged_file(path, error, wanted) from error
    if not isinstance(values, dict):
        raise UserError(f"wanted a checkpoint, {path} holds a {type(values).__name__}")
    return values


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """The network's tensors by name, from the top level or from one of ENVELOPES.

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
    """Sums over several steps."""

    clips: int = 0
    loss: float = 0.0
    ce: float = 0.0
    """Sum of the cross entropy."""
    kl: float = 0.0
    """Sum of the causal term, of either kind (train.causal_term)."""
    dropped: int = 0
    """Clips whose causal term was dropped: no counterfactual, or nothing erased in the view."""
    skipped: int = 0
    """Clips that could not be read."""
    right: int = 0
    """Clips with a correct prediction."""

    @classmethod
    def of(cls, terms: LossTerms, logits: Tensor, labels: Tensor) -> Tally:
        """The sums of one batch with logits float32 (N, K) and labels int64 (N,)."""
        return cls(
            clips=len(labels),
            loss=float(terms.each.detach().double().sum()),
            ce=float(terms.ce.detach().double().sum()),
            kl=float(terms.causal.detach().double().sum()),
            dropped=int(terms.dropped.sum()),
            right=int((logits.detach().argmax(dim=1).cpu() == labels.cpu()).sum()),
        )

    def numbers(self) -> list[float]:
        """The sums in the order of the fields, to be added over processes."""
        return [float(getattr(self, f.name)) for f in fields(self)]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Tally:
        """The inverse of `numbers`."""
        kinds = [type(getattr(cls(), f.name)) for f in fields(cls)]  # counts become int again
        return cls(*(kind(number) for kind, number in zip(kinds, numbers, strict=True)))

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def means(self) -> dict[str, float | int]:
        """Columns of the loss curve: top1 in percent, mean loss, ce and kl, and the counts."""
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
class TrainingState:
    """The state of a training that a checkpoint holds beside network and optimizer."""

    step: int = 0
    """Number of steps done."""
    rows: list[dict[str, float | int]] = field(default_factory=list)
    """Finished rows of the loss curve."""
    epoch: Tally = field(default_factory=Tally)
    """Sums of the current epoch."""
    row: Tally = field(default_factory=Tally)
    """Sums of the current row."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> TrainingState:
        """The inverse of `dataclasses.asdict`."""
        sums = {name: Tally(**values[name]) for name in ("epoch", "row")}
        return cls(**values | sums)

    def close_row(self, epoch: int, learning_rate: float) -> dict[str, float | int]:
        """Add the current row to the curve and return it."""
        head = {"epoch": epoch, "step": self.step}
        row = {**head, **self.row.means(), "learning_rate": learning_rate}
        self.rows.append(row)
        self.epoch, self.row = self.epoch + self.row, Tally()
        return row

    def close_epoch(self, epoch: int, epochs: int) -> None:
        """Log the means of the epoch and reset them for the next."""
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
    """Writes rows of the loss curve as event files; with `writer` None it writes nothing."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, row: dict[str, float | int]) -> None:
        """Add a row; every column except step is a curve."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(f"train/{name}", value, row["step"])

    def flush(self) -> None:
        """Write buffered rows to disk."""
        if self._writer is not None:
            self._writer.flush()


@contextmanager
def tensorboard(folder: Path | None, step: int) -> Iterator[TensorBoard]:
    """A writer of curves from `step` on in `folder`; it writes nothing where `folder` is None.

    Rows beyond `step` from an interrupted process are discarded; at step 0 the folder is emptied.
    """
    if folder is None:
        yield TensorBoard(None)
        return
    from torch.utils.tensorboard import SummaryWriter  # takes a second to import

    if step == 0:
        shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield TensorBoard(writer)
