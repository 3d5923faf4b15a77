"""Comparison of two builds: by recorded facts, else by decoded frames.

Two videos are decoded in parallel, with one frame of each in memory.
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
from occludenet_build.media.video.source import VideoSource, display_of, open_video, to_rgb
from occludenet_build.tools.verify import Finding
from occludenet_build.tools.verify.build import MADE_BY, BuildManifests, ManifestRow, OutputFile

OutputPair = tuple[OutputFile, OutputFile]
"""A file of BUILD and the corresponding file of OTHER."""


def compare(
    here: BuildManifests, there: BuildManifests, psnr_db: float, threads: int
) -> Iterator[Finding]:
    """Yield one finding per output in both builds and per differing row, in no fixed order.

    `psnr_db`: minimum PSNR of the verdict close, in dB.
    """
    to_judge: list[OutputPair] = []
    for key in sorted(here.rows.keys() | there.rows.keys()):
        one, two = here.rows.get(key), there.rows.get(key)
        if one is None or two is None or one.outcome != two.outcome:
            yield _differing_rows(key, one, two)
            continue
        yield from _unmatched_outputs(one, two)
        for pair in _pairs(one, two):
            if _same_bytes(pair):
                yield _judge_same_bytes(pair)
            else:
                to_judge.append(pair)
    judged = in_processes(partial(_judge, min_psnr_db=psnr_db), to_judge, threads)
    yield from progress(judged, len(to_judge), "pair") if to_judge else ()


def _differing_rows(
    key: tuple[str, str], here: ManifestRow | None, there: ManifestRow | None
) -> Finding:
    """Finding for two rows of which one is missing, or whose status or reason differ."""
    stage, clip = key
    if here and there:
        verdict, detail = "other_status", f"{here.outcome} here, {there.outcome} there"
    elif here:
        verdict, detail = "only_here", here.outcome
    else:
        assert there is not None
        verdict, detail = "only_there", there.outcome
    return Finding("other", verdict, detail, stage=stage, clip=clip)


def _unmatched_outputs(here: ManifestRow, there: ManifestRow) -> Iterator[Finding]:
    """Findings for the scales and clean twins that only one of the rows has."""
    for verdict, one, two in (("only_here", here, there), ("only_there", there, here)):
        for kind, output in one.outputs.items():
            if kind not in two.outputs:
                yield Finding("other", verdict, **output.identity)


def _pairs(here: ManifestRow, there: ManifestRow) -> Iterator[OutputPair]:
    for kind, output in here.outputs.items():
        if kind in there.outputs:
            yield output, there.outputs[kind]


def _same_bytes(pair: OutputPair) -> bool:
    here, there = pair
    return here.sha256 is not None and here.sha256 == there.sha256


def _judge_same_bytes(pair: OutputPair) -> Finding:
    if _compare_truth(pair) == "other":
        return _finding(pair, "other_truth", "the files are the same")
    return _finding(pair, "same_bytes")


def _finding(
    pair: OutputPair, verdict: str, detail: str | None = None, psnr_db: float | None = None
) -> Finding:
    return Finding("other", verdict, detail, **pair[0].identity, psnr_db=psnr_db)


def _compare_truth(pair: OutputPair) -> str:
    """Comparison of the ground truth: same, other or unknown."""
    here, there = pair
    if here.truth is None or there.truth is None:
        return "unknown"
    return "same" if here.truth == there.truth else "other"


def _judge(pair: OutputPair, min_psnr_db: float) -> Finding:
    """Finding for two outputs whose bytes differ or whose hashes are not known."""
    here, there = pair
    if all(here.made_by) and here.made_by == there.made_by and here.sha256 and there.sha256:
        return _judge_reproducibility(pair, min_psnr_db)
    if _compare_truth(pair) == "other":
        return _finding(pair, "other_truth", _causes(pair))
    if not (here.path.is_file() and there.path.is_file()):
        verdict = "same_truth" if _compare_truth(pair) == "same" else "not_compared"
        return _finding(pair, verdict, _causes(pair))
    verdict, detail, psnr_db = _compare_frames(pair, min_psnr_db)
    return _finding(pair, verdict, _sentence(detail, _causes(pair)), psnr_db)


def _judge_reproducibility(pair: OutputPair, min_psnr_db: float) -> Finding:
    """Finding for two outputs that should have equal bytes but do not."""
    here, there = pair
    same = "same encoder, libraries and instruction set: wanted the same bytes"
    facts: list[str | None] = [same, _causes(pair)]
    if _compare_truth(pair) == "other":
        facts.append("the ground truth differs")
    psnr_db = None
    if here.path.is_file() and there.path.is_file():
        verdict, detail, psnr_db = _compare_frames(pair, min_psnr_db)
        facts.append(f"frames: {verdict.replace('_', ' ')}")
        facts.append(detail)
    return _finding(pair, "differs", _sentence(*facts), psnr_db)


def _compare_frames(pair: OutputPair, min_psnr_db: float) -> tuple[str, str | None, float | None]:
    """Verdict, detail and PSNR of two files that both exist."""
    try:
        similarity = compare_videos(*(output.path for output in pair))
    except ItemError as error:
        return "broken", str(error), None
    problems = _problems(similarity, min_psnr_db)
    if problems:
        return "differs", "; ".join(problems), similarity.psnr_db
    if similarity.identical:
        return "same_pixels", None, similarity.psnr_db
    return (
        "close",
        f"PSNR {similarity.psnr_db:.2f} dB in frame {similarity.worst_frame}",
        similarity.psnr_db,
    )


def _problems(similarity: VideoSimilarity, min_psnr_db: float) -> list[str]:
    problems = []
    if similarity.frames[0] != similarity.frames[1]:
        problems.append(f"{similarity.frames[0]} frames here, {similarity.frames[1]} there")
    if similarity.mismatch:
        problems.append(similarity.mismatch)
    if similarity.psnr_db < min_psnr_db:
        worst = f"{similarity.psnr_db:.2f} dB in frame {similarity.worst_frame}"
        problems.append(f"PSNR {worst}, wanted {min_psnr_db:g}")
    return problems


def _causes(pair: OutputPair) -> str:
    """The recorded reasons for which the bytes of two outputs may differ."""
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
"""A decoded frame (av.VideoFrame); only media.video imports av."""


@dataclass
class VideoSimilarity:
    """Result of comparing two videos frame by frame."""

    frames: tuple[int, int] = (0, 0)
    """Number of frames of each video."""
    mismatch: str | None = None
    """The first differing frame time or size."""
    identical: bool = True
    """Whether all samples of all frames are equal."""
    psnr_db: float = math.inf
    """Minimum PSNR of a frame, in dB."""
    worst_frame: int = 0
    """Number of the frame with the minimum PSNR."""

    def add_frames(self, number: int, here: Frame, there: Frame, times: list[Fraction]) -> None:
        """Compare the frames with this number, displayed at `times`, in seconds."""
        if times[0] != times[1]:
            text = " and ".join(f"{float(time):.6f} s" for time in times)
            self._note(f"frame {number} is displayed at {text}")
        if _same(here, there):
            return
        self.identical = False
        pictures = to_rgb(here), to_rgb(there)
        if pictures[0].shape != pictures[1].shape:
            text = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in pictures)
            self._note(f"frame {number} has the size {text}")
            return
        value = psnr(*pictures)
        if value < self.psnr_db:
            self.psnr_db, self.worst_frame = value, number

    def _note(self, text: str) -> None:
        self.mismatch = self.mismatch or text


def compare_videos(here: Path, there: Path) -> VideoSimilarity:
    """Decode and compare two videos. Raises ItemError, with the path, if one does not decode."""
    similarity = VideoSimilarity()
    with ExitStack() as stack:
        sources = [_open(stack, path) for path in (here, there)]
        for number, (one, two) in enumerate(zip_longest(*sources)):
            if one is not None and two is not None:
                pair = zip((one, two), sources, strict=True)
                times = [(frame.pts or 0) * source.time_base for frame, source in pair]
                similarity.add_frames(number, one, two, times)
        for source, path in zip(sources, (here, there), strict=True):
            if source.decode_errors:
                raise ItemError("corrupt", f"{path}: {source.first_error}")
    similarity.frames = sources[0].frame_count, sources[1].frame_count
    return similarity


def _open(stack: ExitStack, path: Path) -> VideoSource:
    try:
        return stack.enter_context(open_video(path))
    except ItemError as error:
        raise ItemError(error.reason, f"{path}: {error.detail}") from error


def _same(here: Frame, there: Frame) -> bool:
    """Whether two frames have equal tags and equal samples."""
    return _tags(here) == _tags(there) and all(
        np.array_equal(a, b) for a, b in zip(_planes(here), _planes(there), strict=True)
    )


def _tags(frame: Frame) -> tuple[object, ...]:
    return frame.format.name, display_of(frame), frame.colorspace, frame.color_range


def _planes(frame: Frame) -> Iterator[np.ndarray]:
    """The samples of each plane, uint8 (H, bytes per row), without row padding."""
    for number, plane in enumerate(frame.planes):
        parts = [part for part in frame.format.components if part.plane == number]
        row = plane.width * sum((part.bits + 7) // 8 for part in parts)
        yield np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, :row]


def psnr(here: np.ndarray, there: np.ndarray) -> float:
    """PSNR of two images, uint8 (H, W, 3), over all samples, in dB; infinite if they are equal.

    >>> round(psnr(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)), 2)
    48.13
    """
    return math.inf if np.array_equal(here, there) else cv2.PSNR(here, there)
