"""An interrupted training resumes on the same curve; TensorBoard shows each step once."""

import signal
import subprocess
import time

import pytest
from support.clips import write_world
from support.train import changed, command, curve, environment, run, same
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from occludenet_build.recognition import checkpoint, loop
from occludenet_build.recognition.train_step import CarLearner, CarTally

SETTINGS = changed(
    accumulate=2,
    ema=0.9,
    batch=2,
    log_steps=1,
    checkpoint_minutes=0.0,
    tensorboard=True,
    seeds=(3,),
)
KILLED = """
import os, runpy, signal, sys
from occludenet_build.recognition.train_step import CarLearner as Learner

at, learn, done = int(sys.argv.pop(1)), Learner.learn, []

def until_killed(*values):
    done.append(1)
    if len(done) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(*values)

Learner.learn = until_killed
sys.argv.insert(1, "train")
runpy.run_module("occludenet_build", run_name="__main__")
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root, test=0)
    return root


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """Never stopped: 3 epochs of 3 steps of 2 batches of 2 clips."""
    return run(world, tmp_path_factory.mktemp("whole") / "whole.pt", seed=3, settings=SETTINGS)


def scalars(folder):
    """(step, value) of each curve, as TensorBoard shows them."""
    events = EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in names}


@pytest.mark.parametrize("at", [10, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_a_step_it_goes_on_to_the_same(world, whole, tmp_path, at):
    """kill -9 within the 2nd batch of the 5th step, which is the 2nd of its epoch."""
    out = tmp_path / "car-0.pt"
    program = ("-c", KILLED, str(at))
    line = command(world, out, settings=SETTINGS, program=program)
    dead = subprocess.run(line, capture_output=True, text=True, env=environment())
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    left = checkpoint.load(tmp_path / "store/car-0/checkpoint.pt")
    assert left["state"]["step"] == (at - 1) // 2 and not out.exists()
    line = command(world, out, settings=SETTINGS)
    done = subprocess.run(line, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    log = out.with_suffix(".log").read_text()
    assert f"{(at - 1) // 2} steps done" in log and "car, seed 3: tiny3d on cpu" in log
    assert "epoch 3/3: loss" in log and "step/s" in log
    assert out.with_suffix(".csv").read_text() == whole[1]
    assert same(checkpoint.load(out), whole[0])
    shown, rows = scalars(tmp_path / "store/car-0/board"), curve(whole[1])
    assert set(shown) == {f"train/{name}" for name in rows[0]} - {"train/step"}
    for name, points in shown.items():
        assert [step for step, _ in points] == list(range(1, 10))
        values = [row[name.removeprefix("train/")] for row in rows]
        assert [value for _, value in points] == pytest.approx(values, rel=1e-6)


def test_what_is_evaluated_is_the_average(whole, world, tmp_path):
    """A checkpoint keeps both."""
    plain, _ = run(world, tmp_path / "plain.pt", seed=3, settings=changed(SETTINGS, ema=0.0))
    averaged, _ = run(world, tmp_path / "averaged.pt", seed=3, settings=SETTINGS)
    kept = checkpoint.load(tmp_path / "store/averaged/checkpoint.pt")
    assert same(averaged, whole[0]) and not same(averaged, plain)
    assert same({"model": kept["model"]}, plain)
    inner = {k.removeprefix("module."): v for k, v in kept["average"].items() if "module." in k}
    assert same({"model": inner}, averaged)


@pytest.mark.slow
def test_what_was_written_after_the_last_checkpoint_is_not_shown_twice(world, tmp_path):
    """Killed where TensorBoard has rows that no checkpoint has."""
    rare = changed(SETTINGS, checkpoint_minutes=10.0)
    line = command(world, tmp_path / "car-0.pt", settings=rare, program=("-c", KILLED, "17"))
    dead = subprocess.run(line, capture_output=True, text=True, env=environment())
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    time.sleep(1.1)  # files of TensorBoard are ordered by their second
    _, text = run(world, tmp_path / "car-0.pt", seed=3, settings=rare)
    shown = scalars(tmp_path / "store/car-0/board")["train/loss"]
    assert [step for step, _ in shown] == [row["step"] for row in curve(text)]


def test_another_training_begins_its_board_anew(world, tmp_path):
    run(world, tmp_path / "car-0.pt", settings=SETTINGS)
    run(world, tmp_path / "car-0.pt", settings=changed(SETTINGS, epochs=1))
    shown = scalars(tmp_path / "store/car-0/board")["train/loss"]
    assert [step for step, _ in shown] == [1, 2, 3]
    run(world, tmp_path / "off.pt", settings=changed(SETTINGS, tensorboard=False))
    assert not (tmp_path / "store/off/board").exists()


@pytest.mark.slow
def test_ctrl_c_is_clean(world, tmp_path):
    out = tmp_path / "car-0.pt"
    line = command(world, out, settings=changed(SETTINGS, epochs=5000, memory_mib=0, workers=1))
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment())
    made, end = tmp_path / "store/car-0/checkpoint.pt", time.monotonic() + 120
    while not made.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said
    assert "stopped; finished items are kept" in said.splitlines()[-1]
    assert not out.exists() and not list(made.parent.glob(".*.part*"))
    assert checkpoint.load(made)["state"]["step"] > 0


@pytest.mark.parametrize(
    ("done", "key", "goes_on"), [(3, "data", True), (9, "data", False), (3, "other", False)]
)
def test_edited_code_throws_no_half_trained_network_away(tmp_path, monkeypatch, done, key, goes_on):
    """A finished training starts again with `rerun_on: code`, and always with other data."""
    state = loop.asdict(loop.TrainingState.start(CarTally)) | {"step": done}
    checkpoint.save({"key": "data", "version": "train 1 abc", "state": state}, tmp_path / "x.pt")
    monkeypatch.setattr(loop, "_parts", lambda learner: {})
    assert loop._resumed(tmp_path / "x.pt", key, "train 1 abc", CarLearner, 9).step == (
        done if key == "data" else 0
    )
    assert (
        loop._resumed(tmp_path / "x.pt", key, "train 1 xyz", CarLearner, 9).step == goes_on * done
    )
