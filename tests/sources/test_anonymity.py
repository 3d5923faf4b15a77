"""Heads and faces in recordings: found, hidden before the clip is encoded, looked for; consent."""

from __future__ import annotations

import argparse
import csv
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from demo.world.clips import render
from demo.world.joints import clip_joints
from demo.world.plan import Settings, plan
from occludenet_build.config import load
from occludenet_build.config.anonymity import Anonymity
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.imaging import masks, skeletons
from occludenet_build.media.video import planes
from occludenet_build.media.video.blurring import blurred, hidden_frame
from occludenet_build.media.video.source import Display, open_video, to_rgb
from occludenet_build.media.video.synth import write_video
from occludenet_build.sources.anonymity import heads, leaks
from occludenet_build.sources.anonymity.consent import read_consent, refusal
from occludenet_build.sources.anonymity.finders import BoxFinder, NetworkFinder, read_boxes
from occludenet_build.sources.anonymity.hiding import Hiding, held
from occludenet_build.sources.anonymity.leaks import LeakCheck
from occludenet_build.sources.recordings.command import add_arguments
from occludenet_build.sources.recordings.command import run as run_stage

WORLD = Settings(train=1, val=0, test=0, seconds=1.0, fps=12)
HEAD = list(skeletons.HEAD)
HEADER = ("clip", "frame", "x1", "y1", "x2", "y2")


# where heads are


@pytest.mark.parametrize("clip", plan(Settings(train=1, val=0, test=0)), ids=lambda c: c.label)
@pytest.mark.parametrize("by", ["boxes", "joints"])
def test_heads_of_drawn_figures_are_inside(clip, by):
    small = Settings(train=1, val=0, test=0, seconds=1.0)
    _, drawn = render(small, clip)
    for mask, joints in zip(drawn, clip_joints(small, clip), strict=True):
        boxes = np.array([masks.box_of(mask)], np.float32)
        found = heads.of_people(boxes) if by == "boxes" else heads.of_joints(joints[None], boxes)
        x1, y1, x2, y2 = heads.grown(found, 0.15, (144, 112))[0]
        head = joints[HEAD][joints[HEAD, 2] > 0, :2]
        assert (head > (x1, y1)).all() and (head < (x2, y2)).all()
        assert y2 - y1 < 0.65 * (boxes[0, 3] - boxes[0, 1]), "not the whole person"


def test_a_person_without_joints_of_the_head_is_hidden_by_their_box():
    joints, box = np.zeros((2, 18, 3), np.float32), np.float32([[0, 0, 40, 100]] * 2)
    joints[1, HEAD[:2]] = [(50, 50, 0.9), (54, 50, 0.9)]
    found = heads.of_joints(joints, box)
    assert found[0].tolist() == heads.of_people(box)[0].tolist()
    assert found[1, 0] < 50 < 54 < found[1, 2] and found[1, 2] - found[1, 0] < 20
    assert heads.seen_heads(joints, 0.5).tolist() == [False, True]


# hiding


def a_frame(width=64, height=48, kind="yuv420p"):
    random = np.random.default_rng(0)
    rgb = random.integers(0, 255, (height, width, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=kind)
    frame.pts, frame.time_base = 7, Fraction(1, 10)
    return frame


def arrays(frame):
    return [a.copy() for a in planes.plane_arrays(frame, planes.layout_of(frame))]


@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_all_samples_but_those_of_the_place_stay(kind, turned, mirrored):
    display = Display(64, 48, turned, mirrored)
    place = np.float32([[9.5, 11, 24, 26.2]])
    frame = a_frame(kind=kind)
    before = arrays(frame)
    made = hidden_frame(frame, place, display, 3)
    assert made.pts == 7
    for number, (old, kept, new) in enumerate(
        zip(before, arrays(frame), arrays(made), strict=True)
    ):
        assert (old == kept).all(), "the decoder's own frame"
        inside = np.zeros((display.size[1], display.size[0]), bool)
        inside[8:28, 8:26] = True  # what even chroma samples may add to the place
        coded = display.to_coded(inside)
        step_y, step_x = 48 // old.shape[0], 64 // old.shape[1]
        coded = coded[::step_y, ::step_x] if number else coded
        assert (old[~coded] == new[~coded]).all()
        wanted = np.zeros((display.size[1], display.size[0]), bool)
        wanted[11:26, 10:24] = True
        part = display.to_coded(wanted)[::step_y, ::step_x] if number else display.to_coded(wanted)
        assert (old[part] != new[part]).mean() > 0.9
        assert new[part].astype(float).std() < 0.5 * old[part].astype(float).std()


@pytest.mark.parametrize("size", [20, 150])
def test_what_is_left_does_not_depend_on_the_size_of_the_face(size):
    fine = np.indices((size, size)).sum(axis=0) % 2 * np.uint8(255)  # finer than any cell
    coarse = np.repeat(np.repeat(np.uint8([[0, 255], [255, 0]]), size // 2, 0), size // 2, 1)
    assert np.ptp(blurred(fine.astype(np.uint8), 5)) <= 60
    assert np.abs(blurred(coarse, 1).astype(int) - 127).max() <= 1
    random = np.random.default_rng(1).integers(0, 255, (size, size), np.uint8)
    spectrum = np.abs(np.fft.fft2(blurred(random, 5).astype(float)))
    beyond = np.maximum(*np.abs(np.meshgrid(*[np.fft.fftfreq(size) * size] * 2))) > 6
    energy = spectrum**2
    assert energy[beyond].sum() < 0.15 * energy.ravel()[1:].sum()


def hiding(path, boxes, **values):
    settings = Anonymity(boxes="x", **{"grow": 0.0, "hold_frames": 2} | values)
    return Hiding(path, settings, BoxFinder("face", boxes))


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    random = np.random.default_rng(2)
    path = tmp_path_factory.mktemp("noise") / "a.mp4"
    write_video(path, list(random.integers(0, 255, (12, 48, 64, 3), np.uint8)), 10)
    return path


def changed_frames(path, hide) -> list[int]:
    with open_video(path) as source:
        frames = [(frame.pts, frame) for frame in source]
    given = list(hide(iter(frames)))
    assert [pts for pts, _ in given] == [pts for pts, _ in frames]
    return [
        number
        for number, ((_, old), (_, new)) in enumerate(zip(frames, given, strict=True))
        if any((a != b).any() for a, b in zip(arrays(old), arrays(new), strict=True))
    ]


@pytest.mark.parametrize(
    ("found", "hold", "hidden"),
    [
        ([5], 2, [3, 4, 5, 6, 7]),
        ([5], 0, [5]),
        ([0, 11], 1, [0, 1, 10, 11]),
        ([2, 6], 2, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ([4], 30, list(range(12))),
        ([], 3, []),
    ],
)
def test_a_head_that_is_missed_is_hidden_by_the_frames_around(noise, found, hold, hidden):
    boxes = {number: np.float32([[10, 10, 30, 30]]) for number in found}
    hide = hiding(noise, boxes, hold_frames=hold)
    for _ in range(2):  # the second pass counts anew
        assert changed_frames(noise, hide) == hidden
        assert (hide.frames, hide.bare) == (12, 12 - len(hidden))


def at(*xs: float) -> np.ndarray:
    return np.float32([[x, 0, x + 10, 10] for x in xs]).reshape(-1, 4)


@pytest.mark.parametrize(
    ("around", "places"),
    [
        ([at(0), at(4), at(8), at(12), at(16)], [8]),  # one head that moves: no bar behind it
        ([at(0), at(4), at(), at(8), at(12)], [4, 8]),  # missed: where it was and where it goes
        ([at(0, 90), at(4), at(8), at(12), at(16, 90)], [8, 90, 90]),  # another one is missed
        ([at(0), at(4), at(8, 50), at(12, 50), at(16)], [8, 50]),
        ([at(), at(), at(), at(), at(5)], [5]),
        ([at(0, 6), at(0, 6), at(0), at(0, 6), at(0, 6)], [0, 6, 6]),  # one of two that touch
        ([at(0), at(3), at(6, 9), at(9), at(12)], [6, 9]),
        ([at(), at(0), at(8), at(), at()], [0, 8]),  # each frame has the one that the other lacks
    ],
)
def test_only_heads_that_a_frame_lacks_are_taken_from_its_neighbours(around, places):
    assert sorted(held(around, 2, 2)[:, 0].tolist()) == places


def test_a_clip_in_which_nobody_was_found_is_refused(noise):
    hide = hiding(noise, {5: np.float32([[10, 10, 30, 30]])}, max_bare=0.5)
    changed_frames(noise, hide)
    with pytest.raises(ItemError, match=r"not_anonymised: .* 7 of 12 frames, wanted at most 50%"):
        hide.refuse()
    unknown = hiding(noise, {}, max_bare=1)
    changed_frames(noise, unknown)
    with pytest.raises(ItemError, match=r"not_anonymised: a\.mp4 has no box in"):
        unknown.refuse()
    kept = hiding(noise, {5: np.float32([[10, 10, 30, 30]])}, max_bare=0.6)
    changed_frames(noise, kept)
    kept.refuse()


# the user's boxes, and consent


def test_boxes_come_from_a_table_or_from_the_folder_of_detect(tmp_path):
    rows = [("a.mp4", 0, 1, 2, 3, 4), ("a.mp4", 2, 5, 6, 7, 8), ("a.mp4", 0, 2, 2, 4, 4)]
    text = ",".join(HEADER) + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    (tmp_path / "b.csv").write_text(text + "other,0,1,1,2,2\n")
    columns = dict(zip(HEADER, zip(*rows, strict=True), strict=True))
    store = tmp_path / "store/000"
    store.mkdir(parents=True)
    tables.write_table(tables.pa.table(columns), store / "detail.parquet")
    for path in (tmp_path / "b.csv", tmp_path / "store"):
        found = read_boxes(path, {"a": "/v/a.mp4"})["a"]
        assert {n: boxes.tolist() for n, boxes in found.items()} == {
            0: [[1, 2, 3, 4], [2, 2, 4, 4]],
            2: [[5, 6, 7, 8]],
        }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clip,frame,x1,y1,x2\na,0,1,1,1\n", "wanted the columns clip, frame, x1, y1, x2, y2"),
        ("clip,frame,x1,y1,x2,y2\na,0,1,1,1,z\n", "does not read"),
        ("clip,frame,x1,y1,x2,y2\na,0,1,1,1,\n", "wanted a number in every cell"),
    ],
)
def test_bad_boxes_stop_with_one_line(tmp_path, text, says):
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_boxes(tmp_path / "b.csv", {"a": "/v/a.mp4"})
    with pytest.raises(UserError, match="give the folder detect/store"):
        read_boxes(tmp_path, {"a": "/v/a.mp4"})


CONSENTS = "subject,consent,scope\nP1,yes,\nP2,No,\nP3,yes,I; bike ride\n"


@pytest.mark.parametrize(
    ("people", "of_set", "label", "says"),
    [
        (("P1",), "M", "Walk", None),
        (("P1", "P2"), "I", "Walk", "P2 does not consent"),
        (("P3",), "I", "Walk", None),
        (("P3",), "M", "Bike_Ride", None),
        (("P3",), "M", "Walk", "P3 does not consent to Walk in M"),
        (("P1", "P4"), "I", "Walk", "P4 is not in recordings.consent"),
    ],
)
def test_consent_must_cover_everybody(tmp_path, people, of_set, label, says):
    (tmp_path / "c.csv").write_text(CONSENTS)
    problem = refusal(people, of_set, label, read_consent(str(tmp_path / "c.csv")))
    assert (problem.detail if problem else None) == says
    assert problem is None or problem.reason == "no_consent"


def test_mistakes_in_the_consents_name_line_and_column(tmp_path):
    text = "subject,consent,scope\nP1,yes,\nP2,maybe,\nP1,no,\nP3,yes,;\n"
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        read_consent(str(tmp_path / "c.csv"))
    first, second, third = str(caught.value).splitlines()
    assert "line 5, column 'scope': wanted sets or classes, or nothing, got ';'" in third
    assert "line 3, column 'consent': wanted yes or no, got 'maybe'" in first
    assert "line 4, column 'subject': wanted each person once, P1 is in line 2 too" in second


# the stage


def run(folder, **values):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = folder / "build/recordings/clips.parquet"
    args = parser.parse_args(["--root", str(folder / "build"), "--out", str(out)])
    sets = [{"name": "I", "folder": "in"}]
    values = {"min_seconds": 0.5} | values
    whole = {"recordings": {"sets": sets, **values}, "composite": {"preset": "ultrafast", "crf": 1}}
    run_stage(args, load(whole, folder, False))
    return {row["recording"]: row for row in tables.read_rows(out)}


@pytest.fixture
def recorded(tmp_path):
    """Two recordings of drawn figures, and the boxes of them."""
    (tmp_path / "in").mkdir()
    rows, people = [["clip", "frame", "x1", "y1", "x2", "y2"]], []
    for number, clip in enumerate(plan(WORLD)[:2]):
        frames, drawn = render(WORLD, clip)
        write_video(tmp_path / f"in/r{number}.mp4", list(frames), Fraction(12))
        rows += [[f"r{number}", n, *masks.box_of(mask)] for n, mask in enumerate(drawn)]
        people.append(f"r{number},walk,P{number},1")
    (tmp_path / "in/recordings.csv").write_text(
        "\n".join(["file,class,subject,take", *people]) + "\n"
    )
    with open(tmp_path / "boxes.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return tmp_path


def pictures(path):
    with open_video(path) as source:
        return np.stack([to_rgb(frame) for frame in source]).astype(int)


def test_heads_are_hidden_in_the_clips_and_nothing_else(recorded):
    off = run(recorded)
    assert {row["picture"] for row in off.values()} == {"copied"}
    assert all(row["hidden"] is None and row["bare_frames"] is None for row in off.values())
    plain = run(recorded, copy_whole=False)
    kept = {name: pictures(recorded / "build" / row["file"]) for name, row in plain.items()}
    mode = {"anonymise": "head", "anonymity": {"boxes": "boxes.csv", "hold_frames": 0}}
    hidden = run(recorded, **mode)
    for number, clip in enumerate(plan(WORLD)[:2]):
        row = hidden[f"r{number}"]
        assert (row["picture"], row["hidden"], row["bare_frames"]) == ("encoded", 12, 0)
        assert row["checked_frames"] is None
        new, old = pictures(recorded / "build" / row["file"]), kept[f"r{number}"]
        _, drawn = render(WORLD, clip)
        for mask, joints, one, other in zip(drawn, clip_joints(WORLD, clip), new, old, strict=True):
            boxes = np.array([masks.box_of(mask)], np.float32)
            x1, y1, x2, y2 = heads.grown(heads.of_people(boxes), 0.15, (144, 112))[0].astype(int)
            change = np.abs(one - other).max(axis=2)
            eyes = joints[HEAD][joints[HEAD, 2] > 0, :2].astype(int)
            assert change[eyes[:, 1], eyes[:, 0]].max() > 15
            change[max(y1 - 3, 0) : y2 + 4, max(x1 - 3, 0) : x2 + 4] = 0
            assert np.percentile(change, 99.5) <= 6, "what the encoder does, crf 1"
    said = (recorded / "build/recordings/leaks.html").read_text()
    assert "Not checked:" in said and "check_weights" in said
    # what is hidden belongs to the clip: other boxes make it again, and only it
    times = {p.name: p.stat().st_mtime_ns for p in (recorded / "build").rglob("*.mp4")}
    assert run(recorded, **mode) == hidden
    text = (recorded / "boxes.csv").read_text().replace("r1,3,", "r1,4,")
    (recorded / "boxes.csv").write_text(text)
    again = run(recorded, **mode)
    after = {p.name: p.stat().st_mtime_ns for p in (recorded / "build").rglob("*.mp4")}
    assert {name for name in times if times[name] != after[name]} == {
        Path(again["r1"]["file"]).name
    }


def test_who_does_not_consent_is_in_no_clip(recorded):
    assert {row["status"] for row in run(recorded).values()} == {"ok"}
    # as if it had been killed before it noted the clips
    shutil.rmtree(recorded / "build/recordings/store/clips")
    (recorded / "consent.csv").write_text("subject,consent\nP0,yes\n")
    rows = run(recorded, consent="consent.csv")
    assert rows["r0"]["status"] == "ok"
    assert (rows["r1"]["status"], rows["r1"]["reason"]) == ("skipped", "no_consent")
    assert rows["r1"]["detail"] == "P1 is not in recordings.consent" and rows["r1"]["file"] is None
    assert len(list((recorded / "build/OccludeNet-I").rglob("*.mp4"))) == 1, "the old clip is gone"
    assert len(list((recorded / "build/recordings/strips").iterdir())) == 1
    (recorded / "consent.csv").write_text("subject,consent\nP0,yes\nP1,yes\n")
    assert run(recorded, consent="consent.csv")["r1"]["status"] == "ok"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"anonymise": "face"}, "wanted weights or boxes for recordings.anonymise face, got neit"),
        ({"anonymise": "head", "anonymity": {"boxes": "boxes.csv", "weights": "boxes.csv"}},
         "got weights and boxes"),
    ],
)  # fmt: skip
def test_settings_that_hide_nothing_are_refused(tmp_path, values, says):
    (tmp_path / "in").mkdir()
    (tmp_path / "boxes.csv").touch()
    with pytest.raises(UserError, match=says):
        run(tmp_path, **values)


# the leak report


class Bright(NetworkFinder):
    """Stands for a detector of faces: finds what is white."""

    def again(self, pictures):
        found = []
        for picture in pictures:
            y, x = np.nonzero(picture.min(axis=2) > 220)
            box = [x.min(), y.min(), x.max(), y.max()] if len(x) else []
            found.append(np.float32(box).reshape(-1, 4))
        return found


def test_faces_that_are_found_again_are_counted_and_shown(tmp_path):
    frames = np.full((20, 48, 64, 3), 90, np.uint8)
    frames[10:, 10:20, 10:20] = 255
    write_video(tmp_path / "a.mp4", list(frames), 10)
    check = LeakCheck(Bright("w", "face", 0.5, 64, "cpu"), 5)
    columns, picture = check.look(tmp_path / "a.mp4")
    assert columns == {"checked_frames": 4, "leaking_frames": 2} and picture[:2] == b"\xff\xd8"
    row = {"clip": "<a>", "set": "I", "frames": 20, "bare_frames": 3} | columns
    row["leak_picture"] = leaks.write_leaks(tmp_path, "a", picture)
    whole = {"set": "I", "clip": "b", "frames": 9, "bare_frames": 0, "checked_frames": 4}
    whole |= {"leaking_frames": 0, "leak_picture": leaks.write_leaks(tmp_path, "b", None)}
    (counts,) = leaks.summary([row, whole])
    assert counts["rate"] == 0.25 and counts["leaking_clips"] == 1 and counts["bare_frames"] == 3
    leaks.write_report(tmp_path / "recordings", [row, whole], tmp_path)
    page = (tmp_path / "recordings/leaks.html").read_text()
    assert "&lt;a&gt;: 2 of 4" in page and 'src="../recordings/leaks/a.jpg"' in page
    assert (tmp_path / "recordings/leaks.csv").read_text().splitlines()[1] == "I,2,8,2,0.25,1,3"


@pytest.mark.slow
def test_networks_of_faces_people_and_poses_take_the_same_way(recorded):
    """With random weights of real size: what is found is nonsense, the way is the real one."""
    from support.pose_weights import random_faces, random_weights

    random_faces(recorded / "faces.pt")
    random_weights(recorded / "poses.pt")
    own = {
        "image_size": 160,
        "score": 1e-5,
        "hold_frames": 0,
        "check_score": 1e-5,
        "check_every": 10,
    }
    for mode, weights in (("face", "faces.pt"), ("head", "poses.pt")):
        rows = run(recorded, anonymise=mode, anonymity=own | {"weights": weights})
        assert all(row["hidden"] > 0 and row["checked_frames"] == 2 for row in rows.values())
        for row in rows.values():
            assert (row["leaking_frames"] > 0) == bool(row["leak_picture"])
    boxes = {"boxes": "boxes.csv", "check_weights": "faces.pt"} | own
    rows = run(recorded, anonymise="head", anonymity=boxes)
    for row in rows.values():
        assert row["hidden"] == 12 and row["checked_frames"] == 2
    with pytest.raises(UserError, match=r"wanted a detector of faces, .* is a pose model"):
        run(recorded, anonymise="face", anonymity=own | {"weights": "poses.pt"})
