"""acquire engine: choose the engine of a stage's network, and export the weights to it once.

`core.engines` says what the note holds. The export lies beside the note, in a folder of its stage.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.config.backends import BACKENDS, exports_weights
from occludenet_build.core import engines, torch_models
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file, write_json
from occludenet_build.sources.weights import local_file

SAM_INPUT = (1, 3, 1024, 1024)
"""Shape of the input of SAM's image encoder: the picture is scaled and padded to it."""


def acquire_engine(config: cfg.Config, stage: str, source: str | None, out: Path) -> None:
    """Write the note `out` of the engine that runs the weights of a stage, with its export.

    `source`: the weights or their note, which override the settings. Raises UserError where the
    settings ask for no engine, a package is missing, or the weights do not load.
    """
    section: Any = getattr(config, stage)
    if not exports_weights(stage, section):
        raise UserError(
            f"acquire engine: wanted {stage}.engine auto or another one than torch, and a backend "
            "that has one, got none; set it"
        )
    named = source or section.weights
    path = local_file(named, section.weights_sha256, f"{stage}.weights")
    weights = torch_models.checkpoint_file(path, section.backend)
    sha256 = sha256_file(weights)
    offered = BACKENDS[stage][section.backend].engines
    chosen, why = engines.choose(section.engine, section.device, offered)
    model = None
    if chosen is not None:
        write = partial(_WRITERS[section.backend], chosen, weights, section)
        model = engines.export(chosen, sha256, out.parent / stage, write)
    note = {"path": str(weights), "sha256": sha256, "bytes": weights.stat().st_size, "url": None}
    if named is not None and named.endswith(".json"):
        note = read_json(Path(named))
    write_json(out, note | {"engine": engines.facts_of(model, why, out)})
    logging.info("%s.engine: %s (%s)", stage, chosen or engines.TORCH, why)


def _detector(engine: engines.Engine, weights: Path, section: cfg.Detect, folder: Path) -> None:
    engines.write_yolo(engine, weights, "detect", folder)


def _segmenter(engine: engines.Engine, weights: Path, section: Any, folder: Path) -> None:
    engines.write_yolo(engine, weights, "segment", folder)


def _sam(engine: engines.Engine, weights: Path, section: cfg.ActorMasks, folder: Path) -> None:
    """The image encoder, which takes nearly all of SAM's time."""
    from segment_anything import sam_model_registry

    model = sam_model_registry[section.sam_model]()
    tensors = torch_models.load_tensors(weights, "sam")
    torch_models.fill(model, tensors, f"sam: {weights} does not fit {section.sam_model}")
    engines.write_module(model.image_encoder, SAM_INPUT, folder)


_WRITERS = {"yolo": _detector, "yolo-seg": _segmenter, "sam": _sam}
