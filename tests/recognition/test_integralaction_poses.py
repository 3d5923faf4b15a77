"""IntegralAction: pose files, joints and video of a view, pictures of the poses."""

from __future__ import annotations

import json
import random
import zlib

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.poses import ClipPoses
from occludenet_build.media.imaging.skeletons import JOINTS
from occludenet_build.recognition.integralaction import joints, poses_in, render, views
from occludenet_build.recognition.integralaction.poses_in import KineticsSkeletons, Persons
from occludenet_build.recognition.integralaction.views import Sampling
from occludenet_build.recognition.sampling import frames_of_views

SIZE = (240, 320)
"""Of the fixture's clips."""
TAGS = ("kin_test0", "kin_test9", "mim_test0", "mim_test5", "kin_train0", "kin_train1")


@pytest.fixture(scope="module")
def loader(parity):
    folder = parity / "integralaction_loader"
    meta, poses = (json.loads((folder / f"{one}.json").read_text()) for one in ("meta", "poses"))
    return meta, poses, np.load(folder / "fixture.npz")


def persons_of(loader, tag, folder):
    kind = "kinetics" if tag.startswith("kin") else "mimetics"
    (folder / "x.json").write_text(json.dumps(loader[1][kind]))
    read = poses_in.read_kinetics if kind == "kinetics" else poses_in.read_mimetics
    found = read(folder / "x.json", SIZE)
    assert found.reason is None
    return found


def view_of(loader, tag):
    (case,) = [case for case in loader[0]["cases"] if case["tag"] == tag]
    if "t" in case:
        return views.central_views(72, SIZE)[case["t"]]
    return views.view_at(case["start"], (256, 341), tuple(case["crop"]), bool(case["flip"]))


def made_up(tag, frame):
    """The fixture's frame, RGB."""
    cells = np.random.RandomState(zlib.crc32(f"{tag[:3]}/{frame + 1}".encode()))
    small = cells.randint(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8)
    return small.repeat(8, 0).repeat(8, 1)[..., ::-1]


@pytest.mark.parametrize("tag", TAGS)
def test_joints_and_pictures_are_the_published_ones(tag, loader, tmp_path):
    persons, view, wanted = persons_of(loader, tag, tmp_path), view_of(loader, tag), loader[2]
    one = joints.of_view(persons, view, swap="first")
    assert np.abs(one.places - wanted[f"{tag}.coords"]).max() < 5e-5
    assert np.abs(one.scores - wanted[f"{tag}.scores"]).max() < 1e-6
    maps = render.pictures(torch.from_numpy(one.places[None]), torch.from_numpy(one.scores[None]))
    maps = maps[0].transpose(0, 1).numpy()
    for kind, channels in (("hm", np.s_[:, :18]), ("paf", np.s_[:, 18:])):
        if f"{tag}.{kind}_index" in wanted:
            theirs = np.zeros(maps[channels].size, np.float32)
            theirs[wanted[f"{tag}.{kind}_index"]] = wanted[f"{tag}.{kind}_value"]
            assert np.abs(maps[channels].ravel() - theirs).max() < 5e-5, kind


@pytest.mark.parametrize("tag", TAGS)
def test_the_video_is_the_published_one(tag, loader):
    view = view_of(loader, tag)
    video = views.warped(np.stack([made_up(tag, frame) for frame in view.frames]), view)
    seen = views.as_input(torch.from_numpy(video[None]))[0].transpose(0, 1)
    blocks = seen.reshape(8, 3, 7, 32, 7, 32).double().mean(dim=(3, 5)).numpy()
    assert np.abs(blocks - loader[2][f"{tag}.video_blocks"]).max() < 2e-5


def test_draws_and_starts_are_the_published_ones(loader):
    stated = loader[0]["aug_draws"]
    for draw in stated["draws"]:
        view = views.drawn_view(random.Random(draw["seed"]), 72, SIZE)
        got = {"crop_xywh": list(view.crop), "flip": view.flip, "then_start": view.frames[0]}
        assert got == {key: draw[key] for key in got} and [*view.resized] == stated["resized_hw"]
    starts = [view.frames[0] for view in views.central_views(72, SIZE)]
    assert starts == loader[0]["test_starts_0based"]


def test_a_right_mirror_swaps_the_joints_of_all_persons(loader, tmp_path):
    persons, view = persons_of(loader, "kin_train1", tmp_path), view_of(loader, "kin_train1")
    right, released = (joints.of_view(persons, view, swap=swap) for swap in joints.SWAPS)
    order = [JOINTS.index(swapped(name)) for name in JOINTS]
    assert np.array_equal(right.places[0, 0], released.places[0, 0])
    assert np.array_equal(right.places[1:], released.places[1:, :, order])
    assert np.array_equal(right.scores[:, 1:], released.scores[:, 1:, order])
    assert right.found == released.found == 26


def swapped(name):
    side = {"left": "right", "right": "left"}
    return "_".join(side.get(part, part) for part in name.split("_"))


def test_maps_are_the_published_ones(parity):
    wanted = np.load(parity / "integralaction_render" / "fixture.npz")
    given = (torch.from_numpy(wanted[name]) for name in ("coords", "scores"))
    maps = render.pictures(*(one[None] for one in given))[0].transpose(0, 1).numpy()
    assert np.abs(maps[:, :18] - wanted["heatmap"]).max() < 1e-6
    assert np.abs(maps[:, 18:] - wanted["paf"]).max() < 1e-6


def test_pictures_of_two_persons_and_of_none():
    places, scores = torch.zeros(1, 1, 3, 18, 2), torch.zeros(1, 1, 3, 18)
    assert not render.pictures(places, scores).any()
    places[0, 0, :, 0], places[0, 0, :, 1] = torch.tensor([2.0, 3]), torch.tensor([7.0, 3])
    places[0, 0, 1, 1] = torch.tensor([2.0, 9])  # straight down
    scores[0, 0, :2, :2] = torch.tensor([0.1, 0.9])  # no heat at the threshold, but a limb
    maps = render.pictures(places, scores, side=12)[0, :, 0]
    assert maps.shape == (52, 12, 12) and not maps[0].any()
    assert maps[1, 3, 7] == maps[1, 9, 2] == 1 and maps[1, 3, 6].item() == pytest.approx(np.exp(-2))
    x, y = maps[18], maps[19]
    assert x[3, 7] == 1 and y[3, 7] == 0  # the first person alone
    assert x[9, 2] == 0 and y[9, 2] == 1  # the second alone
    assert x[3, 2] == y[3, 2] == 0.5  # the mean of both
    assert not (x[:, 8:].any() or x[6:].any() or maps[20:].any())


@given(
    point=st.tuples(st.integers(60, 260), st.integers(60, 180)), seed=st.integers(0, 10_000),
    size=st.sampled_from([(240, 320), (480, 360), (256, 256)]),
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_joints_stay_where_the_video_has_them(point, seed, size):
    """A white square in the video, and a joint on its centre."""
    view = views.drawn_view(random.Random(seed), 60, size)
    x, y = point[0] * size[1] // 320, point[1] * size[0] // 240
    frame = np.zeros((1, *size, 3), np.uint8)
    frame[:, y - 9 : y + 10, x - 9 : x + 10] = 255
    weight = views.warped(frame, view)[0, :, :, 0].astype(np.float64)
    inside = np.argwhere(weight > 0)
    # the square lies wholly in the view
    assume(len(inside) and inside.min() > 0 and inside.max() < view.side - 1)
    ys, xs = np.mgrid[: view.side, : view.side]
    seen = np.array([(weight * xs).sum(), (weight * ys).sum()]) / weight.sum()
    of_frame = np.zeros((1, 18, 3))
    of_frame[0, JOINTS.index("left_wrist")] = x, y, 0.9
    one = joints.of_view(Persons(size, dict.fromkeys(view.pose_frames, of_frame)), view)
    name = "right_wrist" if view.flip else "left_wrist"
    place = one.places[0, 0, JOINTS.index(name)] * views.PER_CELL
    assert np.abs(place - seen).max() < 1.5  # resizing moves the middle of a pixel by half of one
    assert one.scores[:, 0].sum() == pytest.approx(0.9 * len(view.pose_frames), rel=1e-6)


def test_the_best_persons_come_first_and_others_fill_up():
    scores = [0.2, 0.9, 0.5, 0.9, 0.1, 0.3, 0.4]
    frame = np.zeros((7, 18, 3))
    frame[:, :, 2], frame[:, :, 0] = np.array(scores)[:, None], np.arange(7)[:, None]
    assert joints.best_persons(frame, 5)[:, 0, 0].tolist() == [1, 3, 2, 6, 5]
    view = views.view_at(0, (256, 256), (16, 16, 224, 224))
    one = joints.of_view(Persons((256, 256), {0: frame[:2]}), view)
    assert one.scores[0, :, 0].tolist() == pytest.approx([0.9, 0.2, 0, 0, 0])
    assert np.allclose(one.places[0, 2:], (1 - 16) / 4) and not one.scores[1:].any()
    assert one.found == 2
    none = joints.of_view(Persons((256, 256), reason="no_poses"), view)
    assert not none.scores.any() and none.places.shape == (8, 5, 18, 2) and none.found == 0


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_frames_with_poses_lie_between_those_of_the_video(factor):
    sampling = Sampling(factor=factor)
    for view in views.central_views(100, SIZE, sampling, 3):
        assert view.pose_frames[::factor] == view.frames and view.frames[-1] < 100
        assert len(view.pose_frames) == sampling.pose_frames == 7 * factor + 1
        assert len(joints.of_view(Persons(SIZE), view).places) == sampling.pose_frames


@pytest.mark.parametrize("count", [57, 58, 100, 300])
def test_test_views_are_those_of_the_sampler(count):
    seen = [view.frames for view in views.central_views(count, SIZE)]
    assert seen == frames_of_views("integralaction", count, 8, 8, 10)
    drawn = {views.drawn_view(random.Random(n), count, SIZE).frames for n in range(50)}
    assert all(frames[0] >= 0 and frames[-1] < count for frames in drawn)
    assert len({frames[0] for frames in drawn}) >= min(count - 56, 20)


def test_what_cannot_be_sampled_is_told():
    for make in (
        lambda: views.central_views(56, SIZE),
        lambda: views.drawn_view(random.Random(0), 56, SIZE),
    ):
        with pytest.raises(ItemError, match="too_few_frames: 56, wanted 57: 8 frames, 8 apart"):
            make()
    with pytest.raises(
        UserError, match=r"a frame factor that divides the interval, got .*factor 3"
    ):
        Sampling(factor=3)
    with pytest.raises(UserError, match="multiple of 4 and at most the short side, got 224 and 2"):
        Sampling(short_side=200)


def person(**changes):
    return {"pose": [0.5] * 36, "score": [0.5] * 18} | changes


def frame(index=0, *people):
    return {"frame_index": index, "skeleton": [*people]}


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        ("{", "not_json", "x.json: Expecting"),
        ("[" * 100_000, "not_json", "recursion"),
        ("[]", "bad_poses", "wanted an object with data, got a list"),
        ({"data": 3}, "bad_poses", "data: wanted a list, got a int"),
        ({"data": []}, "no_poses", "nobody in any frame"),
        ({"data": [frame(0)]}, "no_poses", "nobody in any frame"),
        ({"data": [{"skeleton": []}]}, "bad_poses", "one without frame_index"),
        ({"data": [frame(0.5)]}, "bad_poses", "wanted a whole number as frame_index, got 0.5"),
        ({"data": [frame(-1)]}, "bad_poses", "wanted frame_index from 0 on, got -1"),
        ({"data": [frame("1")]}, "bad_poses", "wanted a whole number as frame_index, got '1'"),
        ('{"data": [{"frame_index": Infinity, "skeleton": []}]}', "bad_poses", "infinity"),
        ({"data": [frame(3, {"pose": [0.5] * 36})]}, "bad_poses", "one without score"),
        ({"data": [frame(3, person(pose=[0.5] * 34))]}, "bad_poses", "wanted 36 numbers, got 34"),
        (
            {"data": [frame(3, person(pose=[120.0] * 36))]},
            "bad_poses",
            "wanted x and y from 0 to 1",
        ),
        ({"data": [frame(3, person(score=[-1] * 18))]}, "bad_poses", "wanted scores from 0 on"),
        ({"data": [frame(3, person(score=["1"] * 18))]}, "bad_poses", "wanted finite numbers"),
        ({"data": [frame(3, person(score=[float("nan")] * 18))]}, "bad_poses", "finite numbers"),
        ({"data": [frame(3, person(score=[10**40] * 18))]}, "bad_poses", "finite numbers"),
    ],
)
def test_a_bad_file_of_skeletons_is_a_reason(content, reason, detail, tmp_path):
    (tmp_path / "x.json").write_text(content if isinstance(content, str) else json.dumps(content))
    found = poses_in.read_kinetics(tmp_path / "x.json", SIZE)
    assert (found.reason, found.frames) == (reason, {}) and detail in found.detail
    assert found.of(3).shape == (0, 18, 3)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"pose": [None]}, "one without score"),
        ({"pose": [None], "score": []}, "wanted a score per frame, got 0 for 1 frames"),
        ({"pose": [[[1.0] * 53]], "score": [[1]]}, "wanted 54 numbers, got 53"),
        ({"pose": [[[1.0] * 54]], "score": [None]}, "frame 0: score: wanted finite numbers"),
        ({"pose": [[[1.0] * 54]], "score": [[0.5, 0.5]]}, "score: wanted 1 numbers, got 2"),
        ({"pose": [[[1e9] * 54]], "score": [[1]]}, "wanted x and y in pixels"),
        ({"pose": [{"a": 1}], "score": [[1]]}, "frame 0: pose: wanted a list, got a dict"),
        ({"pose": [[[1.0], [2.0, 3.0]]], "score": [[1, 1]]}, "frame 0: pose: wanted 108 numbers"),
    ],
)
def test_a_bad_file_of_mimetics_is_a_reason(content, detail, tmp_path):
    (tmp_path / "data.json").write_text(json.dumps(content))
    found = poses_in.read_mimetics(tmp_path / "data.json", SIZE)
    assert found.reason == "bad_poses" and detail in found.detail, found


keys = st.sampled_from(["data", "frame_index", "skeleton", "pose", "score", "x"])
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
anything = st.recursive(
    plain, lambda part: st.lists(part, max_size=3) | st.dictionaries(keys, part, max_size=3)
)


@pytest.mark.slow
@given(content=anything, key=st.sampled_from([None, "data", "pose"]))
@settings(max_examples=200, deadline=None)
def test_no_content_is_a_crash(content, key, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({key: content, "score": content} if key else content))
    for read in (poses_in.read_kinetics, poses_in.read_mimetics):
        found = read(path, SIZE)
        assert found.frames or found.reason in ("bad_poses", "no_poses")


def test_mimetics_multiplies_both_scores(tmp_path):
    pose = np.arange(108.0).reshape(2, 18, 3).tolist()
    flat = [[number for joint in one for number in joint] for one in pose]
    content = {"pose": [None, pose, flat], "score": [None, [0.5, 0.25], [0.5, 0.25]]}
    (tmp_path / "data.json").write_text(json.dumps(content))
    found = poses_in.read_mimetics(tmp_path / "data.json", SIZE)
    assert sorted(found.frames) == [1, 2] and np.array_equal(found.of(1), found.of(2))
    assert found.of(1)[1, 17].tolist() == [105, 106, 107 / 4]


def test_a_folder_of_skeletons(tmp_path):
    folder = tmp_path / "kinetics_train"
    with pytest.raises(
        UserError, match=r"wanted a folder of kinetics-skeleton files, .*is missing"
    ):
        KineticsSkeletons(folder)
    folder.mkdir()
    for name in ("a", "b", "c_000001_000011"):
        content = {"data": [frame(1, person()), frame(2), frame(1, person(pose=[0.25] * 36))]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    labels = {"a": {"has_skeleton": True}, "b": {"has_skeleton": False}, "d": {}}
    label = tmp_path / "kinetics_train_label.json"
    label.write_text(json.dumps(labels))
    known = KineticsSkeletons(folder)
    for name in ("a_000001_000011", "a", "c_000001_000011"):
        found = known.of(name, SIZE)
        assert found.reason is None and sorted(found.frames) == [1]
        assert found.of(1)[:, 3].tolist() == [[160, 120, 0.5], [80, 60, 0.5]]
    reasons = {name: known.of(name, SIZE) for name in ("b_000001_000011", "d", "e_000000_000001")}
    assert {found.reason for found in reasons.values()} == {"no_poses"}
    assert reasons["b_000001_000011"].detail == "b.json: has_skeleton is false"
    assert sorted(KineticsSkeletons(folder, first_frame=1).of("a", SIZE).frames) == [0]
    label.write_text("[1]")
    with pytest.raises(UserError, match=r'wanted {"<id>": .*_label.json has another form'):
        KineticsSkeletons(folder)


def test_poses_of_a_build():
    given = np.zeros((4, 18, 3), np.float32)
    given[:, :, 0] = np.arange(4)[:, None]
    flags = np.ones(4, np.bool_)
    frames = np.array([2, 2, 2, 5], np.int32)
    is_found = np.array([True, False, True, True])
    clip = ClipPoses(frames, frames, flags, is_found, given, np.zeros((4, 18), np.bool_))
    found = poses_in.from_clip_poses(clip, SIZE)
    assert found.of(2)[:, 0, 0].tolist() == [0, 2] and found.of(5)[:, 0, 0].tolist() == [3]
    assert found.reason is None and len(found.of(3)) == 0
    assert poses_in.from_clip_poses(ClipPoses.of(None), SIZE).reason == "no_poses"
