"""The order of a training: which clips make which batch, and which batches make which step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from occludenet_build.config import Train
from occludenet_build.core.seeds import rng


@dataclass(frozen=True)
class Schedule:
    """`accumulate` batches make a step; none reaches over the end of an epoch, whose last step
    and whose last batch may be smaller.

    >>> schedule = Schedule(clips=10, batch=4, accumulate=2, epochs=3)
    >>> schedule.per_epoch, [schedule.clips_in(step) for step in range(4)]
    (2, [8, 2, 8, 2])
    >>> [schedule.first_batch(step) for step in range(4)]
    [0, 2, 3, 5]
    >>> [schedule.batches(step) for step in range(2)]
    [2, 1]
    """

    clips: int
    batch: int
    accumulate: int
    epochs: int

    @classmethod
    def of(cls, clips: int, settings: Train) -> Schedule:
        """For this many clips, with the batch, accumulation and epochs of the settings."""
        return cls(clips, settings.batch, settings.optimizer.accumulate, settings.epochs)

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return -(-self.clips // (self.batch * self.accumulate))

    @property
    def total(self) -> int:
        """Steps of the training."""
        return self.per_epoch * self.epochs

    def clips_in(self, step: int) -> int:
        """How many clips a step has, if none is skipped."""
        whole = self.batch * self.accumulate
        return min(whole, self.clips - step % self.per_epoch * whole)

    def batches(self, step: int) -> int:
        """How many batches a step has."""
        return -(-self.clips_in(step) // self.batch)

    def first_batch(self, step: int) -> int:
        """Its number, counted from the beginning of the training."""
        epoch, place = divmod(step, self.per_epoch)
        return epoch * -(-self.clips // self.batch) + place * self.accumulate


class Order:
    """The batches of a whole training as lists of (number, epoch), from step `start` on.

    Every epoch has its own order, a function of seed and epoch; its last batch may be smaller.
    """

    def __init__(self, clips: int, batch: int, epochs: int, seed: int, start: int = 0) -> None:
        self.clips, self.batch, self.epochs = clips, batch, epochs
        self.seed, self.start = seed, start

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-self.clips // self.batch)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.epochs - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        first, done = divmod(self.start, self.steps_per_epoch)
        for epoch in range(first, self.epochs):
            order = rng(self.seed, "order", str(epoch)).permutation(self.clips).tolist()
            for at in range(done * self.batch, self.clips, self.batch):
                yield [(number, epoch) for number in order[at : at + self.batch]]
            done = 0
