"""Tracks, the actor and his gaps, cuts: from boxes that are written down, without videos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.core import boxes as geometry
from occludenet_build.detect import actor, tracks
from occludenet_build.detect.backend import Found
from occludenet_build.detect.cuts import CutFinder

FPS = 25.0
RULES = tracks.Rules(fps=FPS, score=0.25, track_iou=0.4)
ACTOR = actor.Rules("area_x_duration", 320, 240, FPS, 0.2, 0.4, 0.5)


def frames_of(*people: dict[int, tuple], length: int, score: float = 0.9) -> list[Found]:
    """`people`: frame -> (x1, y1, x2, y2) or (x1, y1, x2, y2, score)."""
    found = []
    for frame in range(length):
        here = [person[frame] for person in people if frame in person]
        boxes = np.float32([b[:4] for b in here]).reshape(-1, 4)
        scores = np.float32([b[4] if len(b) > 4 else score for b in here])
        found.append(Found(frame, boxes, scores))
    return found


def walk(start: int, end: int, x: float, speed: float, size: tuple = (20, 60), y: float = 50):
    """A person who walks from x with `speed` px a frame, in the frames start to end - 1."""
    return {
        f: (x + speed * (f - start), y, x + speed * (f - start) + size[0], y + size[1])
        for f in range(start, end)
    }


def spans(found: list[Found], cuts: list[int] = ()) -> list[tuple[int, int, int]]:
    """(first frame, last frame, boxes) of every track."""
    shots = tracks.in_shots(found, list(cuts), RULES)
    return [(int(t.frames[0]), int(t.frames[-1]), len(t.frames)) for shot in shots for t in shot]


def without(person: dict[int, tuple], *gone: int) -> dict[int, tuple]:
    return {f: b for f, b in person.items() if f not in gone}


CASES = {
    "one person": ([walk(0, 50, 10, 2)], [(0, 49, 50)]),
    "two apart": ([walk(0, 50, 10, 2), walk(0, 50, 250, -1)], [(0, 49, 50), (0, 49, 50)]),
    "crossing at different heights": (
        [walk(0, 50, 10, 4, y=10), walk(0, 50, 210, -4, y=120)],
        [(0, 49, 50), (0, 49, 50)],
    ),
    "faster than his width": ([walk(0, 20, 0, 14)], [(0, 19, 20)]),
    "a gap while he walks on": (
        [without(walk(0, 50, 10, 3), *range(20, 30))],
        [(0, 49, 40)],
    ),
    "away for longer than the memory": (
        [without(walk(0, 90, 10, 1), *range(20, 60))],
        [(0, 19, 20), (60, 89, 30)],
    ),
    "another person elsewhere": (
        [walk(0, 20, 10, 1), walk(22, 40, 250, 1)],
        [(0, 19, 20), (22, 39, 18)],
    ),
    "weak for a while": (
        [{f: (*b, 0.15 if 10 <= f < 30 else 0.8) for f, b in walk(0, 40, 10, 1).items()}],
        [(0, 39, 40)],
    ),
    "two boxes of one person": (
        [walk(0, 40, 10, 1), walk(5, 30, 12, 1, (18, 50))],
        [(0, 39, 40)],
    ),
    "a weak part of a person": (
        [walk(0, 40, 10, 1), {f: (*b, 0.2) for f, b in walk(5, 30, 12, 1, (15, 20)).items()}],
        [(0, 39, 40)],
    ),
    "only weak": ([{f: (*b, 0.2) for f, b in walk(0, 40, 10, 1).items()}], []),
    "nobody": ([], []),
}


@pytest.mark.parametrize("case", CASES)
def test_tracks(case):
    people, wanted = CASES[case]
    assert sorted(spans(frames_of(*people, length=90))) == sorted(wanted)


def test_a_track_ends_at_a_cut_and_numbers_go_on():
    shots = tracks.in_shots(frames_of(walk(0, 40, 10, 1), length=40), [15, 30], RULES)
    assert [[t.number for t in shot] for shot in shots] == [[0], [1], [2]]
    assert [int(shot[0].frames[0]) for shot in shots] == [0, 15, 30]


def test_of_two_tracks_the_one_just_seen_gets_the_box():
    """One walks behind the other and is hidden: the box goes to who was seen all the time."""
    front = walk(0, 50, 100, 0)
    behind = {f: b for f, b in walk(0, 50, 20, 4).items() if b[2] < 108 or b[0] > 112}
    first, *_ = tracks.follow(frames_of(front, behind, length=50), RULES)
    assert len(first.frames) == 50 and (first.boxes[:, 0] == 100).all()


def test_given_tracks_are_taken_as_they_are_across_cuts():
    far_apart = [
        Found(
            f,
            np.float32([[300 * (f % 2), 0, 300 * (f % 2) + 9, 9]]),
            np.float32([1]),
            np.int32([7]),
        )
        for f in range(10)
    ]
    shots = tracks.in_shots(far_apart, [5], RULES)
    assert [[(t.number, len(t.frames)) for t in shot] for shot in shots] == [[(7, 5)], [(7, 5)]]


def choose(found, cuts=(), rules=ACTOR):
    shots = tracks.in_shots(found, list(cuts), RULES)
    lengths = np.diff([0, *cuts, len(found)]).tolist()
    return actor.choose(shots, lengths, rules)


BIG, SMALL = (80, 160), (20, 40)


@pytest.mark.parametrize(
    ("policy", "people", "wanted"),
    [
        ("area_x_duration", [walk(0, 50, 10, 0, SMALL), walk(0, 50, 200, 0, BIG)], 1),
        ("area_x_duration", [walk(0, 50, 10, 0, BIG), walk(0, 2, 200, 0, (110, 190))], 0),
        ("area_x_duration", [walk(0, 50, 10, 0, SMALL), walk(20, 26, 200, 0, (80, 100))], 1),
        ("central", [walk(0, 50, 10, 0, BIG), walk(0, 50, 150, 0, SMALL, y=100)], 1),
        ("central", [walk(0, 50, 10, 0, BIG), walk(0, 10, 150, 0, SMALL, y=100)], 0),
    ],
)
def test_the_actor_by_policy(policy, people, wanted):
    rules = actor.Rules(policy, 320, 240, FPS, 0.2, 0.4, 0.5)
    (chosen,) = choose(frames_of(*people, length=50), rules=rules)
    assert chosen.boxes[0].tolist() == list(map(float, people[wanted][min(people[wanted])]))


def test_every_shot_has_its_actor():
    found = frames_of(
        walk(0, 20, 10, 0, BIG), walk(0, 40, 200, 0, SMALL), walk(30, 32, 10, 0, BIG), length=60
    )
    chosen = choose(found, cuts=[20, 40])
    assert [t and t.boxes[0, 0] for t in chosen] == [10, 200, None]


def test_a_given_track_stays_the_actor_across_a_cut():
    def found(frame):
        size = 20 if frame < 10 else 5
        boxes = np.float32([[0, 0, size, 9], [50, 0, 60, 9]])
        return Found(frame, boxes, np.ones(2, np.float32), np.int32([3, 4]))

    assert [t.number for t in choose([found(f) for f in range(20)], cuts=[10])] == [3, 3]


@pytest.mark.parametrize(
    ("length", "shot", "wanted"),
    [(4, 50, False), (5, 50, True), (4, 8, True), (3, 8, False), (1, 1, True)],
)
def test_a_track_must_last(length, shot, wanted):
    (chosen,) = choose(frames_of(walk(0, length, 10, 0), length=shot))
    assert (chosen is not None) == wanted


def test_a_track_that_is_weak_in_all_frames_is_not_the_actor():
    weak = {f: (*b, 0.35) for f, b in walk(0, 50, 10, 0, BIG).items()}
    (chosen,) = choose(frames_of(weak, walk(0, 50, 200, 0, SMALL), length=50))
    assert chosen.boxes[0, 0] == 200


@pytest.mark.parametrize(
    ("missing", "filled"),
    [(range(10, 12), 2), (range(10, 22), 12), (range(10, 23), 0), ((), 0), (range(4), 0)],
)
def test_gaps_up_to_the_limit_are_filled(missing, filled):
    person = walk(0, 50, 10, 1)
    (chosen,) = choose(frames_of(without(person, *missing), length=50))
    frames, boxes = actor.gaps(chosen, ACTOR)
    assert frames.tolist() == (list(missing) if filled else [])
    for frame, box in zip(frames.tolist(), boxes, strict=True):
        assert box == pytest.approx(person[frame])


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=50), st.floats(-3, 3), st.floats(0, 1))
def test_filled_boxes_lie_between_their_neighbours(gone, speed, max_gap):
    person = without(walk(0, 60, 150, speed), *gone)
    rules = actor.Rules("area_x_duration", 320, 240, FPS, 0.0, 0.0, max_gap)
    (chosen,) = choose(frames_of(person, length=60), rules=rules)
    frames, boxes = actor.gaps(chosen, rules)
    own = chosen.frames
    assert not set(frames.tolist()) & set(own.tolist())
    for frame, box in zip(frames, boxes, strict=True):
        after = int(np.searchsorted(own, frame))
        assert 0 < after < len(own)
        assert own[after] - own[after - 1] - 1 <= max_gap * FPS + 1e-9
        pair = chosen.boxes[after - 1 : after + 1]
        assert (box >= pair.min(axis=0) - 1e-3).all() and (box <= pair.max(axis=0) + 1e-3).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(1, 8), st.sampled_from(sorted(actor.POLICIES)))
def test_a_short_far_away_person_changes_nothing(start, length, policy):
    main = without(walk(0, 50, 120, 1, BIG), 20, 21)
    other = walk(start, start + length, 300, 0, (10, 10), y=0)
    rules = actor.Rules(policy, 320, 240, FPS, 0.2, 0.4, 0.5)
    (alone,) = choose(frames_of(main, length=50), rules=rules)
    (both,) = choose(frames_of(main, other, length=50), rules=rules)
    assert np.array_equal(alone.boxes, both.boxes) and np.array_equal(alone.frames, both.frames)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 280), st.integers(0, 200), st.floats(0.05, 1)), max_size=4
        ),
        min_size=1,
        max_size=25,
    )
)
def test_every_strong_box_has_one_track_and_no_track_two_boxes(pictures):
    found = [
        Found(
            k,
            np.float32([(x, y, x + 30, y + 40) for x, y, _ in here]).reshape(-1, 4),
            np.float32([score for *_, score in here]),
        )
        for k, here in enumerate(pictures)
    ]
    made = tracks.follow(found, tracks.Rules(FPS, 0.25, 0.4, same_person_iou=1.0))
    kept = sum(len(t.frames) for t in made)
    strong = sum(int((f.scores >= RULES.score).sum()) for f in found)
    assert strong <= kept <= sum(len(f.scores) for f in found)
    for track in made:
        assert (np.diff(track.frames) > 0).all()
        assert track.scores[0] >= RULES.score


def scene(seed: int, shape: tuple = (90, 160, 3)) -> np.ndarray:
    """Blobs of colour, as a picture has them."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 10, 3)).astype(np.uint8)
    return np.kron(small, np.ones((shape[0] // 6, shape[1] // 10, 1), np.uint8))


def still(picture: np.ndarray, count: int) -> list[np.ndarray]:
    return [picture] * count


def pan(count: int, speed: int) -> list[np.ndarray]:
    return [np.roll(scene(1), speed * k, axis=1) for k in range(count)]


A, B = scene(1), scene(2)
FLASH = np.full_like(A, 255)
CUTS = {
    "one shot": (still(A, 30), []),
    "a cut": (still(A, 12) + still(B, 12), [12]),
    "two cuts": (still(A, 12) + still(B, 12) + still(A, 12), [12, 24]),
    "a blended frame": ([*still(A, 12), A // 2 + B // 2, *still(B, 12)], [12, 13]),
    "a flash": ([*still(A, 12), FLASH, *still(A, 12)], []),
    "a flash of two frames": (still(A, 12) + [FLASH] * 2 + still(A, 12), []),
    "a pan": (pan(40, 9), []),
    "a pan that starts": (still(A, 15) + pan(15, 9), []),
    "the light goes up": (still(A // 2, 12) + still(A // 2 + 60, 12), []),
    "a single frame": (still(A, 1), []),
    "black": (still(A * 0, 20), []),
}


@pytest.mark.parametrize("case", CUTS)
def test_cuts(case):
    pictures, wanted = CUTS[case]
    finder = CutFinder()
    passed = list(finder.watch(enumerate(pictures)))
    assert [number for number, _ in passed] == list(range(len(pictures)))
    assert finder.cuts == wanted


def test_area_x_duration_counts_only_what_is_in_the_picture():
    track = tracks.Track(0, np.arange(2), np.float32([[-100, 0, 160, 240]] * 2), np.ones(2))
    assert actor.area_x_duration(track, 320, 240) == pytest.approx(1.0)
    assert geometry.area(track.boxes)[0] > 160 * 240
