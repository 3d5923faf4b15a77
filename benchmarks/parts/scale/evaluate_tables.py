"""evaluate with drawn logits in place of a network, and no masks read: what its tables take.

python -m parts.scale.evaluate_tables --arm ARM, and the options of evaluate
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from occludenet_build.command import main, parser
from occludenet_build.config import Config
from occludenet_build.recognition import predict
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.clip_table import ClipRow, read_labels
from occludenet_build.recognition.evaluate import command


def add_arguments(given: argparse.ArgumentParser) -> None:
    """Those of evaluate, and the name of the arm."""
    command.add_arguments(given)
    given.add_argument("--arm", required=True)


def run(args: argparse.Namespace, config: Config) -> None:
    """Run evaluate; the network is replaced."""
    labels = read_labels(args.clips.parent / "labels.json")
    seen = predict.Input(frames=8, size=32, short_side=32, stride=2)
    model = build_backbone("tiny3d", len(labels), seen.frames, seen.size)
    network = predict.TrainedNetwork(model, "tiny3d", labels, seen, args.arm, 0, 8, None)

    def drawn(
        _: Any, clips: Sequence[ClipRow], *others: object
    ) -> Iterator[tuple[ClipRow, predict.ClipPrediction]]:
        torch.manual_seed(len(args.arm))
        for clip in clips:
            logits, erased = torch.randn(2, len(labels))
            logits[labels.index(clip.label)] += 3
            yield clip, predict.ClipPrediction(logits, erased, None)

    predict.TrainedNetwork.read = lambda path: network
    predict.predict_clips = drawn
    command.counterfactuals_of = lambda *given: (None, None)
    command.run(args, config)


if __name__ == "__main__":
    main("evaluate", parser("evaluate", __doc__, add_arguments), run)
