"""Command line of recordings; the docstring of the package documents inputs and outputs."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pyarrow as pa

import occludenet_build.sources.recordings as stage
from occludenet_build.config import Config
from occludenet_build.config.recordings import Recordings, RecordingSet
from occludenet_build.core import ledger, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import Tolerance, check_items
from occludenet_build.core.files import files_exist, remove_stale
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.release.terms import RECORDED_CLASSES
from occludenet_build.sources.anonymity import leaks
from occludenet_build.sources.cut_clips import ClipCoding
from occludenet_build.sources.recordings import cutting, files, offsets, outputs, page
from occludenet_build.sources.recordings.pattern import match_files
from occludenet_build.sources.recordings.planning import (
    PlannedClip,
    SetPlan,
    usable_files,
    with_unique_names,
)
from occludenet_build.sources.recordings.privacy import Privacy, with_consent
from occludenet_build.sources.recordings.splits import assign_splits, log_shares
from occludenet_build.sources.recordings.table import Recording, read_recordings
from occludenet_build.sources.recordings.takes import Take, check_sessions, takes_of
from occludenet_build.sources.video_folder import VideoFolder
from occludenet_build.stages import STAGES

Job = TypeVar("Job", files.FileJob, offsets.OffsetJob, cutting.RecordingJob)
Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("--root", type=Path, required=True, help="build folder")
    parser.add_argument("--out", type=Path, required=True, help="recordings/clips.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


@dataclass
class ReadSet:
    """A set as its table, or the names of its files, describe it."""

    one: RecordingSet
    folder: VideoFolder
    recordings: list[Recording]
    takes: list[Take]
    unmatched: list[PurePosixPath] = field(default_factory=list)


def run(args: argparse.Namespace, config: Config) -> None:
    """Read the sets, measure the recordings, cut the clips, and write tables, trees and page."""
    settings = config.section(Recordings)
    if not settings.sets:
        raise UserError(
            "config: recordings.sets: wanted a list of sets, got none; set it (docs/recordings.md)"
        )
    _check_folders(config)
    sets = [read_set(one, settings) for one in settings.sets]
    splits = _assign(sets, config)
    work = _Work(args.out, args.threads, config.failures)
    plans = with_consent(_plan(sets, splits, work, settings), settings)
    privacy = Privacy(settings, tuple({one.source.path for one in plans if one.source}))
    coding, version = ClipCoding.of(config.composite), results_version("recordings")
    jobs = [
        cutting.recording_job(plan, args.root, coding, settings, version, privacy) for plan in plans
    ]
    rows = _cut(jobs, args, work, settings)
    rows += [outputs.unmatched_row(one.one, path) for one in sets for path in one.unmatched]
    table = tables.from_rows(rows, stage.CLIPS)
    tables.write_table(table, args.out)
    for one in sets:
        outputs.write_set(args.root, one.one, one.takes, splits, rows)
    _remove_reports(args.out.parent, settings.sets)
    page.write_page(args.out.parent / "index.html", rows, args.root)
    if privacy.is_on:
        _report_leaks(args, [row for row in rows if row["status"] == "ok"])
    ledger.log_summary(table)
    outputs.log_sets(rows)


def _check_folders(config: Config) -> None:
    """Raises UserError where the folder of a set is one that the build uses for something else."""
    taken = {getattr(config, name).dataset: f"{name}.dataset" for name in ("composite", "segments")}
    taken |= dict.fromkeys((*STAGES, "logs", "benchmarks"), "a stage")
    folded = {folder.casefold(): whose for folder, whose in taken.items()}
    for one in config.section(Recordings).sets:
        whose = folded.get(one.dataset_folder.casefold())
        if whose is not None:
            raise UserError(
                f"config: recordings.sets, {one.name}: wanted a dataset of its own, "
                f"{one.dataset_folder} is the folder of {whose}; change it"
            )


def _remove_reports(folder: Path, sets: Sequence[RecordingSet]) -> None:
    """Delete the tables of sets that are no more, and the leak report of an earlier run."""
    kept = {f"{one.name}.csv" for one in sets}
    for path in [*folder.glob("*.csv"), folder / "leaks.html"]:
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _report_leaks(args: argparse.Namespace, made: list[Row]) -> None:
    """Write the leak report, and log it."""
    leaks.write_report(args.out.parent, made, args.root)
    for row in leaks.summary(made):
        said = "not checked: set recordings.anonymity.check_weights"
        if row["rate"] is not None:
            said = f"{row['leaking_frames']} of {row['checked_frames']} frames"
        logging.log(
            logging.WARNING if row["rate"] != 0 else logging.INFO,
            "%s: faces found again: %s; nothing hidden in %d frames; see recordings/leaks.html",
            *(row["set"], said, row["bare_frames"]),
        )


def read_set(one: RecordingSet, settings: Recordings) -> ReadSet:
    """Read the table of a set, or match its files. Raises UserError for mistakes."""
    folder = VideoFolder(one.folder, f"recordings.sets, {one.name}: folder")
    unmatched: list[PurePosixPath] = []
    if one.table_file is not None:
        recordings = read_recordings(one.table_file, one)
    else:
        recordings, unmatched = match_files(folder.videos, one)
    takes = takes_of(recordings, one)
    if not takes:
        raise UserError(f"{one.table_file}: wanted a row per recording, got none; fill it in")
    check_sessions(takes, settings.together)
    _report_classes(one, takes)
    return ReadSet(one, folder, recordings, takes, unmatched)


def _assign(sets: Sequence[ReadSet], config: Config) -> dict[str, str]:
    """Key of a take -> its split. Raises UserError for takes that cannot be divided."""
    settings = config.section(Recordings)
    shares = dataclasses.asdict(settings.split)
    takes = [take for one in sets for take in one.takes]
    splits = assign_splits(takes, shares, config.seed, settings.together)
    for one in sets:
        log_shares(one.takes, splits, shares)
    return splits


def _report_classes(one: RecordingSet, takes: list[Take]) -> None:
    """Say which classes the release does not have in a set of its name."""
    known = RECORDED_CLASSES.get(one.name)
    others = sorted({take.label for take in takes} - set(known or ()))
    if known and others:
        logging.warning(
            "%s: %d classes that OccludeNet-%s does not have: %s",
            *(one.name, len(others), one.name, ", ".join(others)),
        )


def _report_unlisted(one: ReadSet, found: Mapping[str, Row]) -> None:
    """Say how many videos of the folder no row of the table names."""
    rows = (found[files.file_id(one.one.name, row.file)] for row in one.recordings)
    paths = {row["path"] for row in rows}
    others = [path for path in one.folder.videos if str(one.folder.folder / path) not in paths]
    if others and one.one.table_file is not None:
        logging.warning(
            "%s: %d videos of %s are in no row of the table, first %s",
            *(one.one.name, len(others), one.folder.folder, others[0]),
        )


@dataclass(frozen=True)
class _Work:
    """Works through jobs with a ledger: what is finished is kept, what fails is a row."""

    out: Path
    threads: int
    failures: Tolerance

    def rows(
        self,
        name: str,
        jobs: Sequence[Job],
        schema: pa.Schema,
        make: Callable[[Job], ledger.ClipResult],
        lose: Callable[[Job, ItemError], ledger.ClipResult],
        done: Callable[[list[Row], pa.Table], None] = lambda before, rows: None,
        intact: Callable[[Row], bool] = lambda row: True,
    ) -> dict[str, Row]:
        """Id of a job -> its row. `done` gets the rows of earlier runs, and those of this one."""
        by_id = {_id(job): job for job in jobs}
        todo = {id: job.key for id, job in by_id.items()}
        with ledger.locked_ledger(self.out.parent / "store" / name, schema) as open_ledger:
            before = open_ledger.kept_rows() + open_ledger.interrupted_rows()

            def missing_rows(missing: list[str]) -> Iterator[ledger.ClipResult]:
                missing_jobs = (by_id[id] for id in missing)
                yield from in_processes(make, missing_jobs, self.threads, lose)

            logging.info("%s", name)
            ledger.work_through(open_ledger, todo, missing_rows, intact)
            order = list(by_id)
            check_items("recordings", open_ledger.results(order), self.out, self.failures)
            table = open_ledger.close(order)
            done(before, table)
        return {row["clip"]: row for row in table.to_pylist()}


def _id(job: files.FileJob | offsets.OffsetJob | cutting.RecordingJob) -> str:
    return job.plan.clip if isinstance(job, cutting.RecordingJob) else job.id


def _plan(
    sets: list[ReadSet], splits: Mapping[str, str], work: _Work, settings: Recordings
) -> list[PlannedClip]:
    """The clips of all sets, after the passes over the files and the takes."""
    version = results_version("recordings")
    file_jobs = [
        job for one in sets for job in files.file_jobs(one.one, one.takes, one.folder, version)
    ]
    found = work.rows("files", file_jobs, files.FILES, files.read_file, files.lost_file)
    for one in sets:
        # the same recording under two names could be in two splits
        ids = {files.file_id(one.one.name, row.file) for row in one.recordings}
        ledger.mark_duplicates([found[id] for id in ids])
    usable = [usable_files(one.one.name, one.takes, found) for one in sets]
    for one in sets:
        _report_unlisted(one, found)
    offset_jobs = [
        job
        for one, facts in zip(sets, usable, strict=True)
        for job in offsets.offset_jobs(one.takes, facts, version)
    ]
    times = work.rows(
        "offsets", offset_jobs, offsets.OFFSETS, offsets.find_offsets, offsets.lost_offsets
    )
    limits = (_exact(settings.min_seconds), _exact(settings.max_seconds))
    plans = (
        SetPlan(one.one, one.takes, splits, found, facts, times, *limits)
        for one, facts in zip(sets, usable, strict=True)
    )
    return with_unique_names([clip for plan in plans for clip in plan.clips()])


def _exact(seconds: float) -> Fraction:
    return Fraction(str(seconds))


def _cut(
    jobs: list[cutting.RecordingJob], args: argparse.Namespace, work: _Work, settings: Recordings
) -> list[Row]:
    """Cut the clips that are not cut yet, and return the rows of all, with their warnings."""
    found = work.rows(
        "clips",
        jobs,
        stage.CLIPS,
        cutting.cut_recording,
        cutting.lost_recording,
        lambda before, rows: _remove_old(before, rows, args.root, settings),
        lambda row: files_exist(args.root, row, stage.FILES),
    )
    return [_complete(found[job.plan.clip], job, settings) for job in jobs]


def _remove_old(before: list[Row], now: pa.Table, root: Path, settings: Recordings) -> None:
    """Delete the files of clips that are no more, and what a killed run left half-written.

    Nobody may find there what is hidden in the clip itself, or was refused.
    """
    remove_stale(before, now, root, stage.FILES)
    for one in settings.sets:
        for half in (root / one.dataset_folder).rglob(".*.part.mp4"):
            half.unlink(missing_ok=True)


def _complete(row: Row, job: cutting.RecordingJob, settings: Recordings) -> Row:
    """The row with the columns that need no new cut: facts of the table, and warnings."""
    row = row | cutting.plan_columns(job.plan) | {"seconds": None}
    if row["status"] == "ok":
        row["warnings"] = cutting.warnings_of(row, job.plan, settings.checks)
    return row
