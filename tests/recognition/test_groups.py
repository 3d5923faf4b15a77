"""Groups of clips that are not independent: whose they are, and what they do to an interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occludenet_build import config as settings_of
from occludenet_build.core.errors import UserError
from occludenet_build.core.seeds import rng
from occludenet_build.core.settings import key_values
from occludenet_build.recognition.accuracy import (
    Accuracy,
    accuracy_by_set,
    bootstrap_mean,
    compare_answers,
    group_interval,
    summarise_sets,
    wilson,
)
from occludenet_build.recognition.groups import groups_of, sums_by_group
from occludenet_build.recognition.lists import read_list
from occludenet_build.release.groups import derived_group


@pytest.mark.parametrize(
    ("clips", "groups"),
    [
        (["3caPS4FHFF8_000036_000046", "3caPS4FHFF8_000136_000146"], 1),
        (["3caPS4FHFF8_000036_000046", "y3-3i88mNPc_000036_000046"], 2),
        (["a_b_c-d_e-f_000036_000046", "a_b_c-d_e-f_000036_000046-0a1b2c"], 1),
        (["test/street_000012_000021", "street_000030.500_000039.000"], 1),
        (["Abuse001_x264_1", "Abuse001_x264_2", "Abuse001_x264"], 1),
        (["Abuse001_x264_1", "Abuse002_x264_1"], 2),
        (["Armed/Armed_view1/07", "Armed/Armed_view2/07", "Armed/Armed_view_val/07"], 1),
        (["Armed/Armed_view1/07", "Armed/Armed_view1/08", "Wander/Wander_view1/07"], 3),
        (["hop_cam1_07", "hop_cam2_07"], 1),
        (["interview1", "interview2", "review_2", "scam1", "scam2", "7", "8"], 7),
    ],
)
def test_groups_by_name(clips, groups):
    assert len({derived_group(clip) for clip in clips}) == groups


def test_a_named_group_holds_for_the_clip_in_its_set():
    table = pd.DataFrame(
        [("S", "a", "x"), ("S", "a", None), ("S", "b", None), ("I", "a", None)],
        columns=["set", "clip", "group"],
    )
    assert groups_of(table).tolist() == ["x", "x", "b", "a"]
    assert groups_of(table[["set", "clip"]]).tolist() == ["a", "a", "b", "a"]


def test_sums_by_group_in_order_of_appearance():
    sums, counts = sums_by_group([1.0, 2.0, 4.0, 8.0], ["z", "a", "z", "b"])
    assert sums.tolist() == [[5.0], [2.0], [8.0]] and counts.tolist() == [[2.0], [1.0], [1.0]]


def test_groups_of_one_clip_change_no_interval():
    values = rng(1, "values").random(40)
    names = [f"c{n}" for n in rng(1, "names").permutation(40)]
    assert bootstrap_mean(values, rng(2)) == bootstrap_mean(values, rng(2), groups=names)


def test_five_equal_views_count_as_one():
    """The interval of 5 x 24 clips is that of 24 performances, and holds the truth."""
    worlds = (rng(3, "worlds").random((80, 24)) < 0.6).repeat(5, axis=1).astype(float)
    groups = [f"g{n // 5}" for n in range(120)]
    held = {"by group": 0, "wilson": 0}
    for world in worlds:
        one = Accuracy.of(world, groups)
        assert one.groups == 24 and one.by_group is not None
        held["by group"] += one.by_group[0] <= 0.6 <= one.by_group[1]
        held["wilson"] += one.interval[0] <= 0.6 <= one.interval[1]
    assert held["by group"] >= 0.9 * 80 and held["wilson"] <= 0.75 * 80, held


@pytest.mark.parametrize("right", [0, 1])
def test_groups_that_agree_have_wilsons_width_of_their_number(right):
    low, high = group_interval([right] * 12, ["a", "b", "c", "d"] * 3)
    assert (low, high) == pytest.approx(wilson(4 * right, 4))


def test_sets_say_how_many_groups():
    rows = [{"set": "M", "scale": None, "clip": f"x_view{n % 3}/{n // 3}", "top1": n % 2, "top5": 1}
            for n in range(12)]  # fmt: skip
    (entry,) = summarise_sets(rows)
    assert (entry["n"], entry["groups"]) == (12, 4)
    assert entry["top1_group_low"] <= 50 <= entry["top1_group_high"]
    (alone,) = summarise_sets(rows[:3:3] + [rows[3]])
    assert alone["groups"] == 2 and "top1_group_low" not in alone
    (unknown,) = accuracy_by_set([{"set": "M", "scale": None, "top1": 1, "top5": 1}])
    assert unknown.top1.groups is None


def test_a_difference_is_drawn_by_group():
    first, second = pd.Series([1, 1, 1, 0, 0, 0] * 5), pd.Series([0] * 30)
    two = compare_answers(first, second, [f"g{n // 3}" for n in range(30)])
    apart = compare_answers(first, second, [f"c{n}" for n in range(30)])
    assert two.groups == 10 and two.points == 50
    width, narrow = (np.diff(one.by_group)[0] for one in (two, apart))
    assert width > 1.4 * narrow


LIST = "file,label,performance\na/1.mp4,hop,p1\nb/2.mp4,hop,p1\nc/3.mp4,sit,p2\n"


@pytest.mark.parametrize(
    ("group", "groups"),
    [(None, [None] * 3), ("performance", ["p1", "p1", "p2"]), (r"(\w)/", ["a", "b", "c"])],
)
def test_groups_of_a_list(tmp_path: Path, group, groups):
    (tmp_path / "list.csv").write_text(LIST)
    assert [line.group for line in read_list(tmp_path / "list.csv", None, group)] == groups


@pytest.mark.parametrize(
    ("text", "group", "message"),
    [
        (LIST, "actor", "wanted the column actor as group, got 'file,label,performance'"),
        ("a/1.mp4 hop\n", "performance", "wanted the column performance as group"),
        (LIST.replace("p2", ""), "performance", "line 4: wanted a performance for c/3.mp4"),
        (LIST, "([ab])/", r"to match every clip, it does not match c/3.mp4"),
    ],
)
def test_groups_that_a_list_does_not_have(tmp_path, text, group, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as said:
        read_list(tmp_path / "list.csv", None, group)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("pattern", "message"), [("(a", "wanted a regular expression"), ("a", "with one group"),
                             ("(a)(b)", "with 2")],
)  # fmt: skip
def test_expressions_that_are_refused(pattern, message):
    with pytest.raises(UserError, match=rf"evaluate\.group: .*{message}"):
        settings_of.Evaluate(group=pattern)


def test_the_settings_of_groups_change_no_key_at_their_defaults():
    assert not {"group", "tde"} & set(key_values(settings_of.Evaluate()))
    assert "group" in key_values(settings_of.Evaluate(group="(.+)_"))
