"""The paper's charts: their numbers, computed by hand, and their files."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from support.figures import (
    answers,
    fictitious,
    inputs,
    kinetics,
    listed,
    predicted,
    table,
    trainings,
)

from occludenet_build.core import tables
from occludenet_build.recognition.accuracy import wilson
from occludenet_build.results import charts
from occludenet_build.results.paper import common_clips, published
from occludenet_build.results.paper.figures import FIGURES, classes, curves, generalisation, style
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

LABELS = ["a", "b"]
SIX = list("abcdef")
PARENTS = {"P": ("a", "b"), "Q": ("b", "c"), "R": ("d",)}


def shares(numbers: pd.DataFrame, *keys: str) -> dict:
    """keys -> (mean, n)."""
    found = {}
    for row in numbers.to_dict("records"):
        key = tuple(row[name] for name in keys)
        found[key if len(keys) > 1 else key[0]] = (pytest.approx(row["mean"]), row["n"])
    return found


def labelled(rights: dict[str, dict[str, list[int]]], **columns) -> pd.DataFrame:
    """label -> set -> right or wrong of its clips."""
    parts = [
        table(sets).assign(label=label, clip=lambda d, label=label: label + d["clip"])
        for label, sets in rights.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def with_parents(given):
    return dataclasses.replace(given, parents=PARENTS)


def test_a_series_is_the_mean_of_its_trainings_clip_by_clip():
    seeds = [
        predicted(table({"D-25": row, "clean": [1, 1, 1]}), "m", LABELS, arm="car", seed=seed)
        for seed, row in enumerate([[1, 0, 1], [0, 0, 1]])
    ]
    rows = common_clips.model_series(inputs(seeds))
    mine = rows[rows["set"] == "D-25"]
    assert mine["top1"].tolist() == [0.5, 0.0, 1.0]
    assert set(mine["series"]) == {"m + car"} and set(mine["seeds"]) == {2}


@pytest.mark.parametrize(
    ("common", "wanted"),
    [
        (True, {"D-25": (1.0, 2), "D-50": (0.5, 2)}),
        (False, {"D-25": (0.75, 4), "D-50": (1 / 3, 3)}),
    ],
)
def test_a_curve_over_degrees_is_of_the_same_clips_everywhere(common, wanted):
    """c2 is not in D-50 of n, c3 not in D-50 of either."""
    one = predicted(table({"D-25": [1, 1, 1, 0], "D-50": [1, 0, 0]}), "m", LABELS)
    other = predicted(table({"D-25": [1, 1, 1, 1], "D-50": [1, 1]}), "n", LABELS)
    numbers = curves.by_degree(inputs([one, other], common=common))
    assert shares(numbers[numbers["series"] == "m"], "set") == wanted


def test_the_arms_of_table_6_are_in_no_chart():
    arms = [
        predicted(table({"D-25": [1]}), "m", LABELS, arm=arm)
        for arm in ("car", "car_a0.5", "car_a2")
    ]
    assert set(curves.by_degree(inputs(arms))["series"]) == {"m + car"}
    with pytest.raises(MissingInput, match=r"run evaluate, or name dumps"):
        common_clips.model_series(inputs(arms[1:]))


def test_what_a_dump_does_not_measure_comes_from_the_build(tmp_path):
    kept = ["set", "clip", "degree", "area_ratio", "actor_hidden", "duration_ratio"]
    facts = table({"D-25": [1, 1]}).assign(degree=0.25, area_ratio=[0.1, 0.2], duration_ratio=1.0)
    facts["actor_hidden"] = facts["area_ratio"]
    import pyarrow

    tables.write_table(pyarrow.Table.from_pandas(facts[kept]), tmp_path / "annotate/clips.parquet")
    own = predicted(table({"D-25": [1, 1]}, area_ratio=0.7), "own", LABELS)
    dump = predicted(table({"D-25": [1, 1]}), "dump", LABELS)
    rows = common_clips.model_series(inputs([own, dump], tmp_path))
    assert rows.loc[rows["series"] == "dump", "area_ratio"].tolist() == [0.1, 0.2]
    assert set(rows.loc[rows["series"] == "own", "area_ratio"]) == {0.7}


@pytest.mark.parametrize(
    ("values", "bins", "edges"),
    [
        ([0, 1, 2, 3], 2, [0, 1.5, 3]),
        ([0, 0, 0, 1], 4, [0, 0.25, 1]),
        ([0.5, 0.5], 3, [0.5, 0.5]),
    ],
)
def test_bins_of_equal_counts(values, bins, edges):
    found = curves.equal_counts(pd.Series(values, dtype=float), bins)
    assert np.allclose(found, edges) and (np.diff(found) > 0).all()


def test_each_clip_is_in_one_bin_at_its_measured_place():
    durations = [0.05, 0.25, 0.5, 0.75, 1.0, 1.0]
    rows = table({"D-25": [1, 1, 0, 0, 1, 0], "clean": [1] * 6})
    rows.loc[rows["set"] == "D-25", "duration_ratio"] = durations
    given = inputs([predicted(rows, "m", LABELS)], bins=4)
    numbers = curves.accuracy_by_bin(given, "duration_ratio", curves.equal_widths, "Figure 4c")
    assert numbers["n"].tolist() == [1, 1, 1, 3]
    assert numbers["x"].tolist() == pytest.approx([0.05, 0.25, 0.5, 2.75 / 3])
    assert numbers["mean"].tolist() == pytest.approx([1, 1, 0, 1 / 3])
    assert (numbers["from_"] <= numbers["x"]).all() and (numbers["x"] <= numbers["to"]).all()


def test_a_planted_slope_is_found_and_bands_hold_the_truth():
    rng = np.random.default_rng(0)
    area = rng.random(4000)
    rows = table({"D-50": [0] * 4000}, area_ratio=area)
    rows["top1"] = rng.random(4000) < 0.9 - 0.6 * area
    given = inputs([predicted(rows, "m", LABELS)], bootstrap=200)
    numbers = curves.accuracy_by_bin(given, "area_ratio", curves.equal_counts, "Figure 4b")
    truth = 0.9 - 0.6 * numbers["x"]
    assert numbers["n"].tolist() == [800] * 5
    assert ((numbers["low"] < truth) & (truth < numbers["high"])).sum() >= 4
    width = numbers["high"] - numbers["low"]
    assert np.allclose(width, 2 * 1.96 * np.sqrt(truth * (1 - truth) / 800), rtol=0.3)


def test_the_scales_of_a_source_are_drawn_together():
    """With three equal rows of each of 100 clips the band is that of 100 clips, not of 300."""
    right = [1, 0] * 50
    rows = table(dict.fromkeys(("D-25", "D-50", "D-75"), right), area_ratio=0.2)
    given = inputs([predicted(rows, "m", LABELS)], bootstrap=400)
    (row,) = curves.accuracy_by_bin(given, "area_ratio", curves.equal_counts, "4b").to_dict(
        "records"
    )
    assert row["n"] == 300
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


def test_the_drop_is_of_top_5_and_of_the_same_clips():
    rows = table({"clean": [1, 1, 1, 0], "D-25": [1, 1, 0, 0], "D-75": [0, 0, 0, 1]})
    rows["top1"] = False
    few = predicted(rows, "few", SIX[:5])
    numbers = curves.drop_by_degree(inputs([predicted(rows, "m", SIX), few]))
    assert shares(numbers, "degree") == {0.25: (0.25, 4), 0.75: (0.5, 4)}
    assert set(numbers["series"]) == {"m"}  # of five classes top-5 is always right
    with pytest.raises(MissingInput, match=r"14: top-5 of a model that knows at most 5 classes"):
        curves.drop_by_degree(inputs([few]))


@pytest.mark.parametrize("right", [0, 1])
def test_a_bin_of_clips_that_all_say_the_same_has_an_interval(right):
    """The band is that of the source clips, each of which has three rows."""
    rows = table({name: [right] * 8 for name in ("D-25", "D-50", "D-75")}, area_ratio=0.2)
    given = inputs([predicted(rows, "m", LABELS)])
    (row,) = curves.accuracy_by_bin(given, "area_ratio", curves.equal_counts, "4b").to_dict(
        "records"
    )
    assert (row["low"], row["high"]) == pytest.approx(wilson(8 * right, 8)) and row["n"] == 24


def test_a_class_counts_for_each_of_its_parents_and_those_of_none_stand_apart():
    rows = labelled(
        {
            "a": {"clean": [1, 1], "D-25": [1, 0], "D-50": [1, 1]},
            "b": {"clean": [1], "D-25": [0], "D-50": [0]},
            "z": {"clean": [1], "D-25": [1], "D-50": [1]},
        }
    )
    given = with_parents(inputs([predicted(rows, "m", ["a", "b", "z"])]))
    numbers, of = classes.by_parent(given)
    assert shares(numbers, "parent") == {
        "P": (0.5, 6), "Q": (0.0, 2), classes.ORPHANS: (1.0, 2)
    }  # fmt: skip
    assert numbers["parent"].tolist() == ["P", "Q", classes.ORPHANS]
    assert numbers["classes"].tolist() == [2, 1, 1]
    assert numbers["drop"].tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert of == "m"


def test_classes_are_the_mean_of_models_on_clips_that_all_were_shown():
    one = labelled({"a": {"D-25": [1, 1, 0]}, "b": {"D-25": [0]}})
    other = labelled({"a": {"D-25": [1, 0]}, "b": {"D-25": [0]}})
    both = [predicted(rows, name, LABELS) for name, rows in (("m", one), ("n", other))]
    numbers, of = classes.best_and_worst(inputs(both, common=False))
    assert shares(numbers, "end", "label") == {("best", "a"): (0.75, 2), ("worst", "b"): (0.0, 1)}
    assert of == "mean of 2 models"
    assert numbers["clean"].isna().all()


def test_ten_best_and_ten_worst_classes():
    labels = [f"c{n:02d}" for n in range(30)]
    rights = {label: {"D-25": [1] * n + [0] * (30 - n)} for n, label in enumerate(labels)}
    numbers, _ = classes.best_and_worst(inputs([predicted(labelled(rights), "m", labels)]))
    best = numbers[numbers["end"] == "best"]["label"].tolist()
    worst = numbers[numbers["end"] == "worst"]["label"].tolist()
    assert best == labels[:19:-1] and worst == labels[9::-1]


def parents_by_drop():
    """P loses 1/2 of 4, Q 1/3 of 3 (b, c), R has one class only."""
    rows = labelled(
        {
            "a": {"clean": [1, 1], "D-25": [1, 0]},
            "b": {"clean": [1, 1], "D-25": [1, 0]},
            "c": {"clean": [0], "D-25": [0]},
            "d": {"clean": [1], "D-25": [0]},
        }
    )
    return with_parents(inputs([predicted(rows, "m", list("abcd"))]))


@pytest.mark.parametrize(("most", "order"), [(True, ["P", "Q"]), (False, ["Q", "P"])])
def test_parents_are_ranked_by_their_clips_and_single_classes_are_none(most, order):
    numbers, _ = classes.drops_by_parent(parents_by_drop(), "Figure 15", most)
    assert list(numbers["parent"].unique()) == order
    of = numbers.set_index(["parent", "label"])
    assert of.loc[("Q", "b"), "mean"] == 0.5 and of.loc[("Q", "b"), "n"] == 2
    assert of.loc[("Q", "c"), "parent_drop"] == pytest.approx(1 / 3)
    assert of.loc[("P", "a"), "parent_n"] == 4


@pytest.mark.parametrize(
    ("series", "told"),
    [
        ("x3d_s + clean", ("x3d_s", "clean twins")),
        ("x3d_s [s10] + car", ("x3d_s [s10]", "OccludeNet-D, CAR")),
        ("x3d_s on K-400-O", ("x3d_s", "K-400-O")),
        ("X3D", None),
        ("a + b", None),
    ],
)
def test_what_a_series_was_trained_on(series, told):
    assert generalisation._model_and_training(series) == told


def test_trainings_of_a_model_on_real_occlusions():
    sets = {"clean": [1, 0, 0, 0], "baseline": [1, 1, 0, 1]}
    arms = [predicted(table({"S": row}), "m", LABELS, arm=arm) for arm, row in sets.items()]
    alone = predicted(table({"S": [0, 0, 0, 0]}), "other", LABELS, arm="baseline")
    numbers = generalisation.accuracy_on_real(inputs([*arms, alone]))
    assert shares(numbers, "trained_on") == {"OccludeNet-D": (0.75, 4), "clean twins": (0.25, 4)}
    row = numbers[numbers["trained_on"] == "OccludeNet-D"].iloc[0]
    assert (row["low"], row["high"]) == wilson(3, 4)


def test_views_of_a_performance_widen_the_whiskers_of_real_occlusions():
    """Two performances of eight views each: the interval is that of two, not of sixteen."""
    rows = table({"M": [1] * 8 + [1] * 8})
    rows["clip"] = [f"hop_view{n % 8}/{n // 8}" for n in range(16)]
    arms = [predicted(rows, "m", LABELS, arm=arm) for arm in ("clean", "baseline")]
    numbers = generalisation.accuracy_on_real(inputs(arms))
    assert numbers["groups"].tolist() == [2, 2] and numbers["n"].tolist() == [16, 16]
    assert numbers["low"].tolist() == pytest.approx([wilson(2, 2)[0]] * 2)


def test_gains_are_counted_clip_by_clip_against_the_clean_arm():
    arms = {"clean": [1, 0, 0, 0], "baseline": [0, 1, 1, 0], "car": [1, 1, 1, 1]}
    given = [predicted(table({"I": row}), "m", LABELS, arm=arm) for arm, row in arms.items()]
    numbers = generalisation.gains(inputs(given))
    assert shares(numbers, "trained_on") == {
        "OccludeNet-D": (0.25, 4), "OccludeNet-D, CAR": (0.75, 4)
    }  # fmt: skip


def test_the_classes_that_drop_most_beside_the_other_strategy():
    labels = [f"c{n:02d}" for n in range(12)]
    rights = {
        label: {"clean": [1] * 12, "D-25": [1] * (12 - n) + [0] * n, "K-400-O": [1, 0]}
        for n, label in enumerate(labels)
    }
    numbers = generalisation.class_drops(inputs([predicted(labelled(rights), "m", labels)]))
    assert list(numbers["label"].unique()) == labels[:1:-1]
    of = numbers.set_index(["label", "set"])
    assert of.loc[("c11", "D-25"), "drop"] == pytest.approx(11 / 12)
    assert of.loc[("c11", "K-400-O"), "drop"] == pytest.approx(0.5)
    assert of.loc[("c11", "K-400-O"), "n"] == 2 and of.loc[("c11", "D-25"), "clean_n"] == 12


def test_the_papers_numbers_stand_apart_and_only_beside_kinetics():
    few = inputs([predicted(table({"clean": [1], "D-25": [1]}), "m", LABELS)])
    all_ = inputs([predicted(table({"clean": [1], "D-25": [1]}), "m", kinetics())])
    assert len(kinetics()) == 400
    assert set(FIGURES["figure_4a"](few).numbers["source"]) == {"ours"}
    numbers = FIGURES["figure_4a"](all_).numbers
    theirs = numbers[numbers["source"] == "paper"].set_index("degree")["mean"]
    table_3 = published.printed_values(3).set_index(["metric", "column"])["value"]
    assert 100 * theirs[0.75] == pytest.approx(table_3["top-1", "Heavy"])
    drops = style.published_drops("top-5").set_index("degree")["mean"]
    assert 100 * drops[0.25] == pytest.approx(93.00 - 91.89)
    assert style.best_on_s() == 24.53


BARE = [predicted(table({"D-25": [1, 0]}), "m", LABELS)]
TOLD = [predicted(table({"D-25": [1, 0]}), "m", LABELS, arm=arm) for arm in ("baseline", "car")]


@pytest.mark.parametrize("name", FIGURES)
def test_without_predictions_a_figure_says_what_to_do(name):
    with pytest.raises(MissingInput, match=r"run evaluate, or name dumps in predictions\.dumps"):
        FIGURES[name](inputs([]))


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("figure_4a", [predicted(table({"S": [1]}), "m", LABELS)], r"4a: no clip of D-25, D-50, D"),
        ("figure_4b", BARE, r"4b: .*measured area_ratio.*predictions\.builds"),
        ("figure_4c", BARE, r"4c: .*measured duration_ratio"),
        ("figure_5a", BARE, r"5a: none of the classes .* paper\.parents"),
        ("figure_5b", BARE, r"5b: wanted at least two classes"),
        ("figure_7_left", TOLD, r"add clean to train\.arms and the set to evaluate\.lists"),
        ("figure_7_right", TOLD, r"add clean to train\.arms"),
        ("figure_8", BARE, r"no clip of clean, K-400-O .* predictions\.dumps"),
        ("figure_14", BARE, r"14: no clip of clean"),
        ("figure_15", BARE, r"15: no clip of clean"),
        (
            "figure_16",
            [predicted(table({"clean": [1], "D-25": [1]}), "m", LABELS)],
            r"no parent class has 2 classes",
        ),
    ],
)
def test_what_is_missing_is_named(name, given, said):
    with pytest.raises(MissingInput, match=said) as error:
        FIGURES[name](inputs(given))
    assert "\n" not in str(error.value)


def test_models_that_share_no_clip_are_not_compared():
    one = predicted(table({"D-25": [1]}), "m", LABELS)
    other = predicted(table({"D-25": [1]}).assign(clip="other"), "n", LABELS)
    with pytest.raises(MissingInput, match=r"set paper\.common to false"):
        curves.by_degree(inputs([one, other]))
    assert len(curves.by_degree(inputs([one, other], common=False))) == 2


def words_of(figure, dpi: int) -> list[tuple[str, Bbox]]:
    """All drawn texts with their boxes in pixels; the last box is that of the figure."""
    canvas, shown = charts.FigureCanvasAgg(figure), []
    figure.dpi = dpi
    with pytest.MonkeyPatch.context() as patch:
        draw = Text.draw
        patch.setattr(Text, "draw", lambda self, to: (shown.append(self), draw(self, to)))
        canvas.draw()
    boxes = {id(text): (text.get_text(), text.get_window_extent()) for text in shown}
    return [*(box for box in boxes.values() if box[0].strip()), ("", figure.bbox)]


@dataclasses.dataclass
class Drawn:
    make: Callable
    given: Inputs
    made: PaperFigure
    words: list[tuple[str, Bbox]]


@pytest.fixture(scope="module")
def drawn():
    """All charts of eight models and forty classes, and of one model trained three ways."""
    labels = kinetics()[::10]
    models = inputs(fictitious(labels, 3))
    arms = trainings(labels)
    elsewhere = listed("S", labels, 53, 7).assign(area_ratio=0.3)
    arms.append(predicted(answers(elsewhere, labels, 0.7, 1.5, 9), "x3d_s on K-400-O", labels))
    ours, found, png = inputs(arms), {}, charts._png
    for name, make in FIGURES.items():
        words = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                charts, "_png", lambda *of, words=words: (words.extend(words_of(*of)), png(*of))[1]
            )
            given = ours if name.startswith("figure_7") else models
            found[name] = Drawn(make, given, make(given), words)
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_a_chart_is_text_in_svg_and_pixels_in_png(name, drawn):
    given, made = drawn[name].given, drawn[name].made
    root = ElementTree.fromstring(made.chart.svg)
    texts = ["".join(part.itertext()) for part in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) > 5 and any("N " in text for text in texts)
    picture = cv2.imdecode(np.frombuffer(made.chart.png, np.uint8), cv2.IMREAD_COLOR)
    points = float(re.match(r"([\d.]+)pt", root.attrib["width"])[1])
    assert picture.shape[1] == pytest.approx(points / 72 * given.config.paper.dpi, abs=1.5)
    assert points / 72 in (pytest.approx(3.3), pytest.approx(6.9))
    assert picture.std() > 10
    assert len(made.numbers) and made.numbers.filter(regex="^n$|clean_n").notna().any().all()


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_of_a_chart_lie_on_others_or_outside(name, drawn):
    *boxes, (_, whole) = drawn[name].words
    assert len(boxes) > 5
    for number, (text, box) in enumerate(boxes):
        assert whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1, text
        assert whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1, text
        for other, beside in boxes[:number]:
            wide = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            high = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert wide < 2 or high < 2, (text, other)


@pytest.mark.parametrize("name", ["figure_4a", "figure_5b", "figure_7_right", "figure_8"])
def test_the_same_numbers_give_the_same_bytes(name, drawn):
    """The order of the predictions has no influence."""
    one = drawn[name]
    again = one.make(dataclasses.replace(one.given, predicted=one.given.predicted[::-1]))
    assert again.chart == one.made.chart
    pd.testing.assert_frame_equal(again.numbers, one.made.numbers)


@pytest.mark.parametrize(
    ("names", "width", "columns"),
    [(["I3D"], 3.3, 1), (["I3D", "X3D", "a", "b"], 3.3, 4), (["x" * 40, "y" * 40], 3.3, 1),
     (["x" * 40, "y" * 40], 6.9, 2), (["one", "x" * 40], 3.3, 2)],
)  # fmt: skip
def test_a_legend_has_as_many_columns_as_fit(names, width, columns):
    assert style._columns(names, width) == columns
    assert style.legend_height(names, width) > 0


def test_degrees_of_other_scales_are_in_their_order():
    rows = pd.DataFrame({"set": ["D-100", "D-5", "clean", "S", "D-12.5", "D-x"]})
    assert common_clips.degree_sets(rows) == ["D-5", "D-12.5", "D-100"]
