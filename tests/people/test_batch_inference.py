"""Many clips through one model: batches, failures, order, memory, strides."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.detect import Bright, clip_of, job, put, results, table

from occludenet_build.config.people import Detect
from occludenet_build.core import ledger
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.people.detect import BOXES, ROWS, decode_ahead, inference
from occludenet_build.people.detectors.interface import FrameDetections
from occludenet_build.people.detectors.oom_fallback import ShrinkingBatch
from occludenet_build.people.tracking.tracks import TrackRules, tracks_by_shot_with_stride

SIZES = {"a.mp4": (96, 64, 20), "b.mp4": (128, 96, 5), "c.mp4": (96, 64, 9), "d.mp4": (64, 96, 31)}
"""Width, height and frames: a and c make one shape, b another, d a third."""
SETTINGS = Detect(batch=4, decode_threads=2)


@pytest.fixture
def clips(make_clip):
    made = [make_clip(name, frames, (w, h)) for name, (w, h, frames) in SIZES.items()]
    return [clip_of(path) for path in made]


def test_frames_of_several_clips_share_batches(clips, monkeypatch):
    model = Bright()
    found = results(model, clips, SETTINGS, monkeypatch)
    assert {name: r.row["frames"] for name, r in found.items()} == {
        n: s[2] for n, s in SIZES.items()
    }
    assert sum(model.batches) == sum(s[2] for s in SIZES.values())
    # three shapes: only the last batch of each is part-filled
    assert sum(size < SETTINGS.batch for size in model.batches) <= 3
    assert len(model.threads) == 1


def test_a_clip_has_the_same_rows_in_any_batch(clips, monkeypatch):
    together_ = results(Bright(), clips, SETTINGS, monkeypatch)
    in_turn = results(Bright(), clips, replace(SETTINGS, decode_threads=0), monkeypatch)
    assert all(in_turn[name].detail.equals(r.detail) for name, r in together_.items())
    for clip in clips:
        alone = results(Bright(), [clip], replace(SETTINGS, batch=1), monkeypatch)[clip.name]
        assert alone.detail.equals(together_[clip.name].detail)
        acting = table(alone).query("actor")
        assert len(acting) == clip.frames, "the square is in every frame"
        assert (acting["x2"] - acting["x1"]).between(14, 18).all()


def test_a_second_run_fills_the_same_batches(clips, monkeypatch):
    runs = [Bright(), Bright()]
    order = [list(results(model, clips, SETTINGS, monkeypatch)) for model in runs]
    assert runs[0].shapes == runs[1].shapes and runs[0].batches == runs[1].batches
    assert order[0] == order[1]


@pytest.mark.parametrize("trouble", ["missing", "no video", "cut off", "other size", "more frames"])
def test_a_clip_that_fails_touches_no_other(clips, trouble, monkeypatch, tmp_path):
    whole = results(Bright(), clips, SETTINGS, monkeypatch)
    bad, wanted = _troubled(clips[2], trouble, tmp_path)
    found = results(Bright(), [*clips[:2], bad, clips[3]], SETTINGS, monkeypatch)
    assert (found[bad.name].row["status"], found[bad.name].row["reason"]) == ("failed", wanted)
    assert found[bad.name].detail is None
    for clip in (clips[0], clips[1], clips[3]):
        assert found[clip.name].detail.equals(whole[clip.name].detail)


def _troubled(clip, trouble: str, folder: Path):
    path = folder / "bad.mp4"
    content = Path(clip.path).read_bytes()
    if trouble == "no video":
        path.write_bytes(b"no video at all")
        return replace(clip, path=str(path)), "not_a_video"
    if trouble == "cut off":
        path.write_bytes(content[: len(content) // 3])
        return replace(clip, path=str(path)), "truncated"
    if trouble == "missing":
        return replace(clip, path="gone.mp4"), "missing"
    if trouble == "other size":
        return replace(clip, width=98), "source_changed"
    return replace(clip, frames=clip.frames + 1), "source_changed"


def test_a_late_failure_discards_the_queued_frames(clips, monkeypatch):
    real = decode_ahead.rgb_frames

    def breaks(path):
        for number, picture in real(path):
            if str(path) == clips[3].path and number == 30:
                raise ItemError("corrupt", "in the middle")
            yield number, picture

    monkeypatch.setattr(decode_ahead, "rgb_frames", breaks)
    model = Bright()
    found = results(model, clips, replace(SETTINGS, batch=8), monkeypatch)
    assert found["d.mp4"].row["reason"] == "corrupt"
    assert all(found[name].row["status"] == "ok" for name in ("a.mp4", "b.mp4", "c.mp4"))


def test_the_ledger_has_a_clip_as_soon_as_it_is_finished(clips, monkeypatch, tmp_path):
    real = decode_ahead.ClipStream.take

    def stops(self):
        if self.clip.name == "d.mp4":
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(inference, "cached_model", lambda settings, threads: Bright())
    settings = replace(SETTINGS, batch=2, decode_threads=1)
    by_name = {clip.name: clip for clip in clips}

    def make(names):
        jobs = (job(by_name[name], settings) for name in names)
        return inference.detect_in_batches(jobs, settings, 1)

    todo = dict.fromkeys(by_name, "key")
    with ledger.locked_ledger(tmp_path / "store", ROWS, BOXES) as book:
        with monkeypatch.context() as patched:
            patched.setattr(decode_ahead.ClipStream, "take", stops)
            with pytest.raises(KeyboardInterrupt):
                ledger.work_through(book, todo, make)
        due = ledger.unfinished_clips(book, todo, lambda row: True)
        assert due and set(due) < set(todo) and "d.mp4" in due
        ledger.work_through(book, todo, make)
        assert len(book.close(list(todo))) == len(todo)


def test_memory_holds_a_few_frames_however_many_clips(make_clip, monkeypatch):
    path, alive = make_clip("a.mp4", 40), set()
    clips = [replace(clip_of(path), name=f"{n}.mp4") for n in range(30)]
    monkeypatch.setattr(decode_ahead, "MOST_FRAMES", 8)
    most = 0

    def counted(picture):
        nonlocal most
        prepared = put(picture)
        number = next(numbers)
        alive.add(number)
        most = max(most, len(alive))
        weakref.finalize(prepared, alive.discard, number)
        return prepared

    numbers = itertools.count()
    found = results(Bright(prepare=counted), clips, SETTINGS, monkeypatch)
    assert len(found) == 30 and next(numbers) == 30 * 40
    # three open clips, each with a turn that is decoded; one that is being batched; two batches
    assert most <= 3 * 8 + 8 + 2 * SETTINGS.batch + 4


def picture(side: int) -> np.ndarray:
    return np.zeros((side, 8, 3), np.uint8)


def test_a_rare_shape_waits_for_a_bounded_time(clips):
    stream = decode_ahead.ClipStream(clips[0], lambda p: p)
    waiting = decode_ahead.ShapeBatches(4)
    rare = list(waiting.put(stream, [(0, picture(5))]))
    assert not rare
    sizes = []
    for number in range(1, 100):
        sizes += [len(b) for b in waiting.put(stream, [(number, picture(8))])]
        if 1 in sizes:
            break
    assert number == decode_ahead.PATIENCE * 4 - 1
    assert sum(sizes) + sum(len(b) for b in waiting.rest()) == number + 1


def test_turns_are_shorter_for_large_pictures(clips):
    large = replace(clips[0], width=1920, height=1080)
    counts = {c.width: decode_ahead.ClipStream(c, lambda p: p)._count for c in (clips[0], large)}
    assert counts == {96: decode_ahead.MOST_FRAMES, 1920: 2}
    assert decode_ahead.ClipStream(large, lambda p: p, stride=8)._count == 1


# Memory of a device


class Small(Bright):
    """Runs out of memory with more than `limit` pictures."""

    def __init__(self, limit: int, error: Exception, on_finish: bool = False) -> None:
        super().__init__()
        self.limit, self.error, self.on_finish = limit, error, on_finish

    def start(self, prepared):
        if not self.on_finish and len(prepared) > self.limit:
            raise self.error
        return super().start(prepared)

    def finish(self, started, sizes):
        if self.on_finish and len(started) > self.limit:
            raise self.error
        return super().finish(started, sizes)


TOO_SMALL = {
    "torch": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
    "plain": RuntimeError("MPS backend out of memory"),
    "onnxruntime": RuntimeError("Failed to allocate memory for requested buffer of size 8"),
}


@pytest.mark.parametrize("on_finish", [False, True])
@pytest.mark.parametrize("error", TOO_SMALL.values(), ids=TOO_SMALL.keys())
def test_too_little_memory_makes_smaller_batches(clips, monkeypatch, caplog, error, on_finish):
    whole = results(Bright(), clips, SETTINGS, monkeypatch)
    caplog.set_level(logging.WARNING)
    model = ShrinkingBatch(lambda device: Small(1, error, on_finish), "cuda:0", SETTINGS.batch)
    found = results(model, clips, SETTINGS, monkeypatch)
    assert all(found[name].detail.equals(r.detail) for name, r in whole.items())
    assert [r.message.split(";")[0] for r in caplog.records] == [
        "cuda:0: the memory is too small for 4 frames at once",
        "cuda:0: the memory is too small for 2 frames at once",
    ]


def test_a_single_frame_that_does_not_fit_runs_on_the_cpu(clips, monkeypatch, caplog):
    error = TOO_SMALL["torch"]
    loaded = {"cuda:0": Small(0, error), "cpu": Bright()}
    model = ShrinkingBatch(loaded.__getitem__, "cuda:0", SETTINGS.batch)
    found = results(model, clips, SETTINGS, monkeypatch)
    assert all(r.row["status"] == "ok" for r in found.values())
    assert "continuing on the CPU" in caplog.text and model.device == "cpu"
    assert max(loaded["cpu"].batches) == SETTINGS.batch


def test_a_model_that_does_not_fit_goes_to_the_cpu(caplog):
    def load(device):
        if device != "cpu":
            raise TOO_SMALL["torch"]
        return Bright()

    assert ShrinkingBatch(load, "cuda:0", 4).device == "cpu"
    assert "too small for the model" in caplog.text


def test_too_little_memory_on_the_cpu_is_one_line(clips, monkeypatch):
    model = ShrinkingBatch(lambda device: Small(0, MemoryError("no")), "cpu", 4)
    with pytest.raises(UserError, match="too small for one frame") as error:
        results(model, clips, SETTINGS, monkeypatch)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("decode_threads", [0, 2])
def test_another_error_is_not_taken_for_memory(clips, monkeypatch, decode_threads):
    model = ShrinkingBatch(lambda device: Small(0, RuntimeError("shapes differ")), "cpu", 4)
    with pytest.raises(RuntimeError, match="shapes differ"):
        results(model, clips, replace(SETTINGS, decode_threads=decode_threads), monkeypatch)


def test_on_a_cpu_threads_do_not_decode_beside_the_model(clips, monkeypatch):
    model, beside = Bright(), []
    real_start, real_put = model.start, model.prepare
    busy = threading.Event()

    def start(prepared):
        time.sleep(0.02)  # those that had begun a frame are done with it
        busy.set()
        time.sleep(0.02)
        busy.clear()
        return real_start(prepared)

    def prepare(picture):
        beside.append(busy.is_set())
        return real_put(picture)

    model.start, model.prepare = start, prepare
    results(model, clips, replace(SETTINGS, decode_threads=0, device="cpu"), monkeypatch)
    assert len(beside) == sum(clip.frames for clip in clips) and not any(beside)


# Strides


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_a_stride_leaves_no_frame_without_the_actor(clips, monkeypatch, stride):
    every = results(Bright(), clips, SETTINGS, monkeypatch)
    model = Bright()
    found = results(model, clips, replace(SETTINGS, stride=stride), monkeypatch)
    assert sum(model.batches) == sum(-(-c.frames // stride) for c in clips)
    for clip in clips:
        row, boxes = found[clip.name].row, table(found[clip.name])
        assert row["actor_frames"] == clip.frames == len(boxes)
        unseen = boxes["frame"] % stride != 0
        assert boxes["filled"].equals(unseen) and boxes["score"].isna().equals(unseen)
        assert row["filled_frames"] == unseen.sum()
        # a straight movement: exact in between, repeated after the last detected frame
        inner = boxes["frame"] <= (clip.frames - 1) // stride * stride
        away = np.abs(boxes["x1"] - table(every[clip.name])["x1"])
        assert away[inner].max() <= 2 and away.max() <= 2 + stride


def boxes_at(*left: float) -> np.ndarray:
    return np.array([(x, 0, x + 10, 20) for x in left], np.float32).reshape(-1, 4)


def thin(seen: dict[int, float | None], stride: int, frames: int, cuts=()) -> list[list]:
    """The tracks of one person whose left edge is that in the seen frames, None: not found."""
    found = [
        FrameDetections(
            f, boxes_at(*([] if x is None else [x])), np.ones(int(x is not None), np.float32)
        )
        for f, x in seen.items()
    ]
    rules = TrackRules(fps=24.0, score=0.25, track_iou=0.1)
    return tracks_by_shot_with_stride(found, list(cuts), rules, stride, frames)


def test_boxes_between_lie_on_a_line():
    ((track,),) = thin({0: 0.0, 4: 4.0, 8: 0.0}, 4, 10)
    assert track.frames.tolist() == list(range(10))
    assert track.boxes[:, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 0]
    assert track.boxes.dtype == track.scores.dtype == np.float32


def test_a_cut_is_not_crossed():
    first, second = thin({0: 0.0, 4: 2.0, 8: 3.0, 12: 4.0}, 4, 14, cuts=[6])
    assert [t.frames.tolist() for t in first] == [[0, 1, 2, 3, 4, 5]]
    assert first[0].boxes[:, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2]
    assert [t.frames.tolist() for t in second] == [list(range(6, 14))]
    assert second[0].boxes[:, 0].tolist() == [3, 3, 3, 3.25, 3.5, 3.75, 4, 4]


def test_a_missed_detection_leaves_its_neighbours_empty():
    ((track,),) = thin({0: 0.0, 4: 1.0, 8: None, 12: 2.0, 16: 3.0, 20: None}, 4, 24)
    assert track.frames.tolist() == [*range(5), *range(12, 17)]


def test_a_late_track_is_not_extended_back():
    ((track,),) = thin({0: None, 4: 1.0, 8: 1.0}, 4, 9)
    assert track.frames.tolist() == [4, 5, 6, 7, 8]


def test_shots_shorter_than_the_stride():
    shots = thin({0: 0.0, 8: 1.0}, 8, 9, cuts=[3, 5])
    assert [[t.frames.tolist() for t in shot] for shot in shots] == [
        [[0, 1, 2]],
        [],
        [[5, 6, 7, 8]],
    ]


def test_results_come_as_soon_as_clips_are_finished(clips, monkeypatch):
    """Results are not held back to the end."""
    settings = replace(SETTINGS, batch=2, decode_threads=1)
    monkeypatch.setattr(inference, "cached_model", lambda settings, threads: Bright())
    seen = []
    jobs = (seen.append(c.name) or job(c, settings) for c in itertools.chain(clips, clips))
    next(inference.detect_in_batches(jobs, settings, 1))
    assert len(seen) < 2 * len(clips)


def test_half_precision_wants_a_gpu():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=r"detect\.half: wanted a CUDA device"):
        inference.cached_model(Detect(half=True, weights="w.pt"), 1)
    with pytest.raises(UserError, match=r"wanted one that this machine has \(cpu") as error:
        inference.cached_model(Detect(device="cuda", weights="w.pt"), 1)
    assert json.dumps(str(error.value)).count("\\n") == 0
