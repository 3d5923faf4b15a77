"""One batch of MOC or STADO: forward pass and losses; and which epoch's network is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from occludenet_build.action_detection.losses import WEIGHTS, detection_losses
from occludenet_build.action_detection.moc.clips import ClipBatch
from occludenet_build.action_detection.network import ActionDetector
from occludenet_build.action_detection.weights import UNUSED
from occludenet_build.config.moc import Moc
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.car import autocast_for
from occludenet_build.recognition.curve import Tally
from occludenet_build.recognition.distributed import ALONE, Process
from occludenet_build.recognition.learner import Learner, learning_parts, on_device


@dataclass
class DetectorTally(Tally):
    """Sums over several steps: of each batch, its losses times its clips, without their weights."""

    hm: float = 0.0
    mov: float = 0.0
    wh: float = 0.0
    mask: float = 0.0
    """Loss of the attention; 0 without one."""


class OneInput(nn.Module):
    """The network as a module of one argument, for torch's DistributedDataParallel."""

    def __init__(self, network: ActionDetector) -> None:
        super().__init__()
        self.network = network
        every = network.named_parameters()
        self._idle = [p for name, p in every if name.startswith(UNUSED)]

    def forward(self, pictures: Tensor | None) -> Any:
        """The maps for float32 (K, N, 3, H, W); without a clip a scalar 0 of all parameters."""
        if pictures is None:
            # DDP waits for the gradient of every parameter, so the 0 must depend on all of them
            return 0 * torch.stack([p.sum() for p in self.network.parameters()]).sum()
        maps = self.network(pictures)
        for idle in self._idle:
            maps["hm"] = maps["hm"] + 0 * idle.sum()
        return maps


@dataclass
class Choice:
    """Keeps the network of the best epoch in a file, and goes back to it where the settings say."""

    score: Callable[[ActionDetector], float]
    """Frame AP of a network, 0 to 1."""
    path: Path
    key: str
    """Of the training; a file of another one does not count."""
    back_at: tuple[int, ...]
    """Numbers of finished epochs after which the training goes on from the best."""

    def kept(self) -> dict[str, Any] | None:
        """What the file holds, if it is of this training: epoch, score, scores, model,
        optimizer."""
        values = checkpoint.load(self.path) if self.path.exists() else {}
        return values if values.get("key") == self.key else None

    def epoch_ended(self, epoch: int, learner: DetectorLearner) -> None:
        """Look at the network after an epoch, counted from 1."""
        model: Any = learner.evaluated
        found = self.score(model)
        best = self.kept()
        # an interrupted epoch is done again, and was the best or not as before
        again = best is not None and best["epoch"] >= epoch
        logging.info("epoch %d: frame AP %.2f %%", epoch, 100 * found)
        if best is None or again or found > best["score"]:
            values = {"key": self.key, "epoch": epoch, "score": found}
            values |= {"model": model.state_dict(), "optimizer": learner.optimizer.state_dict()}
            checkpoint.save(values, self.path)

    def go_back(self, learner: DetectorLearner) -> None:
        """Load the best network, with the state of its optimizer, into the learner."""
        best = self.kept()
        if best is None:
            raise UserError(
                f"wanted the best network so far in {self.path}, it is gone; train anew"
            )
        logging.info("going on from the network of epoch %d", best["epoch"])
        learner.model.load_state_dict(best["model"])
        learner.optimizer.load_state_dict(best["optimizer"])


@dataclass
class DetectorLearner(Learner[ClipBatch, DetectorTally]):
    """A learner of MOC or of STADO."""

    settings: Moc
    choice: Choice | None = None
    """None: the last network is kept."""

    TALLY = DetectorTally

    @classmethod
    def of(
        cls,
        network: ActionDetector,
        settings: Moc,
        seed: int,
        device: str,
        process: Process = ALONE,
        choice: Choice | None = None,
    ) -> DetectorLearner:
        """A learner of `network`, which is moved to the device, with a new optimizer.

        Raises UserError for fp16 without cuda.
        """
        model: Any = on_device(network, settings, device, process)
        parts = learning_parts(model, settings, device, head="")
        shared = process.shared(OneInput(model) if process.size > 1 else model)
        return cls(model, shared, *parts, settings, device, process, seed, choice)

    def learn(self, batch: ClipBatch, number: int, clips: int) -> DetectorTally:
        """Forward and backward pass of a batch, which adds to the gradients.

        The losses of a batch are divided by its own objects, as published, and weighted by its
        clips.
        """
        if batch.pictures is None or batch.targets is None:
            return self._take_part()
        with autocast_for(self.settings.precision, self.device):
            maps = self.parallel(batch.pictures.to(self.device))
        losses = detection_losses(
            maps,
            batch.targets.to(self.device),
            released="mask_loss" in self.settings.as_released,
            weights=self._weights,
        )
        count = len(batch.files)
        self.backward(losses.total[None] * count, clips)
        parts = {"loss": losses.total, "hm": losses.hm, "mov": losses.mov, "wh": losses.wh}
        if losses.mgan is not None:
            parts["mask"] = losses.mgan
        sums = {name: count * float(loss.detach()) for name, loss in parts.items()}
        return DetectorTally(count, skipped=0, **sums)

    @property
    def _weights(self) -> Mapping[str, float]:
        return WEIGHTS | {"mgan": self.settings.mask_weight}

    def _take_part(self) -> DetectorTally:
        """A process without clips, while synchronized batch norm waits for every process."""
        side, frames = self.settings.size, self.settings.frames
        maps = self.parallel(torch.zeros((frames, 0, 3, side, side), device=self.device))
        (0 * torch.stack([one.sum() for one in maps.values()]).sum()).backward()
        return DetectorTally()

    def epoch_ended(self, epoch: int) -> None:
        """The first process looks at the network; all go back to the best where they shall."""
        if self.choice is None:
            return
        if self.process.first:
            self.choice.epoch_ended(epoch, self)
        self.process.wait()
        if epoch in self.choice.back_at:
            self.choice.go_back(self)
        self.model.train()
