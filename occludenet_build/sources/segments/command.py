"""Command line of segments; the docstring of the package documents inputs and outputs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import occludenet_build.sources.segments as stage
from occludenet_build.config import Config
from occludenet_build.config.sources import Segments as Settings
from occludenet_build.core import ledger
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import files_exist, remove_stale, size_and_mtime
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.sources.cut_clips import ClipCoding
from occludenet_build.sources.segments import cutting, table
from occludenet_build.sources.segments.cutting import (
    CutJob,
    cut_segment,
    lost_segment,
    segment_clip_names,
)
from occludenet_build.sources.segments.table import Segment
from occludenet_build.sources.video_folder import VideoFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("--videos", type=Path, help="folder of videos; overrides segments.videos")
    parser.add_argument("--table", type=Path, help="CSV file of segments; overrides segments.table")
    parser.add_argument("--root", type=Path, required=True, help="build folder")
    parser.add_argument("--out", type=Path, required=True, help="segments/clips.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    """Cut the accepted segments, and write the table and the annotations."""
    settings = config.segments
    videos = VideoFolder(
        _given(args.videos or settings.videos, "videos", "a folder"), "segments.videos"
    )
    segments = table.read_segments(_given(args.table or settings.table, "table", "a CSV file"))
    jobs = {job.clip: job for job in make_jobs(segments, videos, args.root, config)}
    with ledger.locked_ledger(args.out.parent / "store" / "all", stage.CLIPS) as open_ledger:

        def made(missing: list[str]) -> Iterator[ledger.ClipResult]:
            missing_jobs = (jobs[clip] for clip in missing)
            yield from in_processes(cut_segment, missing_jobs, args.threads, lost_segment)

        todo = {clip: job.key for clip, job in jobs.items()}
        ledger.work_through(
            open_ledger, todo, made, lambda row: files_exist(args.root, row, stage.FILES)
        )
        before = open_ledger.kept_rows()
        check_items("segments", open_ledger.results(list(jobs)), args.out, config.failures)
        rows = open_ledger.close(list(jobs), args.out)
    remove_stale(before, rows, args.root, stage.FILES)
    cutting.write_annotations(args.root / settings.dataset, rows.to_pylist())
    ledger.log_summary(rows)
    cutting.log_counts(rows.to_pylist())


def _given(path: Path | str | None, name: str, what: str) -> Path:
    if path is None:
        raise UserError(f"segments.{name}: wanted {what}, got nothing; set it")
    return Path(path)


def make_jobs(
    segments: list[Segment], videos: VideoFolder, root: Path, config: Config
) -> Iterator[CutJob]:
    """A job per segment, in the order of the table."""
    settings, coding = config.segments, ClipCoding.of(config.composite)
    version = results_version("segments")
    for segment, clip in zip(segments, segment_clip_names(segments), strict=True):
        label, source, problem = _checked(segment, videos, settings)
        file = f"{settings.dataset}/{segment.split}/{label}/{clip}.mp4"
        what = (str(segment.start), str(segment.end), segment.video)
        made_from = f"{source} {size_and_mtime(source)}" if source and not problem else str(problem)
        key = ledger.result_key("segments", version, coding.values, file, *what, made_from)
        yield CutJob(clip, key, segment, label, source, root, file, coding, problem)


def _checked(
    segment: Segment, videos: VideoFolder, settings: Settings
) -> tuple[str, Path | None, ItemError | None]:
    """(class, path of the video, error that prevents the cut)."""
    classes = {name.casefold(): name for name in settings.classes}
    label = classes.get(segment.label.casefold(), segment.label)
    try:
        source = videos.folder / videos.find(segment.video, label)
    except ItemError as error:
        return label, None, error
    if segment.label.casefold() not in classes:
        detail = f"{label!r} is none of {', '.join(settings.classes)}"
        return label, source, ItemError("unknown_class", detail)
    seconds = round(float(segment.end - segment.start), 3)
    if seconds < settings.min_seconds:
        detail = f"{seconds:g} s, wanted at least {settings.min_seconds:g}"
        return label, source, ItemError("too_short", detail)
    if seconds > settings.max_seconds:
        detail = f"{seconds:g} s, wanted at most {settings.max_seconds:g}"
        return label, source, ItemError("too_long", detail)
    return label, source, None
