"""Measured occlusion: the order and the hidden share of drawn people, and what the tables say."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.crossing import FPS, HEIGHT, RED, SCENES, WIDTH, Crossing, Desk, Passer

from occludenet_build.config import ActorMasks, Config, Counterfactual, Detect, Index, Quota, Select
from occludenet_build.config.measure import Measure
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.dataset import annotate
from occludenet_build.media.imaging import masks
from occludenet_build.occlusion import measure as stage
from occludenet_build.occlusion.measure import amodal, command, order, still_objects, whole
from occludenet_build.occlusion.measure.hiding import Hiding
from occludenet_build.occlusion.measure.listing import camera_of, clips_of
from occludenet_build.occlusion.measure.one_clip import people_of
from occludenet_build.occlusion.measure.scene import Extent, Scene
from occludenet_build.people.detect.command import run as detect
from occludenet_build.people.maskers.everyone import SceneFrame, masks_of_everyone
from occludenet_build.people.maskers.registry import load_masker
from occludenet_build.recognition.clip_table import read_clips, read_labels
from occludenet_build.recognition.frame_masks import ActorPixels, FrameMasks
from occludenet_build.sources.index.command import run as index


@cache
def drawn(name: str) -> Crossing:
    return Crossing(SCENES[name])


def measured(scene: Scene, crossing: Crossing, folder: Path) -> Hiding:
    hiding = Hiding(scene, longest=3.0, max_error=0.15)
    hiding.measure(crossing.write(folder / "drawn.mp4"))
    return hiding


def ident(crossing: Crossing, number: int):
    """How the measurement names a thing of the scene."""
    return (0, number) if number in crossing.people else next(iter(crossing.static))


def compared(crossing: Crossing, hiding: Hiding) -> tuple[list[int], list[tuple[float, float]]]:
    """The order of each overlap (1 right, -1 wrong, 0 unknown), and (true, measured) shares."""
    orders, shares = [], []
    for frame in range(crossing.frames):
        sights = hiding.sights(frame)
        for rear in crossing.people:
            for front in set(range(len(crossing.things))) - {rear}:
                if crossing.hides(front, rear, frame) >= 0.03:
                    verdict = hiding.verdict(frame, (0, rear), ident(crossing, front))
                    orders.append(verdict.front if verdict else 0)
            sight = sights.get((0, rear))
            if sight is not None and sight.share is not None:
                shares.append((crossing.hidden(rear, frame), sight.share))
    return orders, shares


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "three", "desk"])
def test_order_and_share_of_drawn_people(tmp_path, name):
    crossing = drawn(name)
    hiding = measured(crossing.scene(wobble=1), crossing, tmp_path)
    orders, shares = compared(crossing, hiding)
    assert len(orders) >= 8 and -1 not in orders and np.mean(np.array(orders) == 1) >= 0.75
    truth, found = np.array(shares).T
    error, hidden = np.abs(truth - found), truth > 0.02
    assert hidden.sum() >= 5 and np.median(error[hidden]) <= 0.05
    assert np.quantile(error[hidden], 0.9) <= 0.12 and error[~hidden].max() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "three", "desk"])
def test_grabcut_gives_both_people_the_pixels_and_still_the_order_is_right(tmp_path, name):
    crossing = drawn(name)
    boxes = {(0, number): crossing.boxes(number) for number in crossing.people}
    path = crossing.write(tmp_path / "masked.mp4")
    found = masks_of_everyone(load_masker(ActorMasks(backend="grabcut")), path, 70, boxes)
    scene = Scene((HEIGHT, WIDTH), 70, FPS, boxes, found.people, static=crossing.static)
    orders, shares = compared(crossing, measured(scene, crossing, tmp_path))
    assert -1 not in orders and np.mean(np.array(orders) == 1) >= 0.7
    truth, share = np.array(shares).T
    assert np.quantile(np.abs(truth - share), 0.9) <= 0.1 and share[truth < 0.005].max() < 0.03


@pytest.mark.slow
def test_who_never_is_whole_has_no_share(tmp_path):
    """Two who walk abreast all the time: the order is known, the share is not invented."""
    crossing = drawn("close")
    hiding = measured(crossing.scene(), crossing, tmp_path)
    orders, _ = compared(crossing, hiding)
    assert -1 not in orders and orders.count(1) > 0.6 * len(orders)
    sights = [hiding.sights(frame) for frame in range(10, 60, 5)]
    rear = [found[0, 0] for found in sights if (0, 0) in found]
    assert {sight.why for sight in rear} == {"never_whole"}
    assert all(sight.share is None and sight.whole is None for sight in rear)


@pytest.mark.slow
def test_a_desk_hides_who_is_behind_it_and_nobody_before_it(tmp_path):
    crossing = drawn("desk")
    hiding = measured(crossing.scene(), crossing, tmp_path)
    by = {key: set() for key in hiding.scene.masks}
    for frame in range(crossing.frames):
        for key, sight in hiding.sights(frame).items():
            by[key] |= {h.ident for h in sight.hiders if h.share > 0.03}
    assert "desk" in by[0, 1] and "desk" not in by[0, 2]


@pytest.mark.slow
def test_an_object_of_the_masker_hides_who_it_cuts(tmp_path):
    """A desk that the masker knows, in every frame, instead of the user."""
    crossing = drawn("desk")
    scene = crossing.scene()
    coded = {
        frame: [("dining table", masks.encode(crossing.visible[0][frame]))] for frame in range(70)
    }
    seen = Scene(scene.size, 70, FPS, scene.boxes, scene.masks, objects=coded)
    hiding = measured(seen, crossing, tmp_path)
    names = [
        hider.name
        for frame in range(70)
        for hider in hiding.sights(frame).get((0, 1), hiding.sights(0)[0, 1]).hiders
    ]
    assert "dining table" in names


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=20),
    st.integers(15, 400),
)
def test_verdicts_turn_round_with_the_pair(values, zone):
    seen = {n: order.Evidence(c, m, None, zone) for n, (c, m) in enumerate(values)}
    turned = {n: order.Evidence(-c, -m, None, zone) for n, (c, m) in enumerate(values)}
    one, other = order.verdicts(seen, 20.0), order.verdicts(turned, 20.0)
    assert all(abs(one[n].score + other[n].score) < 1e-6 for n in seen)
    assert all(-1 <= one[n].score <= 1 for n in seen)


def test_an_order_that_changes_is_followed():
    seen = {n: order.Evidence(None, 1.0 if n < 40 else -1.0, None, 500) for n in range(80)}
    found = order.verdicts(seen, 20.0)
    assert {found[n].front for n in range(30)} == {1}
    assert {found[n].front for n in range(50, 80)} == {-1}
    assert found[0].kinds == ("mask",)


def test_without_evidence_the_order_is_unknown():
    found = order.verdicts({3: order.Evidence(None, None, None, 500)}, 20.0)
    assert found[3].front == 0 and found[3].kinds == ()


@pytest.mark.parametrize(
    ("first", "second", "sign"),
    [
        ((10, 10, 30, 80), (30, 10, 50, 90), 1),
        ((10, 10, 30, 90), (30, 10, 50, 80), -1),
        ((10, 10, 30, 100), (30, 10, 50, 80), -1),
        ((10, 10, 30, 100), (30, 10, 50, 100), None),
    ],
)
def test_contact(first, second, sign):
    extents = []
    for x1, y1, x2, y2 in (first, second):
        mask = np.zeros((100, 60), bool)
        mask[y1:y2, x1:x2] = True
        extents.append(Extent.of(mask))
    found = order.contact_evidence(*extents)
    assert found is None if sign is None else found * sign > 0.3


def test_what_stands_on_a_bed_is_whole():
    mask = np.zeros((120, 100), bool)
    mask[20:80, 40:60] = True
    mask[80:100, 43:47] = mask[80:100, 53:57] = True
    bed = np.zeros_like(mask)
    bed[92:118, 5:95] = True
    people = {(0, 0): {0: masks.encode(mask)}}
    boxes = {(0, 0): {0: np.float32([40, 20, 60, 100])}}
    for name, is_whole in (("bed", True), ("dining table", False)):
        coded = {0: [(name, masks.encode(bed & ~mask))]}
        scene = Scene((120, 100), 1, 20.0, boxes, people, objects=coded)
        _, seen = whole.look(scene)
        assert seen[(0, 0), 0].whole == is_whole, name


def test_a_shape_that_changes_makes_shares_uncertain():
    """Somebody who stands still changes by nothing, who waves by an arm, a stranger by much."""

    def figures(arm: bool):
        for frame in range(0, 40, 2):
            mask = np.zeros((120, 100), bool)
            mask[20:100, 40:60] = True
            mask[30:40, 60:80] = arm and frame % 8 < 4
            yield whole.Figure.of(frame, mask, Extent.of(mask))

    def change(found, seconds):
        return np.interp(seconds, *np.array(amodal.changes(found, 20.0, (120, 100))).T)

    still, waving = list(figures(False)), list(figures(True))
    assert change(still, 1.0) < 0.02 < change(waving, 1.0) < change(waving[:1], 1.0)


@pytest.mark.parametrize(
    ("mask_of_other", "unclear"), [(True, False), (False, True)], ids=["mask", "no mask"]
)
def test_somebody_beside_who_has_no_mask_makes_it_unclear(mask_of_other, unclear):
    mask = np.zeros((120, 100), bool)
    mask[20:80, 10:40] = True
    other = np.zeros_like(mask)
    other[20:100, 45:70] = True
    people = {(0, 0): {0: masks.encode(mask)}, (0, 1): {}}
    boxes = {(0, 0): {0: np.float32([10, 20, 40, 80])}, (0, 1): {0: np.float32([38, 20, 70, 100])}}
    if mask_of_other:
        people[0, 1][0] = masks.encode(other)
    _, seen = whole.look(Scene((120, 100), 1, 20.0, boxes, people))
    assert seen[(0, 0), 0].unclear == unclear and seen[(0, 0), 0].whole != unclear


def clip_boxes(*tracks: tuple[int, float, int, bool]):
    """Boxes of tracks (number, x, frames, is the actor's), all of the same size."""
    from occludenet_build.core.build import ClipBoxes

    rows = [(f, x, number, a) for number, x, frames, a in tracks for f in range(frames)]
    frames, xs, numbers, actor = map(np.array, zip(*rows, strict=True))
    xyxy = np.stack([xs, xs * 0, xs + 20, xs * 0 + 50], axis=1).astype(np.float32)
    zeros = np.zeros(len(rows))
    return ClipBoxes(frames, xyxy, numbers, zeros.astype(int), actor, zeros.astype(bool))


def test_second_tracks_of_a_person_and_short_ones_are_nobody():
    seen = clip_boxes((1, 10, 40, True), (2, 11, 40, False), (3, 90, 3, False), (4, 50, 40, False))
    assert sorted(people_of(seen, 20.0)) == [(0, 1), (0, 4)]


class Everybody:
    """A masker that sees a whole picture at once: every box is a mask, and there is a chair."""

    def scene(self, clip, people, object_score):
        for number, rgb, _ in clip.frames():
            blank = np.zeros(rgb.shape[:2], bool)
            found = {}
            for key, boxes in people.items():
                if number in boxes:
                    x1, y1, x2, y2 = boxes[number].astype(int)
                    found[key] = blank.copy()
                    found[key][y1:y2, x1:x2] = True
            chair = blank.copy()
            chair[:10, :10] = True
            yield number, SceneFrame(found, [] if object_score is None else [("chair", chair)])


@pytest.mark.parametrize("score", [None, 0.4])
def test_masks_of_everyone_of_a_masker_of_whole_pictures(tmp_path, score):
    path = drawn("two").write(tmp_path / "two.mp4")
    people = {(0, 0): {2: np.float32([5, 5, 25, 45])}, (0, 1): {2: np.float32([90, 5, 99, 45])}}
    found = masks_of_everyone(Everybody(), path, 70, people, score)
    areas = {k: masks.area(m[2], HEIGHT, WIDTH) for k, m in found.people.items()}
    assert areas == {(0, 0): 800, (0, 1): 360}
    assert [name for name, _ in found.objects[2]] == ([] if score is None else ["chair"])


@pytest.mark.parametrize("alpha", [False, True])
def test_masks_of_still_objects(tmp_path, alpha):
    picture = np.zeros((48, 64, 4 if alpha else 1), np.uint8)
    picture[10:20, 30:40, -1] = 255
    (tmp_path / "front").mkdir()
    cv2.imwrite(str(tmp_path / "front/desk.png"), picture)
    files = still_objects.object_files(tmp_path, "front")
    found = still_objects.read_objects(files, (96, 128))
    assert found["desk"][30, 70] and found["desk"].sum() == 400
    assert still_objects.object_files(tmp_path, "back") == {}
    with pytest.raises(UserError, match="64x48"):
        still_objects.read_objects(files, (96, 96))


@pytest.mark.parametrize(
    ("row", "camera"),
    [
        ({"camera": "a", "view": "left"}, "a"),
        ({"camera": None, "view": "left"}, "left"),
        ({"video": "x/hall.mp4", "clip": "c"}, "hall"),
    ],
)
def test_cameras(row, camera):
    assert camera_of(row) == camera


CONFIG = Config(
    index=Index(shards=1),
    detect=Detect(backend="file"),
    select=Select(quota=Quota(None, None, None)),
    actor_masks=ActorMasks(backend="grabcut"),
    counterfactual=Counterfactual(splits=("train",)),
    measure=Measure(shards=1),
)
BEHIND = [Desk(130, 140, 170, 205), Passer(20, 300, 190, *RED)]
"""Somebody who walks behind a desk."""


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    """A build whose set I has a clip of somebody behind a desk, one of nobody, and a file away."""
    root = tmp_path_factory.mktemp("measured")
    crossing = Crossing(BEHIND, frames=50)
    rows, boxes = [], []
    for name, scene in (("behind", crossing), ("empty", Crossing([BEHIND[0]], frames=12))):
        file = scene.write(root / f"OccludeNet-I/train/Walk/{name}.mp4")
        rows.append(
            {"clip": name, "status": "ok", "set": "I", "label": "Walk", "split": "train"}
            | {"file": str(file.relative_to(root)), "file_hash": sha256_file(file)}
            | {"frames": scene.frames, "fps": float(FPS), "camera": "front"}
            | {"duration_seconds": scene.frames / FPS}
        )
    rows.append(rows[0] | {"clip": "gone", "file": "OccludeNet-I/train/Walk/gone.mp4"})
    rows.append(rows[0] | {"clip": "other", "set": "M"})
    tables.write_table(pa.Table.from_pylist(rows), root / "recordings/clips.parquet")
    for frame, box in crossing.boxes(1).items():
        boxes.append(["behind", frame, *box.tolist()])
    frame = pd.DataFrame(boxes, columns=["clip", "frame", "x1", "y1", "x2", "y2"])
    frame.to_csv(root / "boxes.csv", index=False)
    (root / "masks/front").mkdir(parents=True)
    cv2.imwrite(str(root / "masks/front/desk.png"), crossing.whole[0][0].astype(np.uint8) * 255)
    run_all(root)
    return root


def run_all(root: Path) -> None:
    import dataclasses

    folder = root / "measure/I"
    own = Measure(shards=1, occluders=str(root / "masks"))
    config = dataclasses.replace(CONFIG, measure=own)
    given = {"clips": root / "recordings/clips.parquet", "set": "I", "root": root}
    given |= {"weights": None, "threads": 1, "shards": folder / "shards"}
    given |= {"index": folder / "index/videos.parquet", "detect": folder / "detect/000.parquet"}
    given |= {"videos": folder / "index/shards/000.parquet"}
    listed = argparse.Namespace(part="list", out=folder / "videos.parquet", **given)
    command.run(listed, config)
    index(argparse.Namespace(videos=listed.out, out=given["index"], threads=1), config)
    found = Detect(backend="file", boxes=str(root / "boxes.csv"))
    detect(
        argparse.Namespace(videos=given["videos"], weights=None, threads=1, out=given["detect"]),
        dataclasses.replace(config, detect=found),
    )
    out = {"clips": folder / "shards/000.parquet", "table": folder / "clips.parquet"}
    for part, path in out.items():
        command.run(argparse.Namespace(part=part, out=path, **given), config)


def test_the_table_of_a_set(build):
    rows = {row["clip"]: row for row in tables.read_rows(build / "measure/I/clips.parquet")}
    assert sorted(rows) == ["behind", "empty"]
    behind, empty = rows["behind"], rows["empty"]
    assert empty["reason"] == "no_actor" and empty["duration_ratio"] is None
    assert behind["category"] == "desk" and behind["occluder"] == "object:desk"
    assert behind["source"] == "measured" and np.isnan(behind["scale"])
    assert behind["counterfactual"] is None
    assert behind["counterfactual_hash"].startswith("load:measured:")
    assert 5 <= behind["occluded_frames"] <= 25 and 0.1 < behind["actor_hidden"] < 0.6
    assert behind["duration_ratio"] == behind["occluded_frames"] / 50


def test_recognition_reads_a_measured_set_as_it_reads_annotate(build):
    folder = build / "measure/I"
    labels = read_labels(folder / "labels.json")
    assert labels == ["Walk"]
    clips = read_clips(folder / "clips.parquet", "train")
    (clip,) = [c for c in clips if c.erased_at_load]
    assert clip.clip == "behind" and clip.erased_hash == clip.counterfactual_hash
    reader = FrameMasks.over(folder / "frames", ["behind"])
    rows = reader.rows(clip)
    assert sorted(rows) == list(range(50)) and any(row.occluder for row in rows.values())
    view = ActorPixels(reader, dilate=2).of(clip, [20, 25], HEIGHT, WIDTH)
    assert view.actor.any(axis=(1, 2)).all() and (view.hole <= view.actor).all()
    assert read_clips(folder / "clips.parquet", "val") == []


def test_frames_agree_with_the_truth(build):
    crossing = Crossing(BEHIND, frames=50)
    frames = pd.read_parquet(build / "measure/I/frames/000.parquet")
    frames = frames[(frames["clip"] == "behind") & frames["actor_hidden"].notna()]
    truth = np.array([crossing.hidden(1, frame) for frame in frames["frame"]])
    assert len(frames) >= 45
    assert np.quantile(np.abs(truth - frames["actor_hidden"]), 0.9) <= 0.12
    occluded = frames[frames["occluded"].fillna(False).astype(bool)]
    assert set(occluded["occluder_name"]) == {"desk"}
    assert (occluded["visible_area"] < occluded["actor_area"]).all()
    assert (frames["actor_hidden"] <= 1).all() and (frames["box_hidden"] <= 1).all()


def test_a_second_run_repeats_nothing_and_gives_the_same_bytes(build):
    files = sorted((build / "measure/I").glob("**/*.parquet"))
    files = [f for f in files if "store" not in f.parts]
    before = {path: sha256_file(path) for path in files}
    journal = build / "measure/I/shards/store/000/rows.parquet"
    seconds = {row["clip"]: row["seconds"] for row in tables.read_rows(journal)}
    run_all(build)
    assert {path: sha256_file(path) for path in files} == before
    assert {row["clip"]: row["seconds"] for row in tables.read_rows(journal)} == seconds


def test_columns_that_annotate_has_too_are_of_the_same_type():
    for own, other in ((stage.CLIPS, annotate.CLIPS), (stage.FRAMES, annotate.FRAMES)):
        assert not set(other.names) - set(own.names)
        assert all(own.field(name).type == other.field(name).type for name in other.names)


def test_a_set_without_clips_is_said(build):
    with pytest.raises(UserError, match="wanted clips of the set X, got 3 of I, 1 of M"):
        clips_of(build / "recordings/clips.parquet", "X")
