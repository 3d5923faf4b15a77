"""Settings that every training of this project has: length, batches, optimizer, checkpoints.

recognition.loop reads them. The section of a stage that trains derives from Loop and changes the
defaults that its system has otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Optimizer:
    """Optimizer, learning-rate schedule and weight averaging."""

    name: str = setting("adamw", choices=("adamw", "adam", "sgd"))
    """Optimizer. adam: its weight decay is added to the gradient."""
    momentum: float = setting(0.9, low=0, high=1)
    """sgd: momentum; adamw, adam: beta1."""
    nesterov: bool = setting(True, added=True)
    """sgd: Nesterov momentum."""
    beta2: float = setting(0.999, low=0, high=1)
    """adamw, adam: beta2."""
    decay: str = setting("weights", choices=("weights", "all"), added=True)
    """Parameters that weight decay applies to. weights: those of two or more dimensions; all:
    biases and scales of norms too."""
    schedule: str = setting("cosine", choices=("cosine", "steps"), added=True)
    """Learning rate after the warm-up. cosine: half a cosine down to final_rate; steps: multiplied
    by step_factor at each epoch of `steps`."""
    steps: tuple[int, ...] = setting((), low=1, empty=True, added=True)
    """steps: numbers of finished epochs after which the rate falls, ascending."""
    step_factor: float = setting(0.1, low=0, high=1, added=True)
    """steps: factor of each fall."""
    per_epoch: bool = setting(False, added=True)
    """Change the rate after each epoch only, not after each step."""
    final_rate: float = setting(0.0, low=0)
    """Learning rate at the end of the cosine decay."""
    first_rate: float = setting(0.0, low=0)
    """Learning rate at the start of the warm-up."""
    layer_decay: float = setting(1.0, low=0.01, high=1)
    """Layer-wise learning-rate decay: factor from each layer to the one before it, counted from the
    head; 1: none."""
    head_rate: float = setting(1.0, low=0)
    """Learning rate of the head, relative to learning_rate."""
    accumulate: int = setting(1, low=1, high=65_536)
    """Gradient accumulation: batches per optimizer step."""
    ema: float = setting(0.0, low=0, high=0.999999)
    """Decay of an exponential moving average (EMA) of the weights, which is then evaluated instead
    of the weights; 0: no EMA."""


@dataclass(frozen=True)
class Loop:
    """What the training loop reads."""

    SECTION: ClassVar[str] = "train"
    """Name of the section, for messages."""

    seeds: tuple[int, ...] = setting((0,), low=0)
    """Seeds; one training per seed and arm."""
    epochs: int = setting(5, low=1, high=100_000)
    """Number of epochs."""
    batch: int = setting(8, low=1, high=65_536)
    """Clips per batch, over all processes."""
    learning_rate: float = setting(1e-4, low=0)
    """Maximum learning rate, reached at the end of the warm-up; optimizer.schedule says how it
    falls."""
    weight_decay: float = setting(0.05, low=0)
    """Weight decay."""
    warmup_epochs: float = setting(1.0, low=0)
    """Duration of the linear warm-up, in epochs."""
    clip_gradient: float = setting(20.0, low=0)
    """Maximum norm of the gradient; 0: no clipping."""
    precision: str = setting("fp32", choices=("fp32", "bf16", "fp16"))
    """Precision of the network (autocast); the loss is always computed in float32. fp16 requires
    CUDA."""
    optimizer: Optimizer = setting(Optimizer())
    processes: int = setting(1, low=1, high=1024)
    """Number of processes per training, started by torchrun, one GPU each; the batch is divided
    among them."""
    tensorboard: bool = setting(True)
    """Write TensorBoard event files in addition to the loss curve."""
    log_steps: int = setting(10, low=1)
    """Steps per row of the loss curve; the end of an epoch also ends a row."""
    checkpoint_minutes: float = setting(10.0, low=0)
    """Interval between checkpoints, in minutes, in addition to one after each epoch."""
    device: str = setting("auto")
    """Device of the network: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    workers: int = setting(2, low=0, high=256)
    """Number of processes that decode clips; 0: the main process decodes."""

    def __post_init__(self) -> None:
        for name in ("first_rate", "final_rate"):
            rate = getattr(self.optimizer, name)
            if rate > self.learning_rate:
                raise UserError(
                    f"config: {self.SECTION}.optimizer.{name}: wanted at most "
                    f"{self.SECTION}.learning_rate, {self.learning_rate:g}, got {rate:g}; change "
                    "one of them"
                )
        steps = self.optimizer.steps
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise UserError(
                f"config: {self.SECTION}.optimizer.steps: wanted ascending numbers of epochs, got "
                f"{list(steps)}; sort them"
            )
