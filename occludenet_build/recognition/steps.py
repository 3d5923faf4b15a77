"""Which batches make which step of the optimizer."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config import Train


@dataclass(frozen=True)
class Steps:
    """`accumulate` batches make a step; none reaches over the end of an epoch, whose last step
    and whose last batch may be smaller.

    >>> steps = Steps(clips=10, batch=4, accumulate=2, epochs=3)
    >>> steps.per_epoch, [steps.clips_in(step) for step in range(4)]
    (2, [8, 2, 8, 2])
    >>> [steps.first_batch(step) for step in range(4)], [steps.batches(step) for step in range(2)]
    ([0, 2, 3, 5], [2, 1])
    """

    clips: int
    batch: int
    accumulate: int
    epochs: int

    @classmethod
    def of(cls, clips: int, settings: Train) -> Steps:
        return cls(clips, settings.batch, settings.optimizer.accumulate, settings.epochs)

    @property
    def per_epoch(self) -> int:
        return -(-self.clips // (self.batch * self.accumulate))

    @property
    def total(self) -> int:
        return self.per_epoch * self.epochs

    def clips_in(self, step: int) -> int:
        whole = self.batch * self.accumulate
        return min(whole, self.clips - step % self.per_epoch * whole)

    def batches(self, step: int) -> int:
        return -(-self.clips_in(step) // self.batch)

    def first_batch(self, step: int) -> int:
        """Its number, counted from the beginning of the training."""
        epoch, place = divmod(step, self.per_epoch)
        return epoch * -(-self.clips // self.batch) + place * self.accumulate
