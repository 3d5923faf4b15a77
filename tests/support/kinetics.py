"""A handful of Kinetics: lists, clips of a few kB, and archives as the official server has them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from conftest import REPO, moving_square
from support.archives import tar_of

from occludenet_build import config as cfg
from occludenet_build.core import tables
from occludenet_build.media.video.synth import write_video
from occludenet_build.sources.kinetics.clip import KineticsClip
from occludenet_build.sources.kinetics.command import run as run_stage

HEADER = ("label", "youtube_id", "time_start", "time_end", "split")
LABELS = ("abseiling", "massaging person's head", "drinking beer")
QUICK = {
    "retries": 2,
    "backoff_seconds": 0.01,
    "timeout_seconds": 5.0,
    "failure_budget": 1.0,
}


def clip(number: int, split: str = "train", label: str = LABELS[0]) -> KineticsClip:
    """Ids begin with `-` and `_` and hold both, as many real ones do."""
    first = "-_aB"[number % 4]
    return KineticsClip(f"{first}_k-{number:06d}x", 12 + number, 22 + number, split, label)


CLIPS = [
    clip(3 * 4 * n + 4 * k + m, split, label)
    for n, split in enumerate(("train", "val", "test"))
    for k, label in enumerate(LABELS)
    for m in range(4 if split == "train" else 2)
]
"""12 of train, 6 of val, 6 of test; 3 classes."""


@cache
def video(number: int = 0, frames: int = 6) -> bytes:
    """A whole video, another one for each number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        size = 48 + 2 * (number % 16), 32 + 2 * (number // 16)
        write_video(path, moving_square(frames, *size), Fraction(12))
        return path.read_bytes()


def write_list(path: Path, clips: Iterable[KineticsClip], header: Iterable[str] = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(header), extrasaction="ignore", restval="1")
        writer.writeheader()
        writer.writerows(list_row(one) for one in clips)
    return path


def list_row(one: KineticsClip) -> dict[str, Any]:
    values = (one.label, one.youtube_id, one.start, one.end, one.split)
    return dict(zip(HEADER, values, strict=True))


def list_bytes(clips: Iterable[KineticsClip]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER)
    writer.writeheader()
    writer.writerows(list_row(one) for one in clips)
    return text.getvalue().encode()


def archive(
    clips: Mapping[KineticsClip, bytes] | Iterable[KineticsClip], folder: str = "./"
) -> bytes:
    """A tar.gz, flat, with macOS's files, as the official ones."""
    contents = clips if isinstance(clips, Mapping) else {c: video(n) for n, c in enumerate(clips)}
    members = [(f"{folder}{one.name}.mp4", content) for one, content in contents.items()]
    return gzip.compress(tar_of((f"{folder}._x.mp4", b"mac"), *members), 1)


@dataclass
class KineticsStage:
    """The stage kinetics in a folder of its own."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    """Of kinetics."""
    download: dict[str, Any] = field(default_factory=dict)
    threads: int = 1

    @property
    def out(self) -> Path:
        return self.root / "build/clips.parquet"

    @property
    def folder(self) -> Path:
        return self.root / "fetched/kinetics"

    def values(self, **download: Any) -> dict[str, Any]:
        return {"seed": 1, "kinetics": self.settings, "download": QUICK | self.download | download}

    def run(self, **download: Any) -> dict[str, dict[str, Any]]:
        """In this process; the rows by clip."""

        class Args:
            out, folder, threads = self.out, self.folder, self.threads

        run_stage(Args, cfg.load_part(self.values(**download)))  # type: ignore[arg-type]
        return self.rows()

    def command(self) -> list[str]:
        """As a user starts it."""
        words = ["--out", str(self.out), "--folder", str(self.folder), "--threads", "2"]
        words += ["--log", str(self.root / "log"), "--settings", json.dumps(self.values())]
        return [sys.executable, "-m", "occludenet_build", "kinetics", *words]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(), cwd=REPO, stderr=subprocess.PIPE, text=True)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["clip"]: row for row in tables.read_rows(self.out)}

    def statuses(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.rows().items()}

    def files(self) -> dict[str, tuple[int, int]]:
        """Everything below the folder, with inode and time: what is touched differs."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            path.relative_to(self.folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in found
        }
