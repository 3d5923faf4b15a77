"""The loss curve as TensorBoard's event files: tensorboard --logdir build/train/store"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Board:
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
        if self._writer is not None:
            self._writer.flush()


@contextmanager
def board(folder: Path | None, step: int) -> Iterator[Board]:
    """Curves from `step` on in `folder`; None: nowhere.

    What an earlier process wrote beyond that step, and then was killed, counts as never written;
    at step 0 the folder is begun anew.
    """
    if folder is None:
        yield Board(None)
        return
    from torch.utils.tensorboard import SummaryWriter  # which takes a second to load

    if step == 0:
        shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield Board(writer)
