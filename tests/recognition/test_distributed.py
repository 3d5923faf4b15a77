"""Several processes through torchrun: same result as one, stopped together, resumed."""

import dataclasses
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from support.clips import save_table, write_world
from support.train import changed, command, curve, distance, environment, run
from torch import nn

from occludenet_build.core.errors import UserError
from occludenet_build.recognition import checkpoint, distributed
from occludenet_build.recognition.train_step import CarLearner
from occludenet_build.recognition.training_clips import collate

EXACT = changed(
    name="sgd", ema=0.5, accumulate=2, batch=3, epochs=2, log_steps=1, learning_rate=0.05
)


@pytest.fixture(scope="module")
def torn(tmp_path_factory):
    """11 clips, of which one cannot be read and two have no counterfactual."""
    root = tmp_path_factory.mktemp("torn")
    rows = write_world(root, test=0)
    used = [row for row in rows if row["scale"]]
    (root / used[0]["file"]).write_bytes(b"no video")
    used[1] |= {"counterfactual": None, "counterfactual_hash": None}
    used[2]["counterfactual_hash"] = used[2]["file_hash"]
    rows.remove(used[3])
    save_table(root, rows)
    return root


def trained(root, out, settings, arm="car"):
    line = command(root, out, arm, settings)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    return checkpoint.load(out), out.with_suffix(".csv").read_text()


def test_two_processes_equal_one(torn, tmp_path):
    """With batches of 3 and a last one of 2, and a process that at times has no clip to learn from
    or no counterfactual; with accumulation and a moving average."""
    alone, text = run(torn, tmp_path / "one.pt", settings=EXACT)
    both = trained(torn, tmp_path / "two.pt", dataclasses.replace(EXACT, processes=2))
    one, two = curve(text), curve(both[1])
    assert len(one) == 4 and sum(row["skipped"] for row in one) == 2
    for alike, other in zip(one, two, strict=True):
        assert alike == pytest.approx(other, rel=2e-5)
        for name in ("step", "clips", "dropped", "skipped", "top1"):
            assert alike[name] == other[name]
    assert distance(alone, both[0]) < 2e-6
    log = (tmp_path / "two.log").read_text()
    assert log.count("skipped clips/") == 2 and log.count("epoch 2/2") == 1


@pytest.mark.slow
def test_adamw_of_two_processes_equals_that_of_one(torn, tmp_path):
    """With a larger tolerance, since it divides by gradients close to 0."""
    settings = changed(EXACT, name="adamw", learning_rate=0.003)
    alone, text = run(torn, tmp_path / "one.pt", settings=settings)
    both, other = trained(torn, tmp_path / "two.pt", dataclasses.replace(settings, processes=2))
    for one, two in zip(curve(text), curve(other), strict=True):
        assert one == pytest.approx(two, rel=1e-3)
    assert distance(alone, both) < 1e-4


@pytest.mark.slow
def test_batch_norm_of_two_processes(tmp_path):
    """Each process normalises by its own part; the statistics are averaged, also in checkpoints,
    and the moving average has those of all processes."""
    write_world(tmp_path, test=0)
    settings = changed(backbone="r3d_18", epochs=1, processes=2, memory_mib=0, ema=0.5)
    averaged, _ = trained(tmp_path, tmp_path / "two.pt", settings)
    assert not torch.equal(averaged["model"]["stem.1.running_mean"], torch.zeros(64))
    state = checkpoint.load(tmp_path / "store/two/checkpoint.pt")
    for name, value in state["model"].items():
        same = torch.equal(averaged["model"][name], value)
        assert same == ("running" in name or "num_batches" in name or not value.numel()), name


def started(root, out, settings, tmp_path):
    """A training under torchrun that has written its first checkpoint."""
    errors = open(tmp_path / "errors.txt", "w")
    line = command(root, out, "car", settings)
    process = subprocess.Popen(line, stderr=errors, env=environment())
    made = out.parent / "store" / out.stem / "checkpoint.pt"
    until(lambda: made.exists())
    return process


def until(happened, seconds=120):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def children(process):
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(number) for number in found.stdout.split()]


def gone(numbers):
    return not any(Path(f"/proc/{number}").exists() for number in numbers)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a process is killed", "ctrl-c", "sigterm"])
def test_all_stop_together_and_go_on(torn, tmp_path, how):
    long = dataclasses.replace(EXACT, processes=2, epochs=100, checkpoint_minutes=0.0)
    out = tmp_path / "car-0.pt"
    process = started(torn, out, long, tmp_path)
    workers = children(process)
    assert len(workers) == 2
    if how == "a process is killed":
        os.kill(workers[1], signal.SIGKILL)
    else:
        process.send_signal(signal.SIGINT if how == "ctrl-c" else signal.SIGTERM)
    assert process.wait(timeout=60) != 0
    until(lambda: gone(workers), 5)
    assert not out.exists()
    done = checkpoint.load(tmp_path / "store/car-0/checkpoint.pt")["state"]["step"]
    assert 0 < done < 200
    again, text = trained(torn, out, long)
    assert f"{done} steps done" in out.with_suffix(".log").read_text()
    whole, other = trained(torn, tmp_path / "whole.pt", long)
    assert text == other and distance(again, whole) == 0


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_all_with_the_names(torn, tmp_path):
    settings = dataclasses.replace(EXACT, processes=2, learning_rate=1e30)
    line = command(torn, tmp_path / "car-0.pt", "car", settings)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode != 0
    (said,) = [line for line in done.stderr.splitlines() if "with the clips" in line]
    assert "the loss is nan in step 1" in said and said.count("clips/") >= 3
    assert said in (tmp_path / "car-0.log").read_text()


@pytest.mark.parametrize(
    ("wanted", "gpus", "message"),
    [("cuda:1", 2, "'cuda:1'"), ("cuda", 1, "got 1 GPUs"), ("auto", 2, None), ("cpu", 0, None)],
)
def test_each_process_has_a_gpu(monkeypatch, wanted, gpus, message):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if message is None:
        assert distributed._own_device(changed(device=wanted)) == ("cuda:1" if gpus else "cpu")
        return
    with pytest.raises(UserError, match=message):
        distributed._own_device(changed(device=wanted))


class OfTwo(distributed.Process):
    """A process while the other one has a clip with its counterfactual in every batch."""

    def total(self, values):
        return [value + 1 for value in values]

    def gathered(self, texts):
        return texts

    def shared(self, pair):
        return pair


@pytest.mark.parametrize("alone", [False, True])
def test_synchronous_batch_norm_never_waits_for_a_process_without_clips(monkeypatch, alone):
    """It takes part in every forward of the others, with an empty batch, and leaves out its own
    where nobody has clips. (Synchronous batch norm itself runs on CUDA only.)"""
    seen = []
    monkeypatch.setattr(nn.SyncBatchNorm, "forward", lambda self, x: seen.append(len(x)) or x)
    model = nn.Sequential(nn.Conv3d(3, 2, 1), nn.SyncBatchNorm(2), nn.Flatten(), nn.LazyLinear(3))
    model(torch.zeros(1, 3, 4, 16, 16))
    seen.clear()
    one = distributed.ALONE if alone else OfTwo(1, 2)
    learner = CarLearner.of(
        model, changed(name="sgd"), classes=3, seed=0, device="cpu", process=one
    )
    empty = collate([])
    tally = learner.step([empty, empty], number=0, first=0, clips=4)
    assert seen == ([] if alone else [0, 0, 0, 0]) and tally.clips == (0 if alone else 1)


def test_a_part_may_be_empty():
    processes = [distributed.Process(rank, 3) for rank in range(3)]
    assert [one.part([5, 6]) for one in processes] == [[5], [6], []]
    assert [one.part(list(range(7))) for one in processes] == [[0, 3, 6], [1, 4], [2, 5]]
