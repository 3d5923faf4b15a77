"""What each stage makes of a tiny build, as hashes: golden files that fail when a result changes.

    python tests/support/golden.py BUILD        update tests/golden/ from a finished build

Tables are compared without what differs from run to run (keys, seconds, paths) and without the
bytes of encoded files; clips by their decoded frames. Figures that a network computes are rounded,
as processors differ in the last digits.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from occludenet_build.media.video.source import rgb_frames
from occludenet_build.stages import STAGES

FOLDER = Path(__file__).resolve().parents[1] / "golden"

VOLATILE = {
    "key",
    "seconds",
    "generation_seconds",
    "time",
    "path",
    "picture",
    "encoder",
    "libraries",
    "instruction_set",
    "sha256",
    "occluder_sha256",
    "other_sha256",
    "boxes_hash",
    "masks_hash",
    "truth_hash",
    "pts_hash",
    "file_hash",
    "file_hashes",
    "clean_hash",
    "counterfactual_hash",
}
"""Columns that are not compared: run times, places, versions of libraries, and hashes of bytes or
rows whose content is compared itself."""

EXACT, ROUNDED = 6, 1
"""Digits behind the point: of arithmetic, and of what a network computes."""


@dataclass(frozen=True)
class Made:
    """Where a stage's results lie in a build, as patterns, and how exactly they are compared."""

    tables: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    digits: int = EXACT


RESULTS: dict[str, Made] = {
    "acquire": Made(("acquire/videos.parquet",)),
    "index": Made(("index/videos.parquet",)),
    "detect": Made(("detect/*.parquet", "detect/store/*/detail.parquet")),
    "occluders": Made(("occluders/occluders.parquet",), pictures=("occluders/png/**/*.png",)),
    "select": Made(("select/clips.parquet",)),
    "leaks": Made(("leaks/*.parquet",)),
    "actor_masks": Made(("actor_masks/*.parquet", "actor_masks/store/*/detail.parquet")),
    "composite": Made(
        ("composite/*.parquet", "composite/store/*/detail.parquet", "counterfactual/*.parquet"),
        ("OccludeNet-D*/**/*.mp4",),
    ),
    "annotate": Made(
        ("annotate/clips.parquet", "annotate/frames/*.parquet", "OccludeNet-D/annotations/*.csv")
    ),
    "validate": Made(("validate/findings.parquet",)),
    "train": Made(("train/*.csv",), digits=ROUNDED),
    "evaluate": Made(("evaluate/*.parquet",), digits=ROUNDED),
    "attention": Made(("attention/*.csv",), digits=ROUNDED),
    "paper": Made(("paper/table_1.csv", "paper/items.csv"), digits=ROUNDED),
    "report": Made(("report/failures.csv",), digits=ROUNDED),
    "residual_actor": Made(("residual_actor/**/clips.parquet",)),
    "audit": Made(("audit/clips.parquet",)),
}
"""Stage -> what is hashed of it."""

WITHOUT = {
    "kinetics": "its results are files that others publish; tests/sources/ compares its tables",
    "predictions": "it reads other programs' files; tests/recognition/ compares its tables",
    "proposals": "it needs long videos; tests/people/ compares its candidates",
    "segments": "it copies stretches; tests/sources/ compares every frame with the source",
}
"""Stages without a golden file, and where their results are compared instead."""


def measured(build: Path, stage: str) -> dict[str, str]:
    """File of the build -> hash of its content, for the results of one stage."""
    made = RESULTS[stage]
    found = {}
    readers: tuple[tuple[tuple[str, ...], Callable[[Path], Iterator[str]]], ...] = (
        (made.tables, lambda path: _rows(path, made.digits)),
        (made.clips, _frames),
        (made.pictures, _pixels),
    )
    for patterns, read in readers:
        for path in sorted(p for pattern in patterns for p in build.glob(pattern)):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(build))] = _hash(read(path))
    return found


def _hash(parts: Iterator[str]) -> str:
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        total.update(part.encode() + b"\n")
    return total.hexdigest()


def _rows(path: Path, digits: int) -> Iterator[str]:
    for row in _table(path):
        kept = {name: _plain(value, digits) for name, value in row.items() if name not in VOLATILE}
        yield json.dumps(kept, sort_keys=True)


def _table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path, partitioning=None).to_pylist()
    return [
        # the release's headers have spaces
        {name.strip().replace(" ", "_"): value for name, value in row.items() if name}
        for row in csv.DictReader(path.open(newline=""))
    ]


def _plain(value: Any, digits: int) -> Any:
    """Floats rounded, also where a CSV has them as text; bytes as text."""
    if isinstance(value, list):
        return [_plain(one, digits) for one in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    try:
        return round(float(value), digits) + 0.0 if not isinstance(value, (bool, int)) else value
    except (TypeError, ValueError):
        return value


def _frames(path: Path) -> Iterator[str]:
    for _, picture in rgb_frames(path):
        yield hashlib.blake2b(picture.tobytes(), digest_size=8).hexdigest()


def _pixels(path: Path) -> Iterator[str]:
    with Image.open(path) as picture:
        yield f"{picture.mode} {picture.size} " + hashlib.sha256(picture.tobytes()).hexdigest()


def golden(stage: str) -> dict[str, Any]:
    """What stands in the golden file: the stage's versions, and hash by file."""
    return json.loads((FOLDER / f"{stage}.json").read_text())


SAME, DUE = "as before", "update the golden file: python tests/support/golden.py BUILD"


def verdict(stage: str, found: dict[str, str]) -> str:
    """SAME, DUE (results and version changed together), or what is wrong and what to do."""
    path = FOLDER / f"{stage}.json"
    if not path.exists():
        return DUE
    known = json.loads(path.read_text())
    files, version = known["files"], known["versions"]
    changed = sorted(name for name in files | found if files.get(name) != found.get(name))
    if version == versions(stage):
        return _unbumped(stage, changed, len(found)) if changed else SAME
    return (
        DUE
        if changed
        else (
            "results_version was bumped, and the results are the same: users would make them again "
            "for nothing; take the bump back"
        )
    )


def _unbumped(stage: str, changed: list[str], count: int) -> str:
    return (
        f"makes other results than before ({len(changed)} of {count} files, first {changed[0]}), "
        f"and its results_version is still {STAGES[stage].results_version}; if that is intended, "
        "bump it in occludenet_build/stages.py, say in CHANGELOG.md what is made again, and update "
        "the golden file: python tests/support/golden.py BUILD"
    )


def versions(stage: str) -> dict[str, int]:
    """The versions of a stage and of its parts."""
    row = STAGES[stage]
    return {stage: row.results_version, **row.parts}


def update(build: Path) -> dict[str, str]:
    """Write the golden files that are due; the verdict by stage.

    Changed results under an unchanged version are not written.
    """
    verdicts = {}
    for stage in RESULTS:
        found = measured(build, stage)
        verdicts[stage] = verdict(stage, found)
        if verdicts[stage] == DUE:
            text = json.dumps({"versions": versions(stage), "files": found}, indent=1)
            (FOLDER / f"{stage}.json").write_text(text + "\n")
    return verdicts


if __name__ == "__main__":
    for stage, said in update(Path(sys.argv[1])).items():
        print(f"{stage}: {'updated' if said == DUE else said}")
