"""Tracks of one person are one track, those of two people stay two, and the actor goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.config.people import Detect
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors.interface import FrameDetections, IndexedClip
from occludenet_build.people.tracking import actor
from occludenet_build.people.tracking.same_person import JoinRules, join_tracks
from occludenet_build.people.tracking.tracks import Track

FPS = 25.0
RULES = JoinRules(FPS)
ACTOR = actor.ActorRules("prominent", 640, 480, FPS, 0.3, 0.4, 0.5)


def track(number: int, first: int, last: int, start: tuple, end: tuple | None = None, score=0.8):
    """A track in the frames `first` to `last` whose box goes from `start` to `end`."""
    frames = np.arange(first, last + 1)
    boxes = np.linspace(start, end or start, len(frames), dtype=np.float32)
    return Track(number, frames, boxes, np.full(len(frames), score, np.float32))


STANDS, BENT = (200, 80, 360, 440), (210, 250, 350, 440)
ADULT, CHILD = (200, 60, 340, 440), (230, 260, 310, 440)

ONE_PERSON = {
    "bends down": [track(0, 0, 248, STANDS), track(1, 204, 354, BENT)],
    "bent, stands up": [track(0, 0, 248, BENT), track(1, 204, 354, STANDS)],
    "one box after the other": [track(0, 0, 50, STANDS), track(1, 51, 100, STANDS)],
    "lost for two seconds": [track(0, 0, 50, STANDS), track(1, 100, 200, STANDS)],
    "three pieces": [track(k, 60 * k, 60 * k + 70, STANDS) for k in range(3)],
    "walks slowly on": [
        track(0, 0, 50, (100, 80, 260, 440), (200, 80, 360, 440)),
        track(1, 45, 100, (205, 85, 350, 440), (300, 80, 460, 440)),
    ],
    "comes near the camera": [
        track(0, 0, 99, (300, 200, 340, 300), (240, 80, 400, 440)),
        track(1, 95, 150, (240, 80, 400, 440), (100, 0, 540, 480)),
    ],
}
TWO_PEOPLE = {
    "cross": [
        track(0, 0, 100, (0, 80, 120, 440), (520, 80, 640, 440)),
        track(1, 10, 110, (520, 90, 640, 450), (0, 90, 120, 450)),
    ],
    "cross, one is lost behind the other": [
        track(0, 0, 55, (0, 80, 120, 440), (260, 80, 380, 440)),
        track(1, 10, 110, (520, 90, 640, 450), (0, 90, 120, 450)),
    ],
    "one leaves, another comes in at the other side": [
        track(0, 0, 100, (300, 80, 420, 440), (560, 80, 640, 440)),
        track(1, 90, 200, (0, 80, 80, 440), (300, 80, 420, 440)),
    ],
    "one leaves, then another comes in": [
        track(0, 0, 100, (300, 80, 420, 440), (560, 80, 640, 440)),
        track(1, 110, 200, (0, 80, 80, 440), (300, 80, 420, 440)),
    ],
    "hug": [
        track(0, 0, 100, (40, 80, 180, 440), (250, 80, 390, 440)),
        track(1, 5, 140, (480, 80, 620, 440), (260, 80, 400, 440)),
    ],
    "a child before an adult": [track(0, 0, 200, ADULT), track(1, 20, 220, CHILD)],
    "an adult, then a child": [track(0, 0, 200, ADULT), track(1, 205, 400, CHILD)],
    "a child, then an adult": [track(0, 0, 200, CHILD), track(1, 180, 400, ADULT)],
    "one behind the other for long": [
        track(0, 0, 200, (200, 80, 360, 440)),
        track(1, 20, 220, (230, 90, 390, 450)),
    ],
    "after too long": [track(0, 0, 50, STANDS), track(1, 130, 200, STANDS)],
    "another place at once": [track(0, 0, 50, STANDS), track(1, 51, 90, (420, 80, 580, 440))],
}


@pytest.mark.parametrize("case", ONE_PERSON)
def test_tracks_of_one_person_are_one(case):
    tracks = ONE_PERSON[case]
    (one,) = join_tracks(tracks, RULES)
    assert one.number == 0
    assert one.frames.tolist() == sorted({f for t in tracks for f in t.frames.tolist()})


@pytest.mark.parametrize("case", TWO_PEOPLE)
def test_two_people_stay_two(case):
    tracks = TWO_PEOPLE[case]
    made = join_tracks(tracks, RULES)
    assert [t.number for t in made] == [0, 1]
    assert all(new is old for new, old in zip(made, tracks, strict=True))


@pytest.mark.parametrize(
    ("setting", "case", "joined"),
    [
        ({"seconds": 1.0}, "lost for two seconds", False),
        ({"seconds": 4.0}, "after too long", True),
        ({"size": 0.7}, "bends down", False),
        ({"size": 0.1}, "an adult, then a child", True),
        ({"overlap": 0.0}, "another place at once", True),
        ({"seconds": 0.0}, "one box after the other", True),
    ],
)
def test_each_setting_decides(setting, case, joined):
    made = join_tracks((ONE_PERSON | TWO_PEOPLE)[case], replace(RULES, **setting))
    assert len(made) == (1 if joined else 2)


def test_of_two_boxes_in_a_frame_the_better_track_s_is_kept():
    standing, bent = ONE_PERSON["bends down"]
    better = replace(bent, scores=np.full(len(bent.frames), 0.9, np.float32))
    (first,), (second,) = (join_tracks([standing, t], RULES) for t in (bent, better))
    at = first.frames == 220
    assert first.boxes[at].tolist() == [list(map(float, STANDS))]
    assert second.boxes[at].tolist() == [list(map(float, BENT))]


def test_every_box_of_a_file_is_kept():
    rules = replace(RULES, keep_all=True)
    assert len(join_tracks(ONE_PERSON["bends down"], rules)) == 2
    assert len(join_tracks(ONE_PERSON["lost for two seconds"], rules)) == 1
    (chosen,) = actor.choose_actor([ONE_PERSON["bends down"]], [355], ACTOR)
    assert sorted(f for t in chosen for f in t.frames.tolist()) == list(range(355))


def found_of(tracks: list[Track], frames: int) -> list[FrameDetections]:
    found = []
    for n in range(frames):
        rows = [(t, int(np.searchsorted(t.frames, n))) for t in tracks if n in t.frames]
        boxes = np.float32([t.boxes[at] for t, at in rows]).reshape(-1, 4)
        found.append(FrameDetections(n, boxes, np.float32([t.scores[at] for t, at in rows])))
    return found


def test_the_weight_lifter_is_the_actor_to_the_end_of_the_clip():
    """As in a real clip: two tracks, 0 to 248 and 204 to 354, which overlap in the middle."""
    lifter = [
        *ONE_PERSON["bends down"],
        track(2, 0, 354, (560, 200, 600, 300), score=0.5),  # a bystander
    ]
    clip = IndexedClip("a", "a.mp4", 640, 480, 355, FPS)
    for cuts, shots in ([], 1), ([300], 2):
        facts, detail = rows_of(clip, Detect(weights="w"), found_of(lifter, 355), cuts)
        rows = detail.to_pandas()
        acting = rows[rows["actor"]]
        assert (facts["status"], facts["shots"], facts["actor_frames"]) == ("ok", shots, 355)
        assert acting["frame"].tolist() == list(range(355))
        assert (acting["x1"] < 400).all()
        assert acting.groupby("shot")["track"].nunique().max() == 1


def test_numbers_that_the_user_gives_are_kept():
    people = ONE_PERSON["lost for two seconds"]
    found = [
        replace(f, tracks=np.int32([5 if f.frame < 60 else 6] * len(f.boxes)))
        for f in found_of(people, 201)
    ]
    clip = IndexedClip("a", "a.mp4", 640, 480, 201, FPS)
    _, detail = rows_of(clip, Detect(backend="file", boxes="b.csv"), found, [])
    assert set(detail["track"].to_pylist()) == {5, 6}


def test_tracks_of_others_stay_as_they_were():
    """Equal boxes and tracks have an equal hash, so later stages make nothing again."""
    people = [
        track(0, 0, 199, STANDS),
        track(1, 0, 90, (560, 200, 600, 300), score=0.5),
        track(2, 130, 199, (562, 200, 602, 300), score=0.5),
    ]
    clip = IndexedClip("a", "a.mp4", 640, 480, 200, FPS)
    with_joins, without = (
        rows_of(clip, Detect(weights="w", join_size=size), found_of(people, 200), [])[0]
        for size in (0.4, 1.0)
    )
    assert with_joins["tracks"] == 3
    assert with_joins["boxes_hash"] == without["boxes_hash"]


def test_joining_makes_nobody_else_the_actor():
    """Two pieces of somebody who is less in the picture than the actor, each and together more."""
    first = track(0, 0, 120, (200, 80, 360, 440))
    other = [track(1, 0, 100, (420, 60, 600, 460)), track(2, 105, 199, (420, 60, 600, 460))]
    big = [first, *other, track(3, 121, 199, (200, 80, 360, 440))]
    alone = actor.choose_actor([[first, *other]], [200], ACTOR)[0][0]
    joined = actor.choose_actor([join_tracks(big, RULES)], [200], ACTOR)[0][0]
    assert alone.boxes[0].tolist() == joined.boxes[0].tolist()


@pytest.mark.parametrize("case", TWO_PEOPLE)
def test_the_choice_goes_on_with_the_same_person_first(case):
    (chosen,) = actor.choose_actor([TWO_PEOPLE[case]], [401], ACTOR)
    frames = [f for t in chosen for f in t.frames.tolist()]
    assert len(frames) == len(set(frames))


BOXES = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(20, 80), st.integers(20, 80))
TRACKS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 40), BOXES, BOXES, st.floats(0.125, 1, width=32)),
    min_size=1,
    max_size=7,
)
"""Of every track the first frame, the length less one, the first and last box, and the score."""


def drawn(facts) -> list[Track]:
    def box(x, y, width, height):
        return x, y, x + width, y + height

    return [
        track(k, first, first + length, box(*start), box(*end), score)
        for k, (first, length, start, end, score) in enumerate(facts)
    ]


@settings(max_examples=60, deadline=None)
@given(TRACKS, st.floats(0, 2), st.floats(0, 1), st.floats(0, 1))
def test_joining_loses_no_frame_and_gives_no_frame_two_boxes(facts, seconds, overlap, size):
    tracks = drawn(facts)
    made = join_tracks(tracks, JoinRules(FPS, seconds, overlap, size))
    assert len({t.number for t in made}) == len(made) <= len(tracks)
    assert {f for t in made for f in t.frames.tolist()} == {
        f for t in tracks for f in t.frames.tolist()
    }
    boxes = {
        (f, *b) for t in tracks for f, b in zip(t.frames.tolist(), t.boxes.tolist(), strict=True)
    }
    for one in made:
        assert (np.diff(one.frames) > 0).all()
        rows = zip(one.frames.tolist(), one.boxes.tolist(), strict=True)
        assert {(f, *b) for f, b in rows} <= boxes
        assert not one.parts or len(one.frames) == len(
            {f for part in one.parts for f in part.frames.tolist()}
        )


@settings(max_examples=40, deadline=None)
@given(TRACKS, st.randoms(use_true_random=False), st.sampled_from(sorted(actor.POLICIES)))
def test_the_order_is_irrelevant_and_no_frame_has_two_actors(facts, shuffle, policy):
    tracks = drawn(facts)
    rules = replace(ACTOR, policy=policy, min_track_seconds=0, actor_score=0)
    made, mixed = (join_tracks(t, RULES) for t in (tracks, shuffle.sample(tracks, len(tracks))))
    assert [(t.number, t.frames.tolist()) for t in made] == [
        (t.number, t.frames.tolist()) for t in mixed
    ]
    (chosen,) = actor.choose_actor([made], [101], rules)
    frames = [f for t in chosen for f in t.frames.tolist()]
    assert len(frames) == len(set(frames))
    assert chosen


@settings(max_examples=40, deadline=None)
@given(TRACKS, st.sampled_from(sorted(actor.POLICIES)))
def test_the_best_single_track_is_always_part_of_the_actor(facts, policy):
    tracks = drawn(facts)
    rules = replace(ACTOR, policy=policy, min_track_seconds=0, actor_score=0)
    value = actor.POLICIES[policy]
    best = max(value(t, rules.width, rules.height) for t in tracks)
    (chosen,) = actor.choose_actor([join_tracks(tracks, RULES)], [101], rules)
    covered = {f for t in chosen for f in t.frames.tolist()}
    assert any(
        set(t.frames.tolist()) <= covered
        for t in tracks
        if value(t, rules.width, rules.height) == pytest.approx(best)
    )
