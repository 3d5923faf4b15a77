"""The masker SAM: masks per second by size of its network, against its image encoder alone."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import torch

from occludenet_build.config.people import ActorMasks
from occludenet_build.people.maskers.interface import BoxedClip
from occludenet_build.people.maskers.registry import load_masker
from occludenet_build.people.maskers.sam import Sam

from ..detect import gpu
from . import clips
from .task import Task, peak_memory, rate, synchronised


class RandomSam(Sam):
    """The project's masker with random weights, made on the device: no file is read."""

    def __init__(self, settings: ActorMasks, tiny: bool) -> None:
        from segment_anything import sam_model_registry
        from segment_anything.utils.transforms import ResizeLongestSide

        with torch.device(settings.device):
            model = _tiny_sam() if tiny else sam_model_registry[settings.sam_model]()
        self._set_up(settings, model, ResizeLongestSide)


def _tiny_sam() -> Any:
    """SAM of two thin layers for pictures of 64 px."""
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        TwoWayTransformer,
    )
    from segment_anything.modeling import Sam as Network

    size, width, patches = 64, 32, 4
    shape = {"embed_dim": 32, "depth": 2, "num_heads": 2, "global_attn_indexes": (1,)}
    encoder = ImageEncoderViT(size, 16, out_chans=width, use_rel_pos=True, window_size=2, **shape)
    prompts = PromptEncoder(width, (patches, patches), (size, size), 16)
    transformer = TwoWayTransformer(depth=1, embedding_dim=width, num_heads=2, mlp_dim=32)
    decoder = MaskDecoder(transformer_dim=width, transformer=transformer)
    return Network(encoder, prompts, decoder)


def load(task: Task, size: str) -> Sam:
    """The masker with given weights, else with random ones."""
    settings = ActorMasks(sam_model=size, device=task.device)
    path = clips.sam_weights(task, size)
    if path is None:
        return RandomSam(settings, task.tiny)
    masker = load_masker(replace(settings, weights=str(path)), task.threads)
    assert isinstance(masker, Sam)
    return masker


def measure(task: Task, size: str) -> None:
    """Note masks per second of `size`: vit_b, vit_l or vit_h."""
    given = clips.sam_weights(task, size)
    task.note(weights=given.name if given else "random (speed does not depend on them)")
    torch.set_num_threads(task.threads)
    start = time.perf_counter()
    masker = load(task, size)
    synchronised(task.device)
    clip = clips.boxed(task)
    task.note(
        load_seconds=round(time.perf_counter() - start, 1),
        parameters_m=round(sum(p.numel() for p in masker._model.parameters()) / 1e6, 1),
        batch=masker._batch,
        dtype=str(next(masker._model.parameters()).dtype).removeprefix("torch."),
    )
    task.part("masks", lambda: _masks(task, masker, clip))
    task.part("encoder_frames_per_second", lambda: _encoder(task, masker))


def _masks(task: Task, masker: Sam, clip: BoxedClip) -> dict[str, Any]:
    """Frames whose masks were computed, with decoding, scaling and copying to the CPU."""
    few = min(max(2, masker._batch), clip.frame_count)
    first, turn = _seconds(task, masker, clip, few), task.turn(2, most=10)
    once = first if 0 < turn < first else _seconds(task, masker, clip, few)  # the first warms up
    wanted = int(turn / once * few)
    number = min(max(few, wanted), clip.frame_count)
    with peak_memory(task.device) as memory, gpu.utilisation() as samples:
        seconds = _seconds(task, masker, clip, number)
    return {
        "per_second": round(number / seconds, 2),
        "frames": number,
        "utilisation_percent": round(statistics.mean(samples), 1) if samples else None,
        "memory": dict(memory),
    }


def _seconds(task: Task, masker: Sam, clip: BoxedClip, frames: int) -> float:
    boxes = {n: clip.boxes[n] for n in range(frames)}
    some = BoxedClip(clip.path, boxes, clip.frame_count)
    start = time.perf_counter()
    for _ in masker.masks(some):
        pass
    synchronised(task.device)
    return time.perf_counter() - start


def _encoder(task: Task, masker: Sam) -> float:
    """Frames per second of the image encoder, on a ready batch."""
    encoder, size = masker._model.image_encoder, masker._model.image_encoder.img_size
    pictures = torch.rand(masker._batch, 3, size, size, device=task.device)

    def encode() -> None:
        with torch.inference_mode():
            encoder(pictures)

    return round(masker._batch * rate(encode, task.turn(1, most=5), task.device), 2)
