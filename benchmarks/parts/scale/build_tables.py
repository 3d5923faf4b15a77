"""The tables of a build of OccludeNet-D before annotate, fabricated: rows as the stages write them.

A class has as many videos as one of Kinetics-400, and `select` chooses 196 of them, so that 400
classes are the 78,400 source clips of the release. Nothing is decoded: the ledgers of index and
leaks are those of a finished run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.config import Config
from occludenet_build.core import files, ledger, seeds, tables
from occludenet_build.core.build import source_identity
from occludenet_build.core.versions import results_version
from occludenet_build.media.video.probe import Limits
from occludenet_build.occlusion import leaks
from occludenet_build.occlusion.composite import CLIPS as COMPOSITE
from occludenet_build.occlusion.composite import ERASED
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.occlusion.occluders import RELEASE
from occludenet_build.occlusion.occluders import SCHEMA as BANK
from occludenet_build.people.actor_masks import DETAIL as MASKS
from occludenet_build.people.actor_masks import ROWS as MASKED
from occludenet_build.people.detect import ROWS as DETECT
from occludenet_build.release.terms import clean_path, clip_path
from occludenet_build.sources.acquire.videos import VIDEOS
from occludenet_build.sources.index import facts
from parts.scale.occluded_clips import FPS, HEIGHT, SCALES, WIDTH, OccludedClip

PER_CLASS = {"train": 616, "val": 50, "test": 99}
"""Videos of a class of Kinetics-400."""
CHOSEN = 196
"""Clips of a class that the default quotas choose."""
ERASED_SPLITS = ("train", "test")
"""Splits with counterfactuals, made at load time."""

Row = dict[str, Any]


def name(number: int) -> str:
    """Id of a clip as one of Kinetics: a YouTube id, start and end."""
    digest = hashlib.blake2b(str(number).encode(), digest_size=8).digest()
    start = number * 7 % 300
    return f"{base64.urlsafe_b64encode(digest).decode()[:11]}_{start:06d}_{start + 10:06d}"


def digest(*parts: object) -> str:
    """A sha256 as of a file."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def write_videos(build: Path, classes: int) -> list[Row]:
    """acquire/videos.parquet, and empty files in videos/ beside the build; the rows."""
    rows, number = [], 0
    for label in (f"class {at:03d}" for at in range(classes)):
        for split, count in PER_CLASS.items():
            folder = build.parent / "videos" / split / label
            folder.mkdir(parents=True)
            for _ in range(count):
                clip, number = name(number), number + 1
                (folder / f"{clip}.mp4").touch()
                where = {"path": f"videos/{split}/{label}/{clip}.mp4"}
                rows.append(where | {"clip": clip, "label": label, "split": split, "status": "ok"})
    tables.write_table(tables.from_rows(rows, VIDEOS), build / "acquire/videos.parquet")
    return rows


def write_index_ledger(build: Path, listed: Iterable[Row], config: Config, frames: int) -> None:
    """The ledger of index with the facts of all videos."""
    limits, version = vars(Limits.of(config.index)), results_version("index", "facts")
    rows = []
    for row in listed:
        stamp = files.size_and_mtime(row["path"])
        key = ledger.result_key("index", version, limits, row["path"], stamp)
        rows.append(_ok(row["clip"], key, seconds=0.2) | _facts(row["clip"], frames))
    table = tables.from_rows(sorted(rows, key=lambda r: r["clip"]), facts.FACTS)
    tables.write_table(table, build / "index/store/all/rows.parquet")


def _facts(clip: str, frames: int) -> Row:
    size = {"coded_width": WIDTH, "coded_height": HEIGHT, "width": WIDTH, "height": HEIGHT}
    counts = dict.fromkeys(("decode_errors", "corrupt_frames", "audio_unknown", "rotation"), 0)
    marks = dict.fromkeys(("variable_rate", "mirrored", "interlaced"), False)
    times = {"time_base": "1/12800", "first_pts": 0, "duration": f"{frames}/{FPS}"}
    times |= {"duration_seconds": frames / FPS, "rate": f"{FPS}/1", "fps": float(FPS)}
    form = {"container": "mov,mp4,m4a,3gp,3g2,mj2", "codec": "h264", "pix_fmt": "yuv420p"}
    sound = {"audio_codec": "aac", "audio_streams": 1, "audio_seconds": frames / FPS}
    told = {"pixel_aspect": "1/1", "frames": frames, "pts_hash": digest(frames)[:32]}
    return size | counts | marks | times | form | sound | told | {"sha256": digest(clip)}


def write_detections(build: Path, shards: int) -> None:
    """detect/<shard>.parquet of the candidates of the index: everybody has an actor."""
    for shard in seeds.shard_names(shards):
        rows = [
            _ok(row["clip"], row["key"])
            | {"frames": row["frames"], "shots": 1, "boxes": 2 * row["frames"], "tracks": 2}
            | {"actor_track": 0, "actor_frames": row["frames"], "filled_frames": 0}
            | {"boxes_hash": digest("boxes", row["clip"])[:32], "backend": "yolo"}
            | {"weights_sha256": digest("weights")}
            for row in tables.read_rows(build / f"index/shards/{shard}.parquet")
        ]
        tables.write_table(tables.from_rows(rows, DETECT), build / f"detect/{shard}.parquet")


def write_bank(build: Path) -> None:
    """occluders/occluders.parquet with as many cut-outs as the bank of the release."""
    rows, photo = [], 0
    for category, count in RELEASE.items():
        for number in range(count):
            photo += 1
            split = ("test", "val", "train", "train", "train", "train", "train")[number % 7]
            cutout = f"{photo:012d}_{20_000 + photo:07d}_56.25.png"
            row = {"occluder": cutout, "category": category, "status": "ok", "split": split}
            row |= {"file": f"png/{category}/{cutout}", "width": 180, "height": 160}
            row |= {"pixels": 20_000 + photo, "pixel_ratio": 56.25, "border": 0.0, "holes": 0.0}
            row |= {"largest_part": 1.0, "thickness": 0.4, "blur": 0.01, "origin": "coco"}
            row |= {"perceptual_hash": digest(photo)[:16], "source": f"{photo:012d}.jpg"}
            row |= {"coco_image": photo, "coco_annotation": photo, "sha256": digest(cutout)}
            row |= {"licence": "Attribution License", "licence_url": "http://creativecommons.org/"}
            rows.append(row | {"origin_url": f"http://farm1.staticflickr.com/{photo}.jpg"})
    tables.write_table(tables.from_rows(rows, BANK), build / "occluders/occluders.parquet")


def write_leaks_ledger(build: Path, config: Config) -> None:
    """The ledger of leaks with hashes of all chosen clips, 0.1 % of them of another clip."""
    version, per_second = results_version("leaks"), config.leaks.frames_per_second
    chosen = [row for row in tables.read_rows(build / "select/clips.parquet") if _is_ok(row)]
    store, random = build / "leaks/store/all", np.random.default_rng(0)
    rows = []
    store.mkdir(parents=True)
    detail = store / "detail.parquet"
    with pq.ParquetWriter(detail, leaks.HASHES, compression="zstd", write_page_checksum=True) as w:
        hashes = np.zeros((2, 0), np.uint64)
        for number, row in enumerate(sorted(chosen, key=lambda r: r["clip"])):
            pictures = round(10 * per_second)  # of 10 s, however few frames are drawn
            identity = source_identity(row), row["path"], row["split"], row["label"]
            key = ledger.result_key("leaks", version, {"per_second": per_second}, *identity)
            rows.append(
                _ok(row["clip"], key, seconds=0.3)
                | {"split": row["split"], "label": row["label"], "youtube_id": row["clip"][:11]}
                | {"pictures": pictures, "plain_pictures": 0}
            )
            if number % 1000 or hashes.shape[1] != pictures:
                hashes = random.integers(0, 1 << 63, (2, pictures), np.uint64)
            columns = [[row["clip"]] * pictures, np.arange(pictures, dtype=np.int32), *hashes]
            w.write_table(pa.table(columns, schema=leaks.HASHES), row_group_size=pictures)
    tables.write_table(tables.from_rows(rows, leaks.CLIPS), store / "rows.parquet")


def write_clips(build: Path, shards: int, drawn: Sequence[OccludedClip]) -> None:
    """The tables of composite, counterfactual and actor_masks of the chosen clips."""
    for shard in seeds.shard_names(shards):
        chosen = tables.read_rows(build / f"select/shards/{shard}.parquet")
        own = [drawn[number % len(drawn)] for number in range(len(chosen))]
        rows = [_composited(row, clip) for row, clip in zip(chosen, own, strict=True)]
        _write(build / f"composite/{shard}.parquet", rows, COMPOSITE)
        erased = [_erased(row, clip) for row, clip in zip(chosen, own, strict=True)]
        twins = [row for row in erased if row["split"] in ERASED_SPLITS]
        _write(build / f"counterfactual/{shard}.parquet", twins, ERASED)
        masked = [_masked(row, clip) for row, clip in zip(chosen, own, strict=True)]
        _write(build / f"actor_masks/{shard}.parquet", masked, MASKED)
        names = [row["clip"] for row in chosen]
        truth = _renamed(names, (clip.truth for clip in own))
        _write_groups(build / f"composite/store/{shard}/detail.parquet", truth, TRUTH)
        masks = _renamed(names, (clip.masks for clip in own))
        _write_groups(build / f"actor_masks/store/{shard}/detail.parquet", masks, MASKS)


def _composited(row: Row, clip: OccludedClip) -> Row:
    where = row["split"], row["label"], row["clip"]
    made = [clip_path("OccludeNet-D", where[0], scale, *where[1:]) for scale in SCALES]
    copied = ("label", "split", "frames", "category", "occluder", "fps", "duration_seconds")
    found = {name: row[name] for name in (*copied, "other_occluders")}
    found |= {"occluded_frames": clip.occluded_frames, "pix_fmt": "yuv420p", "sound": "copied"}
    found |= {"scales": list(SCALES), "files": made, "factors": list(SCALES)}
    found |= {"file_hashes": [digest(file) for file in made]}
    found |= {"clean_file": clean_path("OccludeNet-D", *where), "clean_hash": digest(where)}
    found |= {"truth_hash": digest("truth", where)[:32]} | _MADE_WITH
    return _ok(row["clip"], digest("composite", where)[:32], seconds=4.0) | found


def _erased(row: Row, clip: OccludedClip) -> Row:
    found = {name: row[name] for name in ("label", "split", "frames")}
    found |= {"actor_frames": clip.actor_frames, "erased_frames": clip.actor_frames}
    found |= {"unerased_frames": 0, "scales": [], "files": [], "file_hashes": []}
    return _ok(row["clip"], digest("erased", row["clip"])[:32], seconds=0.1) | found | _MADE_WITH


def _masked(row: Row, clip: OccludedClip) -> Row:
    size = {"height": HEIGHT, "width": WIDTH, "masked_frames": clip.actor_frames, "jumps": 0}
    size |= {"leaking_frames": 0, "thin_frames": 0, "masks_hash": digest("masks", row["clip"])}
    size |= {"backend": "sam", "weights_sha256": digest("sam")}
    return _ok(row["clip"], digest("masked", row["clip"])[:32], seconds=9.0) | size


_MADE_WITH = {
    "encoder": "libx264 core 164",
    "instruction_set": "AVX2",
    "libraries": "libavcodec 61.19.100, libswscale 8.3.100, OpenCV 4.11.0, NumPy 2.2.0",
}


def _ok(clip: str, key: str, seconds: float | None = None) -> Row:
    return {"clip": clip, "status": "ok", "key": key, "seconds": seconds}


def _is_ok(row: Row) -> bool:
    return row["status"] == "ok"


def _write(manifest: Path, rows: list[Row], schema: pa.Schema) -> None:
    """A manifest, and the rows with their times in the store."""
    table = tables.from_rows(rows, schema)
    tables.write_table(table, manifest.parent / "store" / manifest.stem / "rows.parquet")
    plain = tables.from_rows([row | {"seconds": None} for row in rows], schema)
    tables.write_table(plain, manifest)


def _renamed(names: Sequence[str], parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for clip, part in zip(names, parts, strict=True):
        yield part.set_column(0, part.schema.field(0), pa.array([clip] * len(part)))


def _write_groups(path: Path, parts: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Detail rows, a row group per clip, as a ledger writes them."""
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for part in parts:
            writer.write_table(part, row_group_size=len(part))
