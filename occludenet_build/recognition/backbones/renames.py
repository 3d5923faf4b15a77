r"""From the names in other projects' checkpoints to those of our networks.

Each is a list of (pattern, replacement) that re.sub tries on every key, in order.

>>> renamed("backbone.layer2.0.conv2.bn.weight", X3D_MMACTION)
's3.pathway0_res0.branch2.b_bn.weight'
>>> renamed("blocks.3.proj.bias", MVIT_SLOWFAST)
'blocks.3.project.bias'
"""

from __future__ import annotations

import re

from occludenet_build.recognition.backbones.spec import Renames


def renamed(key: str, renames: Renames) -> str:
    """The name of a tensor after the renames, each tried in turn; unchanged where none fits."""
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

RESNET3D_IBM: Renames = (
    (r"^(conv1|bn1|layer\d)\.", r"backbone.\1."),
    (r"conv(\d)\.weight$", r"conv\1.conv.weight"),
    (r"\bbn(\d)\.", r"conv\1.bn."),
    (r"downsample\.0", "downsample.conv"),
    (r"downsample\.1", "downsample.bn"),
    (r"^fc\.", "cls_head.fc_cls."),
)

UNIFORMERV2_BARE: Renames = ((r"^", "backbone."),)
UNIFORMERV2_MMACTION: Renames = (
    (r"^backbone\.transformer\.norm\.", "backbone.transformer.proj.0."),
    (r"^cls_head\.fc_cls\.", "backbone.transformer.proj.2."),
)

TRUNK: Renames = ((r"^(backbone|encoder)\.", ""),)
"""Of a network that was saved as the trunk of another."""

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
