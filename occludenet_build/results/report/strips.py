"""Example strips: a few source clips as rows of frames, from the source to the counterfactual.

Each clip is decoded once, up to the last frame of the strip. A file that cannot be read becomes a
row with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from occludenet_build.core import seeds
from occludenet_build.core.build import ClipBoxes
from occludenet_build.core.errors import as_item_error
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import (
    COLOURS,
    Drawing,
    Mark,
    Outline,
    evenly_spaced_frames,
)
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.report.facts import ReportBuild

Row = dict[str, Any]


@dataclass(frozen=True)
class StripRow:
    """One row of a strip: a JPEG, or the reason for its absence."""

    name: str
    image: str | None
    """A data URI."""
    note: str = ""
    """The reason where there is no image."""
    width: int = 0
    """Width of the JPEG, pixels."""


@dataclass(frozen=True)
class Strip:
    """A source clip and the clips that were made from it."""

    clip: str
    label: str
    split: str
    category: str
    occluder: str
    seconds: list[float]
    """Time of each frame."""
    lines: list[StripRow]
    shares: list[Row]
    """set, area_ratio and actor_hidden (may be None) of each scale."""


@dataclass(frozen=True)
class Example:
    """The arguments of a worker that makes a strip: rows of the tables, no open files."""

    root: Path
    source: str
    frames: list[int]
    outputs: list[Row]
    """Rows of annotate/clips.parquet, by ascending scale."""
    drawings: dict[int, Drawing]
    """Boxes and masks of the middle scale, by frame."""


def make_strips(
    build: ReportBuild, count: int, frames: int, seed: int, threads: int
) -> list[Strip]:
    """Strips of `count` source clips, in the order of `draw_examples`."""
    examples = list(_examples(build, count, frames, seed))
    made = progress(in_processes(make_strip, examples, threads), len(examples), "example")
    by_clip = {strip.clip: strip for strip in made}
    return [by_clip[example.outputs[0]["clip"]] for example in examples]


def draw_examples(clips: list[Row], count: int, seed: int) -> list[str]:
    """Ids of `count` clips: the classes in turn, each in the order of a hash.

    Within a class clips with and without a counterfactual alternate, so that both are shown.
    """
    classes: dict[str, list[list[str]]] = {}
    order = partial(seeds.uniform_integer, seed)
    for row in sorted(clips, key=lambda row: order(row["clip"], "report")):
        twin = row["counterfactual"] is not None
        classes.setdefault(row["label"], [[], []])[not twin].append(row["clip"])
    turns = [
        _in_turn(*classes[label]) for label in sorted(classes, key=lambda n: order(n, "class"))
    ]
    return _in_turn(*turns)[:count]


def _in_turn(*lists: list[str]) -> list[str]:
    return [item for item in chain(*zip_longest(*lists)) if item is not None]


def _examples(build: ReportBuild, count: int, frames: int, seed: int) -> Iterator[Example]:
    clips, chosen = build.dataframe("annotate"), build.dataframe("select")
    if clips is None or chosen is None:
        return
    rows = clips[clips["set"] != CLEAN].astype(object).where(clips.notna(), None).to_dict("records")
    outputs: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["scale"]):
        outputs.setdefault(row["clip"], []).append(row)
    sources = {row["clip"]: row for row in chosen.to_dict("records")}
    known = [scales[0] for clip, scales in outputs.items() if clip in sources]
    for clip in draw_examples(known, count, seed):
        middle = outputs[clip][len(outputs[clip]) // 2]
        numbers = evenly_spaced_frames(int(middle["frames"]), frames)
        drawings = _drawings(build, sources[clip], middle["set"], numbers)
        yield Example(build.root, sources[clip]["path"], numbers, outputs[clip], drawings)


def _drawings(
    build: ReportBuild, source: Row, set_name: str, frames: list[int]
) -> dict[int, Drawing]:
    """Boxes and masks of `frames`, as far as the tables have them; `source`: a row of select."""
    clip = source["clip"]
    actor = build.boxes(source["detect_shard"], clip).actor
    truth = build.frames(source["shard"], clip)
    rows = truth.to_pylist() if truth is not None else []
    mask = {row["frame"]: row for row in rows if row["set"] == set_name}
    return {
        frame: Drawing(_marks(actor, frame), tuple(_outlines(mask.get(frame, {}))))
        for frame in frames
    }


def _marks(actor: ClipBoxes, frame: int) -> tuple[Mark, ...]:
    """The actor's box in a frame, if there is one."""
    boxes = actor.where(actor.frames == frame)
    return tuple(
        Mark(tuple(box), COLOURS["filled" if filled else "detected"])
        for box, filled in zip(boxes.xyxy.tolist(), boxes.is_filled.tolist(), strict=True)
    )


def _outlines(truth: Row) -> Iterator[Outline]:
    for name in ("actor", "occluder"):
        rle = truth.get(f"{name}_rle")
        if rle is not None:
            yield Outline(rle, COLOURS[name])


def make_strip(example: Example) -> Strip:
    """Decode the clips of an example; runs in a worker."""
    first = example.outputs[0]
    lines = [_line("source", example.source, example)]
    for row in example.outputs:
        lines.append(_line(_percent(row), example.root / row["file"], example))
    middle = example.outputs[len(example.outputs) // 2]
    lines.append(_counterfactual(middle, example))
    drawn_line = _line(f"ground truth, {_percent(middle)}", example.root / middle["file"], example,
                       example.drawings)  # fmt: skip
    return Strip(
        clip=first["clip"],
        label=first["label"],
        split=first["split"],
        category=first["category"],
        occluder=first["occluder"],
        seconds=[frame / first["fps"] for frame in example.frames],
        lines=[*lines, drawn_line],
        shares=[
            {name: row[name] for name in ("set", "area_ratio", "actor_hidden")}
            for row in example.outputs
        ],
    )


def _percent(row: Row) -> str:
    return f"{row['set'].removeprefix('D-')}\N{NO-BREAK SPACE}%"


def _counterfactual(row: Row, example: Example) -> StripRow:
    name = f"counterfactual, {_percent(row)}"
    if row["counterfactual"] is None:
        return StripRow(name, None, f"not made for this clip of the split {row['split']}")
    return _line(name, example.root / row["counterfactual"], example)


def _line(
    name: str, path: Path | str, example: Example, drawings: dict[int, Drawing] | None = None
) -> StripRow:
    try:
        strip = sheets.film_strip(path, example.frames, drawings)
    except Exception as error:
        return StripRow(name, None, f"cannot be shown: {as_item_error(error)}")
    return StripRow(name, sheets.data_uri("jpeg", sheets.jpeg(strip)), width=strip.shape[1])
