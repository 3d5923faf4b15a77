"""Terms of the release and of Kinetics: splits, sets, paths, names, order, label ids.

    clip      OccludeNet-D/{split}/{25%}/{class}/{scale:.2f}_{source}.mp4, below a build
    in lists  {split}_25percent/{class}/..., which links make the same file
    cut-out   {coco image:012d}_{pixels:07d}_{percent:.2f}.png
    dog       {pixels:07d}_dog_{coco image:012d}_{percent:.2f}.png

The percent of a cut-out depends on the crop: COCO's box truncated to whole pixels, according to
the one photo that could be compared. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from occludenet_build.core.errors import UserError

SPLITS = ("train", "val", "test")
"""The splits, in the order of the release."""

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Name of a folder, list or archive, in lower case -> split."""

_AMBIGUOUS_WORDS = ("training", "testing")
"""Words that may belong to a class name, such as `training dog`."""


def split_of_name(name: str) -> str | None:
    """The split that the name of a folder, or a cell of a list, denotes; None if none.

    >>> split_of_name("Valid"), split_of_name("training"), split_of_name("training dog")
    ('val', 'train', None)
    """
    return SPLIT_NAMES.get(name.strip().lower())


def splits_in(text: str, beside_classes: bool = False) -> list[str]:
    """The splits that the words of a name mention, in the order of the words.

    With `beside_classes`, the name may be a class name: words such as `training` do not count.

    >>> splits_in("k400_train_path.txt"), splits_in("training_dog"), splits_in("trains")
    (['train'], ['train'], [])
    >>> splits_in("training_dog", beside_classes=True)
    []
    """
    no_split = _AMBIGUOUS_WORDS if beside_classes else ()
    words = (word for word in re.split(r"[^a-z]+", text.lower()) if word not in no_split)
    return [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]


CLEAN = "clean"
"""Name of the set of clean twins; the occluded sets are D-25, D-50 and D-75."""


def set_name(scale: float) -> str:
    """Name of the set of a scale, in tables and figures.

    >>> set_name(0.25), set_name(0.125)
    ('D-25', 'D-12.5')
    """
    return f"D-{percent(scale)}"


_GREYED = "-greyed"


def greyed_set(name: str) -> str:
    """Name of the set of the clips of a set whose occluder is painted over with grey.

    >>> greyed_set("D-25")
    'D-25-greyed'
    """
    return f"{name}{_GREYED}"


def ungreyed_set(name: str) -> str | None:
    """The set whose occluders a set of `greyed_set` paints over; None for any other set.

    >>> ungreyed_set("D-25-greyed"), ungreyed_set("D-25")
    ('D-25', None)
    """
    return name.removesuffix(_GREYED) if name.endswith(_GREYED) else None


def percent(scale: float) -> str:
    """Scale in percent, as in the names of folders and lists: 0.25 -> 25."""
    return f"{scale * 100:g}"


def clip_path(dataset: str, split: str, scale: float, label: str, clip: str) -> str:
    """Path of an occluded clip, relative to the build folder.

    >>> clip_path("OccludeNet-D", "val", 0.5, "abseiling", "vGlsp8wOH-8_000085_000095")
    'OccludeNet-D/val/50%/abseiling/0.50_vGlsp8wOH-8_000085_000095.mp4'
    """
    return f"{dataset}/{scale_folder(split, percent(scale))}/{label}/{scale:.2f}_{clip}.mp4"


def clean_path(dataset: str, split: str, label: str, clip: str) -> str:
    """Path of a clean twin, relative to the build folder."""
    return f"{clean_tree(dataset)}/{split}/{label}/{clip}.mp4"


def scale_folder(split: str, share: str) -> str:
    """Folder of a split and scale in the dataset folder: `val/50%`."""
    return f"{split}/{share}%"


def list_folder(split: str, share: str) -> str:
    """The same folder in the lists of the release: `val_50percent`."""
    return f"{split}_{share}percent"


def clean_tree(dataset: str) -> str:
    """Folder of the clean twins, relative to the build folder."""
    return f"{dataset}-clean"


def counterfactual_tree(dataset: str) -> str:
    """Folder of the counterfactuals, relative to the build folder."""
    return f"{dataset}-counterfactual"


YOUTUBE_ID = r"[A-Za-z0-9_-]{11}"
"""Regular expression of the id of a YouTube video."""

CLIP_NAME = re.compile(rf"({YOUTUBE_ID})_(\d{{6}})_(\d{{6}})", re.ASCII)
"""Matches the name of a Kinetics clip: YouTube id, start and end in seconds."""


def clip_name(youtube_id: str, start: int, end: int) -> str:
    """The name of a Kinetics clip; start and end in seconds.

    >>> clip_name("3caPS4FHFF8", 36, 46)
    '3caPS4FHFF8_000036_000046'
    """
    return f"{youtube_id}_{start:06d}_{end:06d}"


CLASSES_I = (
    *("Affix_Poster", "Armed", "Basketball_Dribble", "Basketball_Shot", "Bike_Ride", "Indoor_Run"),
    "Walk",
)
"""Classes of OccludeNet-I (README and section 3.2 of the paper)."""
CLASSES_M = (
    *("Armed", "Basketball_Dribble", "Basketball_Shot", "Bike_Ride", "Distribute_Leaflets", "Fall"),
    *("Indoor_Run", "Outdoor_Run", "Steal", "Throw_Things", "Walk", "Wander"),
)
"""Classes of OccludeNet-M."""
RECORDED_CLASSES = {"I": CLASSES_I, "M": CLASSES_M}
"""Set of recordings -> its classes in the release."""


def recorded_class(name: str, classes: Iterable[str] = (*CLASSES_I, *CLASSES_M)) -> str | None:
    """The class of the release that a name in any spelling denotes; None if it is none of them.

    >>> recorded_class("bike ride"), recorded_class("BikeRide"), recorded_class("juggle")
    ('Bike_Ride', 'Bike_Ride', None)
    """
    plain = re.sub(r"[\W_]+", "", name).casefold()
    return next((one for one in classes if one.replace("_", "").casefold() == plain), None)


def split_path(dataset: str, split: str, label: str, clip: str) -> str:
    """Path of a clip in the tree of OccludeNet-I, relative to the build folder.

    >>> split_path("OccludeNet-I", "val", "Walk", "Walk_P01_1_000000_000008")
    'OccludeNet-I/val/Walk/Walk_P01_1_000000_000008.mp4'
    """
    return f"{dataset}/{split}/{label}/{clip}.mp4"


def view_path(dataset: str, split: str, label: str, view: int, clip: str) -> str:
    """Path of a clip in the tree of OccludeNet-M; `view`: from 1.

    The release's README shows {Class}_view1 to _view3 and {Class}_view_val, and no folder of a
    split, while the paper has train, val and test of M. It is read here so that `_view_val` holds
    the clips of val, of all views, and the other folders those of train and test; which of the two
    it is, the annotations say.

    >>> [view_path("M", split, "Fall", 2, "x") for split in ("val", "test")]
    ['M/Fall/Fall_view_val/x.mp4', 'M/Fall/Fall_view2/x.mp4']
    """
    folder = f"{label}_view_val" if split == "val" else f"{label}_view{view}"
    return f"{dataset}/{label}/{folder}/{clip}.mp4"


CATEGORIES = ("handbag", "backpack", "suitcase", "dog")
"""Occluder types, in the order of the release within a class; others follow by name."""


def class_order(label: str) -> str:
    """Sort key of a class in the release: as paths, "drinking beer/" before "drinking/"."""
    return label + "/"


def occluder_type_order(category: str) -> tuple[int, str]:
    """Sort key of an occluder type: those of the release first, then others by name."""
    known = CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)
    return known, category


def label_ids(labels: Iterable[str]) -> dict[str, int]:
    """Class name -> label id, counted from 0 in the order of the release."""
    return {name: number for number, name in enumerate(sorted(set(labels), key=class_order))}


@dataclass(frozen=True)
class ListedPath:
    """The parts of a path in a list: `val_25percent/abseiling/0.25_<source>.mp4`."""

    split: str
    percent: str
    """Scale in percent, as text, such as 25."""
    class_folder: str
    file_name: str


def parse_clip_file_name(file_name: str) -> tuple[float, str]:
    """Parse the file name of an output clip, without folders, into (scale, source clip).

    Raises UserError where the name has another form.

    >>> parse_clip_file_name("0.25_3caPS4FHFF8_000036_000046.mp4")
    (0.25, '3caPS4FHFF8_000036_000046')
    """
    found = re.fullmatch(r"(\d+\.\d\d)_([^/]+)\.mp4", file_name, re.ASCII)
    if found is None:
        raise UserError(
            f"wanted a clip's name such as 0.25_<source>.mp4, got {file_name!r}; name it as the "
            "release does"
        )
    return float(found[1]), found[2]


def parse_listed_path(path: str) -> ListedPath:
    """Parse a path in a list.

    Raises UserError where the path has another form.

    >>> parse_listed_path("val_25percent/abseiling/0.25_x.mp4").class_folder
    'abseiling'
    """
    found = re.fullmatch(r"(\w+)_(\d+(?:\.\d+)?)percent/([^/]+)/([^/]+)", path, re.ASCII)
    if found is None:
        raise UserError(
            "wanted a path such as val_25percent/<class>/0.25_<source>.mp4, got "
            f"{path!r}; write it as the release does"
        )
    return ListedPath(*found.groups())


_CUTOUT = re.compile(
    r"(?:(\d{12,18})_(\d{7,9})|(\d{7,9})_dog_(\d{12,18}))_\d+\.\d\d\.png", re.ASCII
)


def cutout_object(name: str) -> tuple[int, int] | None:
    """(COCO image, pixels) of a cut-out, from its file name; None if it has another form.

    >>> cutout_object("000000071549_0050932_61.04.png")
    (71549, 50932)
    >>> cutout_object("0067892_dog_000000524291_71.25.png")
    (524291, 67892)
    """
    parts = _CUTOUT.fullmatch(name)
    if parts is None:
        return None
    return int(parts[1] or parts[4]), int(parts[2] or parts[3])


def same_cutout(one: str, other: str) -> bool:
    """Whether two file names denote the same object: they may differ in the percent."""
    found = cutout_object(one)
    return one == other or (found is not None and found == cutout_object(other))
