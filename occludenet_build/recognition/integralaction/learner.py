"""One batch of IntegralAction: pictures of the poses, forward pass, losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from occludenet_build.config.integralaction import Integralaction
from occludenet_build.core.poses import JOINT_COUNT
from occludenet_build.recognition.car import autocast_for
from occludenet_build.recognition.curve import Tally
from occludenet_build.recognition.distributed import ALONE, Process
from occludenet_build.recognition.integralaction import losses, render, views
from occludenet_build.recognition.integralaction.clips import PosedBatch, sampling_of
from occludenet_build.recognition.integralaction.network import PARTS, IntegralAction
from occludenet_build.recognition.learner import Learner, learning_parts, on_device


@dataclass
class GateTally(Tally):
    """Sums over several steps of IntegralAction."""

    ce: float = 0.0
    """Sum of the cross entropy."""
    pull: float = 0.0
    """Sum of the cross entropy of the gate against 1."""
    gate: float = 0.0
    """Sum of the mean gate of each clip: 1 is all pose."""
    without_poses: int = 0
    """Clips without a pose in any frame of the view."""
    right: int = 0
    """Clips with a correct prediction."""

    def means(self) -> dict[str, float | int]:
        """Columns of the loss curve; top1 in percent."""
        means = super().means()
        return means | {"top1": 100 * means.pop("right") / max(self.clips, 1)}


class OneInput(nn.Module):
    """The network as a module of one argument, for torch's DistributedDataParallel."""

    def __init__(self, network: IntegralAction) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, given: tuple[Tensor | None, Tensor | None] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits float32 (N, K) and gate float32 (N, T, width) or None of (video, poses), as the
        network takes them; without a clip a scalar 0, whose gradients are 0."""
        if given is not None:
            return self.network(*given)
        # DDP waits for the gradient of every parameter, so the 0 must depend on all of them
        every = [p.sum() for p in self.network.parameters() if p.requires_grad]
        return 0 * torch.stack(every).sum(), None


@dataclass
class GateLearner(Learner[PosedBatch, GateTally]):
    """A learner of IntegralAction in one of its modes."""

    settings: Integralaction

    TALLY = GateTally

    @classmethod
    def of(
        cls,
        network: IntegralAction,
        settings: Integralaction,
        seed: int,
        device: str,
        process: Process = ALONE,
    ) -> GateLearner:
        """A learner of `network`, which is moved to the device, with a new optimizer.

        Raises UserError for fp16 without cuda.
        """
        model = on_device(network, settings, device, process)
        parts = learning_parts(model, settings, device, head="classifier.")
        shared = process.shared(OneInput(model))  # type: ignore[arg-type]
        return cls(model, shared, *parts, settings, device, process, seed)

    def learn(self, batch: PosedBatch, number: int, clips: int) -> GateTally:
        """Forward and backward pass of a batch, which adds to the gradients."""
        labels = batch.labels.to(self.device)
        read = batch if batch.files else _nothing(self.model, self.settings)
        given = network_input(read.video, read.places, read.scores, self.settings, self.device)
        with autocast_for(self.settings.precision, self.device):
            logits, gate = self.parallel(given)
        terms = losses.loss_terms(logits, labels, gate, self.settings.gate_weight)
        self.backward(terms.each, clips)
        means = [0.0] if gate is None else gate.detach().double().mean(dim=(1, 2)).tolist()
        return GateTally(
            clips=len(labels),
            loss=_sum(terms.each),
            ce=_sum(terms.ce),
            pull=_sum(terms.gate),
            gate=sum(means),
            without_poses=batch.without_poses,
            right=int((logits.detach().argmax(dim=1) == labels).sum()),
        )


def _nothing(network: nn.Module, settings: Integralaction) -> PosedBatch:
    """A batch of no clips: batch norm over several GPUs waits for processes without any, too."""
    seen, sees = sampling_of(settings), PARTS[str(network.mode)]
    video = torch.zeros(0, seen.frames, seen.side, seen.side, 3)
    scores = torch.zeros(0, seen.pose_frames, settings.persons, JOINT_COUNT)
    places = scores.new_zeros((*scores.shape, 2))
    sees_poses = "pose_backbone" in sees
    return PosedBatch(
        video=video if "img_backbone" in sees else None,
        places=places if sees_poses else None,
        scores=scores if sees_poses else None,
        labels=torch.zeros(0, dtype=torch.int64),
        without_poses=0,
        files=[],
        skipped=[],
    )


def _sum(losses_of_clips: Tensor) -> float:
    return float(losses_of_clips.detach().double().sum())


def network_input(
    video: Tensor | None,
    places: Tensor | None,
    scores: Tensor | None,
    settings: Integralaction,
    device: str,
) -> tuple[Tensor | None, Tensor | None]:
    """Video and pictures of poses on the device, as the network takes them; None stays None.

    Video float32 (N, T, side, side, 3), places float32 (N, F, P, J, 2), scores (N, F, P, J).
    """
    pictures = None
    if places is not None and scores is not None:
        side = sampling_of(settings).cells
        pictures = render.pictures(places.to(device), scores.to(device), side=side)
    return None if video is None else views.as_input(video.to(device)), pictures
