"""Build the whole mini-world into a folder, once."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from occludenet_build.core import code
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json, write_text
from occludenet_build.miniworld import coco
from occludenet_build.miniworld.clips import write_clip
from occludenet_build.miniworld.plan import Clip, Settings, plan

STAMP, UNFINISHED = "miniworld.json", ".miniworld-unfinished"
OURS = ("videos", "coco", "truth", "clips.csv", STAMP)


def build(folder: Path, settings: Settings, workers: int = 2) -> bool:
    """Draw the world into `folder`; False where it stands there already.

    The same settings give the same files whatever the number of workers.
    """
    stamp = {"settings": asdict(settings), "code": code.digest("miniworld")}
    if _standing(folder) == stamp:
        return False
    _clear(folder)
    (folder / UNFINISHED).touch()
    clips, sheets = plan(settings), coco.pictures(settings)
    _all(partial(write_clip, folder, settings), clips, workers)
    rows = _all(partial(coco.write_picture, folder / "coco", settings), sheets, workers)
    coco.write_instances(folder / "coco", list(zip(sheets, rows, strict=True)))
    write_text(folder / "clips.csv", _table(clips))
    write_json(folder / STAMP, stamp)
    (folder / UNFINISHED).unlink()
    return True


def _standing(folder: Path) -> dict | None:
    try:
        return json.loads((folder / STAMP).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _clear(folder: Path) -> None:
    """Remove an older world, and nothing that is not known to be one."""
    folder.mkdir(parents=True, exist_ok=True)
    there = [name for name in OURS if (folder / name).exists()]
    if there and not any((folder / mark).exists() for mark in (STAMP, UNFINISHED)):
        raise UserError(
            f"{folder} already holds {there[0]}, which the mini-world did not make; "
            "give --out an empty folder"
        )
    (folder / UNFINISHED).touch()
    for name in there:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _all(task: Callable[[Any], Any], items: Sequence[Any], workers: int) -> list:
    if workers <= 1:
        return [task(item) for item in items]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
        return list(pool.map(task, items, chunksize=max(1, len(items) // (workers * 8))))


def _one_thread() -> None:
    """The workers fill the cores by themselves."""
    cv2.setNumThreads(1)


def _table(clips: list[Clip]) -> str:
    """video, split, label, background: what the planted shortcut is, for people and tests."""
    lines = [f"{clip.name},{clip.split},{clip.label},{clip.background}" for clip in clips]
    return "\n".join(["video,split,label,background", *lines]) + "\n"
