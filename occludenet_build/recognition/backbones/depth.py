"""How deep in a network each parameter lies, for learning rates that fall towards the input."""

from __future__ import annotations

import re

from torch import nn

_BLOCK = re.compile(r"(?:^|\.)(?:resblocks|blocks|layers|features|layer|s)\.?(\d+)\.")
"""A block or a stage of any of the backbones, by its number."""
_STEM = re.compile(
    r"^(?:backbone\.)?(?:stem|conv1|bn1|conv_proj|patch_embed|pos_encoding|class_embedding|ln_pre"
    r"|cls_token|pos_embed|temporal_pos_embedding|positional_embedding)\b"
)


def layers(model: nn.Module) -> dict[str, int]:
    """Parameter -> depth, from 0: stem and positions, then the blocks (of a CNN its stages), then
    whatever follows them, the head and in UniFormerV2 the global blocks too.

    A recipe with layer decay d gives a parameter the rate d ** (largest depth - its own).
    """
    names = [name for name, _ in model.named_parameters()]
    found = {name: match for name in names if (match := _BLOCK.search(name)) is not None}
    numbers = sorted({int(match[1]) for match in found.values()})
    has_stem = any(_STEM.match(name) for name in names)
    depths = {}
    for name in names:
        if name in found:
            depths[name] = numbers.index(int(found[name][1])) + has_stem
        else:
            depths[name] = 0 if _STEM.match(name) else len(numbers) + has_stem
    return depths
