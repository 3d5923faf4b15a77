"""Training: both arms, going on after a stop, what is skipped, dropped or refused."""

import csv
import dataclasses
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from small_clips import save_table, write_world
from torch import nn

from occludenet_build import train
from occludenet_build.config import Config, Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import backbones, checkpoint, loop
from occludenet_build.recognition.clips import Order

SMALL = Train(
    backbone="tiny3d", size=16, short_side=18, frames=4, epochs=3, batch=4, scales=(0.25, 0.75),
    learning_rate=0.01, log_steps=2, workers=0, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


def run(root, out, arm="car", seed=0, settings=SMALL):
    args = Namespace(
        clips=root / "annotate/clips.parquet", labels=root / "annotate/labels.json", root=root,
        arm=arm, seed=seed, threads=1, out=out, weights=None,
    )  # fmt: skip
    train.work(args, Config(train=settings))
    return checkpoint.load(out), out.with_suffix(".csv").read_text()


def curve(text):
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(text.splitlines())]


def same(one, other):
    return all(torch.equal(one["model"][key], other["model"][key]) for key in one["model"])


def test_writes_the_network_and_the_curve(world, tmp_path):
    values, text = run(world, tmp_path / "car-0.pt")
    assert values["labels"] == ["left", "right", "still"] and values["backbone"] == "tiny3d"
    rows = curve(text)
    assert [(row["epoch"], row["step"]) for row in rows] == [
        (1, 2), (1, 3), (2, 4), (2, 6), (3, 8), (3, 9),
    ]  # fmt: skip
    assert sum(row["clips"] for row in rows) == 3 * 12
    for row in rows:
        assert row["kl"] > 0 and row["loss"] == pytest.approx(row["ce"] + row["kl"])


@pytest.mark.parametrize("saves", [1, 2, 4])
@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_goes_on_to_the_same_curve(world, tmp_path, monkeypatch, saves, minutes):
    """Stopped after a checkpoint: of an epoch, or (minutes 0) of any step within one."""
    settings = dataclasses.replace(SMALL, checkpoint_minutes=minutes)
    if minutes and saves > 3:
        pytest.skip("three epochs only")
    whole = run(world, tmp_path / "whole.pt", settings=settings)
    save, done = loop._save, []

    def save_and_stop(*values):
        save(*values)
        done.append(1)
        if len(done) == saves:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(world, tmp_path / "again.pt", settings=settings)
    assert not (tmp_path / "again.pt").exists()
    again = run(world, tmp_path / "again.pt", settings=settings)
    assert again[1] == whole[1] and same(again[0], whole[0])


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(world, tmp_path, caplog):
    caplog.set_level("INFO")
    run(world, tmp_path / "car-0.pt")
    changed = dataclasses.replace(SMALL, learning_rate=0.02)
    run(world, tmp_path / "car-0.pt", settings=changed)
    assert "not gone on from" in caplog.text
    caplog.clear()
    run(world, tmp_path / "car-0.pt", settings=dataclasses.replace(changed, workers=1))
    assert "9 steps done" in caplog.text


def test_baseline_is_plain_training_and_opens_no_counterfactual(world, tmp_path):
    rows = write_world(tmp_path, test=0)
    for row in rows:
        if row["counterfactual"]:
            (tmp_path / row["counterfactual"]).unlink()
    values, text = run(tmp_path, tmp_path / "baseline-0.pt", arm="baseline")
    whole, whole_text = run(world, tmp_path / "other.pt", arm="baseline")
    assert text == whole_text and same(values, whole)
    assert all(row["kl"] == 0 and row["dropped"] == 0 for row in curve(text))


def test_both_arms_start_alike(world, tmp_path):
    still = dataclasses.replace(SMALL, learning_rate=0.0, epochs=1)
    car, _ = run(world, tmp_path / "car.pt", settings=still)
    baseline, _ = run(world, tmp_path / "baseline.pt", arm="baseline", settings=still)
    other, _ = run(world, tmp_path / "other.pt", seed=1, settings=still)
    assert same(car, baseline) and not same(car, other)


def test_decoding_processes_and_memory_change_nothing(world, tmp_path):
    kept = run(world, tmp_path / "kept.pt")[1]
    for workers in (0, 1):
        settings = dataclasses.replace(SMALL, memory_mib=0, workers=workers)
        assert run(world, tmp_path / f"{workers}.pt", settings=settings)[1] == kept


def test_an_unreadable_clip_is_skipped_and_an_unerased_one_dropped(tmp_path, caplog):
    rows = write_world(tmp_path, test=0)
    used = [row for row in rows if row["scale"]]
    (tmp_path / used[0]["file"]).write_bytes(b"no video")
    used[1] |= {"counterfactual": None, "counterfactual_hash": None}
    used[2]["counterfactual_hash"] = used[2]["file_hash"]
    save_table(tmp_path, rows)
    epoch = dataclasses.replace(SMALL, epochs=1)
    _, text = run(tmp_path, tmp_path / "car.pt", settings=epoch)
    rows = curve(text)
    counts = [sum(row[name] for row in rows) for name in ("clips", "skipped", "dropped")]
    assert counts == [11, 1, 2]
    assert f"skipped {used[0]['file']}: not_a_video" in caplog.text


@pytest.mark.parametrize(
    ("change", "arm", "message"),
    [
        ({"scales": (0.5,)}, "car", "wanted clips of the split train"),
        ({"alpha": 0.0}, "car", "train.alpha"),
        ({"size": 20}, "car", "train.size"),
        ({"backbone": "r4d"}, "car", "train.backbone: wanted one of tiny3d, r3d_18"),
        ({"backbone": "s3d"}, "car", "s3d takes no clips of 4 frames of 16 px"),
        ({"learning_rate": 1e30}, "baseline", "clips/0."),
    ],
)
def test_user_errors(world, tmp_path, change, arm, message):
    with pytest.raises(UserError, match=message):
        run(world, tmp_path / "x.pt", arm=arm, settings=dataclasses.replace(SMALL, **change))


def test_car_without_counterfactuals_says_what_to_do(tmp_path):
    rows = write_world(tmp_path, train=1, test=0)
    save_table(tmp_path, [row | {"counterfactual": None} for row in rows])
    with pytest.raises(UserError, match="run counterfactual"):
        run(tmp_path, tmp_path / "car.pt")


def test_order_of_an_epoch_hangs_on_seed_and_epoch():
    order = list(Order(10, 4, 2, seed=5))
    assert [len(batch) for batch in order] == [4, 4, 2] * 2 and len(Order(10, 4, 2, 5)) == 6
    assert sorted(number for batch in order[:3] for number, _ in batch) == list(range(10))
    assert order[:3] != [[(n, 0) for n, _ in batch] for batch in order[3:]]
    assert list(Order(10, 4, 2, seed=5, start=4)) == order[4:]


def test_learning_rate_rises_and_falls():
    settings = dataclasses.replace(SMALL, epochs=4, warmup_epochs=1.0, learning_rate=1.0)
    rates = [loop.learning_rate(step, 5, settings) for step in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0 and rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 0.02


def test_counterfactuals_leave_batch_norm_statistics_alone():
    model = nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.Flatten(), nn.LazyLinear(2))
    clips = torch.randint(0, 255, (2, 3, 4, 4, 3), dtype=torch.uint8)
    seen = backbones.Input(3, 4, 4, 0)
    model(backbones.normalised(clips))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    logits = loop.counterfactual_logits(model, clips, "cpu", seen)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(logits, model(backbones.normalised(clips)))  # by its own batch
    assert not torch.equal(before["1.running_mean"], model[1].running_mean)


@pytest.mark.parametrize(
    ("name", "frames", "size"), [("tiny3d", 4, 32), ("r3d_18", 4, 32), ("swin3d_t", 4, 32)]
)
def test_backbones_give_logits(name, frames, size):
    model = backbones.build(name, 7, frames, size)
    assert model(torch.zeros(1, 3, frames, size, size)).shape == (1, 7)


def test_starting_weights(tmp_path, caplog):
    caplog.set_level("INFO")
    source = backbones.build("tiny3d", 400, 4, 16)
    tensors = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": tensors}, tmp_path / "w.pt")
    model = backbones.build("tiny3d", 3, 4, 16)
    backbones.start_from(model, "tiny3d", tmp_path / "w.pt")
    assert "its head has 400 classes, 3 are wanted: ours starts at random" in caplog.text
    ours, theirs = model.state_dict(), source.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours if not k.startswith("head."))
    with pytest.raises(UserError, match=r"not one: \d+ missing: stem.0.weight.* unexpected: "):
        backbones.start_from(backbones.build("r3d_18", 3, 4, 32), "r3d_18", tmp_path / "w.pt")
    torch.save({"model": Path("evil")}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="does not load"):
        backbones.start_from(model, "tiny3d", tmp_path / "evil.pt")


def test_command_line(world, tmp_path):
    settings = {"train": dataclasses.asdict(dataclasses.replace(SMALL, epochs=1))}
    command = [
        sys.executable, "-m", "occludenet_build.train", "--clips", world / "annotate/clips.parquet",
        "--labels", world / "annotate/labels.json", "--root", world, "--arm", "baseline",
        "--seed", "3", "--out", tmp_path / "baseline-3.pt", "--settings", json.dumps(settings),
        "--log", tmp_path / "train.log",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1: loss" in (tmp_path / "train.log").read_text()
    assert checkpoint.load(tmp_path / "baseline-3.pt")["seed"] == 3
