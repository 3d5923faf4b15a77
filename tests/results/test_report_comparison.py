"""The comparison of arms at the head of the report, on predictions whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.dataset.variants import ITEMS
from occludenet_build.recognition.prediction_table import ModelInfo, write_predictions
from occludenet_build.results.report.command import summary_lines
from occludenet_build.results.report.comparison import arms_compared
from occludenet_build.results.report.facts import ReportBuild
from occludenet_build.results.report.page import render_report

LABELS = ("a", "b")
SETS = {"clean": 0.0, "D-50": 0.5, "crossed": None}


def predicted(
    root: Path, arm: str, seed: int, right: dict[str, range], clip: str = "source-{}"
) -> None:
    """Predictions of 40 clips in each set, of which those with the numbers `right` are right."""
    rows = [
        {
            "clip": clip.format(number, number // 4, number % 4),
            "set": name,
            "scale": SETS.get(name),
            "file": f"{name}/{number}.mp4",
            "label": "a",
            "predicted": "a" if number in numbers else "b",
            "top1": number in numbers,
            "top5": True,
            "logits": [1.0, 0.0] if number in numbers else [0.0, 1.0],
        }
        for name, numbers in right.items()
        for number in range(40)
    ]
    about = ModelInfo(model="scene3d", labels=LABELS, arm=arm, seed=seed)
    write_predictions(rows, about, root / f"evaluate/{arm}-{seed}.parquet")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Swap is far better on crossed, CAR worse; on the usual sets they hardly differ."""
    root = tmp_path_factory.mktemp("build")
    for seed in (0, 1):
        usual = {"clean": range(36 + 2 * seed), "D-50": range(34)}
        predicted(root, "baseline", seed, usual | {"crossed": range(16)})
        predicted(root, "car", seed, usual | {"crossed": range(4)})
        predicted(root, "swap", seed, usual | {"clean": range(35), "crossed": range(30 + seed)})
        predicted(root, "car_swap", seed, usual | {"crossed": range(32)})
    return root


@pytest.fixture(scope="module")
def table(compared):
    return arms_compared(ReportBuild(compared), seed=0)


def test_arms_and_sets_are_in_the_order_of_the_argument(table):
    assert [line.arm for line in table.lines] == ["baseline", "car", "swap", "car_swap"]
    assert [line.title for line in table.lines] == ["baseline", "CAR", "swap", "CAR + swap"]
    assert table.sets == [("clean", 40), ("D-50", 40), ("crossed", 40)]
    assert table.several_seeds and {line.seeds for line in table.lines} == {2}


def test_means_deviations_and_differences_are_over_seeds(table):
    swap = next(line for line in table.lines if line.arm == "swap")
    clean, _, crossed = swap.cells
    assert crossed.top1 == pytest.approx(30.5 / 40)
    assert crossed.deviation == pytest.approx((1 / 40) / 2**0.5)
    assert crossed.low < crossed.top1 < crossed.high
    less = crossed.difference
    assert less.mean == pytest.approx(14.5 / 40)
    assert (less.seeds, less.above, less.below, less.verdict) == (2, 2, 0, "above")
    # 14.5 of 40 clips change for the better: the error of a share of that size
    assert less.mean - less.low == pytest.approx(1.96 * (0.3625 * 0.6375 / 40) ** 0.5, rel=0.15)
    assert clean.difference.verdict == "open"
    assert table.lines[0].cells[0].difference is None


def test_the_sentences_say_what_follows_and_what_does_not(table):
    drop, car, swap, both, added = table.follows
    assert drop.startswith("baseline has 92.5 % on clean, ") and "crossed -52.5" in drop
    assert car.startswith("CAR, compared with baseline: worse on crossed by -30.0")
    assert "in 2 of 2 seeds; not separable on clean (+0.0), D-50 (+0.0)" in car
    assert swap.startswith("swap, compared with baseline: better on crossed by +36.2")
    assert both.startswith("CAR + swap, compared with baseline: better on crossed by +40.0")
    assert added.startswith("CAR + swap, compared with swap: not separable")
    told = " ".join(table.limits)
    assert "2 seeds per arm hardly measure" in told and "12 differences" in told
    assert "No arm is shown to be better" not in told


@pytest.mark.parametrize(
    ("seeds", "says"),
    [(1, "another seed may put the arms in another order"), (3, "the deviation over 3 seeds")],
)
def test_the_number_of_seeds_limits_what_is_said(tmp_path, seeds, says):
    for seed in range(seeds):
        for arm in ("baseline", "fame"):
            predicted(tmp_path, arm, seed, {"clean": range(20), "crossed": range(20)})
    table = arms_compared(ReportBuild(tmp_path), seed=0)
    told = " ".join(table.limits)
    assert says in told and "No arm is shown to be better" in told
    assert (table.lines[0].cells[0].deviation is None) == (seeds == 1)
    equal = table.lines[1].cells[0].difference
    assert equal.low < equal.mean == 0 < equal.high, "an interval has a width without variation"


def test_derived_sets_are_not_compared(tmp_path):
    """CAR answers by the scene on `background`, which is no merit."""
    usual = {"clean": range(20), "D-50": range(20)}
    predicted(tmp_path, "baseline", 0, usual | {"background": range(2)})
    predicted(tmp_path, "car", 0, usual | {"background": range(30)})
    item = {"clip": "background/source-0", "set": "background", "source": "source-0"}
    rows = tables.from_rows([item | {"status": "ok"}], ITEMS)
    tables.write_table(rows, tmp_path / "variants/items/000.parquet")
    table = arms_compared(ReportBuild(tmp_path), seed=0)
    assert table.sets == [("clean", 40), ("D-50", 40)]
    assert not any("background" in told for told in table.follows)


def test_clips_of_one_group_are_drawn_together(tmp_path):
    """Four views of ten performances: of their clips as many differ, but in whole groups."""
    width = {}
    for place, clip in (("apart", "source-{0}"), ("views", "source-{1}/cam{2}")):
        predicted(tmp_path / place, "baseline", 0, {"clean": range(20)}, clip)
        predicted(tmp_path / place, "car", 0, {"clean": range(28)}, clip)
        table = arms_compared(ReportBuild(tmp_path / place), seed=0)
        less = table.lines[1].cells[0].difference
        width[place] = less.high - less.low
        assert less.mean == pytest.approx(0.2) and table.sets == [("clean", 40)]
        assert "those of one group together" in table.limits[0]
    assert width["views"] > 1.5 * width["apart"]


def test_one_arm_is_not_a_comparison(tmp_path):
    assert arms_compared(ReportBuild(tmp_path), seed=0) is None
    predicted(tmp_path, "car", 0, {"clean": range(20)})
    assert arms_compared(ReportBuild(tmp_path), seed=0) is None
    predicted(tmp_path, "car_a0.5", 0, {"D-50": range(20)})
    table = arms_compared(ReportBuild(tmp_path), seed=0)
    assert table.reference == "CAR" and table.lines[0].cells[1] is None
    assert table.follows == [], "no set that both arms have"


def test_the_page_and_the_terminal_show_it(compared):
    build, config = ReportBuild(compared), load_part({})
    html = render_report(build, config, {"accuracy": "<svg></svg>"}, [])
    head, _, rest = html.partition('<section id="stages">')
    assert 'id="comparison"' in head and 'id="comparison"' not in rest
    assert head.count('class="less above"') == 2 and head.count('class="less below"') == 1
    assert "crossed<span" in head and "N = 40" in head and "± 1.8" in head
    lines = list(summary_lines(build, config, Path("page.html")))
    assert sum(line.startswith("result:") for line in lines) == 5
