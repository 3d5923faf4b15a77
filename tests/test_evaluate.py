"""Evaluation: each clip once, by name, averaged over views, and what is refused."""

import json
from argparse import Namespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from small_clips import FRAMES, LABELS, save_table, write_world

from occludenet_build import evaluate
from occludenet_build.config import Config, Evaluate
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import backbones, checkpoint
from occludenet_build.recognition.predict import AVERAGES
from occludenet_build.recognition.table import Clip

SETTINGS = Evaluate(views=2, batch=4, workers=0, device="cpu")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root, train=0, test=2)
    write_model(root / "car-0.pt", list(LABELS))
    return root


def write_model(path, labels):
    torch.manual_seed(0)
    model = backbones.build("tiny3d", len(labels), 4, 16)
    settings = {"frames": 4, "size": 16, "short_side": 18}
    checkpoint.save(
        {"model": model.state_dict(), "backbone": "tiny3d", "labels": labels, "settings": settings,
         "arm": "car", "seed": 0},
        path,
    )  # fmt: skip


def run(root, out, settings=SETTINGS, model="car-0.pt"):
    args = Namespace(
        clips=root / "annotate/clips.parquet", root=root, model=root / model, threads=1, out=out
    )
    evaluate.work(args, Config(evaluate=settings))
    return pq.read_table(out).to_pylist(), json.loads(out.with_suffix(".json").read_text())


def test_every_clip_once_and_the_summary_agrees(world, tmp_path):
    rows, summary = run(world, tmp_path / "car-0.parquet")
    assert len(rows) == 2 * 3 * 3 == len({row["file"] for row in rows})
    assert [entry["set"] for entry in summary["sets"]] == ["clean", "D-25", "D-75"]
    for entry in summary["sets"]:
        of_set = [row for row in rows if row["set"] == entry["set"]]
        assert entry["n"] == len(of_set) == 6
        assert entry["top1"] == pytest.approx(100 * sum(r["top1"] for r in of_set) / 6)
        assert entry["top5"] == 100  # three labels
    for row in rows:
        best = max(range(3), key=row["logits"].__getitem__)
        assert row["predicted"] == LABELS[best]
        assert row["top1"] == (row["predicted"] == row["label"])
    assert summary["average"] == "softmax" and summary["arm"] == "car"


@pytest.mark.parametrize("change", [{"batch": 1}, {"batch": 100}])
def test_batches_do_not_change_predictions(world, tmp_path, change):
    whole, _ = run(world, tmp_path / "a.parquet")
    other, _ = run(world, tmp_path / "b.parquet", Evaluate(**(vars(SETTINGS) | change)))
    for one, two in zip(whole, other, strict=True):
        assert one["file"] == two["file"]
        assert one["logits"] == pytest.approx(two["logits"], abs=1e-5)


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_three_crops_and_either_average(world, tmp_path, average):
    settings = Evaluate(**(vars(SETTINGS) | {"crops": 3, "average": average}))
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
    clip = Clip("a", "clean", 0.0, "test", LABELS[0], "a.mp4", "", None, None, FRAMES, None, None)
    labels = ["l0", "l1", "l2", "l3", "l4", LABELS[0]]
    first = evaluate.row_of(clip, np.array([5, 4, 3, 2, 1, 0.5], np.float32), labels)
    second = evaluate.row_of(clip, np.array([5, 4, 3, 2, 1, 1.5], np.float32), labels)
    assert (first["top1"], first["top5"], second["top5"]) == (False, False, True)


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
    assert "2 clips could not be read" in caplog.text


def test_a_split_without_clips_is_said_and_not_an_error(world, tmp_path, caplog):
    got, summary = run(world, tmp_path / "a.parquet", Evaluate(split="val"))
    assert (len(got), summary["sets"]) == (0, [])
    assert "has no clip of the split val" in caplog.text


def test_what_is_refused(world, tmp_path):
    with pytest.raises(UserError, match="is missing"):
        run(world, tmp_path / "a.parquet", model="none.pt")
    torch.save({"model": {}}, world / "bare.pt")
    with pytest.raises(UserError, match="wanted a network written by train"):
        run(world, tmp_path / "a.parquet", model="bare.pt")


def test_a_file_that_stands_twice_is_refused(tmp_path):
    rows = write_world(tmp_path, train=0)
    write_model(tmp_path / "car-0.pt", list(LABELS))
    save_table(tmp_path, [*rows, rows[0]])
    with pytest.raises(UserError, match="each file once"):
        run(tmp_path, tmp_path / "a.parquet")
