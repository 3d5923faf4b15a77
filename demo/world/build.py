"""Draw the mini-world into a folder, unless it is already there."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

from demo.world import coco, joints
from demo.world.clips import write_clip
from demo.world.plan import CROSSED, Clip, Settings, crossed, plan
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import folder_lock, write_json, write_text
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress

Item = Clip | coco.CocoPicture
VERSION = 2
"""Increased by hand when the same settings draw other files; the world is then drawn again."""
STAMP, UNFINISHED = "miniworld.json", ".miniworld-unfinished"
LIST = f"{CROSSED}.csv"
JOINTS = "joints.parquet"
OUTPUTS = ("videos", CROSSED, LIST, "coco", "truth", "clips.csv", JOINTS, STAMP)


def build(folder: Path, settings: Settings, workers: int = 2) -> bool:
    """Draw the world into `folder`; return False if it is already there.

    The same settings give the same files for any number of workers. Raises UserError where the
    folder has files of the same names that are not a mini-world.
    """
    with folder_lock(folder):
        stamp = {"settings": asdict(settings), "version": VERSION}
        if _read_stamp(folder) == stamp:
            if not (folder / JOINTS).exists():  # drawn by a version that did not write them
                joints.write_table(folder / JOINTS, settings, plan(settings))
            return False
        _clear(folder)
        clips = [*plan(settings), *crossed(settings)]
        pictures = coco.pictures(settings)
        draw = partial(_draw, folder, settings)
        items = [*clips, *pictures]
        results = progress(in_processes(draw, items, workers), len(items), "file")
        drawn = dict(results)
        coco.write_instances(folder / "coco", [(picture, drawn[picture]) for picture in pictures])
        write_text(folder / "clips.csv", _table(clips))
        write_text(folder / LIST, _list(clips))
        joints.write_table(folder / JOINTS, settings, plan(settings))
        write_json(folder / STAMP, stamp)
        (folder / UNFINISHED).unlink()
    return True


def _draw(folder: Path, settings: Settings, item: Item) -> tuple[Item, list[dict]]:
    """Draw one clip or image; return the annotations of an image."""
    if isinstance(item, Clip):
        write_clip(folder, settings, item)
        return item, []
    return item, coco.write_picture(folder / "coco", settings, item)


def _read_stamp(folder: Path) -> dict | None:
    try:
        return json.loads((folder / STAMP).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _clear(folder: Path) -> None:
    """Remove an older mini-world. Raises UserError for files that are not one."""
    existing = [name for name in OUTPUTS if (folder / name).exists()]
    if existing and not any((folder / mark).exists() for mark in (STAMP, UNFINISHED)):
        raise UserError(
            f"{folder} already holds {existing[0]}, which the mini-world did not make; "
            "give --out an empty folder"
        )
    (folder / UNFINISHED).touch()
    for name in existing:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _table(clips: list[Clip]) -> str:
    """CSV text of video, split, label and background: documents the planted shortcut."""
    lines = [f"{clip.name},{clip.split},{clip.label},{clip.background}" for clip in clips]
    return "\n".join(["video,split,label,background", *lines]) + "\n"


def _list(clips: list[Clip]) -> str:
    """The list of the set crossed, as evaluate.lists reads it: file,label."""
    lines = [f"{clip.path},{clip.label}" for clip in clips if clip.split == CROSSED]
    return "\n".join(["file,label", *lines]) + "\n"
