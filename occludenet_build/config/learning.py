"""Settings of training, evaluation and the report."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Train:
    backbone: str = setting("r3d_18")
    """Name in recognition.backbones: tiny3d, r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v2_s, swin3d_t,
    x3d_xs, x3d_s, x3d_m, x3d_l, x3d_s_pytorchvideo, i3d_r50, ibm_i3d_resnet18, ibm_i3d_resnet50,
    ibm_i3d_resnet101, uniformerv2_b16, uniformerv2_l14, videomamba_t, videomamba_s, videomamba_m,
    videomae_s, videomae_b, videomae_l."""
    weights: str | None = setting(None, path=True, url=True)
    """Checkpoint the backbone starts from, a file or an http(s) address, in the form its authors or
    mmaction2 published; a head of other classes is left out and said."""
    weights_sha256: str | None = setting(None, sha256=True)
    """What the weights must have; another file stops the build."""
    alpha: float = setting(1.0, low=0)
    """Weight of CAR's causal term; the baseline is always trained too, with 0."""
    causal_term: str = setting("kl_p_y", choices=("kl_p_y", "ce_y"))
    """kl_p_y: KL(P || Y), Eq. 4 as printed; ce_y: -log Y[label]."""
    detach_counterfactual: bool = setting(False)
    """Stop the gradient through the counterfactual's logits."""
    seeds: tuple[int, ...] = setting((0,), low=0)
    """One training per seed and arm."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0.01, high=4)
    """Occlusion scales of the training clips."""
    frames: int | None = setting(None, low=1, high=512)
    """Frames per clip; null: as many as the backbone was made for."""
    stride: int | None = setting(None, low=0, high=512)
    """Frames from one to the next; 0: one from each of as many equal segments; null: as the
    backbone was made for."""
    size: int | None = setting(None, low=16, high=1024)
    """Side of the square crop, pixels; null: what the backbone was made for."""
    short_side: int | None = setting(None, low=16, high=2048)
    """The short side is scaled to this before the crop, pixels; null: larger than the crop as with
    the backbone's own."""
    flip: bool = setting(True)
    """Mirror half of the training clips."""
    epochs: int = setting(5, low=1, high=100_000)
    batch: int = setting(8, low=1, high=65_536)
    """Clips per step."""
    learning_rate: float = setting(1e-4, low=0)
    weight_decay: float = setting(0.05, low=0)
    warmup_epochs: float = setting(1.0, low=0)
    clip_gradient: float = setting(20.0, low=0)
    """Largest norm of the gradient; 0: no limit."""
    log_steps: int = setting(10, low=1)
    """Steps per row of the loss curve; an epoch always ends one."""
    checkpoint_minutes: float = setting(10.0, low=0)
    """A checkpoint after each epoch, and after so many minutes."""
    memory_mib: int = setting(512, low=0)
    """Where all training clips fit into this decoded, they are decoded once and kept."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""

    def __post_init__(self) -> None:
        if self.size is not None and self.short_side is not None and self.size > self.short_side:
            raise UserError(
                f"config: train.size: wanted at most train.short_side, {self.short_side}, "
                f"got {self.size}; change one of them"
            )


@dataclass(frozen=True)
class Evaluate:
    views: int = setting(4, low=1, high=100)
    """Clips in time that are averaged."""
    crops: int = setting(1, choices=(1, 3))
    """Crops in space that are averaged: the centre, or three along the longer side."""
    average: str = setting("softmax", choices=("softmax", "logits"))
    """What is averaged over views and crops."""
    split: str = setting("test", choices=("train", "val", "test"))
    """The split that is evaluated."""
    batch: int = setting(8, low=1, high=65_536)
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""


@dataclass(frozen=True)
class Report:
    examples: int = setting(6, low=0, high=200)
    """Clips shown as strips."""
    frames: int = setting(6, low=1, high=30)
    """Frames in a strip."""
