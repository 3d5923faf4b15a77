"""Properties of each video, measured by decoding every frame, and kept in a ledger.

They have their own results version, so that a change of the draw does not decode videos again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.config.sources import Index
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.tables import column
from occludenet_build.core.versions import results_version
from occludenet_build.media.video.probe import Limits, VideoInfo, probe
from occludenet_build.media.video.source import check_indexed, outages_as_reasons

COLUMNS = [
    column("sha256", "string", "sha256 of the file"),
    column("container", "string", "container format, as FFmpeg's demuxer names it"),
    column("codec", "string", "video codec"),
    column("pix_fmt", "string", "pixel format of the decoded frames"),
    column("coded_width", "int32", "width of the stored frame, pixels"),
    column("coded_height", "int32", "height of the stored frame, pixels"),
    column("width", "int32", "width of the displayed frame, after rotation, pixels"),
    column("height", "int32", "height of the displayed frame, after rotation, pixels"),
    column(
        "rotation", "int32", "rotation from stored to displayed frame, degrees counterclockwise"
    ),
    column("pixel_aspect", "string", "sample aspect ratio, num/den"),
    column("frames", "int32", "number of frames that decode"),
    column("time_base", "string", "seconds per tick of pts, num/den"),
    column("first_pts", "int64", "pts of frame 0"),
    column("duration", "string", "seconds from the first frame to the end of the last, num/den"),
    column("duration_seconds", "float64", "duration as a float, seconds"),
    column("rate", "string", "average frame rate, num/den"),
    column("fps", "float64", "average frame rate as a float, frames per second"),
    column("variable_rate", "bool", "whether frames are not evenly spaced in time"),
    column("pts_hash", "string", "hash of all pts"),
    column("audio_codec", "string", "codec of the first audio stream; null if there is none"),
    column("audio_streams", "int32", "number of audio streams"),
    column("audio_seconds", "float64", "end of the first audio stream, seconds"),
    column("decode_errors", "int32", "number of packets that do not decode"),
    column("corrupt_frames", "int32", "number of frames that the decoder marks as corrupt"),
    column("audio_unknown", "int32", "number of audio streams left out: no known codec"),
    column("mirrored", "bool", "whether the stored frame is mirrored before it is rotated"),
    column("interlaced", "bool", "whether frames are interlaced"),
    column("reading", "string", "hash of how frames and times are read; null: plainly"),
]
FACTS = pa.schema([*ledger.STATUS, *COLUMNS])


def probe_videos(
    listed: list[dict[str, Any]], settings: Index, store: Path, threads: int
) -> dict[str, dict[str, Any]]:
    """Clip -> its row of FACTS; only files whose size or time stamp changed are decoded again.

    listed: rows of acquire.VIDEOS; store: folder of the ledger.
    """
    table = _facts_table(listed, Limits.of(settings), store, threads)
    return {row["clip"]: row for row in table.to_pylist()}


def _facts_table(
    listed: list[dict[str, Any]], limits: Limits, store: Path, threads: int
) -> pa.Table:
    """The rows of FACTS; the ledger, which holds them as dicts, is gone when this returns."""
    version = results_version("index", "facts")
    paths = {row["clip"]: row["path"] for row in listed}
    keys = {
        clip: ledger.result_key("index", version, vars(limits), path, files.size_and_mtime(path))
        for clip, path in paths.items()
    }
    with ledger.locked_ledger(store, FACTS) as open_ledger:

        def make(clips: list[str]) -> Iterator[ledger.ClipResult]:
            jobs = [(clip, paths[clip], keys[clip]) for clip in clips]
            yield from in_processes(partial(probe_video, limits=limits), jobs, threads, _lost)

        ledger.work_through(open_ledger, keys, make)
        return open_ledger.close(sorted(keys))


def probe_video(job: tuple[str, str, str], limits: Limits) -> ledger.ClipResult:
    """Probe the video of one (clip, path, key); the row has properties or a reason."""
    clip, path, key = job
    return ledger.attempt({"clip": clip, "key": key}, lambda: (_facts(path, limits), None))


def _facts(path: str, limits: Limits) -> dict[str, Any]:
    with outages_as_reasons(path):
        sha256 = files.sha256_file(path)
    try:
        return video_columns(probe(path, limits)) | {"sha256": sha256}
    except ItemError:
        # FFmpeg takes a read error for the end of the file: is it the file, or the disk?
        check_indexed(path, sha256)
        raise


def _lost(job: tuple[str, str, str], error: ItemError) -> ledger.ClipResult:
    clip, _, key = job
    return ledger.lost({"clip": clip, "key": key}, error)


def _reading(info: VideoInfo) -> str | None:
    """A hash where frames or times are not simply those of the file; part of the clip's keys.

    What is read plainly keeps its keys, and so its results, whatever is corrected elsewhere.
    """
    told = [name for name in ("interlaced", "sound_changes") if getattr(info, name)]
    if info.is_plain and not info.display.mirrored and not told:
        return None
    return files.short_hash(info.pts_hash, str(info.frames), repr(info.display), *told)


def video_columns(info: VideoInfo) -> dict[str, Any]:
    """The columns of a probed video."""
    width, height = info.display.size
    return {
        "container": info.container,
        "codec": info.codec,
        "pix_fmt": info.pix_fmt,
        "coded_width": info.display.coded_width,
        "coded_height": info.display.coded_height,
        "width": width,
        "height": height,
        "rotation": info.display.rotation,
        "pixel_aspect": tables.fraction_text(info.sample_aspect),
        "frames": info.frames,
        "time_base": tables.fraction_text(info.time_base),
        "first_pts": info.first_pts,
        "duration": tables.fraction_text(info.duration),
        "duration_seconds": float(info.duration),
        "rate": tables.fraction_text(info.fps),
        "fps": float(info.fps),
        "variable_rate": info.variable_rate,
        "pts_hash": info.pts_hash,
        "audio_codec": info.audio_codec,
        "audio_streams": info.audio_streams,
        "audio_seconds": info.audio_seconds,
        "decode_errors": info.decode_errors,
        "corrupt_frames": info.corrupt_frames,
        "audio_unknown": info.audio_unknown,
        "mirrored": info.display.mirrored,
        "interlaced": info.interlaced,
        "reading": _reading(info),
    }
