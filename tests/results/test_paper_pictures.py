"""The paper's picture sheets: the content of the panels, and the files."""

import dataclasses
import shutil
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest
from support.build import FRAMES, SmallBuild, annotate
from support.figures import draw_maps, inputs

from occludenet_build.config import Config
from occludenet_build.config.recognition import Evaluate, ListedSet
from occludenet_build.config.results import Paper
from occludenet_build.core import tables
from occludenet_build.results.paper.inputs import MissingInput
from occludenet_build.results.paper.pictures import (
    PICTURES,
    attention,
    construction,
    panels,
    samples,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    build = SmallBuild(tmp_path_factory.mktemp("build"), videos=True).write()
    annotate(build)
    draw_maps(build.root, maps_of_two_clips())
    return build.root


def maps_of_two_clips() -> list[dict]:
    """c0 is always recognised, c1 only clean; the occluder is visible in frame 2 only."""
    actor, occluder = np.zeros((2, 4, 32, 32), np.float32)
    actor[1:, 4:28, 8:24] = 1
    occluder[2, 10:20, 10:20] = 1
    clips = []
    for clip, wrong in (("c0", False), ("c1", True)):
        for name in ("clean", "D-25", "D-50", "D-75"):
            said = "b" if wrong and name != "clean" else "a"
            about = {"clip": clip, "set": name, "label": "a", "actor": actor}
            about["predicted"] = {"baseline": said, "car": "a"}
            clips.append(about | ({} if name == "clean" else {"occluder": occluder}))
    return clips


def lists(root, name: str) -> Config:
    """A list of two files, the first of which is not a video."""
    (root / "bad.mp4").write_bytes(b"no video")
    clip = next((root / "OccludeNet-D-clean").rglob("*.mp4"))
    shutil.copy(clip, root / "good.mp4")
    (root / f"{name}.csv").write_text("file,label\nbad.mp4,Walk\ngood.mp4,Walk\n")
    evaluate = Evaluate(lists=(ListedSet(name=name, file=str(root / f"{name}.csv")),))
    return Config(evaluate=evaluate, paper=Paper(bootstrap=10))


def test_the_construction_shows_a_frame_in_which_the_actor_was_detected(root):
    numbers = PICTURES["figure_3"](inputs([], root)).numbers
    assert numbers["set"].tolist() == ["clean", "D-25", "D-50", "D-75"]
    assert numbers["clip"].nunique() == 1 and numbers["frame"].nunique() == 1
    frame, box = numbers["frame"].iloc[0], numbers[["x1", "y1", "x2", "y2"]].iloc[0]
    assert frame in {2, 3, 4, 6, 7, 8, 9}, "5 was filled in, 0 and 1 have nobody"
    assert box.tolist() == [4 * frame, 8, 4 * frame + 16, 40]
    for row in numbers.iloc[1:].to_dict("records"):
        middle = row["x"] + row["w"] / 2, row["y"] + row["h"] / 2
        assert middle == (4 * frame + 8, 24), "the occluder stands on the box's centre"
        assert row["w"] == row["scale"] * 16


def test_samples_show_one_source_at_every_degree_and_one_in_part(root):
    found = samples.samples(inputs([], root))
    assert [one.kind for one in found] == ["D-25", "D-50", "D-75", "partial"]
    assert len({one.clip for one in found[:3]}) == 1 and found[3].clip != found[0].clip
    assert found[3].frames == [0, 2, 4, 5, 7, 9] and found[3].occluded == {2, 4, 5, 7, 9}
    assert "S, I or M" in samples._said(found)


@pytest.mark.parametrize(
    ("name", "kinds"), [("S", ["partial", "S"]), ("M", ["partial", "M"]), ("X", ["partial"])]
)
def test_samples_of_lists_pass_over_what_does_not_read(root, tmp_path, name, kinds):
    given = inputs([], root)
    (tmp_path / "OccludeNet-D-clean").symlink_to(root / "OccludeNet-D-clean")
    found = samples.samples(dataclasses.replace(given, config=lists(tmp_path, name)))
    assert [one.kind for one in found[3:]] == kinds
    if name in "SM":
        assert (found[-1].file, found[-1].label) == ("good.mp4", "Walk")
        assert found[-1].frames[-1] < FRAMES


def test_occluders_of_a_type_are_a_row_and_come_from_different_photos(root):
    rows = construction.bank_samples(inputs([], root))
    assert list(rows["category"].unique()) == [
        name for name in construction.TYPES if name in set(rows["category"])
    ]
    whole = pd.DataFrame(tables.read_rows(root / "occluders/occluders.parquet"))
    whole = whole[whole["status"] == "ok"]
    assert rows.groupby("category")["of"].first().to_dict() == (
        whole.groupby("category").size().to_dict()
    )
    photos = rows.merge(whole[["occluder", "coco_image"]], on="occluder")
    assert not photos.duplicated(["category", "coco_image"]).any()


def test_lines_of_the_annotation_are_those_of_the_file(root):
    numbers = PICTURES["figure_13"](inputs([], root)).numbers
    lines = (root / "OccludeNet-D/annotations/test_d.csv").read_text().splitlines()
    assert lines[1].split(",") == numbers.iloc[0, 1:].tolist()
    assert numbers["line"].tolist() == list(range(1, len(lines)))


def test_maps_are_of_a_frame_in_which_the_occluder_shows(root):
    rows = attention.maps_with_pictures(inputs([], root), "Figure 9").to_dict("records")
    by_set = {row["set"]: attention.read_map(row, "Figure 9") for row in rows}
    assert by_set["D-50"].frame == 2 * 3 and by_set["D-50"].occluder.any()
    assert by_set["clean"].frame == 2 * 3, "the middle of frames 1, 2, 3, which have a mask"
    assert by_set["clean"].top[0] == ("a", pytest.approx(0.5))


def test_figure_2_begins_with_clips_that_occlusion_makes_wrong(root):
    numbers = PICTURES["figure_2"](inputs([], root)).numbers
    shown = list(zip(numbers["clip"], numbers["set"], numbers["predicted"], strict=True))
    assert shown == [
        ("c1", "clean", "a"), ("c1", "D-75", "b"), ("c0", "clean", "a"), ("c0", "D-75", "a")
    ]  # fmt: skip
    assert set(numbers["arm"]) == {"baseline"}


@pytest.mark.parametrize(
    ("name", "sets"), [("figure_9", ["D-50"] * 4), ("figure_17", ["D-75"] * 4 + ["clean"] * 4)]
)
def test_baseline_precedes_car_in_the_order_they_were_drawn(root, name, sets):
    numbers = PICTURES[name](inputs([], root)).numbers
    assert numbers["set"].tolist() == sets
    assert numbers["arm"].tolist() == ["baseline", "car"] * (len(sets) // 2)
    assert numbers["clip"].tolist()[:4] == ["c0", "c0", "c1", "c1"]
    mass = numbers[["mass_actor", "mass_occluder", "mass_background"]]
    assert np.allclose(mass.sum(axis=1), 1)


def test_a_map_warms_what_it_marks_and_leaves_the_rest_grey():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    cam = np.zeros((8, 8), np.float32)
    cam[2:4, 2:4] = 1
    shown = attention.overlay_on_grey(picture, cam).astype(int)
    spread = shown.max(axis=2) - shown.min(axis=2)
    assert (spread[cam == 0] == 0).all() and (spread[cam == 1] > 50).all()
    assert (shown[cam == 1].mean(axis=1) > 150).all()


def test_a_cutout_lies_on_a_checkerboard_in_its_own_shape(tmp_path):
    piece = np.zeros((20, 40, 4), np.uint8)
    piece[:, :, 2], piece[:, :20, 3] = 200, 255
    cv2.imwrite(str(tmp_path / "piece.png"), piece)
    shown = panels.cutout_picture(tmp_path / "piece.png", side=100)
    red = (shown[:, :, 0] > 190) & (shown[:, :, 1] < 20)
    rows, columns = np.nonzero(red)
    assert (np.ptp(rows) + 1) / (np.ptp(columns) + 1) == pytest.approx(1.0, abs=0.1)
    assert columns.max() < 52 and (shown[50, 60] >= 230).all()


@pytest.mark.parametrize("name", PICTURES)
def test_a_sheet_is_pictures_and_text_and_always_the_same_bytes(root, name):
    first, second = (PICTURES[name](inputs([], root)) for _ in range(2))
    assert first.chart == second.chart
    svg = ElementTree.fromstring(first.chart.svg)
    words = ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]
    assert words and (name == "figure_13") == (next(svg.iter(f"{SVG}image"), None) is None)
    picture = cv2.imdecode(np.frombuffer(first.chart.png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == pytest.approx(6.9 * 200, abs=2)
    assert str(root) not in first.chart.svg + first.numbers.to_csv()


def without(root, tmp_path, *gone: str):
    for part in root.iterdir():
        if part.name not in {name.split("/")[0] for name in gone}:
            (tmp_path / part.name).symlink_to(part)
        elif "/" in "".join(gone):
            shutil.copytree(part, tmp_path / part.name)
    for name in gone:
        if "/" in name:
            shutil.rmtree(tmp_path / name)
    return inputs([], tmp_path)


@pytest.mark.parametrize(
    ("name", "gone", "said"),
    [
        ("figure_2", "attention", r"Figure 2: .*attention\.pictures above 0"),
        ("figure_9", "attention", r"Figure 9: .*run attention"),
        ("figure_17", "attention", r"Figure 17: .*run attention"),
        ("figure_3", "annotate", r"clips\.parquet, it is missing; run annotate"),
        ("figure_3", "detect", r"Figure 3: no clip .* with a detected actor"),
        ("figure_11", "select", r"run select"),
        ("figure_11", "OccludeNet-D", r"Figure 11: cannot show .*missing.*make the clip again"),
        ("figure_12", "occluders", r"run occluders"),
        ("figure_12", "occluders/png", r"wanted an RGBA cut-out, .* run occluders again"),
        ("figure_13", "OccludeNet-D/annotations", r"test_d\.csv with a clip in it; run annotate"),
    ],
)
def test_what_is_missing_is_named(root, tmp_path, name, gone, said):
    with pytest.raises(MissingInput, match=said) as error:
        PICTURES[name](without(root, tmp_path, gone))
    assert "\n" not in str(error.value)


def test_one_arm_is_no_comparison(tmp_path):
    draw_maps(tmp_path, maps_of_two_clips(), arms=("car",))
    with pytest.raises(
        MissingInput, match=r"baseline and of car of one seed; set train\.arms to both"
    ):
        attention.figure_9(inputs([], tmp_path))
    assert len(attention.figure_2(inputs([], tmp_path)).numbers) == 4


def test_maps_that_cannot_be_read_are_reported(tmp_path):
    draw_maps(tmp_path, maps_of_two_clips())
    (tmp_path / "attention/car-0/002_D-50.npz").write_bytes(b"half")
    with pytest.raises(MissingInput, match=r"002_D-50\.npz cannot be read .*run attention again"):
        attention.figure_9(inputs([], tmp_path))
