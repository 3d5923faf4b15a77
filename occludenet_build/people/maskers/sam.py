"""The maskers sam and mobile-sam: segment-anything, prompted with the actor's box in every frame.

MobileSAM is the same model with a small image encoder, in a package with the same interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occludenet_build import config
from occludenet_build.core import engines, torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.people.maskers import interface
from occludenet_build.people.maskers.interface import BoxedClip, BoxedFrame, MaskedFrame, batches

if TYPE_CHECKING:
    import torch

_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
"""Channels of the image encoder -> name of the model."""


class Sam:
    """The `interface.Masker` of segment-anything."""

    def __init__(self, settings: config.ActorMasks, threads: int = 1) -> None:
        from segment_anything import sam_model_registry
        from segment_anything.utils.transforms import ResizeLongestSide

        tensors, path = _read(settings, "sam", threads)
        _check_size(tensors, settings.sam_model, path)
        # The registry's own loader would unpickle arbitrary objects from the file.
        model = sam_model_registry[settings.sam_model]()
        torch_models.fill(model, tensors, f"sam: {path} does not fit {settings.sam_model}")
        encoder = engines.load(settings.engine, threads)
        if encoder is not None:
            model.image_encoder.forward = lambda pictures: encoder.on_tensors(pictures)[0]
        self._set_up(settings, model, ResizeLongestSide)

    def _set_up(self, settings: config.ActorMasks, model: Any, resize: Any) -> None:
        self._device = engines.device_of(settings.device, settings.engine)
        self._multimask = settings.sam_multimask == "best"
        # The encoder's attention takes 2.5 GiB per picture, and a batch is no faster on a CPU.
        self._batch = 1 if self._device == "cpu" else settings.batch
        self._fitting = torch_models.FittingBatches("actor_masks.batch")
        self._model = model.to(self._device).eval()
        self._resize = resize(model.image_encoder.img_size)

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the frames with a mask."""
        for batch in batches(clip.frames(), self._batch):
            for (number, _, _), out in zip(batch, self._predict(batch), strict=True):
                best = int(out["iou_predictions"][0].argmax()) if self._multimask else 0
                mask = out["masks"][0, best].cpu().numpy()
                if mask.any():
                    yield number, mask

    def _predict(self, batch: list[BoxedFrame]) -> list[dict[str, torch.Tensor]]:
        """The model's output for each frame; the image encoder runs once for the whole batch."""
        prompts = [self._prompt(rgb, box) for _, rgb, box in batch]
        return self._fitting.run(self._outputs, prompts)

    def _outputs(self, prompts: Sequence[dict[str, Any]]) -> list[dict[str, torch.Tensor]]:
        return self._model(prompts, multimask_output=self._multimask)

    def _prompt(self, rgb: np.ndarray, box: np.ndarray) -> dict[str, Any]:
        """One entry of SAM's batched input: scaled picture (3, h, w) and box float32 (1, 4)."""
        import torch

        size = rgb.shape[:2]
        picture = np.ascontiguousarray(self._resize.apply_image(rgb).transpose(2, 0, 1))
        prompt = self._resize.apply_boxes(box[None], size)
        return {
            "image": torch.as_tensor(picture, device=self._device),
            "boxes": torch.as_tensor(prompt, dtype=torch.float32, device=self._device),
            "original_size": size,
        }


class MobileSam(Sam):
    """The `interface.Masker` of MobileSAM."""

    def __init__(self, settings: config.ActorMasks, threads: int = 1) -> None:
        package = interface.required_module("mobile_sam", "mobile-sam")
        transforms = interface.required_module("mobile_sam.utils.transforms", "mobile-sam")
        tensors, path = _read(settings, "mobile-sam", threads)
        model = package.sam_model_registry["vit_t"]()
        torch_models.fill(model, tensors, f"mobile-sam: {path} does not fit MobileSAM's vit_t")
        self._set_up(settings, model, transforms.ResizeLongestSide)


def _read(
    settings: config.ActorMasks, backend: str, threads: int
) -> tuple[dict[str, torch.Tensor], Path]:
    torch_models.use_threads(threads)
    path = torch_models.checkpoint_file(settings.weights, backend)
    return torch_models.load_tensors(path, backend), path


def _check_size(tensors: dict[str, torch.Tensor], wanted: str, path: Path) -> None:
    embedding = tensors.get("image_encoder.pos_embed")
    if embedding is None:
        raise UserError(f"sam: wanted a segment-anything checkpoint, {path} has no image encoder")
    name = _WIDTHS.get(embedding.shape[-1], f"a model of width {embedding.shape[-1]}")
    if name != wanted:
        raise UserError(
            f"sam: wanted the checkpoint of {wanted}, {path} is {name}; "
            "set actor_masks.sam_model to what the file is"
        )
