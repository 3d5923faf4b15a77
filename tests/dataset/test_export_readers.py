"""Round trips: what the readers of other programs read is what the build has."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

import cv2
import pytest
from support.build import write_groups
from support.export import SIDE, SOURCES, ExportBuild, box, named, problems, summary

from occludenet_build.core import tables
from occludenet_build.people.poses import DETAIL

pytestmark = pytest.mark.slow
SETS = ("D-25", "clean")
LISTS = [(set, split) for set in SETS for split in ("train", "val", "test")]


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> ExportBuild:
    return ExportBuild(tmp_path_factory.mktemp("export"), scales=(0.25,)).write()


def of(build: ExportBuild, set: str, split: str) -> list[dict]:
    """The clips of a list, in the order of the build's files."""
    rows = [row for row in build.rows if (row["set"], row["split"]) == (set, split)]
    return sorted(rows, key=lambda row: row["file"])


def file_of(folder: Path, set: str, path: str) -> str:
    return named(folder)[f"{set}/{path}"]["file"]


def test_mmaction2_reads_the_videos(build, readers, tmp_path):
    folders, tasks = [], []
    for names, delimiter in {"safe": " ", "release": ","}.items():
        folder = build.export("mmaction2", tmp_path / names, names=names)
        assert summary(folder)["counts"]["delimiter"] == delimiter
        for set, split in LISTS:
            folders.append((folder, set, split))
            task = {"kind": "video", "ann_file": f"{folder}/{set}/{split}.txt"}
            tasks.append(task | {"prefix": f"{folder}/{set}", "delimiter": delimiter})
    for (folder, set, split), found in zip(folders, readers("mmaction2_lists", tasks), strict=True):
        rows = of(build, set, split)
        assert [file_of(folder, set, one["path"]) for one in found] == [r["file"] for r in rows]
        for one, row in zip(found, rows, strict=True):
            assert one["label"] == build.labels[row["label"]]
            assert one["frames"] == row["frames"]
            assert one["codes"] == [[k, build.number(row)] for k in one["numbers"]]


def test_mmaction2_cannot_read_names_with_spaces_with_its_default(build, readers, tmp_path):
    """The trap: why the delimiter changes with names: release."""
    folder = build.export("mmaction2", tmp_path / "x", names="release")
    lists = folder / "D-25" / "train.txt"
    lists.write_text(lists.read_text().replace(",", " "))
    with pytest.raises(AssertionError, match="too many values"):
        task = {"kind": "video", "ann_file": str(lists), "prefix": str(folder / "D-25")}
        readers("mmaction2_lists", [task])


def test_mmaction2_reads_the_frames(build, readers, tmp_path):
    folders, tasks = [], []
    for side in (None, 32):
        folder = build.export(
            "mmaction2_frames", tmp_path / f"{side}", threads=2, short_side=side, sets=["D-25"]
        )
        for split in ("train", "val", "test"):
            folders.append((folder, split))
            task = {"kind": "frames", "ann_file": f"{folder}/D-25/{split}.txt"}
            tasks.append(task | {"prefix": f"{folder}/D-25"})
    for (folder, split), found in zip(folders, readers("mmaction2_lists", tasks), strict=True):
        rows = of(build, "D-25", split)
        assert [file_of(folder, "D-25", one["path"]) for one in found] == [r["file"] for r in rows]
        for one, row in zip(found, rows, strict=True):
            assert (one["label"], one["frames"]) == (build.labels[row["label"]], row["frames"])
            assert one["codes"] == [[k - 1, build.number(row)] for k in one["numbers"]]


def test_ava_boxes_are_those_of_the_frames_that_are_decoded(build, readers, tmp_path):
    folder = build.export("ava", tmp_path / "x")
    last = summary(folder)["counts"]["largest_frame"]
    tasks = [{"folder": f"{folder}/{set}", "split": split, "last": last} for set, split in LISTS]
    for (set, split), read in zip(LISTS, readers("mmaction2_ava", tasks), strict=True):
        assert read["classes"] == {name: i + 1 for name, i in build.labels.items()}
        rows = {row["file"]: row for row in of(build, set, split)}
        found: dict[str, list] = {}
        for one in read["boxes"]:
            row = rows[file_of(folder, set, one["video"])]
            found.setdefault(row["file"], []).append(one["frame"])
            assert one["middle"] == [one["frame"] - 1, build.number(row)]
            assert one["frames"] == row["frames"]
            assert one["actions"] == [[build.labels[row["label"]] + 1]]
            # its decoder has turned shares of the picture into pixels
            assert one["box"][0] == pytest.approx(box(one["frame"] - 1), abs=0.05)
        for file, row in rows.items():
            assert abs(len(found[file]) - row["frames"] / row["fps"]) <= 0.5


@pytest.mark.parametrize("names", ["safe", "release"])
def test_slowfast_and_its_heirs_read_the_lists(build, readers, tmp_path, names):
    folder = build.export("slowfast", tmp_path / "x", names=names)
    tasks = [
        {"folder": f"{folder}/{set}", "split": split, "space": names == "safe"}
        for set, split in LISTS
    ]
    by_space = ["slowfast", "pandas", "space"] if names == "safe" else []
    for (set, split), result in zip(LISTS, readers("slowfast_lists", tasks), strict=True):
        rows = {row["file"]: row for row in of(build, set, split)}
        assert list(result["read"]) == ["comma", *by_space]
        for found in result["read"].values():
            assert [[file_of(folder, set, path), i] for path, i in found] == [
                [file, build.labels[row["label"]]] for file, row in rows.items()
            ]
        for path, opened in result["opened"].items():
            row = rows[file_of(folder, set, path)]
            number, last = build.number(row), row["frames"] - 1
            assert opened == [row["frames"], [0, number], [last, number]]


def test_torchvision_reads_the_folders(build, readers, tmp_path):
    folders, tasks = [], []
    for names in ("safe", "release"):
        folder = build.export("kinetics_folder", tmp_path / names, names=names, sets=["D-25"])
        assert summary(folder)["counts"]["sets_whose_splits_differ"] == ["D-25"]
        for split in ("train", "val", "test"):
            folders.append((folder, split))
            tasks.append({"root": f"{folder}/D-25", "split": split})
    for (folder, split), read in zip(folders, readers("torchvision_kinetics", tasks), strict=True):
        rows = of(build, "D-25", split)
        labels = read_json(folder / "D-25" / "labels" / f"{split}.json")
        assert sorted(labels) == sorted({row["label"] for row in rows})
        found = {file_of(folder, "D-25", one["path"]): one for one in read["clips"]}
        assert sorted(found) == [row["file"] for row in rows]
        for row in rows:
            one = found[row["file"]]
            assert one["label"] == labels[row["label"]]
            assert one["frames"] == row["frames"]
            assert one["codes"] == [[k, build.number(row)] for k in range(4)]


def read_json(path: Path):
    return json.loads(path.read_text())


def picture_code(path: Path) -> list[int]:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    scale = picture.shape[0] / 64
    at = [int((SIDE * k + SIDE / 2) * scale) for k in range(8)]
    rows = (at[0], at[1])
    return [int("".join("01"[int(picture[y, x] > 128)] for x in at), 2) for y in rows]


def test_ibm_by_its_rules(build, tmp_path):
    """An independent reading: `;`, frames from 1, ids last, 30 frames least, no id in test."""
    folder = build.export("ibm", tmp_path / "x", threads=2, sets=["D-25"])
    root = folder / "D-25"
    assert set(problems(folder).values()) == {"too_few_frames"}
    assert {clip for _, clip in problems(folder)} == {"vGlsp8wOH-8_000085_000095"}  # 29 frames
    lists = {"train.txt": ("train", 4), "val.txt": ("val", 4), "test.txt": ("test", 3),
             "evaluate_test/val.txt": ("test", 4)}  # fmt: skip
    for name, (split, fields) in lists.items():
        rows = [row for row in of(build, "D-25", split) if row["frames"] >= 30]
        raw = (root / name).read_bytes()
        assert raw[:3] != b"\xef\xbb\xbf" and b"\r" not in raw
        lines = raw.decode().splitlines()
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            path, start, end, *label = line.split(";")
            assert len(label) == fields - 3
            assert label in ([], [str(build.labels[row["label"]])])
            assert (int(start), int(end)) == (1, row["frames"])
            frames = (root / name).parent / path
            assert len(list(frames.iterdir())) == row["frames"]
            for number in (int(start), 17, int(end)):
                code = picture_code(frames / f"{number:05d}.jpg")
                assert code == [number - 1, build.number(row)]


def test_integralaction_by_its_layout(build, tmp_path):
    """An independent reading of the documented layout, with both ways to the skeleton's id."""
    folder = build.export("integralaction", tmp_path / "x", threads=2, sets=["clean"])
    short = [row["clip"] for row in build.rows if row["set"] == "clean" and row["frames"] <= 56]
    assert sorted(clip for _, clip in problems(folder)) == sorted(short)
    for split in ("train", "val", "test"):
        values = read_json(folder / "clean" / f"Kinetics50_{split}.json")
        rows = [row for row in of(build, "clean", split) if row["frames"] > 56]
        images = {image["id"]: image for image in values["images"]}
        assert len(values["annotations"]) == len(rows) == len(images)
        for annotation, row in zip(values["annotations"], rows, strict=True):
            image = images[annotation["image_id"]]
            assert annotation["action_label"] == build.labels[row["label"]]
            assert annotation["action_name"] == row["label"]
            assert not set(image["seq_name"]) & set(" ()'\"")
            assert image["frame_num"] == row["frames"]
            assert re.search(r"._\d{6}_\d{6}$", image["file_name"])
            where = Path("frames", f"{split}_256", image["seq_name"], image["file_name"])
            frames = folder / "clean" / where
            assert file_of(folder, "clean", PurePosixPath(where).as_posix()) == row["file"]
            assert len(list(frames.iterdir())) == row["frames"]
            for number in (1, row["frames"]):
                path = frames / f"{number:06d}.jpg"
                assert picture_code(path) == [number - 1, build.number(row)]
            assert cv2.imread(str(path)).shape[:2] == (image["height"], image["width"])
            assert min(image["height"], image["width"]) == 256


def pose(x: float, y: float, score: float) -> dict:
    return {"x": [x] * 18, "y": [y] * 18, "score": [score] * 18, "under": [False] * 18}


def test_integralaction_has_the_skeletons_of_its_own_set(tmp_path):
    """Of the table of the stage poses: per set, actor first, shares of the picture, frames from 0.

    For train the loader strips the times from the name, for val it does not.
    """
    long = tuple(one for one in SOURCES if one.frames > 56)
    build = ExportBuild(tmp_path / "build", long, scales=(0.25,)).write()
    parts = []
    for source in (one for one in long if one.split != "test"):
        who = {"clip": source.name, "set": "D-25", "frame": 3, "state": "found"}
        rows = [
            who | {"track": 0, "actor": False} | pose(96, 64, 0.5),
            who | {"track": 9, "actor": True} | pose(24, 16, 1.0),
            who | {"track": 4, "actor": False, "state": "not_found"} | pose(0, 0, 0),
            who | {"track": None, "actor": False, "state": "no_track"} | pose(48, 80, 0.25),
            who | {"track": 9, "actor": True, "set": "clean"} | pose(1, 1, 1.0),
        ]
        parts.append(tables.from_rows(rows, DETAIL))
    write_groups(build.root / "poses/store/000/detail.parquet", parts, DETAIL)
    folder = build.export("integralaction", tmp_path / "x", sets=["D-25"], short_side=16) / "D-25"
    for split in ("train", "val", "test"):
        images = read_json(folder / f"Kinetics50_{split}.json")["images"]
        about = read_json(folder / "kinetics-skeleton" / f"kinetics_{split}_label.json")
        assert len(about) == len(images)  # no two clips have one id
        for image in images:
            name = image["file_name"]
            key = name[:-14] if split == "train" else name
            assert key == (name.rsplit("_", 2)[0] if split == "train" else name)
            assert about[key]["has_skeleton"] == (split != "test")
            path = folder / "kinetics-skeleton" / f"kinetics_{split}" / f"{key}.json"
            assert path.exists() == (split != "test")
            if path.exists():
                data = read_json(path)["data"]
                assert [one["frame_index"] for one in data] == list(range(image["frame_num"]))
                people = data[3]["skeleton"]
                assert [one["score"][0] for one in people] == [1.0, 0.5, 0.25]
                assert [one["pose"][:2] for one in people] == [[0.25, 0.25], [1, 1], [0.5, 1]]
                assert all(len(one["pose"]) == 36 for one in people)
                assert not any(one["skeleton"] for one in data if one["frame_index"] != 3)
