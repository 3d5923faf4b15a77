"""The words of the release and of Kinetics: splits and what they are called, sets, trees, names.

The release's tree below a build is `OccludeNet-D/{split}/{25%}/{class}/{0.25}_{source}.mp4`; its
lists say `{split}_25percent/{class}/...`, and a link makes both the same. Standard library only.
"""

from __future__ import annotations

import re

SPLITS = ("train", "val", "test")
"""In the order of the release."""

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What folders, lists and archives call the splits, in small letters."""
_WORDS_OF_CLASSES = ("training", "testing")
"""In a longer name these may be of a class: `training dog`."""


def split_named(name: str) -> str | None:
    """The split that a folder, or a cell of a list, stands for; None if it stands for none.

    >>> split_named("Valid"), split_named("training"), split_named("training dog")
    ('val', 'train', None)
    """
    return SPLIT_NAMES.get(name.strip().lower())


def splits_in(text: str, beside_classes: bool = False) -> list[str]:
    """The splits that the words of a name mention, in their order.

    `beside_classes`: the name may be that of a class.

    >>> splits_in("k400_train_path.txt"), splits_in("training_dog"), splits_in("trains")
    (['train'], ['train'], [])
    >>> splits_in("training_dog", beside_classes=True)
    []
    """
    no_split = _WORDS_OF_CLASSES if beside_classes else ()
    words = (word for word in re.split(r"[^a-z]+", text.lower()) if word not in no_split)
    return [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]


CLEAN = "clean"
"""The set of the clean twins, beside D-25, D-50, D-75."""


def set_name(scale: float) -> str:
    """The set of an occluded clip, as tables and figures name it.

    >>> set_name(0.25), set_name(0.125)
    ('D-25', 'D-12.5')
    """
    return f"D-{percent(scale)}"


def percent(scale: float) -> str:
    """0.25 -> 25, as folders and lists are named."""
    return f"{scale * 100:g}"


def clip_path(dataset: str, split: str, scale: float, label: str, clip: str) -> str:
    """Where an occluded clip lies, relative to the build: the release's tree and name.

    >>> clip_path("OccludeNet-D", "val", 0.5, "abseiling", "vGlsp8wOH-8_000085_000095")
    'OccludeNet-D/val/50%/abseiling/0.50_vGlsp8wOH-8_000085_000095.mp4'
    """
    return f"{dataset}/{scale_folder(split, percent(scale))}/{label}/{scale:.2f}_{clip}.mp4"


def clean_path(dataset: str, split: str, label: str, clip: str) -> str:
    """Where the clean twin lies, relative to the build."""
    return f"{clean_tree(dataset)}/{split}/{label}/{clip}.mp4"


def scale_folder(split: str, share: str) -> str:
    """A split's folder of a scale in the tree: `val/50%`."""
    return f"{split}/{share}%"


def list_folder(split: str, share: str) -> str:
    """The same folder as the released lists name it: `val_50percent`."""
    return f"{split}_{share}percent"


def clean_tree(dataset: str) -> str:
    return f"{dataset}-clean"


def counterfactual_tree(dataset: str) -> str:
    return f"{dataset}-counterfactual"


YOUTUBE_ID = r"[A-Za-z0-9_-]{11}"
"""The id of a YouTube video, a pattern."""
CLIP_NAME = re.compile(rf"({YOUTUBE_ID})_(\d{{6}})_(\d{{6}})", re.ASCII)
"""The name of a clip of Kinetics: id, first and last second."""


def clip_name(youtube_id: str, start: int, end: int) -> str:
    """
    >>> clip_name("3caPS4FHFF8", 36, 46)
    '3caPS4FHFF8_000036_000046'
    """
    return f"{youtube_id}_{start:06d}_{end:06d}"
