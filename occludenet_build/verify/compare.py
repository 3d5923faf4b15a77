"""Two builds against each other, by what can be compared: recorded facts, else decoded pictures.

Two streams are read side by side, a frame of each in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.video.source import Source, display_of, reading, to_rgb
from occludenet_build.verify import Finding
from occludenet_build.verify.build import MADE_BY, Build, Output, Row

Pair = tuple[Output, Output]
"""An output here and its counterpart there."""


def compare(here: Build, there: Build, psnr_db: float, threads: int) -> Iterator[Finding]:
    """A finding per output of both builds, and per row in which they part; in no fixed order."""
    other_bytes: list[Pair] = []
    for key in sorted(here.rows.keys() | there.rows.keys()):
        mine, theirs = here.rows.get(key), there.rows.get(key)
        if mine is None or theirs is None or mine.outcome != theirs.outcome:
            yield _parted(key, mine, theirs)
            continue
        yield from _lone_outputs(mine, theirs)
        for pair in _pairs(mine, theirs):
            if _same_bytes(pair):
                yield _of_same_bytes(pair)
            else:
                other_bytes.append(pair)
    judged = in_processes(partial(_judge, wanted_db=psnr_db), other_bytes, threads)
    yield from progress(judged, len(other_bytes), "pair") if other_bytes else ()


def _parted(key: tuple[str, str], mine: Row | None, theirs: Row | None) -> Finding:
    """Of two rows one is absent, or they ended otherwise."""
    room, clip = key
    if mine and theirs:
        verdict, detail = "other_status", f"{mine.outcome} here, {theirs.outcome} there"
    elif mine:
        verdict, detail = "only_here", mine.outcome
    else:
        assert theirs is not None
        verdict, detail = "only_there", theirs.outcome
    return Finding("other", verdict, detail, room=room, clip=clip)


def _lone_outputs(mine: Row, theirs: Row) -> Iterator[Finding]:
    """A scale that one build lacks, or a clean twin that only one has."""
    for verdict, one, two in (("only_here", mine, theirs), ("only_there", theirs, mine)):
        for place, output in one.outputs.items():
            if place not in two.outputs:
                yield Finding("other", verdict, **output.place)


def _pairs(mine: Row, theirs: Row) -> Iterator[Pair]:
    for place, output in mine.outputs.items():
        if place in theirs.outputs:
            yield output, theirs.outputs[place]


def _same_bytes(pair: Pair) -> bool:
    here, there = pair
    return here.sha256 is not None and here.sha256 == there.sha256


def _of_same_bytes(pair: Pair) -> Finding:
    if _truths(pair) == "other":
        return _found(pair, "other_truth", "the files are the same")
    return _found(pair, "same_bytes")


def _found(
    pair: Pair, verdict: str, detail: str | None = None, psnr_db: float | None = None
) -> Finding:
    return Finding("other", verdict, detail, **pair[0].place, psnr_db=psnr_db)


def _truths(pair: Pair) -> str:
    """Whether the ground truth is the same, other or unknown."""
    here, there = pair
    if here.truth is None or there.truth is None:
        return "unknown"
    return "same" if here.truth == there.truth else "other"


def _judge(pair: Pair, wanted_db: float) -> Finding:
    """The verdict on two outputs whose bytes differ, or whose hashes are not known."""
    here, there = pair
    if all(here.made_by) and here.made_by == there.made_by and here.sha256 and there.sha256:
        return _should_be_the_same(pair, wanted_db)
    if _truths(pair) == "other":
        return _found(pair, "other_truth", _causes(pair))
    if not (here.path.is_file() and there.path.is_file()):
        verdict = "same_truth" if _truths(pair) == "same" else "not_compared"
        return _found(pair, verdict, _causes(pair))
    verdict, detail, psnr_db = _pictures(pair, wanted_db)
    return _found(pair, verdict, _sentence(detail, _causes(pair)), psnr_db)


def _should_be_the_same(pair: Pair, wanted_db: float) -> Finding:
    here, there = pair
    same = "same encoder, libraries and instruction set: wanted the same bytes"
    facts: list[str | None] = [same, _causes(pair)]
    if _truths(pair) == "other":
        facts.append("the ground truth differs")
    psnr_db = None
    if here.path.is_file() and there.path.is_file():
        verdict, detail, psnr_db = _pictures(pair, wanted_db)
        facts.append(f"pictures: {verdict.replace('_', ' ')}")
        facts.append(detail)
    return _found(pair, "differs", _sentence(*facts), psnr_db)


def _pictures(pair: Pair, wanted_db: float) -> tuple[str, str | None, float | None]:
    """Verdict, detail and PSNR of two files that are both there."""
    try:
        seen = likeness(*(output.path for output in pair))
    except ItemError as error:
        return "broken", str(error), None
    problems = _problems(seen, wanted_db)
    if problems:
        return "differs", "; ".join(problems), seen.psnr_db
    if seen.identical:
        return "same_pixels", None, seen.psnr_db
    return "close", f"PSNR {seen.psnr_db:.2f} dB in frame {seen.worst_frame}", seen.psnr_db


def _problems(seen: Likeness, wanted_db: float) -> list[str]:
    problems = []
    if seen.frames[0] != seen.frames[1]:
        problems.append(f"{seen.frames[0]} frames here, {seen.frames[1]} there")
    if seen.mismatch:
        problems.append(seen.mismatch)
    if seen.psnr_db < wanted_db:
        worst = f"{seen.psnr_db:.2f} dB in frame {seen.worst_frame}"
        problems.append(f"PSNR {worst}, wanted {wanted_db:g}")
    return problems


def _causes(pair: Pair) -> str:
    """What is recorded of why the bytes of two outputs may differ."""
    here, there = pair
    causes, unknown = [], []
    if here.key and there.key and here.key != there.key:
        causes.append("the keys differ: other source, boxes, occluder, settings or code")
    for column, one, two in zip(MADE_BY, here.made_by, there.made_by, strict=True):
        name = column.replace("_", " ")
        if not (one or two):
            unknown.append(name)
        elif one != two:
            causes.append(f"{name}: {one or 'unknown'} here, {two or 'unknown'} there")
    return _sentence(*causes, f"not recorded: {', '.join(unknown)}" if unknown else None)


def _sentence(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


Frame = Any
"""A decoded frame; only core.video knows the type."""


@dataclass
class Likeness:
    """How alike two videos are, frame by frame; `mismatch` is the first other time or size."""

    frames: tuple[int, int] = (0, 0)
    mismatch: str | None = None
    identical: bool = True
    psnr_db: float = math.inf
    worst_frame: int = 0

    def see(self, number: int, here: Frame, there: Frame, times: list[Fraction]) -> None:
        if times[0] != times[1]:
            shown = " and ".join(f"{float(time):.6f} s" for time in times)
            self._note(f"frame {number} is shown at {shown}")
        if _same(here, there):
            return
        self.identical = False
        pictures = to_rgb(here), to_rgb(there)
        if pictures[0].shape != pictures[1].shape:
            shown = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in pictures)
            self._note(f"frame {number} measures {shown}")
            return
        value = psnr(*pictures)
        if value < self.psnr_db:
            self.psnr_db, self.worst_frame = value, number

    def _note(self, text: str) -> None:
        self.mismatch = self.mismatch or text


def likeness(here: Path, there: Path) -> Likeness:
    """Decode two files whole. Raises ItemError, with the path, where one does not decode."""
    found = Likeness()
    with ExitStack() as stack:
        sources = [_opened(stack, path) for path in (here, there)]
        for number, (one, two) in enumerate(zip_longest(*sources)):
            if one is not None and two is not None:
                pair = zip((one, two), sources, strict=True)
                times = [(frame.pts or 0) * source.time_base for frame, source in pair]
                found.see(number, one, two, times)
        for source, path in zip(sources, (here, there), strict=True):
            if source.decode_errors:
                raise ItemError("corrupt", f"{path}: {source.first_error}")
    found.frames = sources[0].frame_count, sources[1].frame_count
    return found


def _opened(stack: ExitStack, path: Path) -> Source:
    try:
        return stack.enter_context(reading(path))
    except ItemError as error:
        raise ItemError(error.reason, f"{path}: {error.detail}") from error


def _same(here: Frame, there: Frame) -> bool:
    """Whether two frames mean the same picture, sample by sample."""
    return _tags(here) == _tags(there) and all(
        np.array_equal(a, b) for a, b in zip(_planes(here), _planes(there), strict=True)
    )


def _tags(frame: Frame) -> tuple[object, ...]:
    return frame.format.name, display_of(frame), frame.colorspace, frame.color_range


def _planes(frame: Frame) -> Iterator[np.ndarray]:
    """The samples of each plane as bytes (H, bytes of a row), without the padding of the rows."""
    for number, plane in enumerate(frame.planes):
        parts = [part for part in frame.format.components if part.plane == number]
        row = plane.width * sum((part.bits + 7) // 8 for part in parts)
        yield np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, :row]


def psnr(here: np.ndarray, there: np.ndarray) -> float:
    """Of two pictures, uint8 (H, W, 3), over all samples, in dB; infinite if they are equal.

    >>> round(psnr(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)), 2)
    48.13
    """
    return math.inf if np.array_equal(here, there) else cv2.PSNR(here, there)
