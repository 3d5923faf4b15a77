"""train: the arms, resuming, skipped and dropped clips, errors."""

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from support.clips import save_table, write_world
from support.train import SMALL, changed, curve, run, same

from occludenet_build.config.training import Swap
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import loop
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.backbones.weights import load_weights
from occludenet_build.recognition.optim import BatchOrder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


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
    settings = changed(checkpoint_minutes=minutes)
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
    faster = changed(learning_rate=0.02)
    run(world, tmp_path / "car-0.pt", settings=faster)
    assert "not resumed" in caplog.text
    caplog.clear()
    run(world, tmp_path / "car-0.pt", settings=changed(faster, workers=1))
    assert "9 steps done" in caplog.text


def test_baseline_is_plain_training_and_opens_no_counterfactual(world, tmp_path):
    rows = write_world(tmp_path, test=0)
    for row in rows:
        if row["counterfactual"]:
            (tmp_path / row["counterfactual"]).unlink()
    (tmp_path / "annotate/frames/000.parquet").unlink()
    values, text = run(tmp_path, tmp_path / "baseline-0.pt", arm="baseline")
    whole, whole_text = run(world, tmp_path / "other.pt", arm="baseline")
    assert text == whole_text and same(values, whole)
    assert all(row["kl"] == 0 and row["dropped"] == 0 for row in curve(text))


def test_all_arms_of_a_seed_start_alike(world, tmp_path):
    still = changed(learning_rate=0.0, epochs=1)
    names = ("baseline", "car", "car_a0.5", "clean", "stillmix", "fame")
    arms = [run(world, tmp_path / f"{arm}.pt", arm, settings=still) for arm in names]
    other, _ = run(world, tmp_path / "other.pt", seed=1, settings=still)
    assert all(same(arm, arms[0][0]) for arm, _ in arms) and not same(other, arms[0][0])
    assert [arm["arm"] for arm, _ in arms] == list(names)
    assert [arm["settings"]["alpha"] for arm, _ in arms] == [0, 1, 0.5, 0, 0, 0]


def test_car_sees_the_clips_that_the_baseline_sees(world, tmp_path):
    """Same order and draws: with constant weights both arms have the same cross entropy."""
    still = changed(learning_rate=0.0, counterfactual_forward="own")
    texts = [run(world, tmp_path / f"{a}.pt", a, settings=still)[1] for a in ("baseline", "car")]
    baseline, car = map(curve, texts)
    for one, other in zip(baseline, car, strict=True):
        assert (one["ce"], one["top1"]) == (other["ce"], other["top1"])
        assert one["kl"] == 0 < other["kl"]


def test_an_arm_of_an_alpha_is_car_with_that_alpha(world, tmp_path):
    half, text = run(world, tmp_path / "car_a0.5.pt", "car_a0.5")
    car, other = run(world, tmp_path / "car.pt", "car", settings=changed(alpha=0.5))
    assert same(half, car) and text == other


@pytest.mark.parametrize(
    ("arm", "settings", "like", "alike"),
    [
        ("baseline_long", {}, "baseline", {"epochs": 2 * SMALL.epochs}),
        ("scale_0.25", {}, "baseline", {"scales": (0.25,)}),
        ("swap", {"swap": Swap(probability=0.0)}, "baseline", {}),
        ("car_swap", {"swap": Swap(probability=0.0)}, "car", {}),
    ],
)
def test_what_an_arm_is_made_of(world, tmp_path, arm, settings, like, alike):
    one, text = run(world, tmp_path / "one.pt", arm, settings=changed(**settings))
    other, text_of_other = run(world, tmp_path / "other.pt", like, settings=changed(**alike))
    assert same(one, other) and text == text_of_other and one["arm"] == arm


def test_swapped_clips_are_learnt_from(world, tmp_path):
    """Half of the sceneries change: the arm is neither the baseline nor CAR on the same clips."""
    arms = ("baseline", "car", "swap", "car_swap")
    found = {arm: run(world, tmp_path / f"{arm}.pt", arm)[0] for arm in arms}
    assert not any(same(found[a], found[b]) for a, b in itertools.combinations(arms, 2))


def test_a_network_that_ends_with_nan_is_not_written(world, tmp_path):
    """The loss is looked at before a step, so that of the last step ends in the weights."""
    one_step = changed(name="sgd", learning_rate=1e38, epochs=1, batch=100, clip_gradient=0.0)
    with pytest.raises(UserError, match="wanted finite logits of the trained network"):
        run(world, tmp_path / "car.pt", settings=changed(one_step, warmup_epochs=0.0))
    assert not (tmp_path / "car.pt").exists()


def test_clean_sees_the_clean_twins(tmp_path):
    rows = write_world(tmp_path, test=0)
    for row in rows:
        if row["scale"]:
            (tmp_path / row["file"]).unlink()
    _, text = run(tmp_path, tmp_path / "clean.pt", "clean", settings=changed(epochs=1))
    assert sum(row["clips"] for row in curve(text)) == 6
    assert all(row["skipped"] == 0 for row in curve(text))


@pytest.mark.parametrize("arm", ["stillmix", "fame"])
def test_a_comparator_mixes_and_begins_like_the_baseline(world, tmp_path, arm):
    every = changed(mix=dataclasses.replace(SMALL.mix, probability=1.0), epochs=1)
    nobody = changed(mix=dataclasses.replace(SMALL.mix, probability=0.0), epochs=1)
    baseline, _ = run(world, tmp_path / "baseline.pt", "baseline", settings=changed(epochs=1))
    mixed, _ = run(world, tmp_path / "mixed.pt", arm, settings=every)
    unmixed, _ = run(world, tmp_path / "unmixed.pt", arm, settings=nobody)
    assert same(unmixed, baseline) and not same(mixed, baseline)


def test_mixup_and_smoothing_are_learnt_from(world, tmp_path):
    """Whose targets are all but even has lost little by not knowing better."""
    even = dataclasses.replace(SMALL.augment, label_smoothing=0.99)
    _, text = run(world, tmp_path / "even.pt", settings=changed(augment=even))
    mixup = dataclasses.replace(SMALL.augment, mixup=0.8)
    mixed, _ = run(world, tmp_path / "mixup.pt", settings=changed(augment=mixup))
    plain, plain_text = run(world, tmp_path / "plain.pt")
    assert curve(text)[-1]["ce"] != curve(plain_text)[-1]["ce"] and not same(mixed, plain)


def test_decoding_processes_and_memory_change_nothing(world, tmp_path):
    kept = run(world, tmp_path / "kept.pt")[1]
    for workers in (0, 1):
        settings = changed(memory_mib=0, workers=workers)
        assert run(world, tmp_path / f"{workers}.pt", settings=settings)[1] == kept


def test_an_unreadable_clip_is_skipped_and_an_unerased_one_dropped(tmp_path, caplog):
    rows = write_world(tmp_path, test=0)
    used = [row for row in rows if row["scale"]]
    (tmp_path / used[0]["file"]).write_bytes(b"no video")
    used[1] |= {"counterfactual": None, "counterfactual_hash": None}
    used[2]["counterfactual_hash"] = used[2]["file_hash"]
    save_table(tmp_path, rows)
    epoch = changed(epochs=1)
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
        ({"backbone": "r4d"}, "car", "train.backbone: wanted one of tiny3d, scene3d"),
        ({"backbone": "s3d"}, "car", "s3d cannot take clips of 4 frames of 16 px"),
        ({"learning_rate": 1e30}, "baseline", "loss is nan in step 1, with the clips clips/0."),
        ({"precision": "fp16"}, "car", "train.precision: wanted fp32 or bf16 on cpu, got fp16"),
        ({"processes": 2}, "car", "wanted 2 processes, got 1; start with torchrun"),
        ({"drop_path": 0.1}, "car", "train.drop_path: tiny3d does not have this rate"),
        (
            {"backbone": "ibm_tam_resnet18", "drop_path": 0.1},
            "car",
            "train.drop_path: ibm_tam_resnet18 does not have this rate",
        ),
        ({}, "cars", "train.arms: wanted one of baseline, car, clean, stillmix, fame, swap"),
        ({}, "car_a0", "train.arms: wanted one of"),
    ],
)
def test_user_errors(world, tmp_path, change, arm, message):
    with pytest.raises(UserError, match=message):
        run(world, tmp_path / "x.pt", arm=arm, settings=changed(**change))


def test_car_without_counterfactuals_says_what_to_do(tmp_path):
    rows = write_world(tmp_path, train=1, test=0)
    save_table(tmp_path, [row | {"counterfactual": None} for row in rows])
    with pytest.raises(UserError, match="build with train in counterfactual"):
        run(tmp_path, tmp_path / "car.pt")


def test_order_of_an_epoch_depends_on_seed_and_epoch():
    order = list(BatchOrder(10, 4, 2, seed=5))
    assert [len(batch) for batch in order] == [4, 4, 2] * 2 and len(BatchOrder(10, 4, 2, 5)) == 6
    assert sorted(number for batch in order[:3] for number, _ in batch) == list(range(10))
    assert order[:3] != [[(n, 0) for n, _ in batch] for batch in order[3:]]
    assert list(BatchOrder(10, 4, 2, seed=5, start=4)) == order[4:]


@pytest.mark.parametrize(
    ("name", "frames", "size"), [("tiny3d", 4, 32), ("r3d_18", 4, 32), ("swin3d_t", 4, 32)]
)
def test_backbones_give_logits(name, frames, size):
    model = build_backbone(name, 7, frames, size)
    assert model(torch.zeros(1, 3, frames, size, size)).shape == (1, 7)


def test_starting_weights(tmp_path, caplog):
    caplog.set_level("INFO")
    source = build_backbone("tiny3d", 400, 4, 16)
    tensors = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": tensors}, tmp_path / "w.pt")
    model = build_backbone("tiny3d", 3, 4, 16)
    load_weights(model, "tiny3d", tmp_path / "w.pt")
    assert "its head has 400 classes, wanted 3; the head starts with random weights" in caplog.text
    ours, theirs = model.state_dict(), source.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours if not k.startswith("head."))
    with pytest.raises(UserError, match=r"not one: \d+ missing: stem.0.weight.* unexpected: "):
        load_weights(build_backbone("r3d_18", 3, 4, 32), "r3d_18", tmp_path / "w.pt")
    torch.save({"model": Path("evil")}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="does not read"):
        load_weights(model, "tiny3d", tmp_path / "evil.pt")
