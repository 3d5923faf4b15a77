"""Evidence of proposals: ground line and its error, edges, what confirms and what refutes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from occludenet_build.core.errors import UserError
from occludenet_build.people.proposals.edges import edge_along_column, edge_along_row
from occludenet_build.people.proposals.evidence import confirmed, evidence_of
from occludenet_build.people.proposals.ground import fit_ground
from occludenet_build.people.proposals.keypoints import read_keypoints
from occludenet_build.people.proposals.person_tracks import by_history
from occludenet_build.people.proposals.scene import SampledFrame, make_stretch
from occludenet_build.people.proposals.sights import Sight

SLOPE, HORIZON = 0.4, 0.1


def people(number, depth, hidden=0, small=0, seed=0):
    """Rows of feet and heights of people; `hidden` of them end 0.15 above their feet."""
    random = np.random.default_rng(seed)
    made = []
    for one in range(number):
        feet = np.linspace(*random.uniform(*depth, 2), 20)
        own = random.normal(1, 0.05) * (0.65 if one < small else 1)
        height = own * SLOPE * (feet - HORIZON) * random.normal(1, 0.02, 20)
        cut = 0.3 * height if small <= one < small + hidden else 0
        made.append(np.stack([feet - cut, height - cut], axis=1))
    return made


@pytest.mark.parametrize(
    "settings", [{}, {"hidden": 3}, {"small": 3}, {"hidden": 2, "small": 2}], ids=str
)
def test_the_ground_line_is_that_of_most_people(settings):
    for seed in range(8):
        fit = fit_ground(people(12, (0.4, 1.0), seed=seed, **settings))
        assert fit.trusted
        for feet in (0.5, 0.9):
            height = SLOPE * (feet - HORIZON)
            found, error = fit.by_head(np.array([feet - height]), 1.0, fit.spread)
            assert abs(np.log(found[0] / height)) < 2 * error[0] and error[0] < 0.2


@pytest.mark.parametrize(
    ("near", "far"),
    [
        ({"number": 12, "depth": (0.4, 1.0)}, {"number": 4, "depth": (0.4, 1.0)}),
        ({"number": 8, "depth": (0.4, 1.0)}, {"number": 8, "depth": (0.78, 0.8)}),
    ],
    ids=["fewer people", "one depth"],
)
def test_the_error_grows_where_less_is_known(near, far):
    head = np.array([0.3])  # of people with their feet at 0.43
    sure, unsure = (fit_ground(people(**given)) for given in (near, far))
    assert sure.trusted
    if unsure.trusted:
        assert unsure.by_head(head, 1, 0.06)[1] > sure.by_head(head, 1, 0.06)[1]


def test_nothing_is_fitted_to_few_people_or_expected_by_a_camera_at_their_height():
    assert not fit_ground(people(3, (0.4, 1.0))).trusted
    random = np.random.default_rng(0)
    rows = [np.linspace(0.6, 1.0, 20) + random.normal(0, 0.005, 20) for _ in range(10)]
    level = fit_ground([np.stack([feet, 0.98 * (feet - 0.3)], axis=1) for feet in rows])
    assert not level.trusted or np.isinf(level.by_head(np.array([0.3]), 1.0, 0.06)[1]).all()


def test_history_expects_the_upper_heights_at_each_depth():
    heads = np.linspace(20, 80, 60)
    height = 40 + 0.5 * heads
    seen = np.where(np.arange(60) % 3 == 0, 0.6 * height, height)
    boxes = np.stack([heads, heads, heads + 20, heads + seen], axis=1)
    expected, errors = by_history(boxes, np.ones(60, bool))
    assert expected == pytest.approx(height, rel=0.12) and np.isfinite(errors).all()
    assert np.isinf(by_history(boxes[:5], np.ones(5, bool))[1]).all()


def scene(kind):
    """A scene float32 (80, 60, 3) with an edge at row 40, or without."""
    random = np.random.default_rng(0)
    made = np.full((80, 60, 3), 120.0, np.float32)
    if kind == "edge":
        made[40:] = 60
    if kind == "half an edge":
        made[40:, :20] = 60
    if kind == "grass":
        made += random.normal(0, 40, (80, 60, 1)).astype(np.float32)
    return made


@pytest.mark.parametrize(
    ("kind", "strength"),
    [("edge", 1.0), ("half an edge", 0.5), ("grass", 0.75), ("plain", 0.0)],
)
def test_an_edge_is_a_step_that_continues(kind, strength):
    found, row = edge_along_row(scene(kind), 42, slice(5, 55), 4)
    turned, column = edge_along_column(scene(kind).transpose(1, 0, 2), 42, slice(5, 55), 4)
    assert (found, row) == (turned, column)
    if kind == "edge":
        assert found == strength and row == 40
    else:
        assert found <= strength
    assert edge_along_row(scene(kind), 1, slice(5, 55), 4)[0] == 0  # at the border


def sights(count=20, step=0.0, **changes):
    """Sights of a person who ends at row 100, every half second; `step`: pixels to the right."""
    values = {"side": "below", "line": 100.0, "edge": 0.9, "beside": 0.9, "sure": 3.0, "flat": 0.9}
    values |= {"error": 0.1} | changes
    return [
        Sight(n / 2, 0.3, True, (50 + step * n, 30.0, 70 + step * n, 100.0), 100.0, 0.3, **values)
        for n in range(count)
    ]


IN_THE_OPEN = [Sight(n / 2, 0.0, True, (52, 20.0, 72, 115.0), 95.0, 0.3) for n in range(30, 36)]


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        ({1: sights()}, True),
        ({1: sights(sure=0.7)}, True),  # so plain an edge needs less
        ({1: sights(sure=0.7, flat=0.5)}, False),
        ({1: sights(edge=0.3)}, False),
        ({1: sights(side="")}, False),
        ({1: sights(edge=0.6, beside=0.0, flat=0.3)}, False),  # stays at an edge: chance
        ({1: sights(edge=0.6, beside=0.0, flat=0.3, step=3)}, True),  # and moves along it
        ({1: sights(edge=0.6, beside=0.0, flat=0.3, step=3, sure=1.0)}, False),
        ({k: sights(edge=0.6, beside=0.0, flat=0.7) for k in (1, 2, 3)}, True),  # so do others
        ({k: sights(edge=0.6, beside=0.0, flat=0.3) for k in (1, 2, 3)}, False),  # with their feet
        ({1: sights(count=3)}, False),  # too few moments
        ({1: [replace(s, edge=0.0) if s.seconds % 2 else s for s in sights()]}, False),
        ({1: sights(), 2: IN_THE_OPEN}, False),  # feet were seen where it should hide them
        ({1: sights(joints=0.0)}, False),  # the ankles are seen
        ({1: sights(joints=1.0, sure=0.7, flat=0.5, step=3)}, True),  # they are not
        ({1: sights(side="side", line=60.0, flat=float("nan"))}, True),
        ({1: sights(side="side", line=60.0, beside=0.0, flat=float("nan"))}, False),
    ],
    ids=range(17),
)
def test_hidden_needs_evidence_over_time(given, hidden):
    found = confirmed(given)[1]
    assert (max(s.hidden for s in found) > 0) == hidden


def test_the_evidence_is_named_with_its_numbers():
    said = evidence_of([s for s in confirmed({1: sights(step=3)})[1] if s.hidden])
    assert said.kinds == ("height", "outline", "motion") and said.side == "below"
    assert said.edge == 0.9 and said.moments == 20 and said.people == 1 and said.error == 0.1
    gap = sights(side="middle", line=60.0, flat=float("nan"))
    said = evidence_of([s for s in confirmed({1: gap})[1] if s.hidden])
    assert said.kinds == ("gap",) and said.error is None


def test_who_stays_is_no_part_of_the_scene_as_long_as_their_box_is_known():
    empty = np.full((60, 80, 3), 120, np.uint8)
    there = empty.copy()
    there[10:50, 30:50] = 30
    held = [SampledFrame(n, n / 2, empty if n < 10 else there, 1.0) for n in range(40)]
    boxes = {n: np.array([[30.0, 10.0, 50.0, 50.0]]) for n in range(10, 40)}
    assert not make_stretch(held).moving[20].any()
    assert make_stretch(held, boxes).moving[20][12:48, 32:48].all()


def test_joints_below_an_edge(tmp_path):
    scores = np.ones(18)
    scores[[9, 10, 12, 13]] = 0  # knees and ankles
    whole = np.stack([np.full(18, 60.0), np.linspace(35, 120, 18)])
    rows = [
        {"clip": "a", "frame": 5, "x": whole[0], "y": whole[1], "score": scores},
        {"clip": "a", "frame": 6, "x": whole[0], "y": np.full(18, 110.0), "score": np.ones(18)},
        {"clip": "a", "frame": 7, "x": whole[0], "y": whole[1], "score": np.zeros(18)},
    ]
    path = tmp_path / "joints.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    joints = read_keypoints(path)["a"]
    box = (50, 30, 70, 112)
    found = [joints.missing_below(frame, box, 100.0) for frame in (5, 6, 7, 8)]
    assert found == [1.0, 0.0, None, None]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"clip": "a", "frame": 1}], "got no x, y, score"),
        ([{"clip": "a", "frame": 1, "x": [1.0], "y": [1.0], "score": [1.0]}], "lists of 18"),
        (None, "wanted a Parquet file"),
    ],
    ids=["columns", "joints", "no table"],
)
def test_a_wrong_table_of_joints_is_an_error_in_one_line(tmp_path, rows, said):
    path = tmp_path / "joints.parquet"
    if rows is None:
        path.write_text("clip,frame\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(UserError, match=said):
        read_keypoints(path)
