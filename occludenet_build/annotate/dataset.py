"""The dataset folder as the release has it: CSV files and links beside the tree of clips."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_text
from occludenet_build.release.csv_format import Listed, Overall, Record, write
from occludenet_build.release.terms import CLEAN, SPLITS, list_folder, percent, scale_folder

Row = dict[str, Any]


def write_dataset(
    folder: Path,
    rows: list[Row],
    pixel_ratios: dict[str, float],
    splits: Iterable[str],
    scales: Iterable[float],
) -> None:
    """CSV files and links for the occluded clips of `rows` (columns of CLIPS, in their order).

    `pixel_ratios`: occluder -> percent of its picture that is opaque. Every split and scale gets
    its list, even an empty one.
    """
    occluded = [row for row in rows if row["set"] != CLEAN]
    texts, links = {}, {}
    for split in sorted(splits, key=SPLITS.index):
        mine = [row for row in occluded if row["split"] == split]
        texts[f"{split}_d.csv"] = write(Overall, (_overall(row, pixel_ratios) for row in mine))
        for share in _percents(scales, mine):
            listed = [_listed(row) for row in mine if _place(row)[1] == share]
            texts[f"{split}_{share}.csv"] = write(Listed, listed)
            if listed:
                links[list_folder(split, share)] = scale_folder(split, share)
    _write_texts(folder / "annotations", texts)
    _write_links(folder, links)


def _percents(scales: Iterable[float], rows: list[Row]) -> list[str]:
    found = {percent(scale) for scale in scales} | {_place(row)[1] for row in rows}
    return sorted(found, key=float)


def _place(row: Row) -> tuple[str, str, str, str]:
    """(split, percent, class folder, name) of a clip's file in the tree."""
    parts = PurePosixPath(row["file"]).parts
    if len(parts) != 5 or parts[1] != row["split"] or not parts[2].endswith("%"):
        raise UserError(
            f"annotate: {row['clip']}: wanted a file <dataset>/{row['split']}/<scale>%/<class>/"
            f"<clip>, got {row['file']!r}; run composite again"
        )
    return parts[1], parts[2].removesuffix("%"), parts[3], parts[4]


def _listed(row: Row) -> Record:
    split, share, class_folder, name = _place(row)
    return Listed(f"{list_folder(split, share)}/{class_folder}/{name}", row["label_id"])


def _overall(row: Row, pixel_ratios: dict[str, float]) -> Record:
    if row["occluder"] not in pixel_ratios:
        raise UserError(
            f"annotate: {row['clip']}: wanted the occluder {row['occluder']!r} in the bank, it is "
            "missing; run select and composite again"
        )
    return Overall(
        action_class=row["label"],
        file_name=_place(row)[3],
        occluder_type=row["category"],
        occluder_file_name=PurePosixPath(row["occluder"]).name,
        occluder_pixel_ratio=pixel_ratios[row["occluder"]],
        occluder_size_ratio=row["scale"],
        occlusion_duration=row["occlusion_seconds"],
        video_duration=row["duration_seconds"],
        fps=row["fps"],
        clip_generation_time=row["generation_seconds"],
    )


def _write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        write_text(folder / name, text)
    for old in _ours(folder, "*_*.csv"):
        if old.name not in texts:
            old.unlink()


def _write_links(folder: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        _link(folder / name, target)
    for old in _ours(folder, list_folder("*", "*")):
        if old.is_symlink() and old.name not in links:
            old.unlink()


def _ours(folder: Path, pattern: str) -> Iterator[Path]:
    """What an earlier build may have left: names that begin with a split."""
    return (path for path in folder.glob(pattern) if path.name.split("_")[0] in SPLITS)


def _link(path: Path, target: str) -> None:
    """A relative link, put in place by a rename."""
    if path.exists() and not path.is_symlink():
        raise UserError(f"wanted to link {path} to {target}, something else is there; move it away")
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        temporary.symlink_to(target, target_is_directory=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
