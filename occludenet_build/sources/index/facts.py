"""What each video is, from decoding every frame of it: a ledger of its own.

Their version is their own: a change of the draw decodes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.config.sources import Index
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.pool import in_processes
from occludenet_build.core.tables import column
from occludenet_build.core.versions import results_version
from occludenet_build.media.video.probe import VideoInfo, probe

COLUMNS = [
    column("sha256", "string", "hash of the file"),
    column("container", "string", "demuxer"),
    column("codec", "string", "video codec"),
    column("pix_fmt", "string", "pixel format of the decoded frames"),
    column("coded_width", "int32", "stored picture, pixels"),
    column("coded_height", "int32", "stored picture, pixels"),
    column("width", "int32", "displayed picture, pixels: after rotation"),
    column("height", "int32", "displayed picture, pixels"),
    column("rotation", "int32", "degrees counterclockwise from stored to displayed"),
    column("pixel_aspect", "string", "sample aspect ratio, num/den"),
    column("frames", "int32", "frames that decode"),
    column("time_base", "string", "seconds per pts tick, num/den"),
    column("first_pts", "int64", "pts of frame 0"),
    column("duration", "string", "seconds from the first frame to the end of the last, num/den"),
    column("duration_seconds", "float64", "the same, seconds"),
    column("rate", "string", "average frame rate, num/den"),
    column("fps", "float64", "the same, frames per second"),
    column("variable_rate", "bool", "frames are not evenly spaced"),
    column("pts_hash", "string", "hash of all pts"),
    column("audio_codec", "string", "codec of the first sound stream, null if silent"),
    column("audio_streams", "int32", "number of sound streams"),
    column("audio_seconds", "float64", "end of the first sound stream, seconds"),
    column("decode_errors", "int32", "packets that did not decode"),
    column("corrupt_frames", "int32", "frames the decoder calls damaged"),
]
FACTS = pa.schema([*ledger.STATUS, *COLUMNS])


def probe_videos(
    listed: list[dict[str, Any]], settings: Index, store: Path, threads: int
) -> dict[str, dict[str, Any]]:
    """Facts per clip; a file is decoded again only when its size or time stamp changed."""
    limits = {"max_decode_errors": settings.max_decode_errors, "max_pixels": settings.max_pixels}
    version = results_version("index", "facts")
    paths = {row["clip"]: row["path"] for row in listed}
    keys = {
        clip: ledger.key("index", version, limits, path, files.stamp(path))
        for clip, path in paths.items()
    }
    with ledger.hold(store, FACTS) as open_ledger:

        def make(clips: list[str]) -> Iterator[ledger.Result]:
            jobs = [(clip, paths[clip], keys[clip]) for clip in clips]
            yield from in_processes(partial(probe_video, limits=limits), jobs, threads)

        ledger.work_through(open_ledger, keys, make)
        table = open_ledger.close(sorted(keys))
    return {row["clip"]: row for row in table.to_pylist()}


def probe_video(job: tuple[str, str, str], limits: dict[str, int]) -> ledger.Result:
    """The facts of one (clip, path, key), or the reason why there are none."""
    clip, path, key = job

    def facts() -> tuple[dict[str, Any], None]:
        return video_columns(probe(path, **limits)) | {"sha256": files.sha256_file(path)}, None

    return ledger.attempt({"clip": clip, "key": key}, facts)


def video_columns(info: VideoInfo) -> dict[str, Any]:
    """A probe as plain columns."""
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
        "pixel_aspect": tables.fraction(info.sample_aspect),
        "frames": info.frames,
        "time_base": tables.fraction(info.time_base),
        "first_pts": info.first_pts,
        "duration": tables.fraction(info.duration),
        "duration_seconds": float(info.duration),
        "rate": tables.fraction(info.fps),
        "fps": float(info.fps),
        "variable_rate": info.variable_rate,
        "pts_hash": info.pts_hash,
        "audio_codec": info.audio_codec,
        "audio_streams": info.audio_streams,
        "audio_seconds": info.audio_seconds,
        "decode_errors": info.decode_errors,
        "corrupt_frames": info.corrupt_frames,
    }
