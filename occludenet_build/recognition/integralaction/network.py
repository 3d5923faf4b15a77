"""The network of IntegralAction, with the parameter names of its checkpoints.

Both streams see every frame by itself, but for the temporal shift of their backbones (shift.py).
The poses come as pictures (render.py), pass a convolution and the blocks of a second ResNet. In the
mode rgb_pose an aggregator brings both to the same form and mixes them, channel by channel and
frame by frame, by a gate that is computed from the poses alone; the classifier sees one vector a
frame, and the logits of a clip are the mean over its frames.

Where the published code is faulty, the default here is what was meant, and a switch gives what was
released:

| matter | default | as released |
|---|---|---|
| dropout before the classifier | applied in training: `dropout` 0.5 | computed and thrown away: 0 |
| batch norm of the frozen backbones in rgb_pose | statistics stay: `frozen_statistics` | move |

The statistics belong to the weights they were trained with; only aggregator and classifier learn in
that mode, so moving them changes what frozen weights compute, from batch to batch in training and
in the end for good. The rate of the dropout is ours: the published one has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.integralaction.render import CHANNELS
from occludenet_build.recognition.integralaction.shift import ShiftedResNet

MODES = ("rgb_only", "pose_only", "rgb_pose")
POSE_WIDTH = 64
"""Channels that the blocks of a ResNet take: the poses go past its stem."""

PARTS = {
    "rgb_only": ("img_backbone", "classifier"),
    "pose_only": ("pose2feat", "pose_backbone", "classifier"),
    "rgb_pose": ("img_backbone", "pose2feat", "pose_backbone", "aggregator", "classifier"),
}
"""Mode -> the parts of the network that it runs."""
LEARNING = {**PARTS, "rgb_pose": ("aggregator", "classifier")}
"""Mode -> the parts that learn in it; the others are frozen."""


class IntegralAction(nn.Module):
    """RGB and pictures of poses -> logits, and the gate."""

    def __init__(
        self,
        classes: int,
        mode: str,
        frame_factor: int = 1,
        *,
        dropout: float = 0.5,
        frozen_statistics: bool = True,
        depth: int = 18,
        width: int = 512,
        channels: int = CHANNELS,
    ) -> None:
        """`mode`: one of MODES; all have the same parameters, those of PARTS[mode] are used, those
        of LEARNING[mode] require a gradient.

        `frame_factor`: frames with poses per frame of the video. `dropout`, `frozen_statistics`:
        see the module; as released: 0 and false. `depth`: of both ResNets, 18 in the paper.
        `width`: of the aggregator. `channels`: of a picture of the poses.
        Raises UserError for another mode or a factor below 1.
        """
        super().__init__()
        if mode not in MODES:
            raise UserError(f"wanted one of the modes {', '.join(MODES)}, got {mode!r}")
        if frame_factor < 1:
            raise UserError(f"wanted a frame factor of at least 1, got {frame_factor}")
        self.mode, self.frame_factor, self.frozen_statistics = mode, frame_factor, frozen_statistics
        self.img_backbone = ShiftedResNet(depth)
        self.pose_backbone = ShiftedResNet(depth)
        self.pose2feat = PoseToFeatures(channels)
        deep = self.img_backbone.width
        self.aggregator = Aggregator(deep, width, frame_factor)
        self.classifier = Classifier(width if mode == "rgb_pose" else deep, classes, dropout)
        _initialise([self.pose2feat, self.aggregator, self.classifier])
        for name, part in self.named_children():
            part.requires_grad_(name in LEARNING[mode])
        self._freeze_what_no_clip_passes()

    def _freeze_what_no_clip_passes(self) -> None:
        """Without a gradient they are no parameters to learn, for optimizers and processes."""
        for part in (self.pose_backbone.conv1, self.pose_backbone.bn1):
            part.requires_grad_(False)
        if self.frame_factor == 1:
            self.aggregator.pose_temporal_conv.requires_grad_(False)

    def train(self, mode: bool = True) -> IntegralAction:
        """As torch's, but the batch norm of frozen parts stays as in tests (frozen_statistics)."""
        super().train(mode)
        if self.frozen_statistics:
            for name, part in self.named_children():
                part.train(mode and name in LEARNING[self.mode])
        return self

    def forward(
        self, video: Tensor | None = None, poses: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits float32 (N, classes), and in rgb_pose the gate float32 (N, T, width), else None.

        video: float32 (N, 3, T, H, W), RGB from 0 to 1 (views.as_input); unused in pose_only.
        poses: float32 (N, channels, F, H / 4, W / 4) of render.pictures; F is
        (T - 1) frame_factor + 1 in rgb_pose; unused in rgb_only. In rgb_pose there may be k N of
        them: k poses of the same N videos, which then pass the network once; the result has k N.
        The mean of the logits is over the T frames of the video, in pose_only over the F frames of
        the poses. A gate of 1 is all pose, of 0 all RGB. Raises ValueError where an input is
        missing or F is another number.
        """
        if self.mode == "rgb_only":
            features, gate = _pooled(self._rgb(video)), None
        elif self.mode == "pose_only":
            features, gate = _pooled(self._pose(poses)), None
        else:
            features, gate = self._both(video, poses)
        return self.classifier(features).float().mean(dim=1), gate

    def _both(self, video: Tensor | None, poses: Tensor | None) -> tuple[Tensor, Tensor]:
        rgb, pose = self._rgb(video), self._pose(poses)
        wanted = (rgb.shape[1] - 1) * self.frame_factor + 1
        if pose.shape[1] != wanted:
            raise ValueError(f"wanted poses of {wanted} frames, got {pose.shape[1]}")
        features = _pooled(rgb)
        if len(pose) > len(rgb):
            features = features.repeat(len(pose) // len(rgb), 1, 1)
        return self.aggregator(features, _pooled(pose))

    def _rgb(self, video: Tensor | None) -> Tensor:
        """(N, T, C, h, w)"""
        if video is None:
            raise ValueError(f"the mode {self.mode} wants a video")
        frames = video.shape[2]
        pictures = video.transpose(1, 2).flatten(0, 1)
        return self.img_backbone(pictures, frames).unflatten(0, (len(video), frames))

    def _pose(self, poses: Tensor | None) -> Tensor:
        """(N, F, C, h, w)"""
        if poses is None:
            raise ValueError(f"the mode {self.mode} wants pictures of poses")
        frames = poses.shape[2]
        features = self.pose2feat(poses.transpose(1, 2).flatten(0, 1))
        return self.pose_backbone(features, frames, stem=False).unflatten(0, (len(poses), frames))


class PoseToFeatures(nn.Module):
    """Pictures of poses -> what the blocks of a ResNet take; same height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, POSE_WIDTH, 3, padding=1), nn.BatchNorm2d(POSE_WIDTH), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, channels, H, W) -> float32 (N, 64, H, W)."""
        return self.conv(x)


class Aggregator(nn.Module):
    """Mixes pooled features of both streams by a gate that the poses steer."""

    def __init__(self, before: int, width: int, frame_factor: int) -> None:
        """`before`: channels of both streams; `width`: channels of the result."""
        super().__init__()
        self.pose_temporal_conv = nn.Sequential(
            nn.Conv3d(before, before, (5, 1, 1), (frame_factor, 1, 1), (2, 0, 0)),
            nn.BatchNorm3d(before),
            nn.ReLU(),
        )
        self.pose_gate_fc = nn.Sequential(nn.Linear(before, width))
        self.img_conv, self.img_norm = _mixed(before, width), nn.LayerNorm([width, 1, 1])
        self.pose_conv, self.pose_norm = _mixed(before, width), nn.LayerNorm([width, 1, 1])
        self.frame_factor = frame_factor

    def forward(self, rgb: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """rgb float32 (N, T, before), pose float32 (N, F, before) -> features and gate.

        Both float32 (N, T, width); the gate lies between 0 and 1 and is the share of the pose.
        """
        if self.frame_factor > 1:
            pose = self.pose_temporal_conv(pose.transpose(1, 2)[..., None, None])
            pose = pose[..., 0, 0].transpose(1, 2)
        # in half precision a gate near 1 would be 1, and its gradient 0
        gate = torch.sigmoid(self.pose_gate_fc(pose).float())
        rgb = _per_frame(nn.Sequential(self.img_conv, self.img_norm), rgb)
        pose = _per_frame(nn.Sequential(self.pose_conv, self.pose_norm), pose)
        return gate * pose + (1 - gate) * rgb, gate


def _mixed(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 1), nn.BatchNorm2d(width), nn.ReLU())


def _per_frame(part: nn.Module, x: Tensor) -> Tensor:
    """A part that takes pictures, on vectors (N, T, C): the pictures have one pixel."""
    return part(x.flatten(0, 1)[..., None, None])[..., 0, 0].unflatten(0, x.shape[:2])


class Classifier(nn.Module):
    """Features of a frame -> its logits."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Sequential(nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, T, width) -> float32 (N, T, classes)."""
        return self.fc(self.dropout(x))


def _pooled(x: Tensor) -> Tensor:
    """(N, T, C, h, w) -> (N, T, C)."""
    return x.mean(dim=(3, 4))


def _initialise(parts: Iterable[nn.Module]) -> None:
    """The published start of what ImageNet does not give: normal convolutions and layers."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                nn.init.normal_(module.weight, std=0.001)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)
