"""Tracks, the actor and the filled gaps, cuts: from given boxes, without videos."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import FrameDetections
from occludenet_build.people.tracking import actor, tracks
from occludenet_build.people.tracking.shots import CutFinder
from occludenet_build.people.tracking.tracks import TRACKERS

FPS = 25.0
RULES = tracks.TrackRules(fps=FPS, score=0.25, track_iou=0.1)
ACTOR = actor.ActorRules("area_x_duration", 320, 240, FPS, 0.2, 0.4, 0.5)


def frames_of(*people: dict[int, tuple], length: int, score: float = 0.9) -> list[FrameDetections]:
    """`people`: frame -> (x1, y1, x2, y2) or (x1, y1, x2, y2, score)."""
    found = []
    for frame in range(length):
        here = [person[frame] for person in people if frame in person]
        boxes = np.float32([b[:4] for b in here]).reshape(-1, 4)
        scores = np.float32([b[4] if len(b) > 4 else score for b in here])
        found.append(FrameDetections(frame, boxes, scores))
    return found


def walk(start: int, end: int, x: float, speed: float, size: tuple = (20, 60), y: float = 50):
    """A person who walks from x with `speed` px a frame, in the frames start to end - 1."""
    return {
        f: (x + speed * (f - start), y, x + speed * (f - start) + size[0], y + size[1])
        for f in range(start, end)
    }


def spans(found: list[FrameDetections], cuts: list[int] = ()) -> list[tuple[int, int, int]]:
    """(first frame, last frame, boxes) of every track."""
    shots = tracks.tracks_by_shot(found, list(cuts), RULES)
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
    "crossing at the same height, one behind the other": (
        [walk(0, 50, 100, 0), {f: b for f, b in walk(0, 50, 20, 4).items() if not 17 <= f < 24}],
        [(0, 49, 50), (0, 49, 43)],
    ),
    "almost one width per frame": ([walk(0, 20, 0, 14)], [(0, 19, 20)]),
    "five at a distance": (
        [walk(0, 40, 10 + 60 * k, 0.5) for k in range(5)],
        [(0, 39, 40)] * 5,
    ),
    "one box": ([walk(7, 8, 10, 0)], [(7, 7, 1)]),
    "two boxes": ([walk(7, 9, 10, 1)], [(7, 8, 2)]),
    "a gap while the person walks": (
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


def test_a_track_ends_at_a_cut_and_numbers_continue():
    shots = tracks.tracks_by_shot(frames_of(walk(0, 40, 10, 1), length=40), [15, 30], RULES)
    assert [[t.number for t in shot] for shot in shots] == [[0], [1], [2]]
    assert [int(shot[0].frames[0]) for shot in shots] == [0, 15, 30]


def test_of_two_tracks_the_one_just_seen_gets_the_box():
    """One walks behind the other and is hidden: the box belongs to the one always visible."""
    front = walk(0, 50, 100, 0)
    behind = {f: b for f, b in walk(0, 50, 20, 4).items() if b[2] < 108 or b[0] > 112}
    walker, other = tracks.link_boxes(frames_of(front, behind, length=50), RULES)
    assert len(other.frames) == 50 and (other.boxes[:, 0] == 100).all()
    assert walker.boxes[:, 0].tolist() == [box[0] for box in behind.values()]


@pytest.mark.parametrize("fps", [1, 2, 5, 12.5, 30, 60])
def test_a_slow_walk_is_one_track_at_any_frame_rate(fps):
    """The person walks half their width per second, and is missed for half a second."""
    length = max(4, round(4 * fps))
    person = walk(0, length, 10, 10 / fps)
    gone = range(length // 2, length // 2 + round(fps / 2))
    rules = tracks.TrackRules(fps, 0.25, 0.1)
    (one,) = tracks.link_boxes(frames_of(without(person, *gone), length=length), rules)
    assert len(one.frames) == length - len(gone)


@pytest.mark.parametrize("tracker", sorted(TRACKERS))
def test_two_who_pass_each_other_with_any_tracker(tracker):
    people = [walk(0, 50, 10, 4, y=10), walk(0, 50, 210, -4, y=120)]
    made = tracks.link_boxes(frames_of(*people, length=50), replace(RULES, tracker=tracker))
    for track, person in zip(made, people, strict=True):
        assert track.boxes.tolist() == [list(map(float, box)) for box in person.values()]
        assert track.boxes.dtype == track.scores.dtype == np.float32


def test_numbers_begin_at_0_in_every_clip():
    for _ in range(2):
        shots = tracks.tracks_by_shot(frames_of(walk(0, 40, 10, 1), length=40), [20], RULES)
        assert [[t.number for t in shot] for shot in shots] == [[0], [1]]


def test_given_tracks_are_kept_across_cuts():
    far_apart = [
        FrameDetections(
            f,
            np.float32([[300 * (f % 2), 0, 300 * (f % 2) + 9, 9]]),
            np.float32([1]),
            np.int32([7]),
        )
        for f in range(10)
    ]
    shots = tracks.tracks_by_shot(far_apart, [5], RULES)
    assert [[(t.number, len(t.frames)) for t in shot] for shot in shots] == [[(7, 5)], [(7, 5)]]


def choose(found, cuts=(), rules=ACTOR, named=None):
    shots = tracks.tracks_by_shot(found, list(cuts), RULES)
    lengths = np.diff([0, *cuts, len(found)]).tolist()
    return actor.choose_actor(shots, lengths, rules, named)


BIG, SMALL = (80, 160), (20, 40)


@pytest.mark.parametrize(
    ("policy", "people", "wanted"),
    [
        ("area_x_duration", [walk(0, 50, 10, 0, SMALL), walk(0, 50, 200, 0, BIG)], 1),
        ("area_x_duration", [walk(0, 50, 10, 0, BIG), walk(0, 2, 200, 0, (110, 190))], 0),
        ("area_x_duration", [walk(0, 50, 10, 0, SMALL), walk(20, 26, 200, 0, (80, 100))], 1),
        ("prominent", [walk(0, 50, -60, 0, (110, 240), y=0), walk(0, 50, 140, 0, (60, 120))], 1),
        ("prominent", [walk(0, 50, 60, 0, (110, 190)), walk(0, 50, 250, 0, (60, 120))], 0),
        ("prominent", [walk(0, 10, 140, 0, (60, 120)), walk(0, 50, 240, 0, (50, 100))], 1),
        ("central", [walk(0, 50, 10, 0, BIG), walk(0, 50, 150, 0, SMALL, y=100)], 1),
        ("central", [walk(0, 50, 10, 0, BIG), walk(0, 10, 150, 0, SMALL, y=100)], 0),
    ],
)
def test_the_actor_by_policy(policy, people, wanted):
    rules = actor.ActorRules(policy, 320, 240, FPS, 0.2, 0.4, 0.5)
    ((chosen,),) = choose(frames_of(*people, length=50), rules=rules)
    assert chosen.boxes[0].tolist() == list(map(float, people[wanted][min(people[wanted])]))


def test_every_shot_has_its_actor():
    found = frames_of(
        walk(0, 20, 10, 0, BIG), walk(0, 40, 200, 0, SMALL), walk(30, 32, 10, 0, BIG), length=60
    )
    chosen = choose(found, cuts=[20, 40])
    assert [[t.boxes[0, 0] for t in shot] for shot in chosen] == [[10], [200], []]


@pytest.mark.parametrize(
    ("people", "wanted"),
    [
        ("lost and found again", [(0, 39), (75, 99)]),
        ("with a bystander all the time", [(0, 39), (75, 99)]),
        ("with a bystander who comes later", [(0, 39)]),
        ("with a small one who comes later", [(0, 39)]),
    ],
)
def test_the_track_that_continues_the_actor(people, wanted):
    first, again = walk(0, 40, 100, 0, BIG), walk(75, 100, 120, 0, BIG)
    cast = {
        "lost and found again": [first, again],
        "with a bystander all the time": [first, again, walk(0, 100, 10, 0, SMALL)],
        "with a bystander who comes later": [first, walk(20, 90, 10, 0, SMALL)],
        "with a small one who comes later": [first, walk(60, 90, 10, 0, (8, 16))],
    }[people]
    (chosen,) = choose(frames_of(*cast, length=100))
    assert sorted((int(t.frames[0]), int(t.frames[-1])) for t in chosen) == wanted


def test_everybody_is_a_group_with_one_box():
    people = [walk(0, 30, 10, 0, BIG), walk(10, 50, 200, 0, SMALL), walk(3, 5, 300, 0, (9, 9))]
    people[0] = without(people[0], 5)
    rules = replace(ACTOR, policy="all")
    ((group,),) = choose(frames_of(*people, length=50), rules=rules)
    assert group.number == 3
    assert group.frames.tolist() == list(range(50))
    assert np.isnan(group.scores).nonzero()[0].tolist() == [5]
    assert group.boxes[[0, 15, 40]].tolist() == [
        [10, 50, 90, 210],
        [10, 50, 220, 210],
        [200, 50, 220, 90],
    ]


def test_a_group_of_one_keeps_its_track():
    ((alone,),) = choose(
        frames_of(walk(0, 30, 10, 0), length=30), rules=replace(ACTOR, policy="all")
    )
    assert alone.number == 0 and len(alone.frames) == 30


def test_the_named_actor_frame_by_frame():
    """First one, then the other; the short gap is filled, not in frames that mark another actor."""
    people = [without(walk(0, 40, 10, 0, BIG), 5, 6), walk(0, 40, 200, 0, SMALL)]
    named = dict.fromkeys((*range(5), 7, 8, 9, 12), 0) | dict.fromkeys(range(20, 30), 1)
    (chosen,) = choose(
        frames_of(*people, length=40), rules=replace(ACTOR, policy="file"), named=named
    )
    first, second = chosen
    # in frames 10 and 11 the track has boxes that the file does not mark
    assert first.frames.tolist() == [*range(10), 12]
    assert np.isnan(first.scores).nonzero()[0].tolist() == [5, 6]
    assert second.frames.tolist() == list(range(20, 30))


def test_a_given_track_stays_the_actor_across_a_cut():
    def found(frame):
        size = 20 if frame < 10 else 5
        boxes = np.float32([[0, 0, size, 9], [50, 0, 60, 9]])
        return FrameDetections(frame, boxes, np.ones(2, np.float32), np.int32([3, 4]))

    chosen = choose([found(f) for f in range(20)], cuts=[10])
    assert [[t.number for t in shot] for shot in chosen] == [[3], [3]]


@pytest.mark.parametrize(
    ("length", "shot", "wanted"),
    [(4, 50, False), (5, 50, True), (4, 8, True), (3, 8, False), (1, 1, True)],
)
def test_a_track_must_last(length, shot, wanted):
    (chosen,) = choose(frames_of(walk(0, length, 10, 0), length=shot))
    assert bool(chosen) == wanted


def test_a_track_that_is_weak_in_all_frames_is_not_the_actor():
    weak = {f: (*b, 0.35) for f, b in walk(0, 50, 10, 0, BIG).items()}
    ((chosen,),) = choose(frames_of(weak, walk(0, 50, 200, 0, SMALL), length=50))
    assert chosen.boxes[0, 0] == 200


@pytest.mark.parametrize(
    ("missing", "filled"),
    [(range(10, 12), 2), (range(10, 22), 12), (range(10, 23), 0), ((), 0), (range(4), 0)],
)
def test_gaps_up_to_the_limit_are_filled(missing, filled):
    person = walk(0, 50, 10, 1)
    ((chosen,),) = choose(frames_of(without(person, *missing), length=50))
    new = np.isnan(chosen.scores)
    assert chosen.frames[new].tolist() == (list(missing) if filled else [])
    assert chosen.frames.tolist() == sorted({*without(person, *missing), *missing[:filled]})
    for frame, box in zip(chosen.frames.tolist(), chosen.boxes, strict=True):
        assert box == pytest.approx(person[frame])


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=50), st.floats(-3, 3), st.floats(0, 1))
def test_filled_boxes_lie_between_their_neighbours(gone, speed, max_gap):
    person = without(walk(0, 60, 150, speed), *gone)
    rules = actor.ActorRules("area_x_duration", 320, 240, FPS, 0.0, 0.0, max_gap)
    (chosen,) = tracks.tracks_by_shot(frames_of(person, length=60), [], RULES)[0][:1]
    frames, boxes = actor.gap_boxes(chosen, rules)
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
    rules = actor.ActorRules(policy, 320, 240, FPS, 0.2, 0.4, 0.5)
    ((alone,),) = choose(frames_of(main, length=50), rules=rules)
    ((both,),) = choose(frames_of(main, other, length=50), rules=rules)
    assert np.array_equal(alone.boxes, both.boxes) and np.array_equal(alone.frames, both.frames)


PICTURES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 90), st.floats(0.0625, 1, width=32)),
        max_size=4,
    ),
    min_size=1,
    max_size=12,
)
"""Of every frame the boxes, as x, y and score; they are near, so that they compete."""


def found_in(pictures) -> list[FrameDetections]:
    return [
        FrameDetections(
            k,
            np.float32([(x, y, x + 30, y + 40) for x, y, _ in here]).reshape(-1, 4),
            np.float32([score for *_, score in here]),
        )
        for k, here in enumerate(pictures)
    ]


@settings(max_examples=40, deadline=None)
@given(PICTURES, st.sampled_from(sorted(TRACKERS)))
def test_every_strong_box_has_one_track_and_no_track_two_boxes(pictures, tracker):
    found = found_in(pictures)
    rules = replace(RULES, same_person_iou=1.0, tracker=tracker)
    made = tracks.link_boxes(found, rules)
    assert [t.number for t in made] == list(range(len(made)))
    ours = sorted((int(f), *box, s) for t in made for f, box, s in rows_of(t))
    all_boxes = [
        (f.frame, *b, s) for f in found for b, s in zip(f.boxes.tolist(), f.scores, strict=True)
    ]
    assert not set(ours) - set(all_boxes) and len(ours) <= len(all_boxes)
    strong = sorted(row for row in all_boxes if row[-1] >= rules.score)
    assert strong == [row for row in ours if row[-1] >= rules.score]
    for track in made:
        assert (np.diff(track.frames) > 0).all()
        assert track.scores[0] >= rules.score


def rows_of(track: tracks.Track):
    return zip(track.frames.tolist(), track.boxes.tolist(), track.scores, strict=True)


@settings(max_examples=25, deadline=None)
@given(PICTURES, st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_in_a_frame_does_not_matter(pictures, shuffle: random.Random):
    mixed = [shuffle.sample(here, len(here)) for here in pictures]
    first, second = (tracks.link_boxes(found_in(p), RULES) for p in (pictures, mixed))
    assert [list(rows_of(t)) for t in first] == [list(rows_of(t)) for t in second]


@settings(max_examples=25, deadline=None)
@given(PICTURES, st.lists(st.integers(1, 11), unique=True, max_size=3).map(sorted))
def test_no_track_goes_over_a_cut_and_no_two_share_a_number(pictures, cuts):
    cuts = [cut for cut in cuts if cut < len(pictures)]
    shots = tracks.tracks_by_shot(found_in(pictures), cuts, RULES)
    assert len(shots) == len(cuts) + 1
    numbers = [t.number for shot in shots for t in shot]
    assert numbers == list(range(len(numbers)))
    for shot, first, end in zip(shots, [0, *cuts], [*cuts, len(pictures)], strict=True):
        assert all(first <= t.frames[0] and t.frames[-1] < end for t in shot)


@settings(max_examples=25, deadline=None)
@given(PICTURES, st.sampled_from([*sorted(actor.POLICIES), "all"]))
def test_the_actor_has_one_box_in_a_frame(pictures, policy):
    rules = replace(ACTOR, policy=policy, min_track_seconds=0, max_gap_seconds=0.1)
    (chosen,) = choose(found_in(pictures), rules=rules)
    frames = np.concatenate([np.zeros(0, int), *(t.frames for t in chosen)])
    assert len(set(frames.tolist())) == len(frames)


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


def mixed(first: np.ndarray, second: np.ndarray, count: int) -> list[np.ndarray]:
    """The frames between the two while one turns into the other."""
    shares = np.arange(1, count + 1) / (count + 1)
    return [(first * (1 - share) + second * share).astype(np.uint8) for share in shares]


def walker(k: int) -> np.ndarray:
    """Somebody before a scene: a dark box that goes to the right."""
    picture = A.copy()
    picture[20:80, 2 * k : 2 * k + 30] = 20
    return picture


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
    "the light goes up slowly": (mixed(A // 2, A // 2 + 60, 30), []),
    "a fade to black": (still(A, 12) + mixed(A, A * 0, 20) + still(A * 0, 12), []),
    "a short dissolve": (still(A, 12) + mixed(A, B, 9) + still(B, 12), [16]),
    "a dissolve": (still(A, 20) + mixed(A, B, 25) + still(B, 20), [32]),
    "a long dissolve": (still(A, 20) + mixed(A, B, 59) + still(B, 20), [50]),
    "a dissolve and a cut": (
        still(A, 40) + mixed(A, B, 25) + still(B, 40) + still(A, 9),
        [52, 105],
    ),
    "nothing but a dissolve": (mixed(A, B, 25), [12]),
    "somebody walks": ([walker(k) for k in range(60)], []),
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
