"""The start of a video network from a 2-D one that was trained on images, torchvision's resnet or
googlenet.

As in action-recognition-pytorch, kernels get an axis of time along which they are repeated, batch
norm is copied with its statistics, and the head stays as it is, as do the layers that only the
video network has. That project does not divide the kernels by their length in time, kT, as Carreira
and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, section 2, do.

What it does to the first logits, measured on still clips of 16 frames of 112 px with seeded 2-D
networks whose batch norm fits (the share is of the 2-D network's logits, in eval mode):

| network | repeated | divided |
|---|---|---|
| I3D-ResNet-18, I3D-ResNet-50 | 4e7, 5e7 times as large | 0.88, 0.84 |
| I3D Inception-V1 | 1e6 times as large | 1.15 |
| S3D-ResNet-18 (repeats its stem only) | 8 times as large | 1.11 |

Divided, they miss 1 by what the zeros before and after the clip take, and by S3D's new layers. In
training mode batch norm divides by the statistics of the batch, and the first logits are the same
(4e-4 apart on ResNets, 2e-2 on Inceptions, whose batch norm adds more to the variance). A kernel
that is kT times as large there moves by a share that is 1 / kT^2 as large with SGD.
"""

from __future__ import annotations

import logging
import re

from torch import Tensor, nn

from occludenet_build.recognition.backbones.spec import Backbone, Tensors, is_counter

INFLATIONS = ("divided", "repeated")
"""Values of train.inflation."""
IMAGENET_CLASSES = 1000
_AUXILIARY = re.compile(r"^aux[12]\.")
"""googlenet's auxiliary heads, which no video network has."""


def is_image_network(given: Tensors, wanted: Tensors, spec: Backbone) -> bool:
    """Whether tensors are a 2-D network's that `spec` can start from, and not those of `spec`.

    `given`: with the names of the network; `wanted`: its state. For TSN, which has nothing but a
    2-D network, it is one with the heads of ImageNet.
    """
    if spec.images is None:
        return False
    both = given.keys() & wanted.keys()
    if any(tensor.ndim == 5 for tensor in wanted.values()):
        return any(given[key].ndim == 4 and wanted[key].ndim == 5 for key in both)
    if any(spec.images.lacks(key) for key in wanted):
        return bool(both) and not any(spec.images.lacks(key) for key in given)
    rows = {len(given[key]) for key in both if key.startswith(spec.head)}
    other = any(wanted[key].shape != given[key].shape for key in both if key.startswith(spec.head))
    return any(map(_AUXILIARY.match, given)) or (other and rows == {IMAGENET_CLASSES})


def from_images(
    given: Tensors, wanted: Tensors, spec: Backbone, inflation: str
) -> tuple[Tensors, Tensors]:
    """The tensors of a 2-D network inflated to those that it fills, and what they have to fill.

    `given`, `wanted`: as in `is_image_network`. `inflation`: one of INFLATIONS. Both results are
    without the head and without what the 2-D network lacks.
    """
    assert spec.images is not None
    fill = {
        key: tensor
        for key, tensor in wanted.items()
        if not key.startswith(spec.head) and not spec.images.lacks(key)
    }
    filled = {
        key: inflated(tensor, fill[key], inflation) if key in fill else tensor
        for key, tensor in given.items()
        if not key.startswith(spec.head) and not _AUXILIARY.match(key)
    }
    return filled, fill


def inflated(kernel: Tensor, wanted: Tensor, inflation: str) -> Tensor:
    """A kernel float32 (O, I, kH, kW) as (O, I, kT, kH, kW), kT of `wanted`; others as they are.

    >>> import torch
    >>> inflated(torch.ones(1, 1, 2, 2), torch.empty(1, 1, 4, 2, 2), "divided").sum().item()
    4.0
    """
    if kernel.ndim != 4 or wanted.ndim != 5:
        return kernel
    long = kernel.unsqueeze(2).repeat(1, 1, wanted.shape[2], 1, 1)
    return long / wanted.shape[2] if inflation == "divided" else long


def start_head(model: nn.Module, spec: Backbone) -> None:
    """Draw the head's weights anew where the start from images has a spread of its own."""
    if spec.images is not None and spec.images.head_std is not None:
        fc = model.get_submodule(spec.head.rstrip("."))
        nn.init.normal_(fc.get_parameter("weight"), std=spec.images.head_std)
        nn.init.zeros_(fc.get_parameter("bias"))


def log_start(given: Tensors, filled: Tensors, wanted: Tensors, inflation: str, path: str) -> None:
    """A line that says which tensors are filled, left at their initialization, and not used."""
    repeated = [key for key in filled if filled[key].ndim == 5 and filled[key].shape[2] > 1]
    how = {"divided": "repeated over time and divided by its length", "repeated": "repeated"}
    logging.info(
        "%s: a 2-D network; filled %s; kernels that are %s: %d; left at their initialization %s; "
        "not used %s",
        path,
        names(list(filled)),
        how[inflation],
        len(repeated),
        names([key for key in wanted if key not in filled and not is_counter(key)]),
        names([key for key in given if key not in filled]),
    )


def names(keys: list[str]) -> str:
    """Names of modules, with * for their numbers, and the number of tensors.

    >>> names(["layer1.0.conv1_t.weight", "layer1.1.conv2_t.weight", "fc.weight", "fc.bias"])
    '4: layer*.*.conv*_t, fc'
    >>> names([])
    'none'
    """
    kinds = dict.fromkeys(re.sub(r"\d+[a-e]?", "*", key.rpartition(".")[0]) for key in keys)
    return f"{len(keys)}: {', '.join(kinds)}" if keys else "none"
