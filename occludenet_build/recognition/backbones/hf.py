"""Video classifiers of the library transformers: VideoMAE, TimeSformer, ViViT, V-JEPA 2, others.

They come from a local folder as `save_pretrained` writes it; nothing is fetched here. A network
keeps the library's modules and parameter names, below `model.`. A folder's own processor gives
sizes, mean and standard deviation; they are measured on a black and a white clip, since
processors differ in their settings (ViViT's scales by 1 / 127.5 and shifts by 1 before that).

The library's clips are (N, T, C, H, W), those of this project (N, C, T, H, W).
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from occludenet_build.core.errors import UserError
from occludenet_build.core.extras import require
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.backbones.spec import FeatureLayout, Input

NAME = "hf"
"""Value of train.backbone for all these networks."""
HEAD = "model.classifier."
"""Prefix of the parameters whose size depends on the number of classes."""
STRIDES = {"videomae": 4, "timesformer": 32, "vivit": 2}
"""Distance of frames in the published Kinetics-400 models, by model type (VideoMAE 16 x 4,
TimeSformer 8 x 32, ViViT 32 x 2), which their files do not state. Others: spread over the clip."""
_HEADS = ("classifier.", "pooler.", "fc_norm.")
"""Prefixes of what a network without a trained head may lack."""


class TransformersClassifier(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes) of a network of transformers; H = W = `size`."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes).

        Raises ValueError for clips of another size.
        """
        return self.model(**self._given(x)).logits

    def features(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> all tokens of the last layer, float32 (N, L, C)."""
        trunk = getattr(self.model, str(self.model.base_model_prefix))
        more = {"skip_predictor": True} if self.family == "vjepa2" else {}
        return trunk(**self._given(x), **more).last_hidden_state

    def _given(self, x: Tensor) -> dict[str, Tensor]:
        # Several of these networks give wrong positions to other sizes, without an error.
        if x.shape[-2:] != (self.size, self.size):
            raise ValueError(f"wanted frames of {self.size} px, got {x.shape[-2]} x {x.shape[-1]}")
        return {str(self.model.main_input_name): x.transpose(1, 2).contiguous()}

    @property
    def family(self) -> str:
        """The library's model type: videomae, timesformer, vivit, vjepa2, ..."""
        return str(self.config.model_type)

    @property
    def config(self) -> Any:
        """The library's configuration of the network."""
        return self.model.config

    def description(self) -> str:
        """The configuration as JSON, from which `rebuilt` makes the network without its folder."""
        return json.dumps(self.config.to_dict(), sort_keys=True)


def _library() -> Any:
    require(("transformers",), "train.backbone hf")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _opened(what: str, source: str, **options: Any) -> Any:
    """An object of the library's class `what` from a folder. Raises UserError without it."""
    try:
        made = getattr(_library(), what).from_pretrained(source, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        raise UserError(
            f"train.weights: wanted a folder with a video classifier of transformers (config.json, "
            f"*.safetensors, a processor's json), got {source}: {what} says {first_line(error)}"
        ) from error
    return made


@lru_cache
def input_of_folder(source: str) -> Input:
    """The clips that a network in a folder takes: its own frames, sizes and statistics.

    Raises UserError where the folder has no video classifier or no processor.
    """
    config = _config(source)
    processor = _opened("AutoVideoProcessor", source)
    black, white = (_processed(processor, value, source) for value in (0, 255))
    size = black.shape[-1]
    middle = np.s_[:, size // 2, size // 2]  # a processor may pad at the sides
    if np.any(white[middle] == black[middle]):
        raise UserError(
            f"train.weights: wanted a processor that keeps black and white apart, that of {source} "
            "does not; correct its size and crop_size"
        )
    scale = [1 / float(w - b) for b, w in zip(black[middle], white[middle], strict=True)]
    mean = [-float(b) * s for b, s in zip(black[middle], scale, strict=True)]
    asked = dict(processor.size or {}) if processor.do_resize else {}
    short_side = asked.get("shortest_edge") or asked.get("height") or size
    stride = STRIDES.get(config.model_type, 0)
    return Input(_frames(config), size, max(size, short_side), stride, tuple(mean), tuple(scale))  # type: ignore[arg-type]


def _processed(processor: Any, value: int, source: str) -> np.ndarray:
    """A frame of a clip of one grey, as the processor gives it: float (3, S, S)."""
    given = processor(videos=[np.full((2, 300, 400, 3), value, np.uint8)], return_tensors="np")
    frame = np.asarray(next(iter(given.values())))[0, 0]
    if frame.ndim != 3 or frame.shape[0] != 3 or frame.shape[1] != frame.shape[2]:
        raise UserError(
            f"train.weights: wanted a processor that gives square frames of 3 colours, {source} "
            f"gives {tuple(frame.shape)}"
        )
    return frame


def _frames(config: Any) -> int:
    for name in ("num_frames", "frames_per_clip"):
        if hasattr(config, name):
            return int(getattr(config, name))
    return 16


def _config(source: str) -> Any:
    return _opened("AutoConfig", source)


def load(source: str, labels: Sequence[str], frames: int, size: int) -> TransformersClassifier:
    """The network of a folder with our labels as its classes, in eval mode.

    Where all our labels are among its own (config.id2label; case and underscores do not matter),
    their rows of its head are kept; else the head begins with random weights from torch's global
    generator, and a line is logged. Raises UserError where the folder holds no video classifier,
    or one that cannot take clips of `frames` frames of `size` px.
    """
    config = _shaped(_config(source), frames, size)
    model, found = _opened(
        "AutoModelForVideoClassification",
        source,
        config=config,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        dtype=torch.float32,
    )
    _check_loaded(found, source, frames, size)
    untrained = any(name.startswith("classifier.") for name in found["missing_keys"])
    _relabel(model, labels, source, untrained)
    return _finished(model, frames, size)


def load_published(source: str) -> tuple[TransformersClassifier, list[str], Input]:
    """A network with its own head, its labels in the order of the logits, and its input.

    Raises UserError where the head is untrained or its labels have no names.
    """
    seen, config = input_of_folder(source), _config(source)
    labels = [config.id2label[number] for number in sorted(config.id2label)]
    if any(label == f"LABEL_{number}" for number, label in enumerate(labels)):
        raise UserError(
            f"--model: wanted a classifier whose config.json names its classes (id2label), got "
            f"{source}; train on it first (train.backbone hf)"
        )
    return load(source, labels, seen.frames, seen.size), labels, seen


def rebuilt(description: str, frames: int, size: int) -> TransformersClassifier:
    """A network with random weights from its description, in eval mode."""
    values = json.loads(description)
    library = _library()
    config = library.AutoConfig.for_model(values.pop("model_type"), **values)
    model = library.AutoModelForVideoClassification.from_config(config, dtype=torch.float32)
    return _finished(model, frames, size)


def _shaped(config: Any, frames: int, size: int) -> Any:
    """The configuration for clips of this shape."""
    for name, value in (("num_frames", frames), ("frames_per_clip", frames)):
        if hasattr(config, name):
            setattr(config, name, value)
    for name in ("image_size", "crop_size"):
        if hasattr(config, name):
            setattr(config, name, size)
    return config


def _check_loaded(found: dict[str, Any], source: str, frames: int, size: int) -> None:
    other = sorted(key for key, *_ in found["mismatched_keys"] if not key.startswith(_HEADS))
    if other:
        raise UserError(
            f"train.backbone: {source} cannot take clips of {frames} frames of {size} px: "
            f"{other[0]} has another shape; set train.frames and train.size to null"
        )
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(_HEADS))
    if missing:
        raise UserError(
            f"train.weights: wanted all tensors of the network, {source} lacks {len(missing)}: "
            f"{', '.join(missing[:4])}; give the folder of a video model of transformers"
        )
    if found["missing_keys"]:
        logging.info(
            "%s: it lacks %s, which start with random weights",
            source,
            ", ".join(sorted({key.split(".")[0] for key in found["missing_keys"]})),
        )


def _relabel(model: Any, labels: Sequence[str], source: str, untrained: bool) -> None:
    """Give the network our labels: the rows of its head by name, or a new head."""
    head = getattr(model, "classifier", None)
    if not isinstance(head, nn.Linear):
        raise UserError(
            f"train.weights: wanted a network whose head is a linear layer `classifier`, {source} "
            f"({type(model).__name__}) has {type(head).__name__}"
        )
    if list(labels) == [model.config.id2label[n] for n in sorted(model.config.id2label)]:
        if untrained:
            logging.info("%s: its head is not there; it starts with random weights", source)
        return
    rows = _rows_of(labels, model.config.id2label)
    new = nn.Linear(head.in_features, len(labels), bias=head.bias is not None)
    if len(rows) == len(labels) and not untrained:
        with torch.no_grad():
            new.weight.copy_(head.weight[rows])
            if head.bias is not None:
                new.bias.copy_(head.bias[rows])
        logging.info("%s: its head knows all %d classes, whose rows are kept", source, len(rows))
    else:
        nn.init.normal_(new.weight, std=getattr(model.config, "initializer_range", 0.02))
        nn.init.zeros_(new.bias)
        logging.info(
            "%s: its head knows %d of %d classes; the head starts with random weights",
            source,
            0 if untrained else len(rows),
            len(labels),
        )
    model.classifier = new
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: number for number, label in enumerate(labels)}


def _rows_of(labels: Sequence[str], id2label: Mapping[int, str]) -> list[int]:
    """The rows of a head that belong to our labels, those that it knows, by name.

    Names are compared without case and underscores, unless that makes two of a side alike.
    """
    same: Callable[[str], str] = folded
    for names in (labels, list(id2label.values())):
        if len({folded(name) for name in names}) < len(set(names)):
            same = str
    theirs = {same(label): number for number, label in id2label.items()}
    return [theirs[same(label)] for label in labels if same(label) in theirs]


def folded(label: str) -> str:
    """A label without case and underscores, for comparison."""
    return label.replace("_", " ").strip().casefold()


def _finished(model: Any, frames: int, size: int) -> TransformersClassifier:
    trunk = getattr(model, model.base_model_prefix)
    if hasattr(trunk, "predictor"):
        del trunk.predictor  # V-JEPA 2's, for pre-training only: its parameters get no gradient
    network = TransformersClassifier(model, size).eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, frames, size, size))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"train.backbone: {network.family} cannot take clips of {frames} frames of {size} px "
            f"({first_line(error)}); set train.frames and train.size to null"
        ) from error
    return network


def layout_of(network: TransformersClassifier, last: bool = False) -> FeatureLayout:
    """The layer of class activation maps: the last whose positions all reach the logits.

    `last`: that of the last layer's tokens, all of which a probe reads. Raises UserError for a
    network whose layers are not known here.
    """
    config, family = network.config, network.family
    if family == "timesformer":
        family = f"timesformer, {config.attention_type}"
    if family == "videomae" and not config.use_mean_pooling:
        family = "videomae without mean pooling"
    if family not in _LAYOUTS:
        raise UserError(
            f"attention: wanted a network whose positions are known ({', '.join(_LAYOUTS)}), got "
            f"{family}; leave the stage attention out for it"
        )
    before, after = _LAYOUTS[family]
    chosen = after if last else before
    ending = chosen.layer.format(last=config.num_hidden_layers - 1)
    names = [name for name, _ in network.named_modules() if f".{name}".endswith(f".{ending}")]
    tubelet = getattr(config, "tubelet_size", 1)
    frames = tubelet if isinstance(tubelet, int) else tubelet[0]
    return dataclasses.replace(chosen, layer=names[0], frames=frames)


_LAYOUTS = {
    # the ends of the names of modules, which versions of the library put at other places
    "videomae": (FeatureLayout("layer.{last}", "tokens"),) * 2,
    "vjepa2": (FeatureLayout("encoder.layernorm", "tokens"),) * 2,
    # the head reads the class token only, which patches reach last in the last block
    "vivit": (
        FeatureLayout("{last}.layernorm_before", "tokens", first=1),
        FeatureLayout("vivit.layernorm", "tokens", first=1),
    ),
    "timesformer, divided_space_time": (
        FeatureLayout("{last}.layernorm_before", "frame_tokens", first=1),
        FeatureLayout("timesformer.layernorm", "tokens_in_time", first=1),
    ),
}
"""By model type: the layer of maps, and that of the last tokens."""
