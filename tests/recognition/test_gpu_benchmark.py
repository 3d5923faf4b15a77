"""The benchmark of a GPU machine: limits of its processes, and that every part runs on a CPU."""

import json
import subprocess
import sys
import time

import pytest
from conftest import REPO

sys.path.insert(0, str(REPO / "benchmarks"))
import gpu
from parts.gpu.table import table_of
from parts.gpu.task import Task

SCRIPT = REPO / "benchmarks" / "gpu.py"


def test_the_limits_of_all_measurements_are_those_of_a_run():
    total = sum(one.limit for one in gpu.MEASUREMENTS.values()) / 60
    assert total <= 8.4, "most end before their limit, and the run has one of its own"


def test_a_process_is_ended_after_its_limit_with_all_that_it_started(tmp_path):
    note = tmp_path / "note"
    child = f"import time; time.sleep(0.9); open({str(note)!r}, 'w')"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    assert "after its limit of 0 s" in gpu.ended(process, 0.3)
    time.sleep(0.9)
    assert not note.exists()


def test_a_part_that_fails_leaves_the_others(tmp_path):
    task = Task(tmp_path, tmp_path / "notes.json", "cpu", True, 60)
    task.part("wrong", lambda: 1 / 0)
    task.part("right", lambda: 3)
    task.limit = 0
    task.part("late", lambda: 4)
    found = json.loads(task.notes.read_text())
    assert found["right"] == 3
    assert found["wrong"]["error"] == "ZeroDivisionError: division by zero"
    assert found["late"]["error"].startswith("not begun")
    text = table_of({"measurements": {"train_x3d_s": found | {"error": "ended"}}})
    assert "| train_x3d_s | not measured: ended |" in text and "division by zero" in text


def run(tmp_path, *options):
    out = tmp_path / "out.json"
    line = [sys.executable, SCRIPT, "--tiny", "--out", out, *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == json.loads(out.read_text())
    return found["measurements"]


@pytest.mark.slow
def test_a_device_that_is_not_there_is_an_entry(tmp_path):
    found = run(tmp_path, "--device", "cuda:7", "--only", "machine", "processes")
    assert "error" not in found["machine"]
    assert "wanted one that this machine has" in found["processes"]["error"]


@pytest.mark.slow
def test_every_part_runs_on_a_cpu(tmp_path):
    names = ["detect", "train_x3d_s", "sam_vit_b", "memory", "processes", "train_loop"]
    found = run(tmp_path, "--device", "cpu", "--minutes", "30", "--only", *names)
    assert list(found) == names
    assert not any("error" in str(one) for one in found.values()), found
    assert found["detect"]["batch_2"]["frames_per_second"] > 0
    for arm in ("bf16_baseline", "bf16_car", "fp32_baseline", "fp32_car"):
        one = found["train_x3d_s"][arm]
        assert one["last_loss"] < one["first_loss"], "its optimizer does nothing"
    assert found["sam_vit_b"]["masks"]["frames"] >= 2
    two = found["processes"]["gloo"]
    assert two["largest_difference"] < 1e-3 * two["largest_change"]
    assert found["train_loop"]["loop"]["steps"] == 3


@pytest.mark.slow
def test_stages_recover_where_a_batch_does_not_fit(tmp_path):
    found = run(tmp_path, "--device", "cpu", "--minutes", "30", "--only", "memory")["memory"]
    stages = ("detect", "actor_masks", "evaluate", "train")
    assert all(found[stage]["recovered"] for stage in stages), found
    assert found["detect"]["boxes"] > 0
    assert 0 < found["actor_masks"]["share_of_pixels_in_masks"] < 1, "masks that can differ"
