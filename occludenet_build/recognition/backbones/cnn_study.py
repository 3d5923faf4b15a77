"""The networks of the CNN study: Chen et al., "Deep Analysis of CNN-based Spatio-temporal
Representations for Action Recognition", CVPR 2021, and its repository action-recognition-pytorch.

I3D, S3D, TSN and TAM, each on ResNets and on Inception-V1, with or without a temporal stride (T
divided by 8 in three steps; their released 32-frame checkpoints have none). ResNet3D and R(2+1)D,
which the study also names, are torchvision's r3d_18 and r2plus1d_18 here: the repository has no
code for them in any commit. Its I3D-ResNet is what its README calls ResNet3D, and its S3D-ResNet is
the nearest to R(2+1)D; torchvision's r3d_18 has as many parameters as I3D-ResNet-18, other names,
and no pool in its stem.

Inputs: 32 frames, 2 apart, where a Kinetics-400 model is released (and for I3D-ResNet-18, with its
family); else 8 frames over the whole clip, where the study's tables of small sets begin.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from occludenet_build.recognition.backbones.inception3d import Inception3D
from occludenet_build.recognition.backbones.resnet3d import ResNet3D
from occludenet_build.recognition.backbones.s3d_resnet import S3DResNet
from occludenet_build.recognition.backbones.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    FeatureLayout,
    ImageStart,
    Input,
    Renames,
)
from occludenet_build.recognition.backbones.tam import TAMInception, TAMResNet
from occludenet_build.recognition.backbones.tsn import TSNInception, TSNResNet

DEPTHS = (18, 50, 101)
RESNET3D_IBM: Renames = (
    (r"^(conv1|bn1|layer\d)\.", r"backbone.\1."),
    (r"conv(\d)\.weight$", r"conv\1.conv.weight"),
    (r"\bbn(\d)\.", r"conv\1.bn."),
    (r"downsample\.0", "downsample.conv"),
    (r"downsample\.1", "downsample.bn"),
    (r"^fc\.", "cls_head.fc_cls."),
)
"""I3D-ResNet has mmaction2's names here."""

_RELEASED = Input(32, 224, 256, 2, IMAGENET_MEAN, IMAGENET_STD)
_RESNET = Input(8, 224, 256, 0, IMAGENET_MEAN, IMAGENET_STD)
_INCEPTION = Input(8, 224, 256, 0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""All Inceptions: torchvision's googlenet was trained so."""
_OPTIONS = ("dropout", "temporal_stride")
_OVER_TIME = ImageStart(new=r"_t\.")
_BLENDED = ImageStart(new=r"(^|\.)tam\w*\.")


def _network(
    network: type[nn.Module], layer: str, seen: Input, images: ImageStart, **shape: Any
) -> Backbone:
    return Backbone(
        lambda n, t, s, **options: network(n, **shape, **options),
        "fc.",
        seen,
        FeatureLayout(layer),
        options=_OPTIONS,
        images=images,
    )


def _i3d_resnet(depth: int) -> Backbone:
    return Backbone(
        lambda n, t, s, **options: i3d_resnet(n, depth, **options),
        "cls_head.fc_cls.",
        _RELEASED,
        FeatureLayout("backbone.layer4"),
        (RESNET3D_IBM,),
        options=_OPTIONS,
        # A random start has 0.01, which the trainings of earlier versions began with.
        images=ImageStart(head_std=0.001),
    )


def i3d_resnet(
    classes: int, depth: int, *, temporal_stride: bool = False, dropout: float = 0.5
) -> ResNet3D:
    """I3D-ResNet: every 3 x 3 kernel is 3 x 3 x 3. `temporal_stride`: T is halved at the start of
    the last three stages."""
    return ResNet3D(
        classes,
        depth,
        inflate=None,
        inflate_style="3x3x3",
        conv1_kernel=(3, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        with_pool2=False,
        temporal_strides=(1, 2, 2, 2) if temporal_stride else (1, 1, 1, 1),
        dropout=dropout,
    )


CNN_STUDY: dict[str, Backbone] = {
    "ibm_i3d": _network(Inception3D, "inception5b", _INCEPTION, ImageStart(), split=False),
    "ibm_s3d": _network(Inception3D, "inception5b", _INCEPTION, _OVER_TIME, split=True),
    **{f"ibm_i3d_resnet{depth}": _i3d_resnet(depth) for depth in DEPTHS},
    **{
        f"ibm_s3d_resnet{depth}": _network(S3DResNet, "layer4", _RESNET, _OVER_TIME, depth=depth)
        for depth in DEPTHS
    },
    **{
        f"ibm_tsn_resnet{depth}": _network(
            TSNResNet, "features", _RESNET, ImageStart(), depth=depth
        )
        for depth in DEPTHS
    },
    "ibm_tsn_inception_v1": _network(TSNInception, "features", _INCEPTION, ImageStart()),
    **{
        f"ibm_tam_resnet{depth}": _network(
            TAMResNet, "features", _RESNET if depth == 18 else _RELEASED, _BLENDED, depth=depth
        )
        for depth in DEPTHS
    },
    "ibm_tam_inception_v1": _network(TAMInception, "features", _INCEPTION, _BLENDED),
}
"""The registry's rows of the study."""
