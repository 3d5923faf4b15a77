"""WebDataset: tar files of samples, for training that streams.

    <set>/<split>-000000.tar     the samples, sorted by key; several files for one split
        <key>.mp4                the clip
        <key>.cls                its label id, as text
        <key>.json               the row of records.CLIPS
        <key>.frames.json        a list of the rows of records.FRAMES, in display order
    <set>/<split>.json           the tar files with their number of samples, bytes and sha256
    <set>/labels.json            class name -> label id

The key of a sample ends at the first dot of its name. The release's 0.25_x.mp4 would all have the
key 0: keys therefore have no dot, with `names: release` too, and names.csv maps them back. Entries
have no owner and no time, so that equal clips give equal bytes. Names of more than 100 letters and
clips of more than 8 GB have a header of POSIX pax; all others have ustar's only.
Source: documentation of webdataset 1.0.2, "WebDataset format"; POSIX.1-2001, pax.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from occludenet_build.core.files import sha256_file
from occludenet_build.core.progress import progress
from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.job import Job, safe_names
from occludenet_build.dataset.export.records import clip_row, frame_row

MEGABYTE = 1_000_000
_BLOCK = 512
"""Bytes of a block: a member has one for its header, and whole blocks of content."""


@dataclass(frozen=True)
class Sample:
    """A clip as it stands in a tar file."""

    place: str
    """Set and split, such as D-25/train."""
    key: str
    clip: ExportClip
    texts: dict[str, bytes]
    """Suffix -> content of the small files."""
    video: Path | None
    """The file of the clip; None without pixels."""

    @property
    def bytes(self) -> int:
        """Bytes in the tar file."""
        sizes = [len(content) for content in self.texts.values()]
        sizes += [self.video.stat().st_size] if self.video else []
        return sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes)


def write(job: Job) -> dict[str, Any]:
    """Write the tar files; return the number of samples and of files per set and split."""
    counts = {}
    samples = progress(_samples(job), len(job.clips), "clip")
    for place, of_split in groupby(samples, key=lambda sample: sample.place):
        shards = _write_shards(job, place, of_split)
        job.output.json(f"{place}.json", shards)
        counts[place] = {"samples": sum(s["samples"] for s in shards), "files": len(shards)}
    for name in job.sets:
        job.output.json(f"{name}/labels.json", dict(job.labels_of(name)))
    return counts


def _samples(job: Job) -> Iterator[Sample]:
    """The samples of each set and split, sorted by key."""
    for name, split, clips in by_split(job.clips):
        keys = safe_names(job.clip_names[clip.name] for clip in clips)
        named = {keys[job.clip_names[clip.name]]: clip for clip in clips}
        for key, clip in sorted(named.items()):
            yield _sample(job, f"{name}/{split}", key, clip)


def _sample(job: Job, place: str, key: str, clip: ExportClip) -> Sample:
    frames = [frame_row(clip, facts) for facts in job.build.frames(clip)]
    texts = {
        "cls": str(job.label_id(clip)).encode(),
        "frames.json": _json(frames),
        "json": _json(clip_row(clip, None, job.labels_of(clip.set))),
    }
    video = job.build.root / clip.file if job.settings.pixels else None
    return Sample(place, key, clip, texts, video)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


def _write_shards(job: Job, place: str, samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Write the tar files of a split; the facts of each."""
    shards = []
    numbered = _numbered(samples, job.settings.shard_mb * MEGABYTE)
    for number, part in groupby(numbered, key=lambda pair: pair[0]):
        file, count = f"{place}-{number:06d}.tar", 0
        with (
            job.output.writing(file) as temporary,
            tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for _, sample in part:
                job.name(sample.clip, f"{file}:{sample.key}")
                _add_sample(tar, sample)
                count += 1
        path = job.folder / file
        facts = {"file": path.name, "samples": count, "bytes": path.stat().st_size}
        shards.append(facts | {"sha256": sha256_file(path)})
    return shards


def _numbered(samples: Iterable[Sample], limit: int) -> Iterator[tuple[int, Sample]]:
    """Each sample with the number of its tar file, which begins another one at `limit` bytes."""
    number = size = 0
    for sample in samples:
        if size and size + sample.bytes > limit:
            number, size = number + 1, 0
        size += sample.bytes
        yield number, sample


def _add_sample(tar: tarfile.TarFile, sample: Sample) -> None:
    for suffix, content in sorted(sample.texts.items()):
        tar.addfile(_member(f"{sample.key}.{suffix}", len(content)), io.BytesIO(content))
    if sample.video is not None:
        member = _member(f"{sample.key}{sample.video.suffix}", sample.video.stat().st_size)
        with open(sample.video, "rb") as stream:
            tar.addfile(member, stream)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A header without time and owner, mode 644."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member
