"""Mask propagation between keyframes, checks of masks, and memory on long clips."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.render import Made

from occludenet_build import config
from occludenet_build.media.imaging import boxes as box_math
from occludenet_build.media.imaging import masks
from occludenet_build.people.actor_masks.mask_quality import MaskChecker, describe_doubts
from occludenet_build.people.maskers.interface import BoxedClip
from occludenet_build.people.maskers.mask_propagation import KeyframeMasker, keyframes

WIDTH, HEIGHT = 161, 121
TESTS = Path(__file__).resolve().parents[1]


def world(frames, step=2, seed=3):
    """(pictures, truth masks): a textured figure moves over a textured ground."""
    random = np.random.default_rng(seed)
    noise = random.integers(30, 120, (HEIGHT // 3, WIDTH // 3, 3), np.uint8)
    ground = cv2.resize(noise, (WIDTH, HEIGHT))
    skin = cv2.resize(random.integers(140, 250, (30, 20, 3), np.uint8), (60, 90))
    pictures, truth = [], []
    for number in range(frames):
        x, y = 10 + step * number % (WIDTH - 70), 14
        figure = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(figure, (x + 30, y + 50), (16, 34), 0, 0, 360, 1, -1)
        cv2.line(figure, (x + 30, y + 40), (x + 50, y + 30 + number % 20), 1, 7)
        picture, mask = ground.copy(), figure.astype(bool)
        laid = np.zeros_like(picture)
        laid[y : y + 90, x : x + 60] = skin
        picture[mask] = laid[mask]
        pictures.append(picture)
        truth.append(mask)
    return pictures, truth


def boxes_of(truth):
    return {n: np.float32(masks.box_of(mask)) for n, mask in enumerate(truth)}


class Known:
    """A backend that returns the true masks, except in the frames `blind`."""

    def __init__(self, truth, blind=()):
        self.truth, self.blind, self.asked = truth, blind, []

    def masks(self, clip):
        for number, rgb, box in clip.frames():
            assert rgb.shape[:2] == self.truth[number].shape and box.shape == (4,)
            self.asked.append(number)
            if number not in self.blind:
                yield number, self.truth[number]


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 50))
def test_keys_begin_and_end_a_run_and_lie_close(length, every, start):
    run = list(range(start, start + length))
    keys = keyframes(run, every)
    assert keys[0] == run[0] and keys[-1] == run[-1] and sorted(set(keys)) == keys
    assert max(np.diff(keys), default=0) <= every


@pytest.mark.parametrize("rotation", [0, 90, 180])
def test_masks_between_keys_follow_the_figure(tmp_path, rotation):
    pictures, truth = world(18)
    stored = [np.ascontiguousarray(np.rot90(p, -rotation // 90)) for p in pictures]
    made = Made(rotation=rotation, pix_fmt="yuv444p")
    path = made.write(tmp_path / "a.mp4", stored)
    clip, known = BoxedClip(path, boxes_of(truth), 18), Known(truth)
    found = list(KeyframeMasker(known, 4).masks(clip))
    assert [number for number, _ in found] == list(range(18))
    assert known.asked == [0, 4, 8, 12, 16, 17]
    for number, mask in found:
        assert mask.shape == truth[number].shape and mask.dtype == bool
        assert iou(mask, truth[number]) > (0.999 if number in known.asked else 0.85), number
        left, top, right, bottom = box_math.expanded(clip.boxes[number][None], 0.1)[0]
        x1, y1, x2, y2 = masks.box_of(mask)
        assert x1 >= left - 1 and y1 >= top - 1 and x2 <= right + 1 and y2 <= bottom + 1
    held = [iou(truth[number - number % 4], truth[number]) for number in range(16) if number % 4]
    between = [iou(m, truth[n]) for n, m in found if n not in known.asked]
    assert np.mean(between) > np.mean(held) + 0.05, "better than the key held"


def test_nothing_is_propagated_over_a_gap_a_cut_or_a_key_without_a_mask(tmp_path):
    pictures, truth = world(20)
    path = Made(pix_fmt="yuv444p").write(tmp_path / "a.mp4", pictures)
    some = {n: box for n, box in boxes_of(truth).items() if n not in (6, 7)}
    tracks = {n: (0, 1) if n < 12 else (0, 2) for n in some}
    known = Known(truth, blind={8, 11, 12, 16, 19})
    found = dict(KeyframeMasker(known, 4).masks(BoxedClip(path, some, 20, tracks)))
    assert known.asked == [0, 4, 5, 8, 11, 12, 16, 19]
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    known = Known(truth, blind={4})
    found = dict(KeyframeMasker(known, 4).masks(BoxedClip(path, some, 20, tracks)))
    assert 4 not in found and set(range(20)) - {4, 6, 7} == set(found)
    assert iou(found[3], truth[3]) > 0.75, "from one side alone"


def test_keys_of_one_frame_and_boxes_outside(tmp_path):
    pictures, truth = world(6)
    path = Made(pix_fmt="yuv444p").write(tmp_path / "a.mp4", pictures)
    outside = dict.fromkeys(range(6), np.float32((500, 500, 600, 600)))
    found = dict(KeyframeMasker(Known(truth), 3).masks(BoxedClip(path, outside, 6)))
    assert sorted(found) == [0, 3, 5], "the backend's own masks; none between"
    assert (
        len(
            dict(KeyframeMasker(Known(truth), 9).masks(BoxedClip(path, {2: boxes_of(truth)[2]}, 6)))
        )
        == 1
    )
    assert not dict(KeyframeMasker(Known(truth), 9).masks(BoxedClip(path, {}, 6)))


def looked_at(shown, given, tracks=None):
    doubts = MaskChecker()
    return {n: doubts.check(n, mask, given[n], (tracks or {}).get(n)) for n, mask in shown.items()}


def test_good_masks_raise_no_doubt_even_if_all_moves_fast():
    for step in (0, 2, 23):
        _, truth = world(12, step)
        assert not any(looked_at(dict(enumerate(truth)), boxes_of(truth)).values())


def test_a_box_that_jitters_is_no_jump():
    _, truth = world(12, 0)
    random = np.random.default_rng(0)
    given = {n: box + np.float32(random.normal(0, 4, 4)) for n, box in boxes_of(truth).items()}
    found = looked_at(dict(enumerate(truth)), given)
    assert not any("jump" in kinds for kinds in found.values())


def test_wrong_masks_are_found_in_their_frames():
    _, truth = world(14)
    given, shown = boxes_of(truth), dict(enumerate(truth))
    shown[5] = np.zeros_like(truth[5])  # half of the figure
    shown[5][:, : int(given[5][[0, 2]].mean())] = truth[5][:, : int(given[5][[0, 2]].mean())]
    shown[8] = truth[8] | np.eye(HEIGHT, WIDTH, dtype=bool)
    shown[8][100:, :40] = True  # and a piece of the ground
    shown[11] = np.zeros_like(truth[11])
    shown[11][60:70, 60:66] = True
    found = looked_at(shown, given)
    assert "jump" in found[5] and "leaking" in found[8] and "thin" in found[11]
    assert "jump" in found[11] and "jump" in found[12]
    assert not any(found[n] for n in (0, 1, 2, 3, 4, 7, 10, 13))
    assert "leaking" not in found[5] and "thin" not in found[8]
    text = describe_doubts(found.items())
    assert "1 leaking (first in frame 8), 1 thin (first in frame 11)" in text
    cut = looked_at(shown, given, {n: n // 5 for n in shown})
    assert "jump" not in cut[5], "another track is another shot"


MEMORY = """
import sys
from pathlib import Path
import numpy as np
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/people"]
from test_mask_propagation import Known, world, work_on
work_on(sys.argv[2], int(sys.argv[3]))
# ru_maxrss would count the process that started this one
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


class Bright:
    """A backend without cost: masks what is bright. It works in batches, as models do."""

    def masks(self, clip):
        from occludenet_build.people.maskers.interface import batches

        for batch in batches(clip.frames(), 8):
            for number, rgb, _ in batch:
                yield number, rgb.max(axis=2) > 130


def work_on(path, frames):
    """The masks of a clip as the stage makes them, without its tables of boxes."""
    from unittest.mock import patch

    from occludenet_build.core.build import ClipBoxes
    from occludenet_build.people.actor_masks import one_clip

    boxes = dict.fromkeys(range(frames), np.float32((5, 10, 150, 110)))
    row = {"clip": "a", "height": HEIGHT, "width": WIDTH}
    with (
        patch.object(one_clip, "_people", lambda job: ClipBoxes.of(None)),
        patch.object(one_clip, "_clip", lambda job, actor: BoxedClip(Path(path), boxes, frames)),
    ):
        made = one_clip.mask_clip(one_clip.MaskJob(row, Path(), {}), KeyframeMasker(Bright(), 4))
    assert made.row["masked_frames"] >= 0.9 * frames, made.row


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(tmp_path):
    """10,000 frames: what stays of each is its row, not its picture (58 kB) or mask (19 kB)."""
    from occludenet_build.media.video.synth import write_video

    pictures, _ = world(50)
    peaks = {}
    for frames in (500, 10_000):
        path = tmp_path / f"{frames}.mp4"
        looped = (pictures[n % 50] for n in range(frames))
        write_video(path, looped, Fraction(25), pix_fmt="yuv444p", options={"preset": "ultrafast"})
        words = [sys.executable, "-c", MEMORY, str(TESTS), str(path), str(frames)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks[frames] = int(done.stdout)
    print("peak MiB", peaks)
    assert peaks[10_000] - peaks[500] < 60, peaks


def test_every_is_refused_where_a_backend_goes_from_frame_to_frame():
    from argparse import Namespace

    from occludenet_build.core.errors import UserError
    from occludenet_build.people.actor_masks.command import run as run_stage

    settings = config.Config(actor_masks=config.ActorMasks(backend="sam2", every=4))
    with pytest.raises(UserError, match=r"actor_masks\.every: wanted 1 for the backend sam2"):
        run_stage(Namespace(weights=None), settings)
