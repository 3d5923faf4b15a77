"""diff: each cause, produced by what really differs in the tables; settings and metrics."""
# ruff: noqa: E501

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from occludenet_build import config as cfg
from occludenet_build.cli import main
from occludenet_build.core import tables
from occludenet_build.core.start_record import write_settings
from occludenet_build.tools.diff.causes import CAUSES
from occludenet_build.tools.diff.command import difference
from occludenet_build.tools.diff.view import lines

CLIPS = ("a", "b")
ROWS: dict[str, dict] = {
    "acquire/videos": {"label": "walk", "split": "train"},
    "index/videos": {"sha256": "s", "reading": None, "candidate": True},
    "detect/000": {"boxes_hash": "x", "backend": "yolo", "weights_sha256": "w"},
    "select/clips": {"label": "walk", "split": "train", "category": "dog", "occluder_sha256": "o"},
    "composite/000": {"file_hashes": ["f"], "clean_hash": "c", "encoder": "x264", "split": "train"},
}


def change_table(build: Path, table: str, change: Callable[[list[dict]], list[dict]]) -> None:
    path = build / f"{table}.parquet"
    tables.write_table(pa.Table.from_pylist(change(tables.read_rows(path))), path)


def change(build: Path, table: str, clip: str = "a", **values: object) -> None:
    """Change a clip's row in a table, and the clip that is made of it."""
    for name in dict.fromkeys((table, "composite/000")):
        new = values if name == table else {"file_hashes": ["g"]}
        change_table(
            build, name, lambda rows, new=new: [r | new if r["clip"] == clip else r for r in rows]
        )


def remove(build: Path, *names: str, clip: str = "a") -> None:
    for name in names:
        change_table(build, name, lambda rows: [r for r in rows if r["clip"] != clip])


def settings(build: Path, **sections: dict) -> None:
    versions = sections.pop("versions", {"detect": "detect 1", "composite": "composite 1"})
    write_settings(build, cfg.recorded(cfg.load(sections, require_files=False)), versions)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    here = tmp_path_factory.mktemp("pristine") / "build"
    status = {"status": "ok", "reason": None}
    for name, values in ROWS.items():
        rows = [{"clip": clip} | status | values for clip in CLIPS]
        tables.write_table(pa.Table.from_pylist(rows), here / f"{name}.parquet")
    settings(here)
    return here


@pytest.fixture
def builds(pristine, tmp_path) -> tuple[Path, Path]:
    here, there = (shutil.copytree(pristine, tmp_path / name) for name in "ab")
    return here, there


def quota(build: Path) -> None:
    change(build, "select/clips", status="skipped", reason="quota")
    remove(build, "composite/000")


CASES = [
    # what is done to BUILD_B, its settings -> change, stage, cause, detail
    (lambda b: change(b, "index/videos", sha256="t"), {}, "changed", "index", "source", "content"),
    (lambda b: change(b, "acquire/videos", split="val"), {}, "changed", "acquire", "source", "split differs"),
    (lambda b: change(b, "acquire/videos", split="val"), {"acquire": {"layout": "flat"}}, "changed", "acquire", "setting", "acquire.layout"),
    (lambda b: remove(b, *ROWS), {}, "dropped", "acquire", "source", "BUILD_B does not list"),
    (lambda b: change(b, "detect/000", boxes_hash="y", weights_sha256="v"), {}, "changed", "detect", "weights", "yolo w -> yolo v"),
    (lambda b: change(b, "detect/000", boxes_hash="y"), {"detect": {"score": 0.7}}, "changed", "detect", "setting", "detect.score 0.25 -> 0.7"),
    (lambda b: change(b, "detect/000", boxes_hash="y"), {"versions": {"detect": "detect 2"}}, "changed", "detect", "version", '"detect 1" -> "detect 2"'),
    (lambda b: change(b, "detect/000", boxes_hash="y"), {}, "changed", "detect", "unknown", "another result"),
    (lambda b: change(b, "detect/000", status="failed", reason="too_slow"), {}, "changed", "detect", "source", "ok -> too_slow, which may pass"),
    (quota, {}, "dropped", "select", "other clips", "ok -> quota"),
    (quota, {"select": {"quota": {"train": 4}}}, "dropped", "select", "setting", "select.quota.train 160 -> 4"),
    (lambda b: change(b, "select/clips", occluder_sha256="p"), {}, "changed", "select", "other clips", "another occluder"),
    (lambda b: change(b, "composite/000", file_hashes=["g"]), {"composite": {"crf": 25}}, "changed", "composite", "setting", "composite.crf"),
    (lambda b: change(b, "composite/000", file_hashes=["g"], encoder="x265"), {}, "changed", "composite", "machine", "encoder x264 -> x265"),
    (lambda b: remove(b, "composite/000"), {}, "dropped", "composite", "unfinished", "no row of it in composite"),
    (lambda b: shutil.rmtree(b / "composite"), {}, "dropped", "composite", "unfinished", "BUILD_B has no composite"),
]  # fmt: skip


@pytest.mark.parametrize(("change_b", "given", "how", "stage", "kind", "detail"), CASES)
def test_causes(builds, change_b, given, how, stage, kind, detail):
    here, there = builds
    change_b(there)
    settings(there, **given)
    found = difference(here, there)
    first, cause = found.clips[0]
    assert (first.clip, first.change, cause.stage, cause.kind) == ("a", how, stage, kind)
    assert detail in cause.detail and kind in CAUSES
    other = difference(there, here).clips[0][0]
    assert other.change == {"dropped": "added", "changed": "changed"}[how]
    assert f"1 {how} at {stage}: {kind}" in "\n".join(lines(found)) or len(found.clips) > 1


def test_the_same_and_what_does_not_count(builds, capsys):
    here, there = builds
    settings(there, build_dir="elsewhere", download={"offline": True})
    with pytest.raises(SystemExit) as end:
        main(["diff", str(here), str(there), "--json"])
    assert end.value.code == 0 and json.loads(capsys.readouterr().out)["same"]


def test_metrics_that_moved(builds, capsys):
    here, there = builds
    for build, top1, low, high in ((here, 70.0, 60.0, 80.0), (there, 50.0, 40.0, 60.0)):
        known = {"top1": top1, "top1_low": low, "top1_high": high}
        sets = [{"set": "D-75"} | known, {"set": "clean", "top1": 90.0}]
        (build / "evaluate").mkdir()
        (build / "evaluate/car-0.json").write_text(json.dumps({"sets": sets}))
    (there / "evaluate/car-1.json").write_text((there / "evaluate/car-0.json").read_text())
    change(there, "index/videos", sha256="t")
    settings(there, train={"epochs": 3})
    missing, one = difference(here, there).metrics
    assert (missing.model, missing.because) == ("evaluate/car-1", ("BUILD_A has no results of it",))
    assert (one.set, one.here, one.there, one.beyond_chance) == ("D-75", 70.0, 50.0, True)
    assert one.because[0] == "1 clips of train changed" and "train.epochs" in one.because[1]
    with pytest.raises(SystemExit) as end:
        main(["diff", str(here), str(there)])
    said = capsys.readouterr().out
    assert end.value.code == 1 and "car-0 D-75 top1: 70.0 -> 50.0, more than chance" in said


def test_what_cannot_be_compared_is_one_line(builds, tmp_path, capsys):
    here, there = builds
    (there / "composite/000.parquet").write_bytes(b"PAR1")
    for build, text in ((tmp_path / "nowhere", "wanted the folder"), (there, "does not read")):
        with pytest.raises(SystemExit) as end:
            main(["diff", str(here), str(build)])
        assert end.value.code == 2 and text in capsys.readouterr().err
    assert not (there / "composite/retry").exists()


def test_settings_without_a_record(builds):
    here, there = builds
    (there / "settings.json").unlink()
    assert difference(here, there).origins == ("settings.json", "nothing")
