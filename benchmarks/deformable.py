"""Benchmark of torchvision's deformable convolution, which MOC and STADO are made of.

    python benchmarks/deformable.py [--quick]

Against a plain 3x3 convolution of the same channels and map: alone, at the places of DLA-34 for a
picture of 288 pixels, and in the whole networks, in which every deformable convolution is exchanged
for a plain one. Forward in evaluation, and forward with backward in training, a batch of 2, in
turn, in one run. The deformable layer includes the convolution that says the offsets. A training on
a CPU takes another way than torchvision's operator (`action_detection.deformable.sampled`), which
is measured too. Then a training step of each network (K 7; without the optimizer), and the memory
that its process then has had. CPU time of one thread. Prints a table, and as its last line one JSON
object:

    deformable_to_plain_ratio    torchvision's operator, forward, the layer of 64 channels on 72x72:
                                 median of the repetitions' ratios
    layers                       by channels and side of the map, the ratios of: `forward`;
                                 `training` by torchvision's operator; `sampled`, training as it is
                                 done on a CPU
    networks                     the same of dla_34 and resnet_18, one picture
    steps                        seconds of a training step by network, and `peak_mb`, its memory
    spread                       lowest and highest ratio of the first key
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import numpy as np
import torch
from parts import measure
from torch import Tensor, nn

from occludenet_build.action_detection import deformable
from occludenet_build.action_detection.clip import SIZE, ClipTube
from occludenet_build.action_detection.deformable import DeformableConv
from occludenet_build.action_detection.losses import detection_losses
from occludenet_build.action_detection.network import BACKBONES, DOWN, ActionDetector
from occludenet_build.action_detection.targets import Targets, make_targets

BATCH, FRAMES, CLASSES = 2, 7, 24
LAYERS = ((64, 72), (128, 36), (256, 18))
"""Channels, and side of the map in cells."""
NETWORKS = ("dla_34", "resnet_18")
STEPS = {"moc_resnet_18": ("resnet_18", False), "moc_dla_34": ("dla_34", False)}
STEPS |= {"stado_dla_34": ("dla_34", True)}


def main() -> None:
    """Run all cases and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one layer, one network, no steps")
    args = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 5 if args.quick else 11
    layers = {
        f"{channels}x{side}x{side}": compared(
            DeformableConv(channels, channels), torch.randn(BATCH, channels, side, side), repeats
        )
        for channels, side in (LAYERS[:1] if args.quick else LAYERS)
    }
    networks = {
        name: compared(BACKBONES[name](3), torch.randn(BATCH, 3, SIZE, SIZE), max(3, repeats // 3))
        for name in (NETWORKS[1:] if args.quick else NETWORKS)
    }
    steps = {} if args.quick else {name: step(name) for name in STEPS}
    first = next(iter(layers.values()))
    result = {
        "deformable_to_plain_ratio": first["forward"],
        "layers": layers,
        "networks": networks,
        "steps": steps,
        "spread": first.pop("spread"),
    }
    print(json.dumps(result))


def compared(module: nn.Module, x: Tensor, repeats: int) -> dict[str, Any]:
    """Ratios of the time with deformable convolutions to that with plain ones."""
    rival = plain(module)
    found: dict[str, Any] = {}
    for kind, run in (("forward", forward), ("training", by_torchvision), ("sampled", training)):
        pairs = [(run(module, x), run(rival, x)) for _ in range(repeats + 1)][1:]
        ratios = [ours / theirs for ours, theirs in pairs]
        found[kind] = round(statistics.median(ratios), 2)
        found.setdefault("spread", [round(min(ratios), 2), round(max(ratios), 2)])
        ours, theirs = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
        name = f"{type(module).__name__} {tuple(x.shape)}"
        print(f"{name:36} {kind:9} {ours:9.1f} {theirs:9.1f} ms  x {found[kind]:.2f}", flush=True)
    return found


def plain(module: nn.Module) -> nn.Module:
    """The module with a plain 3x3 convolution in the place of each deformable one."""
    if isinstance(module, DeformableConv):
        after, before = module.weight.shape[:2]
        return nn.Conv2d(before, after, 3, padding=1)
    rival = type(module).__new__(type(module))
    rival.__dict__ = module.__dict__ | {
        "_modules": {name: part and plain(part) for name, part in module._modules.items()}
    }
    return rival


def forward(module: nn.Module, x: Tensor) -> float:
    """Seconds of a forward pass in evaluation."""
    module.eval()
    with torch.no_grad():
        return seconds(lambda: module(x))


def training(module: nn.Module, x: Tensor) -> float:
    """Seconds of a forward and backward pass, also to the input."""
    module.train()
    given = x.clone().requires_grad_()
    return seconds(lambda: module(given).sum().backward())


def by_torchvision(module: nn.Module, x: Tensor) -> float:
    """The same with torchvision's operator, as on a GPU."""
    with mock.patch.object(deformable, "samples", lambda x: False):
        return training(module, x)


def seconds(run: Callable[[], object]) -> float:
    """CPU time of one call."""
    return measure.of_call(run).cpu


def step(name: str) -> dict[str, float]:
    """Time and memory of a training step, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_step, (name,))
    print(f"{name:36} step      {found['seconds']:9.2f} s  {found['peak_mb']:9.0f} MB", flush=True)
    return found


def _step(name: str) -> dict[str, float]:
    torch.set_num_threads(1)
    backbone, attention = STEPS[name]
    model = ActionDetector(backbone, CLASSES, FRAMES, attention=attention).train()
    tube = ClipTube(0, np.tile(np.array([20, 15, 40, 60], np.float32), (FRAMES, 1)))
    kind = "box" if attention else None
    one = make_targets([tube], classes=CLASSES, frames=FRAMES, cells=SIZE // DOWN, attention=kind)
    wanted, pictures = Targets.stacked([one] * BATCH), torch.randn(FRAMES, BATCH, 3, SIZE, SIZE)

    def learn() -> None:
        detection_losses(model(pictures), wanted).total.backward()

    taken = [seconds(learn) for _ in range(2)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(statistics.median(taken), 2), "peak_mb": round(peak)}


if __name__ == "__main__":
    main()
