"""attention: shares of known regions, skipped clips, the files, the summary, errors."""

import shutil
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
import torch
from support.build import write_groups
from support.clips import FRAMES, LABELS, write_world

from occludenet_build.config import Config
from occludenet_build.config.recognition import Attention
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.dataset import annotate
from occludenet_build.media.imaging import masks
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.attention import ATTENTION_TABLE, SUMMARY_COLUMNS
from occludenet_build.recognition.attention.command import run as run_stage
from occludenet_build.recognition.attention.summary import summarise_maps
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.significance import signed_rank

HEIGHT, WIDTH, SIDE, SHORT, SIZE = 24, 32, 8, 18, 16
SMALL = Attention(workers=0, device="cpu", pictures=2, layer="blocks.0")
SETS = ("clean", "D-25", "D-75")


def square(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def frame_row(clip, label, scale, number, masked):
    """A row of annotate/frames for a frame of the clips of support.clips."""
    left = {"left": 22 - number, "right": 4 + number, "still": 12}[label]
    edge = 8 + round(SIDE * scale)
    row = {"clip": clip, "set": f"D-{100 * scale:.0f}", "scale": scale, "frame": number}
    row |= {"height": HEIGHT, "width": WIDTH, "occluded": True}
    row["occluder_rle"] = masks.encode(square(8, left, edge, left + SIDE))
    if masked:
        row["actor_rle"] = masks.encode(square(8, left, 16, left + SIDE))
        row["visible_rle"] = masks.encode(square(edge, left, 16, left + SIDE))
    return row


def write_frames(root, unmasked=lambda clip, number: False):
    """annotate/frames, two shards; clips or frames may be without a mask."""
    parts = []
    for label in LABELS:
        clip = f"test-{label}-0"
        rows = [
            frame_row(clip, label, scale, number, not unmasked(clip, number))
            for scale in (0.25, 0.75)
            for number in range(FRAMES)
        ]
        parts.append(tables.from_rows(rows, annotate.FRAMES))
    write_groups(root / "annotate/frames/000.parquet", parts[:1], annotate.FRAMES)
    write_groups(root / "annotate/frames/001.parquet", parts[1:], annotate.FRAMES)


def write_model(path, arm="car", seed=0, labels=LABELS, zero=False):
    torch.manual_seed(seed)
    model = build_backbone("tiny3d", len(labels), 4, SIZE)
    if zero:
        torch.nn.init.zeros_(model.head.weight)
    values = {"model": model.state_dict(), "backbone": "tiny3d", "labels": list(labels)}
    seen = {"frames": 4, "size": SIZE, "short_side": SHORT}
    checkpoint.save(values | {"settings": seen, "arm": arm, "seed": seed}, path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root, train=0)
    write_frames(root)
    write_model(root / "train/car-0.pt")
    return root


def look(root, out, settings=SMALL, model="car-0.pt", **changed):
    args = {"clips": root / "annotate/clips.parquet", "root": root, "tables": None, "threads": 1}
    args |= {"model": root / "train" / model, "out": out}
    run_stage(Namespace(**args | changed), Config(attention=settings))
    assert tables.read_table(out).schema.equals(ATTENTION_TABLE)
    return tables.read_rows(out)


def test_a_row_per_clip_and_areas_as_counted_by_hand(world, tmp_path):
    rows = {(row["clip"], row["set"]): row for row in look(world, tmp_path / "car-0.parquet")}
    assert set(rows) == {(f"test-{label}-0", name) for label in LABELS for name in SETS}
    for row in rows.values():
        assert row["status"] == "ok" and row["reason"] is None and row["target"] == row["label"]
        assert (row["frames"], row["masked_frames"], row["layer"]) == (4, 4, "blocks.0")
        assert 0 < row["p"] < 1 and row["predicted"] in LABELS
        for what in ("mass", "area"):
            parts = [row[f"{what}_{where}"] for where in ("actor", "occluder", "background")]
            assert sum(parts) == pytest.approx(1) and min(parts) >= 0
    # 24 x 32 becomes 18 x 24: the square of 8 is one of 6, the occluder's 2 and 6 lines are 1.5
    # and 4.5; the crop of 16 x 16 holds it whole where it stands still
    for name, occluder in zip(SETS, (0, 1.5, 4.5), strict=True):
        row = rows["test-still-0", name]
        assert row["area_occluder"] == pytest.approx(6 * occluder / SIZE**2, abs=1e-6)
        assert row["area_actor"] == pytest.approx(6 * (6 - occluder) / SIZE**2, abs=1e-6)
        assert row["focus_actor"] == pytest.approx(row["mass_actor"] / row["area_actor"])
    assert rows["test-still-0", "clean"]["focus_occluder"] is None
    # one that leaves the crop is smaller there
    assert rows["test-left-0", "clean"]["area_actor"] < 36 / SIZE**2 - 0.005


def test_masses_are_those_of_the_map_that_is_drawn(world, tmp_path):
    rows = look(world, tmp_path / "car-0.parquet")
    drawn = [row for row in rows if row["picture"]]
    assert len({row["clip"] for row in drawn}) == 2 and len(drawn) == 6
    for row in drawn:
        path = tmp_path / row["picture"]
        assert path.with_suffix(".png").stat().st_size > 500
        with np.load(path, allow_pickle=False) as arrays:
            cam = arrays["cam"].astype(float)
            assert arrays["frames"].shape == (4, SIZE, SIZE, 3)
            assert arrays["frames"].dtype == np.uint8
            assert (cam.min() >= 0, cam.max()) == (True, 1) and arrays["masked"].all()
            assert (str(arrays["clip"]), str(arrays["set"])) == (row["clip"], row["set"])
            assert str(arrays["top5"][0]) == row["predicted"]
            assert arrays["top5_p"].sum() == pytest.approx(1) and len(arrays["top5"]) == 3
            share = (cam * arrays["actor"]).sum() / cam.sum()
            assert share == pytest.approx(row["mass_actor"], abs=1e-5)
            # the outline is where the picture shows the square: bright, or grey behind an occluder
            frames, actor = arrays["frames"].astype(float).mean(axis=3), arrays["actor"] > 0.99
            assert frames[actor].min() > 180 and frames[arrays["actor"] == 0].max() < 200


def test_batches_and_draws_change_nothing(world, tmp_path):
    whole = {row["file"]: row for row in look(world, tmp_path / "a.parquet")}
    single = look(world, tmp_path / "b.parquet", Attention(**vars(SMALL) | {"batch": 1}))
    for row in single:
        for key in ("p", "mass_actor", "mass_occluder", "area_actor"):
            assert row[key] == pytest.approx(whole[row["file"]][key], abs=1e-5)
    fewer = []
    for count in (1, 2):
        rows = look(world, tmp_path / "c.parquet", Attention(**vars(SMALL) | {"clips": count}))
        assert len(rows) == 3 * count
        fewer.append({row["clip"] for row in rows})
    assert fewer[0] < fewer[1]


def test_the_prediction_is_explained_where_that_is_asked_for(world, tmp_path):
    settings = Attention(**vars(SMALL) | {"target": "predicted", "layer": None})
    rows = look(world, tmp_path / "a.parquet", settings)
    assert all((row["target"], row["layer"]) == (row["predicted"], "blocks") for row in rows)


def test_what_is_not_masked_or_not_readable_is_a_row_with_the_reason(world, tmp_path):
    root = tmp_path / "world"
    shutil.copytree(world, root)
    # the network sees frames 1, 4, 7, 10: two are masked in one clip, none in another
    write_frames(root, lambda clip, number: "left" in clip or ("right" in clip and number > 5))
    (root / "clips/0.25_test-still-0.mp4").write_bytes(b"no video")
    rows = {(row["clip"], row["set"]): row for row in look(root, tmp_path / "car-0.parquet")}
    assert len(rows) == 9
    for name in SETS:
        none = rows["test-left-0", name]
        assert (none["status"], none["reason"], none["masked_frames"]) == ("skipped", "no_mask", 0)
        assert none["mass_actor"] is none["area_actor"] is none["focus_actor"] is None
        assert none["p"] > 0 and none["predicted"] in LABELS
        some = rows["test-right-0", name]
        assert (some["status"], some["masked_frames"], some["frames"]) == ("ok", 2, 4)
        # of the two, one has a quarter of a column outside the crop
        square = some["area_actor"] + some["area_occluder"]
        assert square == pytest.approx((36 + 34.5) / 2 / SIZE**2)
    broken = rows["test-still-0", "D-25"]
    assert (broken["status"], broken["reason"], broken["p"]) == ("failed", "not_a_video", None)
    assert rows["test-still-0", "D-75"]["area_actor"] > 0


def test_a_map_of_zeros_has_no_mass_and_is_counted(world, tmp_path):
    write_model(tmp_path / "zero.pt", zero=True)
    rows = look(world, tmp_path / "car-0.parquet", model=tmp_path / "zero.pt")
    assert {(row["status"], row["reason"]) for row in rows} == {("skipped", "zero_map")}
    assert all(row["mass_actor"] is None and row["area_actor"] > 0 for row in rows)
    summary = summarise_maps([tables.read_table(tmp_path / "car-0.parquet").to_pandas()], 0)
    mass = summary[(summary["measure"] == "mass_actor") & (summary["set"] == "D-25")].iloc[0]
    assert (mass["n"], mass["zero_maps"]) == (0, 3) and np.isnan(mass["mean"])


ABSENT = {"frames": "absent"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"settings": Attention(layer="layer9", workers=0, device="cpu")},
            r"attention\.layer.*got 'layer9'",
        ),
        ({"model": "other.pt"}, "label maps do not match"),
        ({"clips": None}, "wanted --clips and --model to make maps, or --tables"),
        (ABSENT, r"wanted the masks of 3 clips.*run annotate again"),
    ],
)
def test_what_is_refused(world, tmp_path, changes, said):
    root = tmp_path / "world"
    shutil.copytree(world, root)
    write_model(root / "train/other.pt", labels=("left", "right", "up"))
    if changes == ABSENT:
        changes = {}
        (root / "annotate/frames/001.parquet").unlink()
    with pytest.raises(UserError, match=said) as caught:
        look(root, tmp_path / "a.parquet", **changes)
    assert "\n" not in str(caught.value)


def table(arm, seed, masses, name="D-25"):
    """A table of attention with the mass on the actor by clip; None: a map of zeros."""
    rows = [
        {"clip": clip, "set": name, "file": f"{name}/{clip}", "arm": arm, "seed": seed,
         "backbone": "r3d_18", "status": "skipped" if mass is None else "ok",
         "reason": "zero_map" if mass is None else None, "mass_actor": mass}
        for clip, mass in masses.items()
    ]  # fmt: skip
    return tables.from_rows(rows, ATTENTION_TABLE).to_pandas()


def line(summary, arm, measure="mass_actor"):
    (row,) = summary[(summary["arm"] == arm) & (summary["measure"] == measure)].to_dict("records")
    return row


def test_seeds_are_averaged_and_arms_compared_on_common_clips():
    clips = [f"c{number}" for number in range(8)]
    base = {clip: 0.1 * number for number, clip in enumerate(clips)}
    tables_of = [
        table("baseline", 0, base),
        table("baseline", 1, {clip: mass + 0.02 for clip, mass in base.items()}),
        table("car", 0, {c: mass + 0.11 for c, mass in base.items()} | {"c7": None, "x": 0.9}),
    ]  # fmt: skip
    summary = summarise_maps(tables_of, 0)
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    baseline, car = line(summary, "baseline"), line(summary, "car")
    assert (baseline["seeds"], baseline["n"], car["seeds"], car["n"]) == (2, 8, 1, 8)
    assert baseline["mean"] == pytest.approx(0.36) and baseline["median"] == pytest.approx(0.36)
    assert baseline["low"] < 0.36 < baseline["high"] and np.isnan(baseline["difference"])
    assert (car["zero_maps"], car["common"]) == (1, 7)
    assert car["difference"] == pytest.approx(0.1)
    # seven equal differences: a width for want of variation, not zero
    assert car["difference_low"] < 0.1 - 0.3 and car["difference_high"] > 0.1 + 0.3
    assert np.isnan(line(summary, "car", "focus_actor")["low"]) and car["groups"] == 8
    assert car["p"] == pytest.approx(2 / 2**7)  # all seven differ the same way
    assert car["p_holm"] == pytest.approx(car["p"] * summary["p"].notna().sum())
    pd.testing.assert_frame_equal(summary, summarise_maps(tables_of[::-1], 0))


def test_one_clip_has_no_interval_and_equal_arms_differ_in_nothing():
    one = [table("baseline", 0, {"c": 0.3}), table("car", 0, {"c": 0.3})]
    car = line(summarise_maps(one, 0), "car")
    assert (car["n"], car["difference"], car["p"]) == (1, 0, 1) and np.isnan(car["low"])
    assert signed_rank(np.array([1.0, -1.0, 2.0, -2.0])) == 1


def test_a_training_given_twice_and_a_foreign_table_are_refused():
    one = table("car", 0, {"c": 0.3})
    with pytest.raises(UserError, match="one table of attention per training"):
        summarise_maps([one, one], 0)
    with pytest.raises(UserError, match="wanted tables of attention, one lacks"):
        summarise_maps([one.drop(columns="mass_actor")], 0)


def test_the_summary_of_two_trainings(world, tmp_path):
    write_model(tmp_path / "train/baseline-0.pt", "baseline", 1)
    paths = [tmp_path / "baseline-0.parquet", tmp_path / "car-0.parquet"]
    look(world, paths[0], model=tmp_path / "train/baseline-0.pt")
    look(world, paths[1])
    out = tmp_path / "summary.csv"
    run_stage(Namespace(tables=paths, out=out), Config())
    summary = pd.read_csv(out)
    assert set(summary["set"]) == set(SETS) and set(summary["arm"]) == {"baseline", "car"}
    assert len(summary) == 2 * 3 * 9
    areas = summary[(summary["arm"] == "car") & summary["measure"].str.startswith("area")]
    assert (areas["difference"] == 0).all() and (areas["p"] == 1).all()
