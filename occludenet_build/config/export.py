"""Settings of the export to the formats of other programs, and the table of those formats."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, required, setting


@dataclass(frozen=True)
class Format:
    """A row of FORMATS. Its module in dataset.export has the same name and a function `write`."""

    summary: str
    """One line for the documentation and the manual."""
    reader: str = ""
    """The program whose reader was tried with it, and its version."""
    own_labels: bool = True
    """Whether the label ids of the reading program can be chosen (export.label_maps)."""


FORMATS: dict[str, Format] = {
    # lists of clips, and clips or frames in folders
    "mmaction2": Format("mmaction2: lists of videos", "mmaction2 1.2.0"),
    "mmaction2_frames": Format("mmaction2: lists of folders of frames", "mmaction2 1.2.0"),
    "slowfast": Format(
        "PySlowFast, UniFormerV2, VideoMAE: CSV lists of videos", "slowfast 1.0, decord 0.6.0"
    ),
    "kinetics_folder": Format(
        "torchvision.datasets.Kinetics: a folder per class",
        "torchvision 0.29.2",
        own_labels=False,
    ),
    "ava": Format(
        "AVA: the actor's box and action, a frame per second",
        "mmaction2 1.2.0 (AVADataset)",
    ),
    "ibm": Format(
        "action-recognition-pytorch of IBM: lists of frames",
        "its documented rules",
    ),
    "integralaction": Format(
        "IntegralAction: COCO-style JSON, frames, skeletons",
        "its documented layout",
    ),
    # masks and tubes
    "youtube_vis": Format(
        "YouTube-VIS (COCO video JSON): masks and boxes per video",
        "TrackEval 1.3.0",
    ),
    "coco": Format(
        "COCO: masks and boxes per frame",
        "pycocotools 2.0.11",
    ),
    "davis": Format(
        "DAVIS 2017: an indexed PNG per frame",
        "TrackEval 1.3.0",
        own_labels=False,
    ),
    "mots": Format(
        "MOTS: masks as text, in the folders of MOTSChallenge",
        "TrackEval 1.3.0",
        own_labels=False,
    ),
    "sav": Format(
        "SA-V: masklets of every fourth frame",
        "its documented fields",
        own_labels=False,
    ),
    "tabe": Format(
        "TABE-51: visible and whole masks, occlusion per frame",
        "its documented layout",
        own_labels=False,
    ),
    "fiftyone": Format(
        "FiftyOne: labels per video and frame (FiftyOneVideoLabelsDataset)",
        "voxel51-eta 0.17.0",
        own_labels=False,
    ),
    "moc": Format(
        "MOC, STADO: tubes of actions (*-GT.pkl), visible masks",
        "its documented keys",
    ),
    # whole datasets, for hosts and streaming readers
    "huggingface": Format(
        "Hugging Face: folder of videos, Parquet tables, dataset card",
        "datasets 5.2.0",
    ),
    "webdataset": Format(
        "WebDataset: tar files of clips with class, facts, boxes and masks",
        "webdataset 1.0.2, datasets 5.2.0",
    ),
    "croissant": Format(
        "Croissant 1.1 with the fields of responsible AI, and the tables that it describes",
        "mlcroissant 1.1.1",
    ),
}
"""Format by name, in the order of the documentation."""


@dataclass(frozen=True)
class LabelMap:
    """The label ids of the program that reads a format."""

    format: str = required(choices=tuple(FORMATS))
    """Name of the format."""
    file: str = required(path=True)
    """Text file with a class name per line, in the order of the ids from 0, or JSON {name: id}."""


@dataclass(frozen=True)
class Card:
    """What only you know of the dataset, for its card (huggingface) and metadata (croissant)."""

    name: str = setting("OccludeNet build")
    """Name of the dataset."""
    licence: str = setting("other")
    """Licence of the dataset: an id of SPDX such as cc-by-4.0, or an address; other: the licences
    of the sources."""
    creators: tuple[str, ...] = setting((), empty=True)
    """Names of those who made it."""
    url: str | None = setting(None)
    """Address of its page."""
    version: str = setting("1.0.0")
    """Version of the dataset."""
    published: str | None = setting(None)
    """Date of publication, as in 2026-11-28."""
    citation: str | None = setting(None)
    """BibTeX entry of your paper; OccludeNet's is added."""
    sensitive: str | None = setting(None)
    """What is personal or sensitive in the recordings, and what the people agreed to; null: a
    sentence that says that videos show people."""


@dataclass(frozen=True)
class Export:
    """Stage export: the dataset in the formats of other programs."""

    formats: tuple[str, ...] = setting((), choices=tuple(FORMATS), empty=True)
    """Formats to write; each has a folder of its own, export/<format>/."""
    sets: tuple[str, ...] = setting((), empty=True)
    """Sets to export: clean, D-25, D-50, D-75, S, I, M; empty: all, of S, I and M those of
    measure.sets and train.datasets, and what else is measured already."""
    names: str = setting("safe", choices=("safe", "release"))
    """Names of files and folders. safe: letters, digits, `-` and `_` only, which every reader
    accepts; names.csv maps them back. release: as OccludeNet names them, with spaces, parentheses
    and dots, where the format can hold them."""
    files: str = setting("link", choices=("link", "copy"))
    """Clips in the exported folder. link: hard links (no space; on another disk: copies); copy."""
    label_maps: tuple[LabelMap, ...] = ()
    """Label ids of the reading program: [{format: mmaction2, file: label_map_k400.txt}]; otherwise
    the ids of annotate/labels.json."""
    short_side: int | None = setting(None, low=16, high=4320)
    """mmaction2_frames, ibm, integralaction: shorter side of the frames, pixels; larger and smaller
    frames are scaled. null: 256 for integralaction, else the size of the clip. Frames of formats
    with masks always have the size of the clip."""
    shard_mb: int = setting(1000, low=1, high=100_000)
    """webdataset: largest size of a tar file, MB; a larger clip has one of its own."""
    card: Card = setting(Card())
    pixels: bool = setting(True)
    """false: write no video and no picture that shows one, only annotations and masks, which may be
    published where the licence of the source does not allow its pixels to be."""

    def __post_init__(self) -> None:
        require_distinct("export.formats", self.formats, "formats")
        require_distinct("export.sets", self.sets, "sets")
        require_distinct("export.label_maps", [m.format for m in self.label_maps], "formats")
        for one in self.label_maps:
            if not FORMATS[one.format].own_labels:
                raise UserError(
                    f"config: export.label_maps: wanted formats that hold label ids, got "
                    f"{one.format}, whose reader numbers the classes itself; remove it"
                )
