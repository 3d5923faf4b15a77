"""The registry of backbones, and the parameter names of other projects' checkpoints.

The input of a backbone is that of the published Kinetics-400 model: torchvision's from the
transforms and notes of its weights, the others from the projects' configurations. Strides are in
frames at 30 frames per second, which nearly all clips of Kinetics have.

Renames map the parameter names of other projects to those of the networks here:

>>> renamed_key("backbone.layer2.0.conv2.bn.weight", X3D_MMACTION)
's3.pathway0_res0.branch2.b_bn.weight'
>>> renamed_key("blocks.3.proj.bias", MVIT_SLOWFAST)
'blocks.3.project.bias'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torchvision.models import video

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.backbones import hf
from occludenet_build.recognition.backbones.cnn_study import CNN_STUDY
from occludenet_build.recognition.backbones.resnet3d import ResNet3D
from occludenet_build.recognition.backbones.scene3d import Scene3D
from occludenet_build.recognition.backbones.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    OPTIONS,
    Backbone,
    Colour,
    FeatureLayout,
    Input,
    Renames,
)
from occludenet_build.recognition.backbones.tiny3d import Tiny3D
from occludenet_build.recognition.backbones.uniformerv2 import UniFormerV2
from occludenet_build.recognition.backbones.videomae import VideoMAE
from occludenet_build.recognition.backbones.videomamba import VideoMamba, fit_positions
from occludenet_build.recognition.backbones.x3d import X3D


def renamed_key(key: str, renames: Renames) -> str:
    """The name of a tensor after all renames; unchanged where no pattern matches."""
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


X3D_MMACTION: Renames = (
    (r"^backbone\.", ""),
    *((rf"^layer{n}\.(\d+)", rf"s{n + 1}.pathway0_res\1") for n in (1, 2, 3, 4)),
    (r"^conv1_s\.conv", "s1.pathway0_stem.conv_xy"),
    (r"^conv1_t\.", "s1.pathway0_stem."),
    (r"(res\d+\.)downsample\.conv", r"\1branch1"),
    (r"(res\d+\.)downsample\.bn", r"\1branch1_bn"),
    (r"(res\d+\.)se_module", r"\1branch2.se"),
    (r"(res\d+\.)conv1\.", r"\1branch2.a."),
    (r"(res\d+\.)conv2\.", r"\1branch2.b."),
    (r"(res\d+\.)conv3\.", r"\1branch2.c."),
    (r"(branch2\.[abc])\.conv", r"\1"),
    (r"(branch2\.[abc])\.bn", r"\1_bn"),
    (r"^conv5\.conv", "head.conv_5"),
    (r"^conv5\.bn", "head.conv_5_bn"),
    (r"^cls_head\.fc1", "head.lin_5"),
    (r"^cls_head\.fc2", "head.projection"),
)

X3D_PYTORCHVIDEO: Renames = (
    (r"^blocks\.0\.conv\.conv_t", "s1.pathway0_stem.conv_xy"),
    (r"^blocks\.0\.conv\.conv_xy", "s1.pathway0_stem.conv"),
    (r"^blocks\.0\.norm", "s1.pathway0_stem.bn"),
    *((rf"^blocks\.{n}\.res_blocks\.(\d+)", rf"s{n + 1}.pathway0_res\1") for n in (1, 2, 3, 4)),
    (r"branch1_conv", "branch1"),
    (r"branch1_norm", "branch1_bn"),
    (r"branch2\.conv_([abc])", r"branch2.\1"),
    (r"branch2\.norm_b\.0", "branch2.b_bn"),
    (r"branch2\.norm_b\.1\.block\.0", "branch2.se.fc1"),
    (r"branch2\.norm_b\.1\.block\.2", "branch2.se.fc2"),
    (r"branch2\.norm_([abc])", r"branch2.\1_bn"),
    (r"^blocks\.5\.pool\.pre_conv", "head.conv_5"),
    (r"^blocks\.5\.pool\.pre_norm", "head.conv_5_bn"),
    (r"^blocks\.5\.pool\.post_conv", "head.lin_5"),
    (r"^blocks\.5\.proj", "head.projection"),
)

UNIFORMERV2_BARE: Renames = ((r"^", "backbone."),)
UNIFORMERV2_MMACTION: Renames = (
    (r"^backbone\.transformer\.norm\.", "backbone.transformer.proj.0."),
    (r"^cls_head\.fc_cls\.", "backbone.transformer.proj.2."),
)

TRUNK: Renames = ((r"^(backbone|encoder)\.", ""),)
"""For a network that was saved as the trunk of another."""

VIDEOMAE_MMACTION: Renames = (
    *TRUNK,
    (r"^patch_embed\.projection", "patch_embed.proj"),
    (r"mlp\.layers\.0\.0", "mlp.fc1"),
    (r"mlp\.layers\.1", "mlp.fc2"),
    (r"^cls_head\.fc_cls", "head"),
)

MVIT_SLOWFAST: Renames = (
    (r"^cls_token$", "pos_encoding.class_token"),
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^(blocks\.\d+\.)proj\.", r"\1project."),
    (r"attn\.proj\.", "attn.project.0."),
    (r"attn\.pool_([qkv])\.weight", r"attn.pool_\1.pool.weight"),
    (r"attn\.norm_([qkv])\.", r"attn.pool_\1.norm_act.0."),
    (r"mlp\.fc1", "mlp.0"),
    (r"mlp\.fc2", "mlp.3"),
    (r"^head\.projection", "head.1"),
)
MVIT_MMACTION: Renames = (
    *TRUNK,
    (r"^patch_embed\.projection", "patch_embed.proj"),
    (r"^norm3\.", "norm."),
    (r"^cls_head\.fc_cls", "head.projection"),
    *MVIT_SLOWFAST,
)


KINETICS_MEAN: Colour = (0.43216, 0.394666, 0.37645)
KINETICS_STD: Colour = (0.22803, 0.22145, 0.216989)


def _mvit_v2_s(classes: int, frames: int, size: int) -> nn.Module:
    # Its position tables depend on the size of the input, which torchvision's builder fixes.
    if (frames, size) != (16, 224):
        raise ValueError("it takes 16 frames of 224 px")
    return video.mvit_v2_s(weights=None, num_classes=classes)


def _torchvision(name: str, head: str, seen: Input, layout: FeatureLayout) -> Backbone:
    builder = getattr(video, name)
    return Backbone(lambda n, t, s: builder(weights=None, num_classes=n), head, seen, layout)


def _x3d(seen: Input, **shape) -> Backbone:
    return Backbone(
        lambda n, t, s, **options: X3D(n, t, s, **shape, **options),
        "head.projection.",
        seen,
        FeatureLayout("s5"),
        (X3D_MMACTION, X3D_PYTORCHVIDEO),
        options=("dropout",),
    )


def _uniformerv2(layers: int = 12, frames: int = 8, **shape: Any) -> Backbone:
    # After the last block the class tokens, which are fused, receive nothing from patches.
    last = f"backbone.transformer.resblocks.{layers - 2}"
    cube = 2 if shape.get("temporal_downsample") else 1
    return Backbone(
        lambda n, t, s, **rates: UniFormerV2(n, s, layers=layers, **shape, **_uniform(rates)),
        "backbone.transformer.proj.2.",
        Input(frames, 224, 256, 0),
        FeatureLayout(last, "frame_tokens", first=1, frames=cube),
        (UNIFORMERV2_MMACTION, UNIFORMERV2_BARE),
        k710=True,
        options=("dropout", "drop_path"),
    )


def _uniform(rates: dict[str, float]) -> dict[str, Any]:
    """UniFormerV2's arguments: drop_path for CLIP's and the global blocks, dropout for the global
    blocks and the head."""
    wide = {
        "dropout": ("mlp_dropout", "cls_dropout"),
        "drop_path": ("backbone_drop_path", "drop_path"),
    }
    return {name: rate for given, rate in rates.items() for name in wide[given]}


def _videomamba(width: int, depth: int) -> Backbone:
    return Backbone(
        lambda n, t, s, **rates: VideoMamba(n, t, s, width=width, depth=depth, **rates),
        "head.",
        Input(8, 224, 256, 0, IMAGENET_MEAN, IMAGENET_STD),
        # The head reads the class token only, which patches reach last in the last mixer.
        FeatureLayout(f"layers.{depth - 1}.norm", "tokens", first=1),
        (TRUNK,),
        fit_positions,
        k710=True,
        options=("dropout", "drop_path"),
    )


def _videomae(width: int, depth: int, heads: int) -> Backbone:
    return Backbone(
        lambda n, t, s, **rates: VideoMAE(n, t, s, width=width, depth=depth, heads=heads, **rates),
        "head.",
        Input(16, 224, 256, 4, IMAGENET_MEAN, IMAGENET_STD),
        FeatureLayout("norm", "tokens", frames=2),
        (VIDEOMAE_MMACTION,),  # v2's 710 classes of K710 are in another order
        options=("dropout", "drop_path"),
    )


_RESNET_INPUT = Input(16, 112, 128, 2, KINETICS_MEAN, KINETICS_STD)

BACKBONES: dict[str, Backbone] = {
    "tiny3d": Backbone(
        lambda n, t, s: Tiny3D(n), "head.", Input(8, 112, 128, 0), FeatureLayout("blocks")
    ),
    "scene3d": Backbone(
        lambda n, t, s: Scene3D(n), "head.", Input(8, 112, 128, 0), FeatureLayout("blocks")
    ),
    "r3d_18": _torchvision("r3d_18", "fc.", _RESNET_INPUT, FeatureLayout("layer4")),
    "mc3_18": _torchvision("mc3_18", "fc.", _RESNET_INPUT, FeatureLayout("layer4")),
    "r2plus1d_18": _torchvision("r2plus1d_18", "fc.", _RESNET_INPUT, FeatureLayout("layer4")),
    "s3d": _torchvision(
        "s3d",
        "classifier.1.",
        replace(_RESNET_INPUT, frames=128, size=224, short_side=256),
        FeatureLayout("features"),
    ),
    "mvit_v2_s": Backbone(
        _mvit_v2_s,
        "head.1.",
        Input(16, 224, 256, 4),
        # The head reads the class token only, which patches reach last in the last block.
        FeatureLayout("blocks.15.norm1", "tokens", first=1, frames=2),
        (MVIT_SLOWFAST, MVIT_MMACTION),
    ),
    "swin3d_t": _torchvision(
        "swin3d_t",
        "head.",
        Input(32, 224, 256, 2, IMAGENET_MEAN, IMAGENET_STD),
        FeatureLayout("norm", "channels_last"),
    ),
    "x3d_xs": _x3d(Input(4, 160, 182, 12)),
    "x3d_s": _x3d(Input(13, 160, 182, 6)),
    "x3d_m": _x3d(Input(16, 224, 256, 5)),
    "x3d_l": _x3d(Input(16, 312, 356, 5), depth_factor=5.0),
    "x3d_s_pytorchvideo": _x3d(Input(13, 160, 182, 6), shortcut_norm=False),
    "i3d_r50": Backbone(
        lambda n, t, s: ResNet3D(n),
        "cls_head.fc_cls.",
        Input(32, 224, 256, 2, IMAGENET_MEAN, IMAGENET_STD),
        FeatureLayout("backbone.layer4"),
    ),
    **CNN_STUDY,
    "uniformerv2_b16": _uniformerv2(),
    "uniformerv2_b16_ssv2": _uniformerv2(
        frames=16,
        return_list=tuple(range(4, 12)),
        no_lmhra=False,
        double_lmhra=True,
        temporal_downsample=True,
    ),
    "uniformerv2_l14": _uniformerv2(
        patch=14, width=1024, layers=24, heads=16, return_list=(20, 21, 22, 23)
    ),
    "videomamba_t": _videomamba(192, 24),
    "videomamba_s": _videomamba(384, 24),
    "videomamba_m": _videomamba(576, 32),
    "videomae_s": _videomae(384, 12, 6),
    "videomae_b": _videomae(768, 12, 12),
    "videomae_l": _videomae(1024, 24, 16),
}


def options_of(settings: Train) -> dict[str, float | bool]:
    """The options of backbones that a training sets; the others keep the network's default."""
    values = {name: getattr(settings, name) for name in OPTIONS}
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }


def refuse_options(name: str, options: Iterable[str], known: Iterable[str] = ()) -> None:
    """Raises UserError where the backbone `name` lacks one of the options that a training sets."""
    for option in sorted(set(options) - set(known)):
        kind, off = ("rate", "null") if option in ("dropout", "drop_path") else ("option", "false")
        raise UserError(f"train.{option}: {name} does not have this {kind}; set it to {off}")


def build_backbone(
    name: str, classes: int, frames: int, size: int, **options: float | bool
) -> nn.Module:
    """A network with random weights from torch's global generator, in eval mode.

    `options`: of OPTIONS. Raises UserError where the network lacks one or cannot take clips of this
    shape, which a forward pass on the meta device tests; ValueError where its logits have another
    shape.
    """
    backbone = _known(name)
    refuse_options(name, options, backbone.options)
    try:
        model = backbone.make(classes, frames, size, **options)
        with torch.device("meta"), torch.no_grad():
            trial = backbone.make(classes, frames, size, **options).eval()
            logits = trial(torch.zeros(1, 3, frames, size, size))
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"train.backbone: {name} cannot take clips of {frames} frames of {size} px "
            f"({first_line(error)}); change train.frames, train.size or the backbone"
        ) from error
    if logits.shape != (1, classes):
        raise ValueError(f"{name} gives {tuple(logits.shape)}, wanted logits (1, {classes})")
    return model.eval()


def _known(name: str) -> Backbone:
    if name not in BACKBONES:
        raise UserError(
            f"train.backbone: wanted one of {', '.join((*BACKBONES, hf.NAME))}, got {name!r}; "
            "change it"
        )
    return BACKBONES[name]


def head_of(name: str) -> str:
    """Prefix of the names of a backbone's head. Raises UserError for an unknown backbone."""
    return hf.HEAD if name == hf.NAME else _known(name).head


def input_of(settings: Train) -> Input:
    """The input of a training: its settings, and the backbone's defaults where these are null.

    Raises UserError for an unknown backbone, and for a crop larger than the short side.
    """
    if settings.backbone == hf.NAME:
        own = hf.input_of_folder(str(settings.weights))
    else:
        own = _known(settings.backbone).input
    return replace(
        own.of_size(settings.size, settings.short_side, "train"),
        frames=own.frames if settings.frames is None else settings.frames,
        stride=own.stride if settings.stride is None else settings.stride,
    )
