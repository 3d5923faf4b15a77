"""Suppression, linking, matching, AP: the official numbers, and detections of a known truth."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.action_detection import nms
from occludenet_build.action_detection.average_precision import METRICS, ap_by_class, estimates
from occludenet_build.action_detection.decode import Tubelets
from occludenet_build.action_detection.linking import link
from occludenet_build.action_detection.matching import (
    TUBE_OVERLAPS,
    best_match,
    match_frames,
    match_tubes,
    score_video,
)

K = 7


# the official numbers


class Case:
    """A fixture of the kind act_eval."""

    def __init__(self, folder):
        self.meta = json.loads((folder / "meta.json").read_text())
        self.arrays = np.load(folder / "fixture.npz")
        self.classes = len(self.meta["labels"])

    def detections(self, video):
        parts = []
        for name in self.arrays.files:
            kind, of, *rest = name.split("|")
            if (kind, of) == ("det", video):
                rows, (start, label) = self.arrays[name], (int(n) - 1 for n in rest)
                count = np.full(len(rows), 1, np.int32)
                boxes = rows[:, :-1].reshape(len(rows), -1, 4)
                parts.append(Tubelets(count * start, boxes, rows[:, -1], count * label))
        return Tubelets.of(parts)

    def truth(self, video):
        found = {}
        for name in self.arrays.files:
            if name.startswith(f"gt|{video}|"):
                found.setdefault(int(name.split("|")[2]), []).append(self.arrays[name])
        return found


@pytest.fixture(scope="module")
def cases(parity):
    return [Case(folder) for folder in sorted(parity.glob("act_eval*"))]


def percent(matches, column, released):
    return 100 * np.nanmean(ap_by_class(matches, column, released))


def sorts_as_where_the_fixture_was_made() -> bool:
    from numpy._core._multiarray_umath import __cpu_features__

    return __cpu_features__.get("AVX512_SKX", False)


def frame_overlaps(case):
    return [float(n.split("@")[1]) for n in case.meta["results"] if n.startswith("frameAP")]


def test_the_official_frame_ap(cases):
    for case in cases:
        overlaps = frame_overlaps(case)
        matches = [
            match_frames(case.detections(v), case.truth(v), case.classes, overlaps, released=True)
            for v in case.meta["videos"]
        ]
        for column, overlap in enumerate(overlaps):
            wanted = case.meta["results"][f"frameAP@{overlap}"]
            if sorts_as_where_the_fixture_was_made():
                assert percent(matches, column, True) == pytest.approx(wanted, abs=1e-3)
            low, high = extremes(matches, column)
            assert low < wanted < high  # whatever the processor
            assert low < percent(matches, column, False) < high


def extremes(matches, column):
    """Frame AP, percent, where of equal scores the wrong ones come first, and the right ones."""
    ends = []
    for sign in (1, -1):
        nudged = [
            replace(m, score=m.score - sign * 1e-6 * m.right[:, column], rivals=()) for m in matches
        ]
        ends.append(percent(nudged, column, False))
    return ends


def test_the_official_tubes_and_video_ap(cases):
    for case in cases:
        videos = list(case.meta["videos"])
        tubes = {v: link(case.detections(v), released=True) for v in videos}
        for video, counts in case.meta["tubes_per_video_label"].items():
            found = [tube.label for tube in tubes[video]]
            assert {k: found.count(int(k)) for k in counts} == counts
        if wanted := case.meta.get("first_tube_of_run_v0"):
            first = tubes["run/v0"][0]
            assert first.score == pytest.approx(wanted["score"], abs=1e-5)
            assert list(first.rows.shape) == wanted["shape"]
            assert first.rows[0] == pytest.approx(wanted["row0"], abs=1e-3)
        matches = [match_tubes(tubes[v], case.truth(v), case.classes) for v in videos]
        found = {o: percent(matches, n, True) for n, o in enumerate(TUBE_OVERLAPS)}
        for overlap in (0.2, 0.5, 0.75):
            wanted = case.meta["results"][f"videoAP@{overlap}"]
            assert found[overlap] == pytest.approx(wanted, abs=1e-3)
        mean = np.mean([v for overlap, v in found.items() if overlap >= 0.5])
        assert mean == pytest.approx(case.meta["results"]["videoAP@0.5:0.95"], abs=1e-3)


# suppression


def test_soft_suppression_takes_the_mean_and_as_released_the_sum():
    still = np.tile(np.array([0, 0, 9, 9.0]), (2, K, 1))
    still[1, :, 3] = 7  # IoU 0.8 in each frame
    scores = np.array([0.9, 0.5])
    assert nms.soft_nms(still, scores).tolist() == pytest.approx([0.9, 0.5 * 0.2])
    assert nms.soft_nms(still, scores, True).tolist() == pytest.approx([0.9, 0.5 * (1 - 5.6)])
    apart = still + np.array([0, 100])[:, None, None]
    assert nms.soft_nms(apart, scores).tolist() == pytest.approx([0.9, 0.5])


def test_each_is_weakened_once_and_who_is_weakened_weakens_nobody():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 7], [0, 0, 9, 5.0]])[:, None]
    found = nms.soft_nms(boxes, np.array([0.9, 0.8, 0.7]))  # IoU with the first 0.8 and 0.6
    assert found.tolist() == pytest.approx([0.9, 0.8 * 0.2, 0.7])


def test_overlap_of_tubes():
    tube = np.hstack([np.arange(1, 11)[:, None], np.tile([0, 0, 9, 9.0], (10, 1))])
    half = tube.copy()
    half[:, 4] = 4
    assert nms.tube_iou(tube, tube) == 1
    assert nms.tube_iou(tube, half) == pytest.approx(0.5)
    assert nms.tube_iou(tube, half[5:]) == pytest.approx(0.25)
    assert nms.tube_iou(tube[:3], tube[4:]) == 0
    assert nms.tube_iou(tube, np.delete(tube, [4, 5], axis=0)) == pytest.approx(0.8)
    assert nms.suppress_tubes([half, tube, tube[5:]], [0.3, 0.9, 0.5]) == [1]
    assert nms.suppress_tubes([half, tube[5:]], [0.3, 0.2], overlap=0.2) == [0]
    assert nms.suppress_tubes([half, tube[5:]], [0.3, 0.2]) == [0, 1]


# detections that are known


def tube(begin: int, length: int, left: float = 10, step: float = 1.5) -> np.ndarray:
    """A person 20 x 40 px who walks from frame `begin` (from 1) on."""
    across = left + step * np.arange(length)
    rows = [np.arange(begin, begin + length), across, across * 0 + 30, across + 19, across * 0 + 69]
    return np.stack(rows, axis=1).astype(np.float32)


def detected(truth, score=0.8, length=K) -> Tubelets:
    """The truth itself as tubelets, one per start; of each tube the score is a little lower."""
    parts = []
    for label, tubes in truth.items():
        for number, rows in enumerate(tubes):
            windows = np.lib.stride_tricks.sliding_window_view(rows, length, axis=0)
            boxes = windows[:, 1:].transpose(0, 2, 1).astype(np.float32)
            count = np.ones(len(boxes), np.int32)
            parts.append(
                Tubelets(
                    start=(windows[:, 0, 0] - 1).astype(np.int32),
                    boxes=boxes,
                    score=(count * (score - number / 100)).astype(np.float32),
                    label=count * label,
                )
            )
    return Tubelets.of(parts)


TRUTH = (
    {0: [tube(1, 24)]},
    {1: [tube(3, 20), tube(3, 20, left=80)]},
    {0: [tube(5, 16, step=-0.5)]},
)


def by_metric(videos, groups=None, **options):
    scores = [score_video(found, truth, 3) for found, truth in videos]
    made = estimates(scores, groups or [str(n) for n in range(len(videos))], **options)
    return {one.metric: one for one in made}


def test_ap_of_the_truth_itself_is_1():
    found = by_metric([(detected(truth), truth) for truth in TRUTH], resamples=50)
    assert tuple(found) == METRICS
    for one in found.values():
        assert one.value == pytest.approx(1) and one.high == pytest.approx(1)
        assert one.low < 1  # three videos prove little
        assert (one.n, one.groups, one.classes) == (3, 3, 2)


def test_what_is_missed_and_what_is_wrong_costs():
    truth = {0: [tube(1, 24), tube(1, 24, left=90)]}
    one = {0: truth[0][:1]}
    half = by_metric([(detected(one), truth)], resamples=2)
    assert half["frame-AP@0.5"].value == half["video-AP@0.5"].value == pytest.approx(0.5)
    extra = detected({0: [tube(1, 24, left=200)]}, 0.9)
    worse = by_metric([(Tubelets.of([extra, detected(one)]), one)], resamples=2)
    # the first point has precision 0, the last one 1/2: trapezoid
    assert worse["video-AP@0.5"].value == pytest.approx(0.25)
    nobody = by_metric([(extra, {})], resamples=2)
    assert all(np.isnan(e.value) and np.isnan(e.low) for e in nobody.values())


def test_a_tube_counts_once():
    truth = {0: [tube(1, 24)]}
    shared = np.array([[0.9], [0.95]])
    assert best_match(np.array([0, 1]), shared, 0.5).tolist() == [True, False]
    assert best_match(np.array([1, 0]), shared, 0.5).tolist() == [False, True]
    twice = Tubelets.of([detected(truth, 0.8), detected(truth, 0.7)])
    found = by_metric([(twice, truth)], resamples=2)
    assert found["video-AP@0.5"].value == pytest.approx(1)  # the second is suppressed, or last


def test_short_and_weak_tubes_are_dropped_and_gaps_below_k_are_bridged():
    assert not link(detected({0: [tube(1, 14)]}))
    assert not link(detected({0: [tube(1, 24)]}, score=0.004))
    assert len(link(detected({0: [tube(1, 24)]}, score=0.004), weakest=0)) == 1
    whole = detected({0: [tube(1, 30)]})
    for missing, tubes in ((range(5, 11), 1), (range(4, 12), 2)):
        found = link(whole.at(~np.isin(whole.start, list(missing))), shortest=1)
        assert len(found) == tubes, missing
        for one in found:
            assert all(b - a == 1 for a, b in pairwise(one.rows[:, 0]))
    (one,) = link(whole)
    assert np.allclose(one.rows[:, :5], tube(1, 30), atol=1e-4)
    assert one.score == pytest.approx(0.8) and np.allclose(one.rows[:, 5], 0.8)


@st.composite
def noisy(draw):
    """Tubelets around a truth, with equal scores among them, and their order shuffled."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = {0: [tube(1, 20), tube(1, 20, left=60)], 1: [tube(1, 18, step=0)]}
    exact = detected(truth)
    parts = [exact]
    for _ in range(3):
        boxes = exact.boxes + random.normal(0, 4, (len(exact.boxes), 1, 4))
        score = (random.integers(1, 5, len(boxes)) / 5).astype(np.float32)
        parts.append(Tubelets(exact.start, boxes.astype(np.float32), score, exact.label))
    found = Tubelets.of(parts)
    return truth, found, found.at(random.permutation(len(found.start)))


@given(noisy())
@settings(max_examples=3, deadline=None)
def test_the_order_of_detections_does_not_matter(case):
    truth, found, shuffled = case
    one, other = (by_metric([(each, truth)], resamples=2) for each in (found, shuffled))
    assert one == other
    assert all(0 <= e.value <= 1 for e in one.values())


def weighted(scores, counts):
    """The metrics of a list in which video i occurs counts[i] times."""
    every = [score for score, count in zip(scores, counts, strict=True) for _ in range(count)]
    return {e.metric: e.value for e in estimates(every, ["x"] * len(every), resamples=1)}


def test_the_bootstrap_is_that_of_videos_drawn_again():
    """Each draw equals the metrics of the drawn videos, so an interval holds draws by hand."""
    random = np.random.default_rng(1)
    scores = []
    for truth in (*TRUTH, *TRUTH):
        exact = detected(truth)
        boxes = exact.boxes + random.normal(0, 3, exact.boxes.shape)
        score = random.random(len(boxes)).astype(np.float32)
        noise = Tubelets(exact.start, boxes.astype(np.float32), score, exact.label)
        scores.append(
            score_video(Tubelets.of([noise, exact.at(random.random(len(boxes)) < 0.3)]), truth, 2)
        )
    groups = ["a", "b", "c", "a", "b", "c"]
    made = {e.metric: e for e in estimates(scores, groups, resamples=200)}
    drawn = []
    for _ in range(25):
        times = np.bincount(random.integers(0, 3, 3), minlength=3)
        drawn.append(weighted(scores, [times["abc".index(g)] for g in groups]))
    for name, one in made.items():
        by_hand = [draw[name] for draw in drawn]
        assert one.low <= one.value <= one.high and one.groups == 3
        assert one.low - 1e-9 <= min(by_hand) and max(by_hand) <= one.high + 1e-9
    assert made["frame-AP@0.5"].low < made["frame-AP@0.5"].high
    with pytest.raises(ValueError, match="at least one video"):
        estimates([], [])
