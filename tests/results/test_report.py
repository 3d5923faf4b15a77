import dataclasses
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from support.build import CLIPS, SmallBuild, annotate

from occludenet_build.config import load_part
from occludenet_build.config.occlusion import Quota
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.media.imaging.sheets import strip_height
from occludenet_build.media.imaging.thumbnails import evenly_spaced_frames
from occludenet_build.occlusion.composite import ERASED
from occludenet_build.recognition.accuracy import mcnemar, wilson
from occludenet_build.recognition.evaluate.effect import EFFECT_COLUMNS
from occludenet_build.recognition.prediction_table import read_predictions, write_predictions
from occludenet_build.recognition.significance import holm
from occludenet_build.results.report import accuracy, facts
from occludenet_build.results.report.accuracy import BaselineComparison
from occludenet_build.results.report.command import run as run_stage
from occludenet_build.results.report.command import summary_lines
from occludenet_build.results.report.facts import ReportBuild
from occludenet_build.results.report.strips import draw_examples
from occludenet_build.sources.kinetics.command import PRESENCE


class Arguments:
    def __init__(self, root: Path, out: Path) -> None:
        self.root, self.out, self.threads, self.summary = root, out, 1, False
        self.networks = None


def page(root: Path, out: Path, **settings) -> str:
    run_stage(
        Arguments(root, out / "index.html"),
        load_part({"report": {"examples": 3, "frames": 4}} | settings),
    )
    return (out / "index.html").read_text()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> SmallBuild:
    made = SmallBuild(tmp_path_factory.mktemp("build"), videos=True).write()
    annotate(made)
    made.train(seeds=(0, 1))
    return made


@pytest.fixture(scope="module")
def text(build: SmallBuild) -> str:
    return page(build.root, build.root / "report")


def test_the_page_needs_nothing_but_itself(text: str) -> None:
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert links and all(link.startswith(("#", "data:image/")) for link in links)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    assert text.count("<section") == text.count("</section>") == 8


def test_names_from_outside_are_escaped(text: str) -> None:
    assert "<fast>" not in text and "&lt;fast&gt; &amp; high" in text
    assert "Invalid data &lt;found&gt;" in text


def test_the_same_build_gives_the_same_bytes(build: SmallBuild, text: str, tmp_path: Path) -> None:
    assert page(build.root, tmp_path) == text
    for path in (build.root / "report").rglob("*.*"):
        assert (
            tmp_path / path.relative_to(build.root / "report")
        ).read_bytes() == path.read_bytes()


def test_strips_show_every_row(text: str) -> None:
    assert text.count('<figure class="strip">') == 3
    for name in ("source", "25\xa0%", "50\xa0%", "75\xa0%", "ground truth, 50\xa0%"):
        assert text.count(f'<span class="what">{name}</span>\n    <img') == 3
    assert text.count('<span class="what">counterfactual, 50\xa0%</span>') == 3


def test_charts_lie_beside_the_page(build: SmallBuild, text: str) -> None:
    folder = build.root / "report/figures"
    names = {"accuracy", "loss", "occlusion_duration", "area_ratio"}
    assert {path.stem for path in folder.glob("*.svg")} == names
    for path in folder.glob("*.svg"):
        ElementTree.parse(path)
    lines = (build.root / "report/accuracy.csv").read_text().splitlines()
    assert lines[0] == (
        "arm,seed,set,scale,clips,right,top1,low,high,top5,groups,group_low,group_high"
    )
    assert len(lines) == 1 + 2 * 2 * 4


def test_an_empty_build_still_gets_a_page(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    text = page(tmp_path / "build", tmp_path / "out")
    assert "No stage has run yet." in text and "No network was evaluated" in text
    assert not list((tmp_path / "out/figures").glob("*.svg"))
    assert (tmp_path / "out/failures.csv").read_text().count("\n") == 1


def test_a_build_without_training(tmp_path: Path) -> None:
    made = SmallBuild(tmp_path / "build").write()
    annotate(made)
    text = page(made.root, tmp_path / "out")
    assert "Missing: train, evaluate." in text
    assert "cannot be shown: missing" in text  # this build has no video files


def test_frames_that_are_not_erased_are_on_the_page(build: SmallBuild, tmp_path: Path) -> None:
    root = shutil.copytree(build.root, tmp_path / "build")
    paths = sorted((root / "counterfactual").glob("*.parquet"))
    rows = [row for path in paths for row in tables.read_rows(path)]
    made = [row for row in rows if row["status"] == "ok"]
    for row in made:
        row |= {"erased_frames": 9, "unerased_frames": 0}
    made[0]["unerased_frames"] = 3
    refused = made[-1] | {"status": "skipped", "reason": "not_erased", "unerased_frames": 8}
    kept = [*made, refused | {"clip": "refused", "detail": "8 of 9 frames"}]
    for path in paths[1:]:
        path.unlink()
    tables.write_table(tables.from_rows(kept, ERASED), paths[0])
    found = facts.erased_actors(ReportBuild(root))
    assert found == facts.ErasedActors(len(made), 1, 9 * len(made), 3, 1)
    said = " ".join(page(root, tmp_path / "page").split())
    assert f"(3 of {9 * len(made) + 3}, in 1 clips) nothing is erased" in said
    assert "1 further clips have no counterfactual" in said and "8 of 9 frames" in said


def test_failures_are_counted_once(build: SmallBuild, text: str) -> None:
    found = {(f.stage, f.reason): f for f in facts.failures(ReportBuild(build.root))}
    assert found["index", "not_a_video"].examples == [("broken", "Invalid data <found>")]
    assert found["occluders", "too_small"].count == 4
    assert found["detect", "no_actor"].count == 1 and ("select", "no_actor") not in found
    assert found["composite", "encode_failed"].status == "failed"
    csv = (build.root / "report/failures.csv").read_text()
    assert (
        "composite,failed,encode_failed,1,the encoder or the muxer refused,lost-1: no space" in csv
    )


def test_the_stages_of_the_build(build: SmallBuild) -> None:
    counts = {count.name: count.number for count in facts.headline(ReportBuild(build.root))}
    made = len(CLIPS)
    assert counts == {
        "videos found": made + 3,
        "decodable": made + 2,
        "with an actor": made + 1,
        "chosen": made + 1,
        "composited": made,
        "occluded clips": 3 * made,
    }


def test_clips_of_kinetics_are_counted_against_the_lists(build: SmallBuild, tmp_path: Path) -> None:
    shutil.copytree(build.root, tmp_path / "build")
    index = tables.read_table(tmp_path / "build/index/videos.parquet").column("clip").to_pylist()
    statuses = ["missing", "replaced", *["present"] * (len(index) - 2)]
    listed = [{"clip": c, "status": s} for c, s in zip(index, statuses, strict=True)]
    there = tmp_path / "build/kinetics/clips.parquet"
    # the second is what an earlier route has left
    for rows, name in ((listed, "clips listed"), (listed[1:], "videos found")):
        tables.write_table(tables.from_rows(rows, PRESENCE), there)
        first = facts.headline(ReportBuild(tmp_path / "build"))[0]
        assert (first.name, first.number) == (name, len(index))
        if name == "clips listed":
            assert f"{len(index) - 1} are present, 1 of them" in first.note


def test_shortfalls(build: SmallBuild) -> None:
    rows = {
        (r.split, r.label): r
        for r in facts.classes(ReportBuild(build.root), Quota(train=5, test=1))
    }
    row = rows["train", "drinking"]
    assert (row.videos, row.actor, row.chosen, row.composited, row.short) == (4, 3, 3, 2, 2)
    assert rows["test", "drinking"].short == 0
    assert facts.classes(ReportBuild(build.root), Quota(None, None, None))[0].short == 0


def test_scores_carry_their_uncertainty(build: SmallBuild) -> None:
    scores = accuracy.scores(ReportBuild(build.root))
    clean = next(s for s in scores if s.set == "clean")
    assert (clean.clips, clean.right, clean.top1) == (3, 3, 1.0)
    assert clean.low == pytest.approx(wilson(3, 3)[0]) and clean.high == 1.0
    means = {(m.arm, m.set): m for m in accuracy.seed_means(scores)}
    assert means["car", "clean"].seeds == 2 and means["car", "clean"].deviation == 0
    for pair in accuracy.baseline_comparisons(ReportBuild(build.root)):
        assert (pair.arm, pair.clips) == ("car", 3)
        assert pair.p == mcnemar(pair.only_first, pair.only_second)


def more_trained(build: SmallBuild, root: Path) -> Path:
    """The build with a third arm, a set of a list and the causal effect of one network."""
    shutil.copytree(build.root, root)
    for arm in ("baseline", "car", "car_a0.5"):
        path = root / f"evaluate/{arm}-0.parquet"
        source = "baseline" if arm == "baseline" else "car"
        predicted = read_predictions(build.root / f"evaluate/{source}-0.parquet")
        rows = predicted.rows.astype(object).where(predicted.rows.notna(), None).to_dict("records")
        others = [row | {"set": "S", "scale": None} for row in rows if row["set"] == "D-25"]
        write_predictions([*rows, *others], dataclasses.replace(predicted.about, arm=arm), path)
    effect = {"set": "D-25", "label": "(all)", "n": 3, "effect": 0.25, "effect_low": -0.125}
    effect |= {"effect_high": 0.5, "moved": 50.0, "top1": 75.0, "top1_erased": 25.0}
    cells = [
        [str(effect.get(name, "")) for name in EFFECT_COLUMNS],
        ["D-25"] + ["1"] * (len(EFFECT_COLUMNS) - 1),
    ]
    text = "\n".join(map(",".join, [list(EFFECT_COLUMNS), *cells]))
    (root / "evaluate/car-0.effect.csv").write_text(text)
    (root / "evaluate/baseline-0.effect.csv").write_text(",".join(EFFECT_COLUMNS) + "\n")
    return root


def test_more_arms_sets_of_lists_and_effects(build: SmallBuild, tmp_path: Path) -> None:
    root = more_trained(build, tmp_path / "build")
    scores = accuracy.scores(ReportBuild(root))
    assert accuracy.set_names(scores) == ["clean", "D-25", "D-50", "D-75", "S"]
    assert {s.arm for s in scores} == {"baseline", "car", "car_a0.5"}
    assert {s.scale for s in scores if s.set == "S"} == {None}
    pairs = accuracy.baseline_comparisons(ReportBuild(root))
    both = {(pair.arm, pair.seed) for pair in pairs}
    assert both == {("car", 0), ("car", 1), ("car_a0.5", 0)}
    one = {(p.arm, p.set): (p.only_first, p.only_second) for p in pairs if p.seed == 0}
    assert one["car", "S"] == one["car_a0.5", "D-25"] == one["car", "D-25"]
    text = page(root, tmp_path / "out")
    assert "car_a0.5" in text and "<td>S</td>" in text
    assert "+0.250" in text and "-0.125 to +0.500" in text and text.count("without the actor") == 1
    rows = (tmp_path / "out/accuracy.csv").read_text().splitlines()
    assert any(row.startswith("car,0,S,,3,") for row in rows)
    assert "S (3)" in "\n".join(summary_lines(ReportBuild(root), load_part({}), Path("page.html")))


def test_tests_over_seeds_and_for_all_p_values_of_the_page() -> None:
    """Two sets: three seeds of one, one of the other; the test over seeds counts for its seeds."""

    def pair(name: str, seed: int, only: int) -> BaselineComparison:
        return BaselineComparison(20, only, 0, 20, (0.0, 1.0), arm="car", seed=seed, set=name)

    pairs = [pair("D-25", seed, seed + 4) for seed in range(3)] + [pair("S", 0, 7)]
    over = accuracy.seed_comparisons(pairs)
    (of_d25,) = over
    assert (of_d25.set, of_d25.seeds, of_d25.points) == ("D-25", 3, pytest.approx(25.0))
    assert of_d25.p == pytest.approx(ttest_1samp([20.0, 25.0, 30.0], 0).pvalue)
    pairs, over = accuracy.corrected(pairs, over)
    assert [one.holm for one in pairs[:3]] == [None] * 3
    wanted = holm([pairs[3].p, of_d25.p])
    assert [pairs[3].holm, over[0].holm] == wanted
    two = accuracy.corrected(pairs[:2], accuracy.seed_comparisons(pairs[:2]))
    assert [one.holm for one in two[0]] == holm([one.p for one in pairs[:2]])
    assert two[1][0].p is None and two[1][0].holm is None


def test_groups_are_on_the_page_where_there_are_fewer_than_clips(
    build: SmallBuild, text: str, tmp_path: Path
) -> None:
    assert "by group" not in text
    root = tmp_path / "build"
    for part in ("annotate", "evaluate"):
        shutil.copytree(build.root / part, root / part)
    for arm in ("baseline", "car"):
        path = root / f"evaluate/{arm}-0.parquet"
        predicted = read_predictions(path)
        rows = predicted.rows.astype(object).where(predicted.rows.notna(), None)
        write_predictions(rows.assign(group="one").to_dict("records"), predicted.about, path)
    text = page(root, tmp_path / "out")
    assert "by group 95 %" in text and "3 of 1 groups" in text and "Holm: p corrected for" in text
    scores = (tmp_path / "out/accuracy.csv").read_text().splitlines()
    assert any(line.startswith("car,0,D-25") and ",1,0" in line for line in scores)


def test_a_table_of_an_older_version_is_refused(build: SmallBuild, tmp_path: Path) -> None:
    shutil.copytree(build.root, tmp_path / "build")
    path = tmp_path / "build/evaluate/car-0.parquet"
    tables.write_table(tables.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(UserError, match="run evaluate again"):
        page(tmp_path / "build", tmp_path / "out")


def test_examples_take_the_classes_in_turn() -> None:
    rows = [
        {"clip": f"{label}{number}", "label": label, "counterfactual": number % 2 or None}
        for label in "abc"
        for number in range(6)
    ]
    names = draw_examples(rows, 6, seed=1)
    assert {name[0] for name in names[:3]} == {name[0] for name in names[3:]} == set("abc")
    assert all(int(name[1]) % 2 for name in names[:3])  # first those with a counterfactual
    assert not any(int(name[1]) % 2 for name in names[3:])
    assert draw_examples(rows[::-1], 6, seed=1) == names
    assert len(draw_examples(rows, 100, seed=1)) == len(rows)


def test_thumbnails_fit() -> None:
    assert evenly_spaced_frames(300, 6) == [25, 75, 125, 175, 225, 275] and evenly_spaced_frames(
        1, 6
    ) == [0]
    wide, tall = np.zeros((720, 1280, 3)), np.zeros((1280, 720, 3))
    assert strip_height(wide, 6) == 140 and strip_height(tall, 6) == 200


def test_a_build_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="wanted the folder of a build"):
        ReportBuild(tmp_path / "nothing")


def test_concealed_damage_is_on_the_page(build: SmallBuild, tmp_path: Path) -> None:
    root = shutil.copytree(build.root, tmp_path / "build")
    path = root / "index/videos.parquet"
    rows = tables.read_rows(path)
    rows[0]["corrupt_frames"] = 3
    tables.write_table(tables.from_rows(rows, tables.read_table(path).schema), path)
    notes = {count.name: count.note for count in facts.headline(ReportBuild(root))}
    assert "in 1 the decoder concealed damage, in 3 frames" in notes["decodable"]


def test_the_summary_gives_places_and_accuracies(build: SmallBuild, tmp_path: Path) -> None:
    root = shutil.copytree(build.root, tmp_path / "build")
    lines = list(summary_lines(ReportBuild(root), load_part({}), Path("page.html")))
    assert lines[0].endswith("OccludeNet-D")
    assert "page.html" in lines[1]
    assert any(line.startswith("car 0") for line in lines)
    (root / "paper").mkdir()
    (root / "paper/items.csv").write_text("name,status,reason\na,made,\nb,missing,no\n")
    lines = list(summary_lines(ReportBuild(root), load_part({}), Path("page.html")))
    assert "1 tables and figures" in lines[2]


def weaken(root: Path, table: str, **columns: str) -> None:
    for path in root.glob(table):
        found = tables.read_table(path)
        rows = [row | columns if row["status"] == "ok" else row for row in found.to_pylist()]
        tables.write_table(tables.from_rows(rows, found.schema), path)


WEAK = {
    "detect.backend: motion": ("detect/*.parquet", {"backend": "motion"}, "--detector yolo"),
    "actor_masks.backend: grabcut": (
        "actor_masks/*.parquet", {"backend": "grabcut"}, "--masks yolo-seg",
    ),
    "occluders are drawings": (
        "occluders/occluders.parquet",
        {"origin_url": "http://images.miniworld.invalid/1.png"},
        "VIDEOS --coco",
    ),
}  # fmt: skip


FROM_WEIGHTS = {"train": {"backbone": "x3d_s", "weights": "https://host/x3d.pth"}}


@pytest.fixture(scope="module")
def strong(build, tmp_path_factory) -> Path:
    """The build as with networks and real photos."""
    root = tmp_path_factory.mktemp("strong")
    shutil.copytree(build.root, root, dirs_exist_ok=True)
    for table, columns, _ in WEAK.values():
        weaken(
            root, table, **dict.fromkeys(columns, "http://c" if "origin_url" in columns else "yolo")
        )
    return root


def terminal(root: Path) -> str:
    return "\n".join(summary_lines(ReportBuild(root), load_part({}), Path("page.html")))


@pytest.mark.parametrize(("what", "weak"), WEAK.items(), ids=WEAK)
def test_a_weak_default_is_on_the_terminal(strong, tmp_path, what, weak):
    table, columns, instead = weak
    shutil.copytree(strong, tmp_path, dirs_exist_ok=True)
    weaken(tmp_path, table, **columns)
    text = terminal(tmp_path)
    assert what in text and instead in text and "trained from nothing" not in text
    assert not any(other in text for other in WEAK.keys() - {what})


def test_weak_defaults_are_on_cards(strong, tmp_path):
    html = page(strong, tmp_path / "report", **FROM_WEIGHTS)
    assert not any(what in text for text in (html, terminal(strong)) for what in WEAK)
    shutil.copytree(strong, tmp_path / "weak")
    for table, columns, _ in WEAK.values():
        weaken(tmp_path / "weak", table, **columns)
    html = page(tmp_path / "weak", tmp_path / "weak/report", **FROM_WEIGHTS)
    card = re.search(r'<aside class="weak">.*?</aside>', html, re.S)[0]
    for what, (_, _, instead) in WEAK.items():
        assert any(re.search(rf"{what}.*{instead}", part, re.S) for part in card.split("<dt>")), (
            what
        )
    assert "trained from nothing" not in html


@pytest.mark.parametrize(
    ("train", "is_weak"),
    [
        ({"backbone": "tiny3d"}, True),
        ({"backbone": "x3d_s"}, True),
        ({"backbone": "x3d_s", "weights": "https://host/x3d.pth"}, False),
    ],
)
def test_a_network_trained_from_nothing_on_few_clips(build, tmp_path, train, is_weak):
    text = page(build.root, tmp_path, train=train)
    assert ("was trained from nothing, on at most 7 source clips" in text) == is_weak


def test_the_summary_counts_what_was_ok_and_what_was_refused(build: SmallBuild) -> None:
    lines = list(summary_lines(ReportBuild(build.root), load_part({}), Path("page.html")))
    (videos,) = (line for line in lines if line.startswith("videos:"))
    assert "10 videos found, 9 decodable, 8 with an actor" in videos
    refused = [line.split(" (")[0] for line in lines if line.startswith("refused:")]
    assert "refused: 1 no_actor" in refused
    assert sorted(refused) == sorted(
        f"refused: {lost.count} {lost.reason}"
        for lost in facts.failures(ReportBuild(build.root))
        if lost.stage != "occluders"
    )


def test_the_summary_of_a_build_without_evaluation(tmp_path: Path) -> None:
    lines = list(summary_lines(ReportBuild(tmp_path), load_part({}), Path("page.html")))
    assert lines[-1] == "accuracy: nothing was evaluated"
