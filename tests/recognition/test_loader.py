"""The loader of training: one draw for a pair, any number of workers, skipped clips."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from support.clips import LABELS, write_world

from occludenet_build.config.recognition import Augment
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.augment import augment_clips, crop_clip, draw_view
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.datasets import (
    FrameReader,
    SkippedClip,
    TrainingClips,
    make_loader,
)
from occludenet_build.recognition.optim import BatchOrder

PLAIN = Augment()
KINDS = {
    "plain": PLAIN,
    "crop": Augment(area=(0.1, 1.0)),
    "randaugment": Augment(randaugment=4),
    "erase": Augment(erase=1.0),
    "everything": Augment(area=(0.1, 1.0), randaugment=4, erase=0.5),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


def data(root, clips=None, augment=PLAIN, **changed):
    clips = read_clips(root / "annotate/clips.parquet", "train") if clips is None else clips
    settings = {"frames": 4, "size": 16, "stride": 0, "pairs": True, "seed": 7} | changed
    source = FrameReader(root, 18, keep=False)
    return TrainingClips(clips, list(LABELS), source, augment=augment, **settings)


@pytest.mark.parametrize("augment", KINDS.values(), ids=list(KINDS))
def test_a_counterfactual_that_is_the_clip_itself_is_seen_alike(world, augment):
    """Then there is none: whatever is drawn is drawn once for both."""
    clips = [
        dataclasses.replace(clip, counterfactual=clip.file, counterfactual_hash="another")
        for clip in data(world).clips
    ]
    items = data(world, clips, augment)
    assert all(clip.erased_file == clip.file for clip in clips)
    for number in range(len(clips)):
        for epoch in range(3):
            pair = items[number, epoch]
            assert pair.counterfactual is None, (pair.file, epoch)


@pytest.mark.parametrize("augment", KINDS.values(), ids=list(KINDS))
def test_a_pair_is_two_files_in_one_view(world, augment):
    items = data(world, augment=augment)
    for number, clip in enumerate(items.clips):
        pair = items[number, 2]
        one = draw_view(7, clip.file, 2, clip.frames, 4, augment.flip)
        files = [clip.file, clip.counterfactual] if clip.counterfactual else [clip.file]
        pictures = [sample_frames(world / file, one.frames, 18) for file in files]
        seed = uniform_integer(7, clip.file, "augment", "2") >> 1
        expected = augment_clips(pictures, one, 16, augment, seed)
        assert np.array_equal(pair.clip.numpy(), expected[0])
        if pair.counterfactual is not None:
            assert np.array_equal(pair.counterfactual.numpy(), expected[1])
        if augment is PLAIN:
            plain = crop_clip(pictures[0], 16, one.top, one.left, one.flip)
            assert np.array_equal(pair.clip.numpy(), plain)
    assert (
        items[0, 0].counterfactual is None and items[len(items) - 1, 0].counterfactual is not None
    )


@pytest.mark.parametrize("augment", [KINDS["everything"]], ids=["everything"])
def test_workers_change_nothing(world, augment):
    def batches(workers):
        items = data(world, augment=augment)
        return list(make_loader(items, BatchOrder(len(items), 5, 1, seed=3), workers, "cpu"))

    torch.manual_seed(11)
    alone = batches(0)
    torch.manual_seed(12)
    for one, other in zip(alone, batches(2), strict=True):
        assert one.files == other.files and torch.equal(one.clips, other.clips)
        assert torch.equal(one.present, other.present)
        if one.counterfactuals is not None:
            assert torch.equal(one.counterfactuals, other.counterfactuals)


FRAMES = 60


def film(path, keyframes, width=64):
    random = np.random.default_rng(0)
    pictures = (random.integers(0, 256, (48, width, 3), np.uint8) for _ in range(FRAMES))
    write_video(path, pictures, Fraction(30), options={"g": str(keyframes), "bf": "0"})
    return path.read_bytes()


def truncated(content):
    return content[: len(content) // 2]


def damaged(content):
    """Noise in the second half, where the pictures are; what describes them stays."""
    noise = np.random.default_rng(1).integers(0, 256, len(content) // 8, np.uint8).tobytes()
    start = int(0.6 * len(content))
    return content[:start] + noise + content[start + len(noise) :]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("harm", [truncated, damaged])
def test_a_broken_clip_is_skipped_with_its_reason_and_not_replaced(world, tmp_path, suffix, harm):
    good = data(world).clips[0]
    (tmp_path / "good.mp4").write_bytes((world / good.file).read_bytes())
    content = film(tmp_path / f"whole.{suffix}", 250)
    (tmp_path / f"broken.{suffix}").write_bytes(harm(content))
    clips = [
        dataclasses.replace(good, file="good.mp4"),
        dataclasses.replace(good, file=f"broken.{suffix}", frames=FRAMES),
        dataclasses.replace(good, file=f"whole.{suffix}", frames=FRAMES),
    ]
    items = data(tmp_path, clips, pairs=False)
    batches = list(make_loader(items, BatchOrder(3, 3, 2, seed=0), 0, "cpu"))
    for batch in batches:
        assert sorted(batch.files) == ["good.mp4", f"whole.{suffix}"]
        assert len(batch.clips) == len(batch.labels) == len(batch.present) == 2
        ((file, reason),) = batch.skipped
        assert file == f"broken.{suffix}" and reason.split(":")[0] in ("truncated", "corrupt")


def test_damage_that_no_sampled_frame_depends_on_is_ignored(tmp_path, world):
    """Frames before it, and those of other keyframes, are the ones of the whole clip."""
    content = film(tmp_path / "whole.mp4", 10)
    (tmp_path / "broken.mp4").write_bytes(damaged(content))
    early = [0, 3, 11]
    got = sample_frames(tmp_path / "broken.mp4", early)
    assert np.array_equal(got, sample_frames(tmp_path / "whole.mp4", early))
    clip = dataclasses.replace(data(world).clips[0], file="broken.mp4", frames=20)
    assert not isinstance(data(tmp_path, [clip], pairs=False)[0, 0], SkippedClip)


def test_a_counterfactual_of_another_shape_skips_the_clip(world, tmp_path):
    clip = data(world).clips[-1]
    (tmp_path / "clip.mp4").write_bytes((world / clip.file).read_bytes())
    film(tmp_path / "erased.mp4", 10, width=128)
    clip = dataclasses.replace(clip, file="clip.mp4", counterfactual="erased.mp4")
    item = data(tmp_path, [clip])[0, 0]
    assert isinstance(item, SkippedClip) and "erased.mp4" in item.reason
