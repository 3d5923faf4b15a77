"""The loss curve of a training, and where the training stands."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from occludenet_build.recognition.loss import Terms


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

    def add(self, terms: Terms, logits: Tensor, labels: Tensor) -> None:
        number = len(labels)
        self.clips += number
        self.loss += float(terms.loss.detach()) * number
        self.ce += float(terms.ce.detach().double().sum())
        self.kl += float(terms.causal.detach().double().sum())
        self.dropped += int(terms.dropped.sum())
        self.right += int((logits.detach().argmax(dim=1).cpu() == labels).sum())

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def means(self) -> dict[str, float | int]:
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

    def close_row(self, epoch: int, learning_rate: float) -> None:
        head = {"epoch": epoch, "step": self.step}
        self.rows.append({**head, **self.row.means(), "learning_rate": learning_rate})
        self.epoch, self.row = self.epoch + self.row, Tally()

    def close_epoch(self, epoch: int, epochs: int) -> None:
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
