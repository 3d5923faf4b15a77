"""A network that was trained before, on actions and sceneries that no trial has."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from occludenet_build.core import files
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones.registry import BACKBONES
from parts.shortcut.arms import BASELINE, Network
from parts.shortcut.trial import Trial, one_thread, trained
from parts.shortcut.world import World

SEED = 99_999
"""Of the world and the weights: no trial has it."""


def pretrained(network: Network, world: World, epochs: int, results: Path) -> Network:
    """The network with the weights of a training on the other actions, without its head.

    Scenery is tied to action there in the same share as in `world`, as it is in real data. The file
    is kept in `results` and read again by later runs with the same code.
    """
    other = replace(world, seed=SEED, others=True, missing=0.0)
    trial = Trial(BASELINE, other, epochs, network)
    path = results / f"pretrained-{trial.key()[:12]}.pt"
    if not path.exists():
        one_thread()
        model, state, _ = trained(trial)
        logging.info("trained before: %.1f %% right at the end", state.rows[-1]["top1"])
        head = BACKBONES[network.backbone].head
        tensors = {k: v for k, v in model.state_dict().items() if not k.startswith(head)}
        checkpoint.save({"model": tensors}, path)
    return replace(network, weights=str(path), weights_sha256=files.sha256_file(path))
