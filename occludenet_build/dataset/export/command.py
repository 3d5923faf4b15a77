"""The command line of export; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import importlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.export import FORMATS, Export
from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import csv_text, folder_lock, sha256_file
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.settings import key_values
from occludenet_build.dataset.clips import Build, ExportClip
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.labels import ids_of_reader, joined, read_label_map
from occludenet_build.dataset.export.licences import HEADER, licence_rows, restricted
from occludenet_build.dataset.export.output import FINISHED
from occludenet_build.media.video.source import outages_as_reasons

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of export."""
    parser.add_argument("--format", required=True, choices=tuple(FORMATS), metavar="NAME",
                        help=", ".join(FORMATS))  # fmt: skip
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER/export.json",
        help="written last; the folder is that of the export",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    """Export the clips of a build in one format.

    Raises UserError where the build has no clips, the format cannot hold a name, a class has no
    label id, or too many clips are away.
    """
    settings = config.section(Export)
    if args.out.name != FINISHED:
        raise UserError(f"--out: wanted FOLDER/{FINISHED}, got {args.out}; correct it")
    folder = args.out.resolve().parent
    with Build(args.root.resolve()) as build, folder_lock(folder.parent / f".{folder.name}.lock"):
        clips = build.clips(settings.sets)
        spaces, about = _label_spaces(build, clips, settings, args.format)
        left_out = _unusable(build, clips, args.threads)
        job = Job(
            build=build,
            clips=[clip for clip in clips if clip.name not in left_out],
            labels=joined(spaces.values()),
            folder=folder,
            settings=settings,
            threads=args.threads,
            spaces=spaces,
            left_out=left_out,
        )
        _export(job, args.format, clips, about, config)


def _label_spaces(
    build: Build, clips: Sequence[ExportClip], settings: Export, format: str
) -> tuple[dict[str, dict[str, int]], Row]:
    """(set -> class name -> label id, what export.json says about the label map)."""
    spaces = build.label_spaces(list(dict.fromkeys(clip.set for clip in clips)))
    file = next((Path(m.file) for m in settings.label_maps if m.format == format), None)
    if file is None:
        return spaces, {"label_map": None, "label_map_sha256": None}
    reader = read_label_map(file)
    names = dict.fromkeys(clip.label for clip in clips)
    ids = ids_of_reader(names, reader, format)
    # the names of the build, and the classes of the reader that the build does not have
    kept = {name: i for name, i in reader.items() if i not in ids.values()} | ids
    about = {"label_map": file.name, "label_map_sha256": sha256_file(file)}
    return dict.fromkeys(spaces, kept), about


def _unusable(build: Build, clips: Sequence[ExportClip], threads: int) -> dict[str, ItemError]:
    """Name of a clip -> why its file cannot be exported."""
    tasks = ((clip.name, build.root / clip.file, clip.file_hash) for clip in clips)
    checked = in_processes(_fault, tasks, threads, lambda task, error: (task[0], error))
    found = dict(progress(checked, len(clips), "clip"))
    return {clip.name: error for clip in clips if (error := found[clip.name]) is not None}


def _fault(task: tuple[str, Path, str]) -> tuple[str, ItemError | None]:
    """Whether a file is there and has the hash of the annotations, in a worker process."""
    name, path, sha256 = task
    try:
        with outages_as_reasons(path):
            same = sha256_file(path) == sha256
        return name, None if same else ItemError("clip_changed")
    except Exception as error:
        return name, as_item_error(error)


def _export(job: Job, format: str, clips: Sequence[ExportClip], about: Row, config: Config) -> None:
    if not job.clips:
        _check(job, clips, config)
        raise UserError(f"wanted clips to export, got none of {len(clips)}; see their files")
    job.output.begin(format)
    module = importlib.import_module(f"{__package__}.{format}")
    counts = module.write(job)
    _check(job, clips, config)
    _check_some_left(job, format)
    job.output.text("names.csv", _names_csv(job))
    job.output.text("problems.csv", _problems_csv(job, clips))
    licences = licence_rows(job.build, job.kept)
    job.output.text("licences.csv", csv_text(HEADER, licences))
    removed = job.output.finish()
    about = dict(about) | {"licences_restrict": restricted(licences)}
    summary = _summary(job, format, counts, about)
    job.output.json(FINISHED, summary)
    logging.info(
        "%s: %d clips in %s, %d left out%s", format, summary["clips"], job.folder,
        summary["left_out"], f", {removed} old files removed" if removed else "",
    )  # fmt: skip
    if job.settings.pixels and about["licences_restrict"]:
        forbidden = ", ".join(f"{w} ({n} occluders)" for w, n in about["licences_restrict"].items())
        logging.warning("licences.csv: before you publish pictures of occluders: %s", forbidden)
    if job.left_out:
        logging.warning("problems.csv says why %d clips were left out", len(job.left_out))


def _check_some_left(job: Job, format: str) -> None:
    """Raises UserError if the format can hold no clip."""
    if not job.kept:
        first = job.left_out[job.clips[0].name]
        raise UserError(
            f"{format}: wanted clips that the format can hold, got none of "
            f"{len(job.clips)}, the first for {first}; leave the format out"
        )


def _check(job: Job, clips: Sequence[ExportClip], config: Config) -> None:
    """Raises UserError if too many clips are away; asks for another attempt if some are."""
    rows = [{"clip": clip.name} | _reason(job, clip) for clip in clips]
    table = job.folder.with_name(f"{job.folder.name}.json")
    check_items("export", rows, table, config.failures)


def _reason(job: Job, clip: ExportClip) -> Row:
    error = job.left_out.get(clip.name)
    return {"reason": error and error.reason, "detail": error and error.detail}


def _names_csv(job: Job) -> str:
    """Exported name -> clip."""
    rows = [
        (job.exported.get(c.name, job.place_of(c)), c.clip, c.set, c.split, c.label, c.file)
        for c in job.kept
    ]
    return csv_text(("name", "clip", "set", "split", "class", "file"), sorted(rows))


def _problems_csv(job: Job, clips: Sequence[ExportClip]) -> str:
    rows = [
        (c.clip, c.set, c.split, c.label, c.file, *_reason(job, c).values())
        for c in clips
        if c.name in job.left_out
    ]
    return csv_text(("clip", "set", "split", "class", "file", "reason", "detail"), rows)


def _summary(job: Job, format: str, counts: Mapping[str, Any], about: Row) -> Row:
    settings = key_values(job.settings)
    for name in ("formats", "label_maps"):  # of other formats too, and a path of this machine
        settings.pop(name, None)
    per_split = Counter(f"{clip.set}/{clip.split}" for clip in job.kept)
    reasons = Counter(error.reason for error in job.left_out.values())
    return {
        "format": format,
        "reader": FORMATS[format].reader,
        "settings": settings,
        "labels": dict(job.labels),
        "clips": per_split.total(),
        "clips_per_split": dict(per_split),
        "left_out": len(job.left_out),
        "left_out_reasons": dict(reasons),
        "counts": dict(counts),
        **about,
    }
