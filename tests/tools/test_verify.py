"""verify: each verdict, produced by its real cause."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import REPO, moving_square

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import attempts
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.synth import write_video
from occludenet_build.tools.verify import FINDINGS, VERDICTS, WRONG
from occludenet_build.tools.verify.command import add_arguments
from occludenet_build.tools.verify.command import run as run_stage
from occludenet_build.tools.verify.compare import compare_videos

FRAMES = 8
OCCLUDED = {scale: f"D/train/{100 * scale:g}%/walk/{scale:.2f}_a.mp4" for scale in (0.25, 0.5)}
CLEAN = "D-clean/train/walk/a.mp4"
TWIN = "D-counterfactual/train/25%/walk/0.25_a.mp4"
FILES = {*OCCLUDED.values(), CLEAN, TWIN}
FILE = OCCLUDED[0.25]

HERE = {"encoder": "libx264 core 165 r3222", "libraries": "numpy 2.4.0", "instruction_set": "avx2"}
THERE = HERE | {"instruction_set": "avx512"}
UNKNOWN: dict[str, str | None] = dict.fromkeys(HERE)


def write_build(
    root: Path,
    made_by: dict[str, Any] = HERE,
    size: tuple[int, int] = (64, 48),
    frames: int = FRAMES,
    pts: list[int] | None = None,
    codec: dict[str, str] | None = None,
    **row: Any,
) -> Path:
    """Write a build: a clip at two scales with clean twin and counterfactual, and a failed clip."""
    for name in FILES:
        shown = moving_square(frames, *size, side=8)
        write_video(root / name, shown, Fraction(8), pts=pts, options=codec)
    known = {name: value for name, value in made_by.items() if value}
    ok = {"clip": "a", "status": "ok", "reason": None, "key": "k", "frames": frames} | known
    lost = {"clip": "lost", "status": "failed", "reason": "no_occluded_frame"}
    clean = {"clean_file": CLEAN, "clean_hash": sha256_file(root / CLEAN), "truth_hash": "t"}
    write_rows(root, "composite", [ok | named(root, OCCLUDED) | clean | row, lost])
    write_rows(root, "counterfactual", [ok | named(root, {0.25: TWIN})])
    return root


def named(root: Path, files: dict[float, str]) -> dict[str, list]:
    hashes = [sha256_file(root / name) for name in files.values()]
    return {"scales": list(files), "files": list(files.values()), "file_hashes": hashes}


def write_rows(root: Path, stage: str, rows: list[dict[str, Any]], shard: str = "000") -> None:
    tables.write_table(pa.Table.from_pylist(rows), root / f"{stage}/{shard}.parquet")


def change_row(root: Path, **values: Any) -> None:
    first, *rest = tables.read_rows(root / "composite/000.parquet")
    write_rows(root, "composite", [first | values, *rest])


def run(*words: object) -> tuple[dict[str, dict[str, Any]], int]:
    """Run verify; return the findings by file (or clip) and the exit status."""
    out = Path(str(words[0])) / "findings.parquet"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    status = 0
    try:
        run_stage(parser.parse_args([*map(str, words), "--out", str(out)]), None)
    except SystemExit as end:
        status = int(end.code)
    found = tables.read_table(out)
    assert found.schema.equals(FINDINGS)
    check = "other" if len(words) > 1 and isinstance(words[1], Path) else "build"
    rows = [row for row in found.to_pylist() if row["check"] == check]
    assert {row["verdict"] for row in rows} <= set(VERDICTS)
    return {row["file"] or row["clip"]: row for row in rows}, status


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    return write_build(tmp_path_factory.mktemp("pristine") / "build")


@pytest.fixture
def build(pristine, tmp_path) -> Path:
    return shutil.copytree(pristine, tmp_path / "build")


def test_a_sound_build_is_ok(build):
    found, status = run(build)
    assert status == 0
    assert {name: row["verdict"] for name, row in found.items()} == dict.fromkeys(FILES, "ok")
    assert {row["detail"] for row in found.values()} == {"decoded"}
    assert found[FILE]["clip"] == "a"
    assert [found[name]["kind"] for name in (FILE, CLEAN, TWIN)] == [
        "occluded",
        "clean",
        "counterfactual",
    ]


@pytest.mark.parametrize("sample", [0, 1, 3])
def test_the_sample_is_decoded_and_is_the_same_each_time(build, sample):
    decoded = [
        {name for name, row in run(build, "--sample", sample)[0].items() if row["detail"]}
        for _ in range(2)
    ]
    assert len(decoded[0]) == sample and decoded[0] == decoded[1]


def cut(root: Path, name: str = FILE, keep: float = 0.5) -> None:
    content = (root / name).read_bytes()
    (root / name).write_bytes(content[: int(keep * len(content))])


def append(root: Path) -> None:
    with open(root / FILE, "ab") as stream:
        stream.write(b"\0\0\0\x08free")  # an MP4 box that players pass over


def garble(root: Path) -> None:
    """Damage the frames and update the hash in the row, so that only decoding finds it."""
    content = bytearray((root / FILE).read_bytes())
    start = content.index(b"mdat") + 4
    size = int.from_bytes(content[start - 8 : start - 4], "big") - 8
    content[start : start + size] = b"\xff" * size
    (root / FILE).write_bytes(content)
    change_row(root, **named(root, OCCLUDED))


DAMAGE: list[tuple[str, Callable[[Path], Any], int, str, str]] = [
    ("gone", lambda root: (root / FILE).unlink(), 20, "missing", ""),
    ("a folder", lambda root: ((root / FILE).unlink(), (root / FILE).mkdir()), 20, "missing", ""),
    ("cut", cut, 20, "broken", "truncated"),
    ("cut, not decoded", cut, 0, "changed", "the row says"),
    ("cut to nothing", partial(cut, keep=0), 20, "broken", "empty_file"),
    ("more bytes, the same pictures", append, 20, "changed", "the row says"),
    ("garbled as the row says", garble, 20, "broken", "does not decode"),
    ("frame count", lambda r: change_row(r, frames=9), 20, "broken", "8 frames decode"),
    ("frame count, not decoded", lambda root: change_row(root, frames=9), 0, "ok", ""),
    ("no hash", lambda r: change_row(r, file_hashes=[None, None]), 20, "ok", "decoded"),
]


@pytest.mark.parametrize(
    ("damage", "sample", "verdict", "detail"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE]
)
def test_what_is_wrong_with_a_file(build, damage, sample, verdict, detail):
    damage(build)
    found, status = run(build, "--sample", sample)
    assert found[FILE]["verdict"] == verdict and detail in (found[FILE]["detail"] or "")
    assert status == (verdict in WRONG)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("D/val/25%/run/0.25_b.mp4", None),
        ("D/train/25%/walk/.0.25_b.part.mp4", "incomplete file of a killed run"),
        ("D-clean/train/walk/b.mp4", None),
        ("D-counterfactual/b.mp4", None),
    ],
)
def test_a_file_that_no_row_names_is_a_stray(build, name, detail):
    (build / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build / CLEAN, build / name)
    found, status = run(build)
    assert (found[name]["verdict"], found[name]["detail"], status) == ("stray", detail, 0)
    assert len(found) == len(FILES) + 1


def test_the_links_of_the_release_and_other_folders_are_no_strays(build):
    (build / "D/train_25percent").symlink_to("train/25%", target_is_directory=True)
    (build / "videos").mkdir()
    shutil.copy(build / CLEAN, build / "videos/source.mp4")
    assert set(run(build)[0]) == FILES


def add_source(root: Path, folder: Path) -> Path:
    """Give the build's clip a source, as select's table knows it."""
    source = folder / "source.mp4"
    write_video(source, moving_square(FRAMES, 64, 48, side=8), Fraction(8))
    row = {"clip": "a", "path": str(source), "sha256": sha256_file(source)}
    tables.write_table(pa.Table.from_pylist([row]), root / "select/clips.parquet")
    return source


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda source: None, None),
        (lambda source: source.write_bytes(source.read_bytes() + b"\0"), "source_changed"),
        (lambda source: source.unlink(), "source_away"),
    ],
)
def test_the_source_is_the_one_that_was_indexed(build, tmp_path, change, verdict):
    change(add_source(build, tmp_path))
    found, status = run(build, "--remake")
    assert found.get("a", {}).get("verdict") == verdict
    assert status == (verdict in WRONG)
    assert attempts(build / "index/videos.parquet") == (verdict == "source_changed")


@pytest.mark.parametrize("damage", [cut, append, lambda root: (root / FILE).unlink()])
def test_damaged_files_are_made_again_if_asked_for(build, damage):
    damage(build)
    run(build)
    assert attempts(build / "composite/000.parquet") == 0
    run(build, "--remake")
    assert attempts(build / "composite/000.parquet") == 1
    assert not (build / FILE).exists() and (build / CLEAN).exists()


def test_files_of_a_room_that_is_gone_are_strays(build):
    shutil.rmtree(build / "counterfactual")
    assert run(build)[0][TWIN]["verdict"] == "stray"


COARSE, LOSSLESS = {"crf": "30"}, {"crf": "0"}
LATE = [0, 1, 2, 4, 5, 6, 7, 8]
OTHERS: list[tuple[str, dict[str, Any], dict[str, Any], list[str], str]] = [
    # name, what is special HERE, THERE, verdicts on an occluded clip and on the clean twin, detail
    ("again", {}, {}, ["same_bytes", "same_bytes"], ""),
    ("same bytes elsewhere", {}, {"made_by": THERE}, ["same_bytes", "same_bytes"], ""),
    ("same bytes, other truth", {}, {"truth_hash": "u"}, ["other_truth", "same_bytes"], "the same"),
    (
        "other bytes that should be the same",
        {},
        {"codec": COARSE},
        ["differs", "differs"],
        "wanted the same bytes; frames: close; PSNR",
    ),
    (
        "other settings",
        {},
        {"codec": COARSE, "key": "l", "truth_hash": "u"},
        ["differs", "differs"],
        "the keys differ: other source, boxes, occluder, settings or code; the ground truth",
    ),
    (
        "other encoder",
        {},
        {"codec": COARSE, "made_by": THERE},
        ["close", "close"],
        "instruction set: avx2 here, avx512 there",
    ),
    (
        "encoder not recorded",
        {"made_by": UNKNOWN},
        {"codec": COARSE, "made_by": UNKNOWN},
        ["close", "close"],
        "not recorded: encoder, libraries, instruction set",
    ),
    (
        "recorded there only",
        {"made_by": UNKNOWN},
        {"codec": COARSE},
        ["close", "close"],
        "libraries: unknown here, numpy 2.4.0 there",
    ),
    (
        "lossless twice",
        {"codec": LOSSLESS},
        {"codec": LOSSLESS | {"preset": "medium"}, "made_by": THERE},
        ["same_pixels", "same_pixels"],
        "instruction set",
    ),
    (
        "too coarse",
        {},
        {"codec": {"crf": "51"}, "made_by": THERE},
        ["differs", "differs"],
        "wanted 35",
    ),
    (
        "late",
        {},
        {"pts": LATE, "made_by": THERE},
        ["differs", "differs"],
        "frame 3 is displayed at 0.3",
    ),
    (
        "fewer frames",
        {},
        {"frames": 6, "made_by": THERE},
        ["differs", "differs"],
        "8 frames here, 6 there",
    ),
    (
        "smaller",
        {},
        {"size": (48, 32), "made_by": THERE},
        ["differs", "differs"],
        "frame 0 has the size 64x48 and 48x32",
    ),
    (
        "other truth",
        {},
        {"codec": COARSE, "made_by": THERE, "truth_hash": "u"},
        ["other_truth", "close"],
        "instruction set",
    ),
]


@pytest.mark.parametrize(
    ("here", "there", "verdicts", "detail"), [o[1:] for o in OTHERS], ids=[o[0] for o in OTHERS]
)
def test_two_builds(tmp_path, here, there, verdicts, detail):
    one, two = write_build(tmp_path / "one", **here), write_build(tmp_path / "two", **there)
    found, status = run(one, two)
    assert [found[FILE]["verdict"], found[CLEAN]["verdict"]] == verdicts
    assert detail in (found[FILE]["detail"] or "")
    assert status == bool(WRONG & set(verdicts))
    assert "lost" not in found  # failed alike


def test_the_least_psnr_is_a_setting_and_is_recorded(build, tmp_path):
    other = write_build(tmp_path / "other", codec=COARSE, made_by=THERE)
    found, _ = run(build, other)
    value = found[FILE]["psnr_db"]
    assert 35 < value < 60
    assert run(build, other, "--psnr", value + 0.1)[0][FILE]["verdict"] == "differs"
    assert run(build, other, "--psnr", value - 0.1)[0][FILE]["verdict"] == "close"


@pytest.mark.parametrize(
    ("there", "verdicts"),
    [
        ({}, ["same_bytes", "same_bytes", "same_bytes"]),
        ({"codec": COARSE}, ["differs", "differs", "differs"]),
        ({"codec": COARSE, "made_by": THERE}, ["same_truth", "not_compared", "not_compared"]),
        (
            {"codec": COARSE, "made_by": THERE, "truth_hash": "u"},
            ["other_truth", "not_compared", "not_compared"],
        ),
    ],
)
def test_manifests_alone_are_compared_by_what_they_say(build, tmp_path, there, verdicts):
    other = write_build(tmp_path / "other", **there)
    for name in ("D", "D-clean", "D-counterfactual"):
        shutil.rmtree(other / name)
    found, _ = run(build, other)
    assert [found[name]["verdict"] for name in (FILE, CLEAN, TWIN)] == verdicts


def test_a_file_there_that_does_not_decode_is_broken(build, tmp_path):
    other = write_build(tmp_path / "other", codec=COARSE, made_by=THERE)
    cut(other)
    found, status = run(build, other)
    assert (found[FILE]["verdict"], status) == ("broken", 1)
    assert str(other / FILE) in found[FILE]["detail"]


def test_rows_and_outputs_that_one_build_lacks(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    change_row(build, **{name: values[:1] for name, values in named(build, OCCLUDED).items()})
    change_row(other, clean_file=None, clean_hash=None)
    write_rows(build, "composite", [bare("mine", "failed", "corrupt")], "001")
    write_rows(other, "composite", [bare("theirs", "failed", "corrupt")], "002")
    found, status = run(build, other)
    assert {name: row["verdict"] for name, row in found.items()} == {
        FILE: "same_bytes",
        OCCLUDED[0.5]: "only_there",
        CLEAN: "only_here",
        TWIN: "same_bytes",
        "mine": "only_here",
        "theirs": "only_there",
    }
    # the second scale is a stray in BUILD, and that alone is no error
    assert status == 0


def bare(clip: str, status: str, reason: str) -> dict[str, Any]:
    columns = ("scales", "files", "file_hashes")
    return {"clip": clip, "status": status, "reason": reason} | dict.fromkeys(columns)


def test_another_status_is_said_once(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    empty = bare("a", "failed", "encode_failed") | {"clean_file": None}
    change_row(other, **empty)
    found, status = run(build, other)
    assert found["a"]["verdict"] == "other_status" and status == 0
    assert found["a"]["detail"] == "ok here, failed (encode_failed) there"
    assert set(found) == {"a", TWIN}


def test_threads_change_nothing(build, tmp_path):
    other = write_build(tmp_path / "other", codec=COARSE, made_by=THERE)
    cut(build, CLEAN)
    written = []
    for threads in (1, 2):
        run(build, other, "--threads", threads)
        written.append((build / "findings.parquet").read_bytes())
    assert written[0] == written[1]


def test_what_cannot_be_read_is_one_line(build, tmp_path):
    with pytest.raises(UserError, match=r"wanted manifests .*got none; give the build_dir"):
        run(tmp_path)
    with pytest.raises(UserError, match="--sample: wanted 0 or more"):
        run(build, "--sample", -1)
    change_row(build, scales=[0.25])
    with pytest.raises(UserError, match="a: wanted as many scales as files and hashes, got 1, 2"):
        run(build)
    shutil.copy(build / "composite/000.parquet", build / "composite/001.parquet")
    change_row(build, **named(build, OCCLUDED))
    with pytest.raises(UserError, match="wanted a in one manifest"):
        run(build)
    tables.write_table(pa.table({"clip": ["a"]}), build / "composite/000.parquet")
    with pytest.raises(UserError, match="lacks the columns"):
        run(build)


def test_half_written_manifests_are_passed_over(build):
    (build / "composite/.000.part.parquet").write_bytes(b"half")
    assert run(build)[1] == 0


def command(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "occludenet_build", "verify", *map(str, words)]
    return subprocess.run(line, cwd=REPO, capture_output=True, text=True, env=os.environ)


def test_as_a_user_runs_it(build, tmp_path):
    shown = command("--help")
    assert shown.returncode == 0 and "BUILD [OTHER]" in shown.stdout
    (build / FILE).unlink()
    ended = command(build, "--log", tmp_path / "log")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert f"missing: {FILE}" in ended.stderr
    assert f"{build} against its tables: 3 ok, 1 missing" in ended.stderr
    assert "3 ok, 1 missing" in (tmp_path / "log").read_text()
    ended = command(tmp_path / "nowhere")
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_one_changed_sample_is_seen_in_every_format(tmp_path, pix_fmt):
    """Lossless, so that nothing else differs; a width of 36, so that rows are padded."""
    shown = moving_square(3, 36, 24, side=8)
    other = [picture.copy() for picture in shown]
    other[2][5, 35] = np.clip(other[2][5, 35] + 60, 0, 255)
    options = {"crf": "0"} | ({"x264-params": "qp=0:mbtree=0"} if "10" in pix_fmt else {})
    for name, frames in {"a": shown, "b": other, "c": shown}.items():
        path = tmp_path / f"{name}.mp4"
        write_video(path, frames, 8, pix_fmt=pix_fmt, options=options)
    assert compare_videos(tmp_path / "a.mp4", tmp_path / "c.mp4").identical
    seen = compare_videos(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert not seen.identical and seen.worst_frame == 2 and seen.mismatch is None
    assert 20 < seen.psnr_db < 60


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("composite/000.parquet", "composite/000.parquet"),
        ("counterfactual/000.parquet", "composite/000.parquet"),
        ("detect/store/003/detail.parquet", "detect/003.parquet"),
        ("evaluate/car-0.json", "evaluate/car-0.parquet"),
        ("train/car-0.pt", "train/car-0.pt"),
    ],
)
def test_damaged_tables_are_marked_if_asked_for(build, name, table):
    path = build / name
    content = path.read_bytes() if path.exists() else b"{"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content[: len(content) // 2] or b"{")
    found, status = run(build)
    assert status == 1 and found[name]["verdict"] == "broken"
    assert attempts(build / table) == 0 and path.exists()
    run(build, "--remake")
    assert attempts(build / table) == 1
