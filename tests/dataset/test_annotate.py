import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import REFERENCE
from support.build import FRAMES, SCALES, SmallBuild, annotate, write_groups

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.annotate import CLIPS
from occludenet_build.dataset.annotate import FRAMES as FRAME_COLUMNS
from occludenet_build.dataset.validate.checks import run_checks
from occludenet_build.dataset.validate.release import read_release
from occludenet_build.media.imaging import masks
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.release import csv_format
from occludenet_build.release.terms import label_ids

OVERALL = ",".join(csv_format.header(csv_format.Overall))
ROW = "abseiling,0.25_a.mp4,dog,d.png,75.25,0.25,08.62,10.03,29.92,11.53"


PUBLISHED = sorted((REFERENCE / "annotations").glob("*.csv"))
"""The release's own files, which are not part of the project."""


@pytest.mark.parametrize(
    "text",
    [
        f"{OVERALL}\n{ROW}\n",
        f"{OVERALL}\n{ROW.replace('75.25', '100.00').replace('11.53', '130.86')}\n",
        f"{OVERALL}\n{ROW.replace('abseiling', chr(34) + 'juggling, fast' + chr(34))}\n",
        'file,label\n"val_25percent/a ""b"", c/0.25_a.mp4",399\n',
        "action class,file name,fps,video duration\nabuse,1.mp4,29.97,08.04\n",
        "action class,file name\nArmed,1.mp4\nWalk,été.mp4\n",
        "file,label\n",
    ],
)
def test_what_is_in_the_format_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(text.encode())
    csv_format.rewrite_csv(source, target)
    assert target.read_bytes() == text.encode()


@pytest.mark.skipif(not PUBLISHED, reason="no files of the release: set OCCLUDENET_REFERENCE")
def test_the_release_comes_back_byte_for_byte(tmp_path: Path) -> None:
    for path in PUBLISHED:
        csv_format.rewrite_csv(path, tmp_path / "again.csv")
        assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: wanted 'action class', got 'the end'"),
        ("file;label\n", "line 1, column 1: wanted 'file'"),
        ("file,label,x\n", "line 1, column 3: wanted 'the end', got 'x'"),
        (OVERALL.replace("fps", "rate") + "\n", "column 9: wanted 'fps', got 'rate'"),
        ("file,label\na.mp4,0\nb.mp4,07\n", "line 3, column 'label': wanted a whole number"),
        ("file,label\na.mp4,-1\n", "got '-1'"),
        ("file,label\n,1\n", "line 2, column 'file': wanted a text, got ''"),
        ("file,label\na.mp4\n", "line 2, column 'label': wanted 2 columns, got 1"),
        ("file,label\na.mp4,1,2\n", "column 'number 3': wanted 2 columns, got 3"),
        ("file,label\n\na.mp4,1\n", "line 2, column 'file': wanted 2 columns, got 0"),
        ("file,label\na.mp4,1", "line 2: wanted 'a.mp4,1\\n', got 'a.mp4,1'"),
        ('file,label\n"a.mp4",1\n', "line 2: wanted 'a.mp4,1\\n', got '\"a.mp4\",1\\n'"),
        ('file,label\n"a.mp4,1\n', "line 2: wanted CSV"),
        ("file,label\r\na.mp4,1\r\n", "line 1, last column: wanted a line that ends in \\n"),
        ("\ufefffile,label\n", "byte order mark"),
        (f"{OVERALL}\n{ROW.replace('08.62', '8.62')}\n", "'occlusion duration': wanted a number"),
        (f"{OVERALL}\n{ROW.replace('08.62', '008.62')}\n", "got '008.62'"),
        (f"{OVERALL}\n{ROW.replace('29.92', 'nan')}\n", "line 2, column 'fps'"),
        (f"{OVERALL}\n{ROW.replace('0.25,', '0.50,')}\n", "'occluder size ratio': wanted a ratio"),
    ],
)
def test_what_would_not_come_back_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        csv_format.parse_csv(text, "in.csv")
    assert str(caught.value).startswith("in.csv") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_ids_follow_the_order_of_paths() -> None:
    names = ["drinking", "drinking beer", "drinking shots", "abseiling"]
    assert list(label_ids(names)) == ["abseiling", "drinking beer", "drinking shots", "drinking"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallBuild, list[dict]]:
    build = SmallBuild(tmp_path_factory.mktemp("build")).write()
    return build, annotate(build)


def test_a_row_per_output_clip(built: tuple[SmallBuild, list[dict]]) -> None:
    build, rows = built
    assert pq.read_schema(build.root / "annotate/clips.parquet").equals(CLIPS)
    assert len(rows) == len(build.clips) * (1 + len(SCALES))
    assert {row["set"] for row in rows} == {"clean", "D-25", "D-50", "D-75"}
    assert "lost-1" not in {row["clip"] for row in rows}
    first = next(row for row in rows if row["clip"] == "water-1" and row["set"] == "D-50")
    assert first["occlusion_seconds"] == 1.0
    assert first["duration_ratio"] == 0.8
    assert first["area_ratio"] == first["actor_hidden"] == 64 / 512
    assert first["generation_seconds"] == 0.5  # 2 seconds for three scales and the clean twin
    assert first["counterfactual_hash"] == "twin-0.5"
    clean = next(row for row in rows if row["clip"] == "water-1" and row["set"] == "clean")
    assert (clean["scale"], clean["area_ratio"], clean["occluder"]) == (0.0, 0.0, None)
    # never a file: train erases the actor from it when it reads it
    assert clean["counterfactual"] is None
    assert clean["counterfactual_hash"].startswith("load:clean:")


def test_frames_carry_both_masks(built: tuple[SmallBuild, list[dict]]) -> None:
    build, _ = built
    groups = tables.ClipGroups(build.root / "annotate/frames/000.parquet")
    rows = groups.read("water-1")
    assert rows is not None and rows.schema.equals(FRAME_COLUMNS)
    assert len(rows) == FRAMES * len(SCALES)
    *_, last = rows.to_pylist()
    assert (last["set"], last["frame"], last["actor_area"], last["visible_area"]) == (
        "D-75",
        FRAMES - 1,
        512,
        512 - 144,
    )
    size = last["height"], last["width"]
    visible = masks.decode(last["actor_rle"], *size) & ~masks.decode(last["occluder_rle"], *size)
    assert visible.sum() == last["visible_area"]
    assert rows["actor_rle"].null_count == 2 * len(SCALES)


def test_the_dataset_folder_looks_like_the_release(
    built: tuple[SmallBuild, list[dict]], tmp_path: Path
) -> None:
    build, _ = built
    folder = build.root / "OccludeNet-D"
    names = {path.name for path in (folder / "annotations").iterdir()}
    wanted = {f"{s}_{kind}.csv" for s in ("train", "test") for kind in ("d", "25", "50", "75")}
    assert names == wanted
    for path in (folder / "annotations").iterdir():
        csv_format.rewrite_csv(path, tmp_path / "again.csv")
        assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()
    lines = (folder / "annotations/train_d.csv").read_text().splitlines()
    assert [line.split(",0.25_")[1][:7] for line in lines if ",0.25_" in line] == [
        "beer-1.", "water-1", "water-2", "odd-1.m",
    ]  # fmt: skip
    assert lines[1] == (
        "drinking beer,0.25_beer-1.mp4,dog,0000144_dog_000000000001_56.25.png,"
        "56.25,0.25,01.00,01.25,08.00,00.50"
    )
    listed = (folder / "annotations/train_50.csv").read_text().splitlines()
    assert listed[:2] == ["file,label", "train_50percent/drinking beer/0.50_beer-1.mp4,0"]
    assert json.loads((build.root / "annotate/labels.json").read_text())["drinking"] == 1


def test_validate_finds_no_error_in_it(built: tuple[SmallBuild, list[dict]]) -> None:
    release = read_release([built[0].root / "OccludeNet-D/annotations"])
    assert len(release.annotated) == len(release.entries) > 0
    found = run_checks(release)
    assert not [f for some in found.values() for f in some if f.severity == "error"]


def test_paths_of_the_lists_resolve(tmp_path: Path) -> None:
    build = SmallBuild(tmp_path / "build").write()
    for row in annotate(build):
        (build.root / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        (build.root / row["file"]).touch()
    folder = build.root / "OccludeNet-D"
    for path in (folder / "annotations").glob("*_[0-9]*.csv"):
        _, records = csv_format.parse_csv(path.read_text(), path.name)
        assert records and all((folder / record.file).is_file() for record in records)
    assert not Path((folder / "train_25percent").readlink()).is_absolute()


def test_again_gives_the_same_and_leaves_nothing_old(tmp_path: Path) -> None:
    build = SmallBuild(tmp_path).write()
    rows = annotate(build)
    folder = build.root / "OccludeNet-D"
    (folder / "annotations/val_90.csv").write_text("file,label\n")
    (folder / "annotations/mine.csv").write_text("mine\n")
    (folder / "val_90percent").symlink_to("val/90%")
    shutil.copy(build.root / "annotate/store/000.json", build.root / "annotate/store/002.json")
    before = {p: p.read_bytes() for p in (build.root / "annotate").rglob("*.parquet")}
    assert annotate(build) == rows
    assert {p: p.read_bytes() for p in before} == before
    assert not (folder / "annotations/val_90.csv").exists()
    assert not (folder / "val_90percent").is_symlink()
    assert not (build.root / "annotate/store/002.json").exists()
    assert (folder / "annotations/mine.csv").exists()


def _frames(build: SmallBuild) -> dict[str, tuple[bytes, int]]:
    """Shard -> content and time stamp of its table of frames."""
    found = (build.root / "annotate/frames").glob("*.parquet")
    return {path.stem: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_finished_shards_are_not_made_again(tmp_path: Path) -> None:
    build = SmallBuild(tmp_path).write()
    rows = annotate(build)
    before = _frames(build)
    (tmp_path / "annotate/clips.parquet").unlink()  # as of a job that was killed at its end
    assert annotate(build) == rows
    assert _frames(build) == before


@pytest.mark.parametrize("what", ["killed", "damaged", "cut", "note", "manifest", "masks"])
def test_a_shard_that_is_not_as_noted_is_made_again(tmp_path: Path, what: str) -> None:
    build = SmallBuild(tmp_path).write()
    rows = annotate(build)
    before = _frames(build)
    table, note = tmp_path / "annotate/frames/000.parquet", tmp_path / "annotate/store/000.json"
    if what == "killed":
        note.unlink()
    elif what == "damaged":
        table.write_bytes(bytes(len(table.read_bytes())))
    elif what == "cut":
        table.unlink()
    elif what == "note":
        note.write_text('{"key": ')
    else:
        stage = {"manifest": "composite", "masks": "actor_masks"}[what]
        manifest = tmp_path / stage / "000.parquet"
        changed = [row | {"key": "another"} for row in tables.read_rows(manifest)]
        tables.write_table(tables.from_rows(changed, pq.read_schema(manifest)), manifest)
    assert annotate(build) == rows
    after = _frames(build)
    assert after["001"] == before["001"]
    assert after["000"][0] == before["000"][0] and after["000"][1] > before["000"][1]


def test_a_build_without_masks_and_counterfactuals(tmp_path: Path) -> None:
    build = SmallBuild(tmp_path).write()
    for stage in ("actor_masks", "counterfactual"):
        for path in build.manifests(stage):
            path.unlink()
    rows = annotate(build)
    assert (
        {row["actor_hidden"] for row in rows} == {row["counterfactual"] for row in rows} == {None}
    )


def test_absent_clips_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        annotate(SmallBuild(tmp_path).write())
    assert "absent: 1 failed: encode_failed, 1 skipped: no_actor" in caplog.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"occluded_frames": 0}, "water-1: wanted an occluded frame"),
        ({"occluded_frames": 7}, "water-1: wanted 10 frames, 7 of them occluded"),
        ({"occluder": "other.png"}, "water-1: wanted occluder"),
        ({"files": ["a.mp4"]}, "water-1: wanted a file and a hash per scale"),
        (
            {"files": ["a.mp4"] * 3},
            "water-1: wanted a file <dataset>/train/<scale>%/<class>/<clip>",
        ),
    ],
)
def test_tables_that_contradict_each_other(tmp_path: Path, values: dict, said: str) -> None:
    build = SmallBuild(tmp_path, composited={"water-1": values}).write()
    with pytest.raises(UserError) as caught:
        annotate(build)
    assert said in str(caught.value)


def test_a_scale_without_an_occluded_frame(tmp_path: Path) -> None:
    build = SmallBuild(tmp_path).write()
    path = build.root / "composite/store/000/detail.parquet"
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["occluded"] &= (row["clip"], row["scale"]) != ("water-1", 0.25)
    clips = sorted({row["clip"] for row in rows})
    parts = [tables.from_rows([r for r in rows if r["clip"] == c], TRUTH) for c in clips]
    write_groups(path, parts, TRUTH)
    with pytest.raises(UserError, match="water-1: wanted occluded frames at every scale"):
        annotate(build)


def test_the_command_line_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "occludenet_build", "annotate"]
    done = subprocess.run([*command, "--root", "."], capture_output=True, text=True)
    assert done.returncode == 2
    assert "wanted --select" in done.stderr and "Traceback" not in done.stderr
