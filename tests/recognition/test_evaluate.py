"""evaluate: each clip once, labels by name, averages over views, and errors."""

import csv
import dataclasses
import json
import math
import os
import shutil
from argparse import Namespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import softmax
from support.clips import FRAMES, LABELS, pictures, save_frames, save_table, write_world

from occludenet_build import config as settings_of
from occludenet_build.config import Config
from occludenet_build.config.recognition import Evaluate, ListedSet
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.accuracy import rank_logits, wilson
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.evaluate.command import evaluation_groups
from occludenet_build.recognition.evaluate.command import run as run_stage
from occludenet_build.recognition.evaluate.effect import EFFECT_COLUMNS, WHOLE_SET, causal_effects
from occludenet_build.recognition.evaluate.tde import tde_by_set
from occludenet_build.recognition.listed_sets import read_listed_set as read_listed
from occludenet_build.recognition.lists import read_label_map, read_list
from occludenet_build.recognition.predict import AVERAGES
from occludenet_build.recognition.prediction_table import read_predictions

SETTINGS = Evaluate(views=2, batch=4, workers=0, device="cpu")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root, train=0, test=2)
    write_model(root / "car-0.pt", list(LABELS))
    return root


def write_model(path, labels):
    torch.manual_seed(0)
    model = build_backbone("tiny3d", len(labels), 4, 16)
    settings = {"frames": 4, "size": 16, "short_side": 18, "epochs": 7, "alpha": 0.5}
    checkpoint.save(
        {"model": model.state_dict(), "backbone": "tiny3d", "labels": labels, "settings": settings,
         "arm": "car", "seed": 0},
        path,
    )  # fmt: skip


def run(root, out, settings=SETTINGS, model="car-0.pt", clips=True):
    table = root / "annotate/clips.parquet" if clips else None
    args = Namespace(clips=table, root=root, model=root / model, threads=1, out=out, more=[])
    run_stage(args, Config(evaluate=settings))
    return rows_of(out), json.loads(out.with_suffix(".json").read_text())


def rows_of(path):
    rows = read_predictions(path).rows.to_dict("records")
    return [row | {"logits": row["logits"].tolist()} for row in rows]


def changed(**changes):
    return dataclasses.replace(SETTINGS, **changes)


def test_every_clip_once_and_the_summary_agrees(world, tmp_path):
    rows, summary = run(world, tmp_path / "car-0.parquet")
    assert len(rows) == 2 * 3 * 3 == len({row["file"] for row in rows})
    assert [entry["set"] for entry in summary["sets"]] == ["clean", "D-25", "D-75"]
    for entry in summary["sets"]:
        of_set = [row for row in rows if row["set"] == entry["set"]]
        assert entry["n"] == len(of_set) == 6
        assert entry["top1"] == pytest.approx(100 * sum(r["top1"] for r in of_set) / 6)
        assert entry["top5"] == 100  # three labels
        low, high = wilson(sum(row["top1"] for row in of_set), 6)
        assert (entry["top1_low"], entry["top1_high"]) == (100 * low, 100 * high)
        assert entry["one_clip_points"] == pytest.approx(100 / 6)
    for row in rows:
        best = max(range(3), key=row["logits"].__getitem__)
        assert row["predicted"] == LABELS[best]
        assert row["top1"] == (row["predicted"] == row["label"])
        assert row["degree"] == row["scale"] and row["erased_logits"] is None
    assert summary["average"] == "softmax" and summary["arm"] == "car"
    about = read_predictions(tmp_path / "car-0.parquet").about
    assert (about.labels, about.views, about.crops, about.name) == (LABELS, 2, 1, "tiny3d + car")
    assert (about.epochs, about.alpha) == (7, 0.5)
    effect = (tmp_path / "car-0.effect.csv").read_text()
    assert effect == ",".join(EFFECT_COLUMNS) + "\n"


@pytest.mark.parametrize("change", [{"batch": 1}, {"batch": 100}])
def test_batches_do_not_change_predictions(world, tmp_path, change):
    whole, _ = run(world, tmp_path / "a.parquet")
    other, _ = run(world, tmp_path / "b.parquet", changed(**change))
    for one, two in zip(whole, other, strict=True):
        assert one["file"] == two["file"]
        assert one["logits"] == pytest.approx(two["logits"], abs=1e-5)


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_three_crops_and_either_average(world, tmp_path, average):
    settings = changed(crops=3, average=average)
    rows, summary = run(world, tmp_path / "a.parquet", settings)
    assert len(rows) == 18 and summary["crops"] == 3


def test_averages():
    logits = torch.randn(2, 4, 5)
    softmax = AVERAGES["softmax"](logits).softmax(dim=1)
    assert torch.allclose(softmax, logits.softmax(dim=2).mean(dim=1), atol=1e-6)
    assert torch.allclose(AVERAGES["logits"](logits), logits.mean(dim=1))


def test_labels_are_compared_by_name(world, tmp_path):
    order = ["still", "other", "right", "left"]
    write_model(world / "shuffled.pt", order)
    rows, _ = run(world, tmp_path / "a.parquet", model="shuffled.pt")
    assert all(r["predicted"] == order[max(range(4), key=r["logits"].__getitem__)] for r in rows)
    write_model(world / "foreign.pt", ["left", "right", "up"])
    with pytest.raises(UserError, match=r"label maps do not match: .* not still"):
        run(world, tmp_path / "b.parquet", model="foreign.pt")


def test_top5_counts_the_five_largest():
    labels = ["l0", "l1", "l2", "l3", "l4", LABELS[0]]
    first = rank_logits([5, 4, 3, 2, 1, 0.5], labels, LABELS[0])
    second = rank_logits([5, 4, 3, 2, 1, 1.5], labels, LABELS[0])
    assert (first["top1"], first["top5"], second["top5"]) == (False, False, True)
    assert rank_logits([1.0, 1.0], ["a", "b"], "b")["predicted"] == "a"


def test_an_unreadable_clip_is_listed_and_has_no_row(tmp_path, caplog):
    rows = write_world(tmp_path, train=0, test=2)
    write_model(tmp_path / "car-0.pt", list(LABELS))
    (tmp_path / rows[0]["file"]).write_bytes(b"")
    (tmp_path / rows[1]["file"]).unlink()
    got, summary = run(tmp_path, tmp_path / "a.parquet")
    assert len(got) == 16
    assert {s["file"]: s["reason"].split(":")[0] for s in summary["skipped"]} == {
        rows[0]["file"]: "empty_file", rows[1]["file"]: "missing",
    }  # fmt: skip
    assert "2 files were left out" in caplog.text


def test_a_split_without_clips_is_logged_and_not_an_error(world, tmp_path, caplog):
    got, summary = run(world, tmp_path / "a.parquet", Evaluate(split="val"))
    assert (len(got), summary["sets"]) == (0, [])
    assert "has no clip of the split val" in caplog.text


def test_what_is_refused(world, tmp_path):
    with pytest.raises(UserError, match="is missing"):
        run(world, tmp_path / "a.parquet", model="none.pt")
    torch.save({"model": {}}, world / "bare.pt")
    with pytest.raises(UserError, match="wanted a network written by train"):
        run(world, tmp_path / "a.parquet", model="bare.pt")


def test_a_file_with_two_rows_is_refused(tmp_path):
    rows = write_world(tmp_path, train=0)
    write_model(tmp_path / "car-0.pt", list(LABELS))
    save_table(tmp_path, [*rows, rows[0]])
    with pytest.raises(UserError, match="each file once"):
        run(tmp_path, tmp_path / "a.parquet")


def frames_of(path, count):
    """A clip in which the brightness of a frame is its number."""
    shades = [np.full((24, 32, 3), 20 * number, np.uint8) for number in range(count)]
    write_video(path, shades, 12)


class Brightness(torch.nn.Module):
    """A network with the mean and the mean square brightness of each view as logits."""

    def forward(self, clips):
        flat = clips.flatten(1)
        return torch.stack([flat.mean(1), flat.square().mean(1), 0 * flat.mean(1)], dim=1)


@pytest.mark.parametrize(("average", "places", "steps"), [
    ("softmax", "even", [(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]),
    ("logits", "even", [(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]),
    # 18 x 24 and crops of 16: a quarter is no pixel down, 2 pixels across
    ("logits", "quarters", [(0.0, 0.0), (0.0, 0.5), (0.0, 1.0)]),
])  # fmt: skip
def test_views_and_crops_against_doing_it_by_hand(
    world, tmp_path, monkeypatch, average, places, steps
):
    """3 x 3 views of one clip: the average equals that of single forward passes."""
    from occludenet_build.recognition import augment
    from occludenet_build.recognition.datasets import FrameReader

    monkeypatch.setattr(
        "occludenet_build.recognition.predict.build_backbone", lambda *_: Brightness()
    )
    checkpoint.save(
        {"model": {}, "backbone": "tiny3d", "labels": list(LABELS), "arm": "car", "seed": 0,
         "settings": {"frames": 4, "size": 16, "short_side": 18}},
        world / "bright.pt",
    )  # fmt: skip
    asked = changed(views=3, crops=3, average=average, crop_places=places)
    rows, _ = run(world, tmp_path / "a.parquet", asked, model="bright.pt")
    row = rows[0]
    shown, source = [], FrameReader(world, 18, keep=False)
    for frames in augment.views(FRAMES, 4, 3):
        whole = source.of(row["file"], frames)
        assert whole.shape[1:3] == (18, 24)
        for top, left in steps:
            shown.append(augment.crop_clip(whole, 16, top, left, flip=False))
    assert len({part.tobytes() for part in shown}) == 9
    seen = Input(4, 16, 18, 0)
    clips = torch.from_numpy(np.stack(shown))
    logits = Brightness()(normalised(clips, seen.mean, seen.std)).numpy()
    wanted = logits.mean(0) if average == "logits" else np.log(softmax(logits, axis=1).mean(0))
    assert row["logits"] == pytest.approx(wanted.tolist(), abs=1e-5)


# ---------------------------------------------------------------- without the actor


def erased_world(root, clips=1):
    """A world whose occluded test clips have counterfactuals as files."""
    rows = write_world(root, train=0, test=clips)
    for row in rows:
        if row["scale"]:
            erased = f"erased/{row['clip']}-{row['scale']}.mp4"
            seed = 10 * int(row["clip"][-1]) + len("test")
            write_video(root / erased, pictures(row["label"], seed, row["scale"], True), 12)
            row |= {"counterfactual": erased, "counterfactual_hash": sha256_file(root / erased)}
    save_table(root, rows)
    write_model(root / "car-0.pt", list(LABELS))
    return rows


WITHOUT = changed(counterfactuals=True)
NO_WEIGHTS = {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}


def test_erased_clips_are_predicted_in_the_same_frames_and_crops(tmp_path):
    """The prediction of a counterfactual equals that of its file as a clip."""
    rows = erased_world(tmp_path)
    got, _ = run(tmp_path, tmp_path / "a.parquet", WITHOUT)
    assert [row["erased_logits"] is None for row in got] == [row["scale"] == 0 for row in got]
    swapped = [row | {"file": row["counterfactual"] or row["file"]} for row in rows]
    save_table(tmp_path, swapped)
    plain, _ = run(tmp_path, tmp_path / "b.parquet")
    of_file = {row["file"]: row["logits"] for row in plain}
    for row in rows:
        mine = next(r for r in got if r["file"] == row["file"])
        if row["scale"]:
            theirs = of_file[row["counterfactual"]]
            assert mine["erased_logits"].tolist() == pytest.approx(theirs, abs=1e-5)


def test_a_counterfactual_that_erases_nothing_or_does_not_read(tmp_path, caplog):
    rows = erased_world(tmp_path)
    used = [row for row in rows if row["scale"]]
    save_frames(tmp_path, rows, unmasked=[used[0]["file"]])
    (tmp_path / used[1]["counterfactual"]).write_bytes(b"no video")
    got, summary = run(tmp_path, tmp_path / "a.parquet", WITHOUT)
    none = {row["file"] for row in got if row["erased_logits"] is None and row["scale"]}
    assert none == {used[0]["file"], used[1]["file"]} and len(got) == len(rows)
    (skipped,) = summary["skipped"]
    assert skipped["file"] == used[1]["counterfactual"]
    assert skipped["reason"].startswith("not_a_video")


def test_actors_are_erased_at_load_by_their_masks(tmp_path, monkeypatch):
    rows = erased_world(tmp_path)
    for row in rows:
        if row["scale"]:
            row |= {"counterfactual": None, "counterfactual_hash": "load:k"}
    save_table(tmp_path, rows)

    def black(self, clip, fill=None):
        return lambda number, frame: np.zeros((24, 32, 3), np.uint8)

    monkeypatch.setattr(Erasing, "of", black)
    got, _ = run(tmp_path, tmp_path / "a.parquet", WITHOUT)
    erased = [row["erased_logits"] for row in got if row["scale"]]
    assert len(erased) == 6 and all(e == pytest.approx(erased[0], abs=1e-6) for e in erased)


def test_without_a_counterfactual_it_says_what_to_do(world, tmp_path):
    with pytest.raises(UserError, match=r"build with test in counterfactual\.splits"):
        run(world, tmp_path / "a.parquet", WITHOUT)
    with pytest.raises(UserError, match=r"counterfactual\.splits: wanted test among them"):
        settings_of.load(NO_WEIGHTS | {"evaluate": {"counterfactuals": True}})
    both = {"counterfactual": {"splits": ["train", "test"]}, "evaluate": {"counterfactuals": True}}
    assert settings_of.load(NO_WEIGHTS | both).evaluate.counterfactuals


def effect_row(set_name, label, before, after):
    logs = (None if part is None else np.log(part).tolist() for part in (before, after))
    names = ("logits", "erased_logits")
    facts = {"clip": f"{label}{before}", "set": set_name, "scale": 0.5, "label": label}
    return facts | dict(zip(names, logs, strict=True))


def test_the_effect_of_eq_1_by_hand():
    rows = [
        effect_row("D-50", "a", [0.7, 0.2, 0.1], [0.2, 0.5, 0.3]),  # moves a -> b
        effect_row("D-50", "a", [0.6, 0.3, 0.1], [0.5, 0.4, 0.1]),  # stays a
        effect_row("D-50", "b", [0.5, 0.4, 0.1], [0.5, 0.4, 0.1]),  # no effect, wrong
        effect_row("D-50", "b", [0.1, 0.8, 0.1], None),  # nothing erased: no part in it
    ]
    whole, a, b = causal_effects(rows, ["a", "b", "c"], seed=0)
    assert [entry["label"] for entry in (whole, a, b)] == [WHOLE_SET, "a", "b"]
    assert [entry["n"] for entry in (whole, a, b)] == [3, 2, 1]
    assert a["effect"] == pytest.approx((0.5 + 0.1) / 2) and b["effect"] == pytest.approx(0)
    assert whole["effect"] == pytest.approx(0.6 / 3)
    assert (a["p"], a["p_erased"]) == pytest.approx((0.65, 0.35))
    assert a["eq1"] == pytest.approx((0.5 + 0.1 + 0) / 3)
    assert b["eq1"] == pytest.approx((-0.3 - 0.1 + 0) / 3)
    assert (a["moved"], b["moved"], whole["moved"]) == pytest.approx((50, 0, 100 / 3))
    assert (whole["top1"], whole["top1_erased"]) == pytest.approx((200 / 3, 100 / 3))
    assert a["distance"] == pytest.approx((0.5 + 0.1) / 2)
    assert a["effect_low"] == pytest.approx(0.1) and a["effect_high"] == pytest.approx(0.5)
    assert a["eq1_low"] <= a["eq1"] <= a["eq1_high"]
    assert causal_effects(rows, ["a", "b", "c"], seed=0)[1] == a


def test_the_table_of_effects(tmp_path):
    erased_world(tmp_path, clips=2)
    got, _ = run(tmp_path, tmp_path / "a.parquet", WITHOUT)
    table = list(csv.DictReader((tmp_path / "a.effect.csv").read_text().splitlines()))
    assert [(row["set"], row["label"], row["n"]) for row in table] == [
        (name, label, "6" if label == WHOLE_SET else "2")
        for name in ("D-25", "D-75") for label in (WHOLE_SET, *LABELS)
    ]  # fmt: skip
    for name in ("D-25", "D-75"):
        mine = [row for row in table if row["set"] == name]
        assert sum(float(row["eq1"]) for row in mine[1:]) == pytest.approx(0, abs=1e-5)
        change = [
            softmax(row["logits"])[LABELS.index(row["label"])]
            - softmax(row["erased_logits"])[LABELS.index(row["label"])]
            for row in got if row["set"] == name
        ]  # fmt: skip
        assert float(mine[0]["effect"]) == pytest.approx(np.mean(change), abs=1e-5)


# ---------------------------------------------------------------- lists

CLIP, OTHER = "abuse/a b, c.mp4", "x.mkv"
LISTS = {
    "OccludeNet's": f'file,label\n"{CLIP}",1\n{OTHER},0\n',
    "by name": f'file,label\n"{CLIP}",right\n{OTHER},left\n',
    "of S": 'action class,file name,fps,video duration\nabuse,"a b, c.mp4",12.00,01.00\n',
    "mmaction2's": f"{CLIP} 1\n\n{OTHER} 0\n",
    "PySlowFast's": f"{CLIP},1\n{OTHER},0",
    "with semicolons": f"{CLIP};1\n{OTHER};0\n",
    "quoted": f'"{CLIP}",1\n{OTHER},0\n',
    "with a byte order mark": f'\ufefffile,label\r\n"{CLIP}",1\r\n{OTHER},0\r\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_read(tmp_path, name):
    (tmp_path / "list").write_bytes(LISTS[name].encode())
    got = [(line.file, line.label) for line in read_list(tmp_path / "list", LABELS)]
    known = [(CLIP, "abuse")] if name == "of S" else [(CLIP, "right"), (OTHER, "left")]
    assert got == known


@pytest.mark.parametrize(
    ("text", "label_map", "message"),
    [
        ("", LABELS, "has no line"),
        ("file,label\n", LABELS, "has no line"),
        ("a.mp4 1\nb.mp4 3\n", LABELS, r"line 2: wanted a label from 0 to 2, got 3"),
        ("a.mp4 1\n", None, "set label_map"),
        ("a.mp4 1\nno video here\n", LABELS, "line 2: wanted a video file and its label"),
        ("file,label\na,b.mp4,1\n", LABELS, "line 2: wanted 2 columns"),
        ('file,label\n"a.mp4,1\n', LABELS, "line 2: wanted CSV"),
    ],
)
def test_lists_that_are_refused(tmp_path, text, label_map, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(UserError, match=message):
        read_list(tmp_path / "list", label_map)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("left\nright\nstill\n", LABELS),
        ('{"right": 1, "left": 0, "still": 2}', LABELS),
        ('{"\\"air drumming\\"": 0}', ("air drumming",)),
    ],
)
def test_label_maps_are_read(tmp_path, text, wanted):
    (tmp_path / "map").write_text(text)
    assert read_label_map(tmp_path / "map") == wanted


@pytest.mark.parametrize("text", ["", "a\nb\na\n", '{"a": 0, "b": 2}', '{"a": "0"}', "{]"])
def test_label_maps_that_are_refused(tmp_path, text):
    (tmp_path / "map").write_text(text)
    with pytest.raises(UserError, match="label map"):
        read_label_map(tmp_path / "map")


@pytest.fixture
def listed(tmp_path, world):
    """A list of five lines: two clips of other lengths, a link, a hard link, a missing file."""
    folder = tmp_path / "S"
    (folder / "a").mkdir(parents=True)
    frames_of(folder / "a/0.50_one two.mp4", 5)
    frames_of(folder / "a/b.mp4", 9)
    (folder / "linked.mp4").symlink_to("a/b.mp4")
    os.link(folder / "a/b.mp4", folder / "hard.mp4")
    lines = ["a/0.50_one two.mp4,left", "a/b.mp4,right", "linked.mp4,right", "hard.mp4,right"]
    (tmp_path / "list.csv").write_text("\n".join(["file,label", *lines, "gone.mp4,left"]))
    return ListedSet("S", str(tmp_path / "list.csv"), root=str(folder))


def test_a_set_by_its_list(world, tmp_path, listed):
    rows, summary = run(world, tmp_path / "a.parquet", changed(lists=(listed,)))
    mine = [row for row in rows if row["set"] == "S"]
    assert rows[-2:] == mine and len(rows) == 20
    assert [(row["clip"], row["file"]) for row in mine] == [
        ("one two", "a/0.50_one two.mp4"), ("b", "a/b.mp4"),
    ]  # fmt: skip
    assert all(np.isnan(row["scale"]) and np.isnan(row["degree"]) for row in mine)
    assert summary["sets"][-1]["set"] == "S" and summary["sets"][-1]["n"] == 2
    assert summary["sets"][-1]["scale"] is None
    assert [(s["set"], s["file"], s["reason"].split(":")[0]) for s in summary["skipped"]] == [
        ("S", "linked.mp4", "duplicate"), ("S", "hard.mp4", "duplicate"),
        ("S", "gone.mp4", "missing"),
    ]  # fmt: skip


def test_a_listed_clip_is_sampled_over_its_own_length(world, tmp_path, listed):
    """The same file as a row of the table, with its number of frames, has the same prediction."""
    alone, _ = run(world, tmp_path / "a.parquet", changed(lists=(listed,)), clips=False)
    save_table(tmp_path, [
        {"clip": "b", "set": "clean", "scale": 0.0, "split": "test", "label": "right",
         "file": "S/a/b.mp4", "file_hash": "", "counterfactual": None, "counterfactual_hash": None,
         "frames": 9, "degree": 0.0, "area_ratio": 0.0, "actor_hidden": None, "duration_ratio": 0.0}
    ])  # fmt: skip
    shutil.copy(world / "car-0.pt", tmp_path)
    (known,), _ = run(tmp_path, tmp_path / "b.parquet")
    assert [row["set"] for row in alone] == ["S", "S"]
    assert known["logits"] == pytest.approx(alone[1]["logits"], abs=1e-6)


def test_what_is_wrong_with_a_list_stops_the_stage(world, tmp_path, listed):
    def refused(text, message, name="S"):
        (tmp_path / "list.csv").write_text(text)
        settings = changed(lists=(dataclasses.replace(listed, name=name),))
        with pytest.raises(UserError, match=message):
            run(world, tmp_path / "a.parquet", settings)

    refused("a/b.mp4 up\n", r"label maps do not match: .* not up")
    refused("a/b.mp4 left\nlinked.mp4 right\n", "are one file, but the list calls it left and")
    refused("a/b.mp4\n", "wanted a label beside a/b.mp4")
    refused("a/b.mp4 left\n", "D-25 is a set already", name="D-25")
    with pytest.raises(UserError, match="wanted different names, got S, S"):
        changed(lists=(listed, listed))
    with pytest.raises(UserError, match=r"wanted --clips, --more or evaluate\.lists, got none"):
        run(world, tmp_path / "a.parquet", clips=False)


def test_an_unreadable_file_of_a_list_is_skipped(world, tmp_path, listed):
    (tmp_path / "S/a/b.mp4").write_bytes(b"no video")
    rows, summary = run(world, tmp_path / "a.parquet", changed(lists=(listed,)), clips=False)
    assert [row["clip"] for row in rows] == ["one two"]
    assert summary["skipped"][-1]["reason"].startswith("not_a_video")


def test_what_is_no_file_is_missing(tmp_path):
    """Opening a pipe would wait forever; a folder and an invalid name are not clips either."""
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "list.txt").write_text("pipe.mp4 left\nfolder.mp4 left\na\0b.mp4 left\n")
    group, skipped = read_listed(ListedSet("I", str(tmp_path / "list.txt")))
    assert not group.clips and len(skipped) == 3
    assert all(entry["reason"].startswith("missing") for entry in skipped)


def test_files_of_one_name_are_distinguished(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        frames_of(tmp_path / folder / "1.mp4", 2)
    (tmp_path / "list.txt").write_text("x/1.mp4 left\ny/1.mp4 left\n")
    group, skipped = read_listed(ListedSet("I", str(tmp_path / "list.txt")))
    assert [clip.clip for clip in group.clips] == ["x/1", "y/1"] and not skipped


def write_strided(path, size=16):
    """A small network whose frames are 2 apart, trained at 16 px of 18."""
    torch.manual_seed(0)
    model = build_backbone("tiny3d", len(LABELS), 4, size)
    seen = dataclasses.asdict(Input(4, size, 18, 2))
    checkpoint.save(
        {"model": model.state_dict(), "backbone": "tiny3d", "labels": list(LABELS), "input": seen,
         "settings": {}, "arm": "car", "seed": 0},
        path,
    )  # fmt: skip


def test_another_size_and_another_sampling_than_in_training(world, tmp_path):
    write_strided(tmp_path / "strided.pt")
    model = {"model": tmp_path / "strided.pt"}
    rows, summary = run(world, tmp_path / "a.parquet", **model)
    assert (summary["sampling"], summary["size"], summary["short_side"]) == ("mmaction2", 16, 18)
    for changes in ({"sampling": "slowfast"}, {"size": 18, "short_side": 18}, {"short_side": 24}):
        other, about = run(world, tmp_path / "b.parquet", changed(**changes), **model)
        assert any(a["logits"] != b["logits"] for a, b in zip(rows, other, strict=True)), changes
        assert about | changes == about
    _, about = run(world, tmp_path / "b.parquet", changed(size=24), **model)
    assert (about["size"], about["short_side"]) == (24, 27)


def test_sizes_and_samplings_that_cannot_be(world, tmp_path):
    write_strided(tmp_path / "strided.pt")
    model = {"model": tmp_path / "strided.pt"}
    with pytest.raises(UserError, match=r"evaluate.short_side: wanted at least 20, .* got 17"):
        run(world, tmp_path / "a.parquet", changed(size=20, short_side=17), **model)
    with pytest.raises(UserError, match=r"evaluate.sampling: .* 2 frames apart, got uniformerv2"):
        run(world, tmp_path / "a.parquet", changed(sampling="uniformerv2"), **model)
    with pytest.raises(UserError, match=r"evaluate.sampling: wanted a backbone with a published"):
        run(world, tmp_path / "a.parquet", changed(sampling="published"))
    with pytest.raises(UserError, match=r"evaluate.sampling: .* got tiny3d"):
        settings_of.load(
            {"evaluate": {"sampling": "published"}, "train": {"backbone": "tiny3d"}},
            require_files=False,
        )


def test_the_published_protocol_replaces_views_crops_and_size(world, tmp_path, monkeypatch):
    from occludenet_build.config import protocols

    small = protocols.Protocol("slowfast", 3, 3, 18, 18, "logits", "a test")
    monkeypatch.setitem(protocols.PROTOCOLS, "tiny3d", small)
    write_strided(tmp_path / "strided.pt")
    _, about = run(
        world, tmp_path / "a.parquet", changed(sampling="published"), tmp_path / "strided.pt"
    )
    assert (about["views"], about["crops"], about["average"]) == (3, 3, "logits")
    assert (about["sampling"], about["size"], about["short_side"]) == ("slowfast", 18, 18)
    assert read_predictions(tmp_path / "a.parquet").about.views == 3


def test_a_network_that_says_nan_is_refused_with_the_clip(world, tmp_path):
    write_model(tmp_path / "nan.pt", list(LABELS))
    values = checkpoint.load(tmp_path / "nan.pt")
    values["model"]["head.bias"] *= float("nan")
    checkpoint.save(values, tmp_path / "nan.pt")
    with pytest.raises(UserError, match=r"\.mp4: wanted finite logits, the network gives nan") as e:
        run(world, tmp_path / "a.parquet", model=tmp_path / "nan.pt")
    assert "\n" not in str(e.value) and not (tmp_path / "a.parquet").exists()


def test_groups_of_the_build_and_of_a_list_are_a_column_only_where_named(world, tmp_path):
    run(world, tmp_path / "a.parquet")
    assert "group" not in pq.read_schema(tmp_path / "a.parquet").names
    assert read_predictions(tmp_path / "a.parquet").rows["group"].isna().all()
    files = [row["file"] for row in rows_of(tmp_path / "a.parquet") if row["set"] == "clean"]
    lines = [f"{file},{LABELS[0]},p{n // 3}" for n, file in enumerate(files)]
    (tmp_path / "s.csv").write_text("\n".join(["file,label,performance", *lines]))
    listed = ListedSet("S", str(tmp_path / "s.csv"), str(world), group="performance")
    rows, summary = run(world, tmp_path / "b.parquet", changed(lists=(listed,), group="^(.)"))
    assert {row["group"] for row in rows if row["set"] == "S"} == {"p0", "p1"}
    assert all(row["group"] == row["clip"][0] for row in rows if row["set"] != "S")
    of_s = next(entry for entry in summary["sets"] if entry["set"] == "S")
    assert (of_s["n"], of_s["groups"]) == (6, 2) and of_s["top1_group_high"] <= 100


def test_the_total_direct_effect_by_hand():
    """Where the scene alone says b, taking it away turns two clips to a and one to the wrong c."""
    logits = [[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [1.0, 2.0, 1.5], [0.0, 2.0, 0.0]]
    erased = [[0.0, 2.0, 0.0], None, [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    rows = [
        {"set": "D-50", "scale": 0.5, "clip": f"c{n}", "label": label, "logits": p,
         "erased_logits": c, "top1": label == "b"}
        for n, (label, p, c) in enumerate(zip("aaab", logits, erased, strict=True))
    ]  # fmt: skip
    clean = [row | {"set": "clean", "scale": 0.0, "erased_logits": None} for row in rows]
    one, none = tde_by_set([*rows, *clean], ["a", "b", "c"], (1.0, 0.0))
    assert (one["set"], one["lambda"], one["n"], one["with_counterfactual"]) == ("D-50", 1, 4, 3)
    assert (one["top1"], one["gain"], one["only_tde"], one["only_plain"]) == (50.0, 25.0, 1, 0)
    assert (one["top1_low"], one["top1_high"]) == pytest.approx([100 * x for x in wilson(2, 4)])
    assert (none["top1"], none["gain"], none["p"]) == (25.0, 0.0, 1.0)
    effect = causal_effects(rows, ["a", "b", "c"], 0, (1.0,))
    assert effect[0]["n"] == 3 and effect[0]["top1_tde_1"] == pytest.approx(200 / 3)


def test_the_total_direct_effect_of_a_stage(tmp_path):
    erased_world(tmp_path, clips=2)
    settings = dataclasses.replace(WITHOUT, tde=(0.5, 1.0))
    rows, summary = run(tmp_path, tmp_path / "a.parquet", settings)
    assert [(one["set"], one["lambda"]) for one in summary["tde"]] == [
        (name, weight) for name in ("D-25", "D-75") for weight in (0.5, 1.0)
    ]
    for one in summary["tde"]:
        mine = [row for row in rows if row["set"] == one["set"]]
        right = [
            LABELS[int(np.argmax(row["logits"] - one["lambda"] * np.array(row["erased_logits"])))]
            == row["label"]
            for row in mine
        ]
        assert one["top1"] == pytest.approx(100 * np.mean(right)) and one["n"] == len(mine)
    header = (tmp_path / "a.effect.csv").read_text().splitlines()[0]
    assert header.endswith(",distance,top1_tde_0.5,top1_tde_1")


def test_further_tables_are_sets_beside_those_of_the_build(tmp_path):
    """The derived test sets of the stage variants."""
    rows = [row | {"set": "human", "scale": math.nan} for row in write_world(tmp_path)]
    more = tmp_path / "variants/clips.parquet"
    kept = [row | {"file": f"variants/{row['file']}"} for row in rows if row["split"] == "test"]
    tables.write_table(pa.Table.from_pylist(kept), more)
    args = Namespace(clips=tmp_path / "annotate/clips.parquet", more=[more], root=tmp_path)
    own, derived = evaluation_groups(args, Evaluate(group="(test)"))[0]
    assert {clip.set for clip in own.clips} == {"clean", "D-25", "D-75"}
    assert {clip.set for clip in derived.clips} == {"human"} and derived.where == str(more)
    assert set(derived.independent.values()) == {"test"}
