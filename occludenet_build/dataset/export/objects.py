"""What the formats with masks share: the objects of a clip, their categories, names of sequences.

A clip shows the actor (object 1, category `person`) and, in the occluded sets, the occluder (object
2, category as in the occluder bank). Masks are those of what is visible; no two of them overlap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import replacing_folder
from occludenet_build.core.progress import progress
from occludenet_build.dataset.clips import ExportClip, FrameFacts
from occludenet_build.dataset.export.frames import FrameFolder, write_frames
from occludenet_build.dataset.export.job import Job, safe_names
from occludenet_build.media.imaging import masks
from occludenet_build.release.terms import CLEAN

T = TypeVar("T")
ACTOR, OCCLUDER = 1, 2
"""Numbers of the objects of a clip."""
PERSON = "person"
"""Category of the actor; its id is 1."""


@dataclass(frozen=True)
class ClipObject:
    """The actor or the occluder of a clip."""

    number: int
    """ACTOR or OCCLUDER."""
    category: str
    rles: list[bytes | None]
    """Per frame the visible mask, COCO RLE counts; None where nothing of it is visible."""


def objects_of(clip: ExportClip, frames: Iterable[FrameFacts]) -> list[ClipObject]:
    """The objects of a clip that are visible in at least one frame, the actor first."""
    shown = list(frames)
    actor = [_seen(clip, frame.visible_rle) for frame in shown]
    occluder = [_seen(clip, frame.occluder_rle) for frame in shown]
    found = [
        ClipObject(ACTOR, PERSON, actor),
        ClipObject(OCCLUDER, category_of_occluder(clip), occluder),
    ]
    return [one for one in found if any(one.rles)]


def _seen(clip: ExportClip, rle: bytes | None) -> bytes | None:
    return rle if rle is not None and masks.area(rle, clip.height, clip.width) else None


def category_of_occluder(clip: ExportClip) -> str:
    """Type of the clip's occluder; `occluder` where the build does not know it."""
    return clip.row.get("category") or "occluder"


def category_ids(job: Job) -> dict[str, int]:
    """Category -> id from 1: person, then the types of occluders of all clips by name."""
    types = {category_of_occluder(clip) for clip in job.clips if clip.set != CLEAN}
    return {name: number for number, name in enumerate([PERSON, *sorted(types - {PERSON})], 1)}


def category_list(ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """The member `categories` of the COCO-like formats."""
    return [{"id": i, "name": name, "supercategory": "object"} for name, i in ids.items()]


def sequence_names(job: Job) -> dict[str, str]:
    """Name of a clip (`ExportClip.name`) -> name of its sequence, unique in its set.

    The sequences of one source have the same name in all sets. It has letters, digits, `-` and `_`
    only whatever export.names says: the readers split lines and paths at anything else.
    """
    names = safe_names(clip.clip for clip in job.clips)
    return {clip.name: names[clip.clip] for clip in job.clips}


def masked_clips(job: Job, format: str, whole: bool = False) -> list[ExportClip]:
    """The clips of the export in which the actor has a mask; others are left out.

    An actor who is hidden in all frames still has one. `whole`: the whole actor must be known in
    every frame in which there is a mask. Raises UserError if no clip is left.
    """
    kept = []
    for clip in progress(job.clips, len(job.clips), "clip"):
        frames = [f for f in job.build.frames(clip) if f.visible_rle is not None]
        unknown = sum(frame.actor_rle is None for frame in frames) if whole else 0
        if not frames:
            job.leave_out(clip, "no_mask")
        elif unknown:
            job.leave_out(clip, "no_mask", f"of the whole actor in {unknown} of {len(frames)}")
        else:
            kept.append(clip)
    if not kept:
        raise UserError(
            f"export.formats: wanted masks of the actors for {format}, got none in "
            f"{job.build.root}; run actor_masks and annotate, or take {format} out of the list"
        )
    return kept


def frames_at(
    job: Job, clips: Sequence[ExportClip], paths: Mapping[str, str], pattern: str, first: int = 0
) -> list[ExportClip]:
    """Write the frames of clips at their own size, as masks refer to it; the clips that have them.

    `clips`: all of the export, as write_frames can be called once only; `paths`: name of a clip ->
    its folder; `first`: number of the first frame in `pattern`.
    """
    folders = [FrameFolder(clip, paths[clip.name], pattern, first=first) for clip in clips]
    return write_frames(job, folders)


def write_folder(
    job: Job, path: str, pictures: Mapping[str, T], encode: Callable[[T], bytes]
) -> None:
    """Write a folder of pictures, whole or not at all; nothing where they are there already.

    `pictures`: name -> what `encode` makes the content of the file from; encoded masks, as the
    pixels of all frames of a long clip are gigabytes.
    """
    target = job.output.folder_of_files(path)
    with ThreadPoolExecutor(job.threads) as pool:
        contents = dict(zip(pictures, pool.map(encode, pictures.values()), strict=True))
    if target.is_dir() and {p.name: p.read_bytes() for p in target.iterdir()} == contents:
        return
    job.output.changing()
    with replacing_folder(target) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)


@contextmanager
def json_with_list(
    job: Job, path: str, name: str, others: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write a JSON object with one long list, entry by entry: yield what appends an entry.

    `others`: the other members; an iterator is a list that is written entry by entry too, when the
    block ends, so that no list of all frames is held in memory.
    """
    with job.output.writing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        separator = ""

        def append(entry: Mapping[str, Any]) -> None:
            nonlocal separator
            stream.write(f"{separator}\n{compact(entry)}")
            separator = ","

        stream.write(f'{{"{name}": [')
        yield append
        stream.write("\n]")
        for key, value in sorted(others.items()):
            stream.write(f',\n"{key}": ')
            if not isinstance(value, Iterator):
                stream.write(compact(value))
                continue
            separator = ""
            stream.write("[")
            for entry in value:
                append(entry)
            stream.write("\n]")
        stream.write("}\n")


def compact(value: Any) -> str:
    """A value as JSON in one line, with sorted keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def about(set_: str, split: str) -> dict[str, Any]:
    """The member `info` of the COCO-like formats."""
    return {"description": f"OccludeNet {set_}, {split}", "set": set_, "split": split}
