"""The state of a training: running sums, rows of the loss curve, TensorBoard."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self


@dataclass
class Tally:
    """Sums over several steps. A training with more terms than a loss derives from it."""

    clips: int = 0
    loss: float = 0.0
    skipped: int = 0
    """Clips that could not be read."""

    def numbers(self) -> list[float]:
        """The sums in the order of the fields, to be added over processes."""
        return [float(getattr(self, f.name)) for f in fields(self)]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Self:
        """The inverse of `numbers`."""
        kinds = [type(getattr(cls(), f.name)) for f in fields(cls)]  # counts become int again
        return cls(*(kind(number) for kind, number in zip(kinds, numbers, strict=True)))

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def means(self) -> dict[str, float | int]:
        """Columns of the loss curve: counts of clips as they are, sums of floats per clip."""
        number = max(self.clips, 1)
        return {
            f.name: value / number if isinstance(value, float) else value
            for f in fields(self)
            for value in [getattr(self, f.name)]
        }

    def line(self) -> str:
        """The means for the log, without the count of clips."""
        shown = {name: value for name, value in self.means().items() if name != "clips"}
        return ", ".join(
            f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in shown.items()
        )


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
    def start(cls, kind: type[Tally]) -> TrainingState:
        """The state before the first step, with sums of this kind."""
        return cls(epoch=kind(), row=kind())

    @classmethod
    def of(cls, values: dict[str, Any], kind: type[Tally]) -> TrainingState:
        """The inverse of `dataclasses.asdict`."""
        sums = {name: kind(**values[name]) for name in ("epoch", "row")}
        return cls(**values | sums)

    def close_row(self, epoch: int, learning_rate: float) -> dict[str, float | int]:
        """Add the current row to the curve and return it."""
        head = {"epoch": epoch, "step": self.step}
        row = {**head, **self.row.means(), "learning_rate": learning_rate}
        self.rows.append(row)
        self.epoch, self.row = self.epoch + self.row, type(self.row)()
        return row

    def close_epoch(self, epoch: int, epochs: int) -> None:
        """Log the means of the epoch and reset them for the next."""
        logging.info("epoch %d/%d: %s", epoch, epochs, self.epoch.line())
        self.epoch = type(self.epoch)()


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
