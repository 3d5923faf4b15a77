"""Robustness to occlusion: the area, mPC and rPC by hand, their intervals, and the oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.figures import D, inputs, predicted, table

from occludenet_build.config.variants import Variants
from occludenet_build.dataset.variants import items as variants
from occludenet_build.recognition.accuracy import wilson
from occludenet_build.release.terms import greyed_set, ungreyed_set
from occludenet_build.results.paper.figures.robustness import figure_robustness
from occludenet_build.results.paper.inputs import MissingInput
from occludenet_build.results.paper.robustness import robustness, table_robustness

LABELS = ["a", "b"]
HIDDEN = {"D-25": 0.1, "D-50": 0.3, "D-75": 0.5}


def world(rights: dict[str, list[int]], **columns) -> pd.DataFrame:
    """A table in which all clips of a degree hide the same share."""
    rows = table(rights)
    rows["actor_hidden"] = rows["set"].map(lambda name: HIDDEN.get(ungreyed_set(name) or name))
    return rows.assign(duration_ratio=1.0, **columns)


SETS = {"clean": [1, 1, 1, 1], "D-25": [1, 1, 1, 0], "D-50": [1, 1, 0, 0], "D-75": [1, 0, 0, 0]}


def scores_of(given) -> dict[tuple[str, str], dict]:
    _, scores = robustness(given)
    return {(row["series"], row["score"]): row for row in scores.to_dict("records")}


def test_area_mpc_and_rpc_by_hand():
    given = inputs([predicted(world(SETS), "m", LABELS)], bins=3)
    points, _ = robustness(given)
    assert points["x"].tolist() == pytest.approx([0, 0.1, 0.3, 0.5])
    assert points["mean"].tolist() == pytest.approx([1, 0.75, 0.5, 0.25])
    assert points["n"].tolist() == [4] * 4 and points["bin"].tolist() == [0, 1, 2, 3]
    found = scores_of(given)
    area = (0.1 * (1 + 0.75) + 0.2 * (0.75 + 0.5) + 0.2 * (0.5 + 0.25)) / 2 / 0.5
    assert found["m", "AUC"]["value"] == pytest.approx(area)
    assert found["m", "mPC"]["value"] == found["m", "rPC"]["value"] == pytest.approx(0.5)
    assert found["m", "D-75"]["value"] == 0.25 and found["m", "clean"]["clips"] == 4


def test_a_constant_accuracy_is_its_own_area_and_keeps_all():
    half = {name: [1, 0, 1, 0] for name in D}
    found = scores_of(inputs([predicted(world(half), "m", LABELS)]))
    assert {found["m", name]["value"] for name in ("AUC", "mPC")} == {0.5}
    assert found["m", "rPC"]["value"] == 1.0


@pytest.mark.parametrize("right", [0, 1])
def test_no_interval_is_empty_where_all_clips_agree(right):
    found = scores_of(inputs([predicted(world(dict.fromkeys(D, [right] * 9)), "m", LABELS)]))
    low, high = wilson(9 * right, 9)
    for name in ("clean", "D-25", "mPC", "AUC"):
        assert (found["m", name]["low"], found["m", name]["high"]) == pytest.approx((low, high))
    relative = found["m", "rPC"]
    if right:
        assert (relative["low"], relative["high"]) == pytest.approx((low, 1 / low))
    else:
        assert np.isnan(relative["value"])  # nothing clean is right: nothing to be relative to


def drawn(groups: int, per_group: int, seed: int) -> pd.DataFrame:
    """Groups of equal clips that are right with 0.9 - 0.8 x the share hidden, 0 to 1."""
    random = np.random.default_rng(seed)
    hidden = random.random((3, groups)).repeat(per_group, axis=1)
    draw = random.random(groups).repeat(per_group)
    names = [f"g{n // per_group:03d}_view{n % per_group + 1}" for n in range(groups * per_group)]
    parts = []
    for name, share in zip(D, [np.zeros(groups * per_group), *hidden], strict=True):
        facts = {"set": name, "clip": names, "label": "a", "actor_hidden": share}
        parts.append(pd.DataFrame(facts | {"top1": draw < 0.9 - 0.8 * share, "top5": True}))
    return pd.concat(parts, ignore_index=True)


def test_intervals_hold_the_truth():
    """Accuracy 0.9 - 0.8 x: the area from 0 to X is 0.9 - 0.4 X, mPC 0.5, rPC 5/9."""
    held = {"AUC": 0, "mPC": 0, "rPC": 0}
    for seed in range(15):
        given = inputs([predicted(drawn(100, 2, seed), "m", LABELS)], bootstrap=100)
        points, scores = robustness(given)
        found = scores.set_index("score")
        truths = {"AUC": 0.9 - 0.4 * points["x"].iloc[-1], "mPC": 0.5, "rPC": 5 / 9}
        for name, truth in truths.items():
            held[name] += found.loc[name, "low"] < truth < found.loc[name, "high"]
    assert min(held.values()) >= 12, held


def test_views_of_one_performance_are_drawn_together():
    rows = drawn(200, 3, 0)
    apart = rows.assign(clip=rows["clip"].str.replace("_view", "-"))
    wide, narrow = (
        scores_of(inputs([predicted(one, "m", LABELS)], bootstrap=200))["m", "AUC"]
        for one in (rows, apart)
    )
    assert (wide["clips"], wide["groups"], narrow["groups"]) == (600, 200, 600)
    assert wide["high"] - wide["low"] > 1.4 * (narrow["high"] - narrow["low"])


def test_the_networks_of_one_scale_are_an_oracle_and_no_models():
    arms = {"scale_0.25": 0.25, "scale_0.5": 0.5, "scale_0.75": 0.75, "clean": 0.0}
    none = {name: [0, 0, 0, 0] for name in D}
    own = {"scale_0.25": "D-25", "scale_0.5": "D-50", "scale_0.75": "D-75", "clean": "clean"}
    trained = [
        predicted(world(none | {own[arm]: [1, 1, 1, 0]}), "m", LABELS, arm=arm, seed=0)
        for arm in arms
    ]
    plain = predicted(world(SETS), "m", LABELS, arm="baseline", seed=0)
    points, scores = robustness(inputs([plain, *trained], bins=3))
    kinds = points.groupby("series")["kind"].first().to_dict()
    oracle = "m: a network per scale"
    assert kinds == {"m + baseline": "model", "m + clean": "model", oracle: "severity"}
    of_oracle = scores[scores["series"] == oracle].set_index("score")["value"]
    assert of_oracle[["clean", "D-25", "D-75", "mPC", "AUC"]].tolist() == [0.75] * 5
    without = scores_of(inputs([plain, *trained[:3]], bins=3))
    assert without[oracle, "mPC"]["value"] == 0.75
    assert np.isnan(without[oracle, "AUC"]["value"]) and (oracle, "clean") not in without
    lacking = scores_of(inputs([plain, *trained[:2]], bins=3))
    assert {series for series, _ in lacking} == {"m + baseline"}


def test_clips_with_a_grey_occluder_lie_at_the_share_of_the_clip_itself():
    greyed = {greyed_set(name): [1, 1, 1, 1] for name in HIDDEN}
    rows = world(SETS | greyed)
    rows.loc[rows["set"].map(ungreyed_set).notna(), "actor_hidden"] = 0.0  # nothing of it is used
    points, _ = robustness(inputs([predicted(rows, "m", LABELS, arm="car")], bins=3))
    oracle = points[points["kind"] == "greyed"]
    assert oracle["x"].tolist() == pytest.approx([0, 0.1, 0.3, 0.5])
    assert set(oracle["mean"]) == {1.0} and set(oracle["series"]) == {"m + car: occluder greyed"}
    assert points.loc[points["kind"] == "model", "mean"].tolist() == pytest.approx(
        [1, 0.75, 0.5, 0.25]
    )


def test_the_greyed_sets_of_a_build_are_the_oracles():
    """Under the names that the stage variants gives them."""
    recipes = variants.recipes(Variants(sets=("greyed",)), [0.25, 0.5, 0.75])
    assert list(recipes) == [greyed_set(name) for name in HIDDEN]
    rows = world(SETS | {name: [1, 1, 1, 1] for name in recipes})
    points, _ = robustness(inputs([predicted(rows, "m", LABELS, arm="car")], bins=3))
    assert set(points["kind"]) == {"model", "greyed"}


def test_what_is_missing_is_said():
    unknown = world(SETS).assign(actor_hidden=np.nan, area_ratio=0.2)
    given = inputs([predicted(unknown, "m", LABELS)])
    with pytest.raises(MissingInput, match=r"has a measured actor_hidden; .* set paper\.hidden to"):
        robustness(given)
    assert scores_of(inputs([predicted(unknown, "m", LABELS)], hidden="area_ratio"))
    alone = {name: right for name, right in SETS.items() if name != "clean"}
    with pytest.raises(MissingInput, match="no clip of clean"):
        robustness(inputs([predicted(world(alone), "m", LABELS)]))


def test_table_and_figure_have_the_same_numbers():
    given = inputs([predicted(world(SETS), "m", LABELS, seed=s, arm="car") for s in (0, 1)], bins=3)
    found = table_robustness(given)
    assert found.head == ["Model", "clean", "D-25", "D-50", "D-75", "mPC", "rPC", "AUC"]
    (line,) = found.ours
    assert found.paper == [] and line[0] == "m + car" and line[5].startswith("50.00 [")
    assert line[7].endswith("(2 seeds, N=4)")
    assert any("from 0 to 0.500, the mean of the last of 3 bins" in note for note in found.notes)
    drawn_figure = figure_robustness(given)
    assert "m + car (AUC 57.5)" in drawn_figure.chart.svg
    assert drawn_figure.numbers["mean"].tolist() == pytest.approx([1, 0.75, 0.5, 0.25])
