"""What each stage makes of a tiny build, as hashes: golden files that fail when a result changes.

    make golden        builds anew and updates tests/golden/ where a version was bumped

Tables are compared without what differs from run to run (keys, seconds, paths) and without the
bytes of encoded files; clips by their decoded frames. What a network computes differs between
processors: of such columns the mean is compared, with a tolerance.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from occludenet_build.media.video.source import rgb_frames
from occludenet_build.stages import STAGES

FOLDER = Path(__file__).resolve().parents[1] / "golden"

VOLATILE = {
    "key",
    "seconds",
    "generation_seconds",
    "clip_generation_time",
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

DIGITS = 6
"""Behind the point, of floats in tables."""
TOLERANCE = 0.1
"""Of means of what a network computes: a tenth, or 0.1 near zero."""


@dataclass(frozen=True)
class Made:
    """Where a stage's results lie in a build, as patterns, and how exactly they are compared."""

    tables: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    """Columns that a network computes: means of numbers, lists by their absolute values."""
    uncertain: tuple[str, ...] = ()
    """Columns that one rounding may turn over, such as which class is ahead: not compared."""


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
    "train": Made(("train/*.csv",), network=("loss", "ce", "kl"), uncertain=("top1",)),
    "evaluate": Made(
        ("evaluate/*.parquet", "evaluate/*.effect.csv"),
        network=("logits", "p"),
        uncertain=(
            *("predicted", "top1", "top5", "erased_logits", "p_erased", "moved", "top1_erased"),
            *("effect", "effect_low", "effect_high", "eq1", "eq1_low", "eq1_high", "distance"),
        ),
    ),
    "attention": Made(
        ("attention/*.parquet",),
        network=("mass_actor", "mass_occluder", "mass_background"),
        uncertain=("predicted", "target", "p", "focus_actor", "focus_occluder", "focus_background"),
    ),
    "paper": Made(("paper/table_1.csv",)),
    "report": Made(("report/failures.csv",)),
    "residual_actor": Made(("residual_actor/**/clips.parquet",)),
    "audit": Made(("audit/clips.parquet",)),
}
"""Stage -> what is hashed of it."""

WITHOUT = {
    "outside": "it reads clips of another program; tests/occlusion/test_outside.py compares them",
    "variants": "tests/dataset/test_variants.py compares its clips, pixel by pixel, with the truth",
    "export": "tests/dataset/ reads its files with the programs that they are for",
    "integralaction": "it trains as train does; its networks are compared with published outputs",
    "moc": "it trains as train does; its networks and losses are compared with published outputs",
    "models": "it trains as train does; tests/results/ compares its tables with known truth",
    "measure": "it reads S, I and M; tests/occlusion/ compares it with drawn takes",
    "poses": "tests/people/ compares its tables with drawn joints and the network's raw output",
    "kinetics": "its results are files that others publish; tests/sources/ compares its tables",
    "questions": "it follows a network's ranking; tests/recognition/ compares its files",
    "predictions": "it reads other programs' files; tests/recognition/ compares its tables",
    "proposals": "it needs long videos; tests/people/ compares its candidates",
    "recordings": "it copies stretches; tests/sources/ compares every frame with the source",
    "segments": "it copies stretches; tests/sources/ compares every frame with the source",
}
"""Stages without a golden file, and where their results are compared instead."""


def measured(build: Path, stage: str) -> dict[str, Any]:
    """File of the build -> what it holds: a hash, and means of what a network computed."""
    made = RESULTS[stage]
    readers: tuple[tuple[tuple[str, ...], Callable[[Path], Any]], ...] = (
        (made.tables, lambda path: _table(path, made)),
        (made.clips, lambda path: _hash(_frames(path))),
        (made.pictures, lambda path: _hash(_pixels(path))),
    )
    return {
        str(path.relative_to(build)): read(path)
        for patterns, read in readers
        for path in sorted(p for pattern in patterns for p in build.glob(pattern))
        if path.is_file() and not path.is_symlink()
    }


def _hash(parts: Iterable[str]) -> str:
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        total.update(part.encode() + b"\n")
    return total.hexdigest()


def _table(path: Path, made: Made) -> Any:
    """The hash of a table's rows, and the means of `made.network` where it has such columns."""
    rows = _rows(path)
    left_out = VOLATILE | {*made.network, *made.uncertain}
    exact = ({k: _plain(v) for k, v in row.items() if k not in left_out} for row in rows)
    digest = _hash(json.dumps(row, sort_keys=True) for row in exact)
    means = {
        name: round(
            float(np.mean([np.abs(np.asarray(row[name], float)).mean() for row in rows])), 4
        )
        for name in made.network
        if rows and rows[0].get(name) not in (None, "")
    }
    return {"rows": digest, "means": means} if made.network else digest


def _mean(values: Iterable[Any]) -> float:
    return float(np.mean([np.abs(np.asarray(value, float)).mean() for value in values]))


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path, partitioning=None).to_pylist()
    return [
        # the release's headers have spaces
        {name.strip().replace(" ", "_"): value for name, value in row.items() if name}
        for row in csv.DictReader(path.open(newline=""))
    ]


def _plain(value: Any) -> Any:
    """Floats rounded, also where a CSV has them as text; bytes as text."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    try:
        return round(float(value), DIGITS) + 0.0 if not isinstance(value, (bool, int)) else value
    except (TypeError, ValueError):
        return value


def _frames(path: Path) -> Iterator[str]:
    for _, picture in rgb_frames(path):
        yield hashlib.blake2b(picture.tobytes(), digest_size=8).hexdigest()


def _pixels(path: Path) -> Iterator[str]:
    with Image.open(path) as picture:
        yield f"{picture.mode} {picture.size} " + hashlib.sha256(picture.tobytes()).hexdigest()


def agree(known: Any, found: Any) -> bool:
    """Whether two values of `measured` are the same: hashes equal, means within TOLERANCE."""
    if not isinstance(known, dict) or not isinstance(found, dict):
        return known == found
    return (
        known["rows"] == found["rows"]
        and known["means"].keys() == found["means"].keys()
        and all(
            abs(mean - found["means"][name]) <= TOLERANCE * max(1.0, abs(mean))
            for name, mean in known["means"].items()
        )
    )


SAME, DUE = "as before", "update the golden file: make golden"


def verdict(stage: str, found: dict[str, Any]) -> str:
    """SAME, DUE (results and version changed together), or what is wrong and what to do."""
    path = FOLDER / f"{stage}.json"
    if not path.exists():
        return DUE
    known = json.loads(path.read_text())
    files, version = known["files"], known["versions"]
    changed = sorted(n for n in files | found if not agree(files.get(n), found.get(n)))
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
        "the golden file: make golden"
    )


def versions(stage: str) -> dict[str, int]:
    """The versions of a stage and of its parts."""
    row = STAGES[stage]
    return {stage: row.results_version, **row.parts}


def update(build: Path, stage: str) -> None:
    """Write the golden file of a stage if it is due.

    Changed results under an unchanged version are not written.
    """
    found = measured(build, stage)
    if verdict(stage, found) == DUE:
        text = json.dumps({"versions": versions(stage), "files": found}, indent=1)
        (FOLDER / f"{stage}.json").write_text(text + "\n")
