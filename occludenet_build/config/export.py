"""Settings of the export to the formats of other programs, and the table of those formats."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.settings import require_distinct, required, setting


@dataclass(frozen=True)
class Format:
    """A row of FORMATS. Its module in dataset.export has the same name and a function `write`."""

    summary: str
    """One line for the documentation and the manual."""
    reads_frames: bool = False
    """Whether it needs the masks and boxes per frame."""
    extracts_frames: bool = False
    """Whether it writes the frames of the clips as pictures."""


FORMATS: dict[str, Format] = {
    # masks, tubes
    "youtube_vis": Format(
        "YouTube-VIS: masks and boxes per video", reads_frames=True, extracts_frames=True
    ),
    "coco": Format("COCO: masks and boxes per frame", reads_frames=True, extracts_frames=True),
    "davis": Format("DAVIS 2017: indexed PNG per frame", reads_frames=True, extracts_frames=True),
    "mots": Format("MOTS: masks as text", reads_frames=True, extracts_frames=True),
    "sav": Format("SA-V: masklets per video", reads_frames=True),
    "tabe": Format(
        "TABE-51: visible and whole masks, occlusion per frame",
        reads_frames=True,
        extracts_frames=True,
    ),
    "fiftyone": Format("FiftyOne: labels per video and frame", reads_frames=True),
    "moc": Format("MOC, STADO: tubes of actions", reads_frames=True, extracts_frames=True),
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
class Export:
    """Stage export: the dataset in the formats of other programs."""

    formats: tuple[str, ...] = setting((), choices=tuple(FORMATS), empty=True)
    """Formats to write; each has a folder of its own, export/<format>/."""
    sets: tuple[str, ...] = setting((), empty=True)
    """Sets to export: clean, D-25, D-50, D-75, S, I, M; empty: all that the build has."""
    names: str = setting("safe", choices=("safe", "release"))
    """Names of files and folders. safe: letters, digits, `-` and `_` only, which every reader
    accepts; names.csv maps them back. release: as OccludeNet names them, with spaces, parentheses
    and dots, where the format can hold them."""
    files: str = setting("link", choices=("link", "copy"))
    """Clips in the exported folder. link: hard links (no space; on another disk: copies); copy."""
    label_maps: tuple[LabelMap, ...] = ()
    """Label ids of the reading program: [{format: mmaction2, file: label_map_k400.txt}]; otherwise
    the ids of annotate/labels.json."""
    pixels: bool = setting(True)
    """false: write no video and no picture that shows one, only annotations and masks, which may be
    published where the licence of the source does not allow its pixels to be."""

    def __post_init__(self) -> None:
        require_distinct("export.formats", self.formats, "formats")
        require_distinct("export.sets", self.sets, "sets")
        require_distinct("export.label_maps", [m.format for m in self.label_maps], "formats")
