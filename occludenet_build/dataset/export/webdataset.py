"""WebDataset: tar files of samples, for training that streams.

    <set>/<split>-000000.tar     the samples, sorted by key; several files for one split
        <key>.mp4                the clip
        <key>.cls                its label id, as text
        <key>.json               the row of records.CLIPS
        <key>.frames.json        a list of the rows of records.FRAMES, in display order
    <set>/<split>.json           the tar files with their number of samples, bytes and sha256
    labels.json                  class name -> label id

The key of a sample ends at the first dot of its name. The release's 0.25_x.mp4 would all have the
key 0: keys therefore have no dot, with `names: release` too, and names.csv maps them back. Entries
have no owner and no time, so that equal clips give equal bytes.
Source: documentation of webdataset 1.0.2, "WebDataset format"; POSIX ustar.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from occludenet_build.core.files import sha256_file
from occludenet_build.core.progress import progress
from occludenet_build.dataset.export.clips import ExportClip, by_split
from occludenet_build.dataset.export.job import Job, safe_names
from occludenet_build.dataset.export.records import clip_row, frame_row

Sample = tuple[str, ExportClip]
"""Key and clip."""


def write(job: Job) -> dict[str, Any]:
    """Write the tar files; return the number of samples and of files per set and split."""
    counts = {}
    shards: dict[str, list[dict[str, Any]]] = {}
    for path, shard in progress(_written(job), len(job.clips), "clip"):
        if shard is not None:
            shards.setdefault(path, []).append(shard)
    for path, found in shards.items():
        job.output.json(f"{path}.json", found)
        counts[path] = {"samples": sum(one["samples"] for one in found), "files": len(found)}
    job.output.json("labels.json", dict(job.labels))
    return counts


def _written(job: Job) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(set/split, the facts of a finished tar file), or (set/split, None), once for each clip."""
    for name, split, clips in by_split(job.clips):
        place = f"{name}/{split}"
        keys = safe_names(job.clip_names[clip.name] for clip in clips)
        named = {keys[job.clip_names[clip.name]]: clip for clip in clips}
        samples = sorted(named.items())
        for number, part in enumerate(_shards(job, samples)):
            file = f"{place}-{number:06d}.tar"
            for key, clip in part:
                job.name(clip, f"{file}:{key}")
            yield place, _write_shard(job, file, part)
            for _ in part[1:]:
                yield place, None


def _shards(job: Job, samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Runs of samples that fit into a tar file, by the size of their videos."""
    limit = job.settings.shard_mb * 1_000_000
    part: list[Sample] = []
    size = 0
    for key, clip in samples:
        own = (job.build.root / clip.file).stat().st_size
        if part and size + own > limit:
            yield part
            part, size = [], 0
        part.append((key, clip))
        size += own
    if part:
        yield part


def _write_shard(job: Job, file: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Write a tar file, unless it is there; its facts."""
    with job.output.writing(file) as temporary, open(temporary, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for key, clip in samples:
                _add_sample(job, tar, key, clip)
    path = job.folder / file
    facts = {"samples": len(samples), "bytes": path.stat().st_size, "sha256": sha256_file(path)}
    return {"file": file.rpartition("/")[2], **facts}


def _add_sample(job: Job, tar: tarfile.TarFile, key: str, clip: ExportClip) -> None:
    frames = [frame_row(clip, facts) for facts in job.build.frames(clip)]
    row = clip_row(job, clip, None)
    row["key"] = key
    _add(tar, f"{key}.cls", str(job.label_id(clip)).encode())
    _add(tar, f"{key}.frames.json", _json(frames))
    _add(tar, f"{key}.json", _json(row))
    if job.settings.pixels:
        suffix = clip.file.rpartition(".")[2]
        path = job.build.root / clip.file
        with open(path, "rb") as stream:
            _add_stream(tar, f"{key}.{suffix}", stream, path.stat().st_size)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_stream(tar, name, io.BytesIO(content), len(content))


def _add_stream(tar: tarfile.TarFile, name: str, stream: BinaryIO | io.BytesIO, size: int) -> None:
    member = tarfile.TarInfo(name)  # no time, no owner, mode 644
    member.size = size
    tar.addfile(member, stream)
