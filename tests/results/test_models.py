"""The table of all networks and the study, from predictions with known truth."""

import argparse
import json
from argparse import Namespace

import pandas as pd
import pytest
from support import predictions
from support.predictions import LABELS, row, save

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.results.models import command
from occludenet_build.results.report import command as report

CLIPS = 40
SETS = ("clean", "D-25", "D-50", "D-75")
STUDY = {
    "members": [
        {"name": "Strong", "train": {"backbone": "ibm_tam_resnet18", "frames": 8}},
        {"name": "Weak one", "train": {"backbone": "r3d_18"}},
        {"name": "Twin", "train": {"backbone": "ibm_i3d", "frames": 8, "temporal_stride": True}},
        {"name": "Blind"},
    ]
}
RIGHT = {
    "Strong": (32, 32, 30, 28),
    "Weak_one": (36, 20, 10, 6),
    "Twin": (32, 32, 30, 28),
    "Blind": (7, 7, 7, 7),
}
"""Clips that a network recognises, of CLIPS, by set: the first ones."""


def network(root, slug, right, arm="baseline", seed=0, clips=CLIPS, first=0, **about):
    found = [
        row(f"c{first + n:03d}", name, n < number)
        for name, number in zip(SETS, right, strict=True)
        for n in range(clips)
    ]
    save(root / "models" / slug / f"{arm}-{seed}.parquet", found, arm=arm, seed=seed, **about)


def compare(root, settings=STUDY, **more):
    given = {"predictions": sorted(root.glob("models/*/*.parquet")), "others": [], "precisions": []}
    args = Namespace(**given | more, out=root / "models")
    command.run(args, cfg.load_part({"models": settings}))
    return {n: pd.read_csv(root / f"models/{n}.csv") for n in ("by_degree", "study", "pairs")}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for slug, right in RIGHT.items():
        network(root, slug, right)
    network(root, "Strong", (30, 30, 30, 30), seed=1)
    return root, compare(root)


def test_the_table_of_all_has_every_network_on_every_set(compared):
    root, found = compared
    table = found["by_degree"]
    cell = table.set_index(["network", "set", "metric"]).loc
    assert set(table["network"]) == {"Strong", "Weak one", "Twin", "Blind"}
    for name, right in zip(SETS, RIGHT["Weak_one"], strict=True):
        one = cell["Weak one", name, "top-1"]
        assert one["value"] == pytest.approx(100 * right / CLIPS)
        assert one["low"] < one["value"] < one["high"]
        assert (one["clips"], one["groups"], one["seeds"]) == (CLIPS, CLIPS, 1)
    both = cell["Strong", "clean", "top-1"]
    assert both["value"] == 77.5 and both["seeds"] == 2
    assert both["sd"] == pytest.approx(2.5 * 2**0.5, rel=1e-4)
    assert cell["Strong", "clean", "top-5"]["value"] == 100
    text = (root / "models/by_degree.md").read_text()
    assert "| Weak one | baseline | 1 | 90.0 \\[" in text and "(100.0) |" in text
    tex = (root / "models/by_degree.tex").read_text()
    assert tex.count(r"\\") == 6 and r"\emph{top-1 (top-5), \%}" in tex


def test_the_study_pairs_clips_and_ranks_by_the_mean_drop(compared):
    root, found = compared
    drops = found["study"].set_index(["network", "degree"])
    weak = [drops.loc[("Weak one", name), "drop"] for name in (*SETS[1:], "mean")]
    assert weak == pytest.approx([40, 65, 75, 60])
    assert drops.loc[("Strong", "mean"), "drop"] == pytest.approx((0 + 5 + 10) / 3 / 2)
    ranks = found["study"].query("degree == 'mean'").set_index("network")["rank"]
    assert ranks.drop("Blind").to_dict() == {"Strong": 1, "Twin": 2, "Weak one": 3}
    assert pd.isna(ranks["Blind"]), "at chance there is nothing to lose"
    assert drops.loc[("Weak one", "mean"), "kept"] == pytest.approx(100 / 3, rel=1e-4)
    # all trainings and degrees alike: no draw differs, the interval has a width all the same
    blind = drops.loc[("Blind", "mean")]
    assert blind["kept"] == 100 and blind["kept_low"] < 100 < blind["kept_high"]
    assert drops.loc[("Strong", "D-25"), "low"] < 0 < drops.loc[("Strong", "D-25"), "high"]
    assert "<svg" in (root / "models/study.svg").read_text()


def test_a_pair_is_decided_only_where_the_clips_decide_it(compared):
    _, found = compared
    pairs = found["pairs"].set_index(["first", "second"])
    assert set(pairs.index) == {("Strong", "Twin"), ("Strong", "Weak one"), ("Twin", "Weak one")}
    assert pairs["decided"].to_dict() == {
        ("Strong", "Twin"): False, ("Strong", "Weak one"): True, ("Twin", "Weak one"): True,
    }  # fmt: skip
    apart = pairs.loc[("Twin", "Weak one")]
    assert apart["difference"] == pytest.approx(55) and 0 < apart["low"] < 55 < apart["high"]
    assert (pairs["p_holm"] >= pairs["p"]).all() and pairs["p_seeds"].isna().all()


def test_the_published_figure_is_that_of_the_same_network_and_frames(compared):
    drops = compared[1]["study"].drop_duplicates("network").set_index("network")
    assert drops.loc["Strong", "published_top1"] == pytest.approx(69.1, abs=0.1)
    assert drops.loc["Twin", "published_top1"] == pytest.approx(62.4, abs=0.1)
    assert drops.loc[["Weak one", "Blind"], "published_top1"].isna().all()


def test_the_page_gets_the_same_texts(compared):
    root, _ = compared
    texts = json.loads((root / "models/tables.json").read_text())
    assert list(texts) == ["by_degree", "study"]
    (block,) = texts["study"]["blocks"]
    assert block["title"] == "arm baseline"
    assert [line[:2] for line in block["rows"]] == [
        ["1", "Strong"], ["2", "Twin"], ["3", "Weak one"], ["-", "Blind"],
    ]  # fmt: skip
    undecided = [line[texts["study"]["head"].index("undecided against")] for line in block["rows"]]
    assert undecided == ["Twin", "Strong", "none", "-"]
    notes = texts["by_degree"]["notes"]
    assert any(
        note == f"chance is {100 / len(LABELS):.3g} % with {len(LABELS)} classes" for note in notes
    )
    assert any("fewer than three seeds" in note for note in texts["study"]["notes"])


def test_the_page_shows_the_networks_that_the_settings_name(compared, tmp_path):
    """Tables of an earlier run stay in the build; the page of the workflow names what to show."""
    root, _ = compared
    options = argparse.ArgumentParser()
    report.add_arguments(options)

    def page(*networks):
        path = tmp_path / "page/index.html"
        line = ["--root", str(root), "--out", str(path), *networks]
        report.run(options.parse_args(line), cfg.Config())
        return path.read_text(), (path.parent / "figures/models.svg").exists()

    for networks in ((), ("--networks", str(root / "models/tables.json"))):
        text, chart = page(*networks)
        assert chart and "Networks compared" in text and "Weak one" in text
    text, chart = page("--networks")
    assert not chart and "Networks compared" not in text


def test_three_seeds_that_disagree_leave_a_pair_open_that_the_clips_decide(tmp_path):
    """One of three trainings loses nothing: other clips decide the pair, other trainings do not."""
    for seed, right in enumerate([(36, 20, 10, 6), (36, 18, 10, 6), (36, 36, 36, 36)]):
        network(tmp_path, "Weak_one", right, seed=seed)
        network(tmp_path, "Strong", (32 + seed, 32, 32, 32), seed=seed)
    (pair,) = compare(tmp_path)["pairs"].to_dict("records")
    assert pair["p_clips"] < 0.001 < 0.05 < pair["p_seeds"] == pair["p"]
    assert not pair["decided"] and pair["seeds"] == 3


def test_only_clips_that_all_networks_saw_count(tmp_path):
    network(tmp_path, "Strong", (20, 20, 20, 20))
    network(tmp_path, "Twin", (20, 20, 20, 20), clips=30)
    table = compare(tmp_path)["by_degree"]
    assert set(table["clips"]) == {30}
    assert "10 clips left out" in (tmp_path / "models/by_degree.md").read_text()


def test_other_systems_stand_in_the_same_table(tmp_path):
    network(tmp_path, "Strong", (20, 20, 20, 20))
    for mode, right in (("rgb_only", 30), ("rgb_pose", 32)):
        found = [one for name in SETS for one in predictions.rows(name, right, CLIPS)]
        save(tmp_path / f"integralaction/{mode}-0.parquet", found, seed=0)
    precise = tmp_path / "moc/ap.csv"
    precise.parent.mkdir()
    precise.write_text(
        "network,trained_on,seed,set,metric,value,low,high,n\n"
        "MOC,clean,0,D-50,frame-AP 0.5,40,35,45,75\nMOC,clean,1,D-50,frame-AP 0.5,44,39,49,75\n"
    )
    others = sorted(tmp_path.glob("integralaction/*"))
    found = compare(tmp_path, others=others, precisions=[precise])
    table = found["by_degree"].set_index(["network", "arm", "set", "metric"])["value"]
    assert table["IntegralAction", "rgb_pose", "D-75", "top-1"] == 80
    assert table["MOC", "clean", "D-50", "frame-AP 0.5"] == 42
    assert list(dict.fromkeys(found["study"]["among"])) == ["baseline", "IntegralAction"]
    assert found["pairs"][["first_arm", "second_arm"]].values.tolist() == [["rgb_only", "rgb_pose"]]
    assert pd.isna(found["by_degree"].set_index("network").loc["MOC", "groups"])
    text = (tmp_path / "models/by_degree.md").read_text()
    assert "## frame-AP 0.5, %" in text and "are different measures" in text
    only = compare(tmp_path, predictions=[], precisions=[precise])["by_degree"]
    assert only["network"].tolist() == ["MOC"]


def test_without_degrees_nothing_is_ranked_and_the_table_stays(tmp_path):
    found = predictions.rows("S", 5, 9)
    save(tmp_path / "models/Strong/car-3.parquet", found, arm="car", seed=3)
    tables = compare(tmp_path)
    assert tables["by_degree"]["set"].tolist() == ["S", "S"]
    assert tables["study"].empty and not (tmp_path / "models/study.svg").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "wanted --predictions or --others, got none"),
        (
            lambda root: network(root, "A", (1, 1, 1, 1), labels=LABELS[:5]),
            "label maps do not match",
        ),
        (lambda root: network(root, "Strong", (1, 1, 1, 1)), "wanted one table per arm and seed"),
        (
            lambda root: network(root, "A", (1, 1, 1, 1), first=CLIPS),
            "wanted clips that all networks saw, got none in D-25, D-50, D-75, clean; evaluate all",
        ),
    ],
    ids=["none", "labels", "twice", "splits"],
)
def test_what_cannot_be_compared_is_one_line(tmp_path, make, message):
    make(tmp_path)
    files = sorted(tmp_path.glob("models/*/*.parquet"))
    if files:
        network(tmp_path / "other", "Strong", (1, 1, 1, 1))
        files += sorted((tmp_path / "other").glob("models/*/*.parquet"))
    with pytest.raises(UserError, match=message):
        compare(tmp_path, predictions=files)
