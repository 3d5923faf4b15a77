"""The loader of training: one draw for a pair, any number of workers, skipped clips."""

import dataclasses
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from support.clips import LABELS, place_of, write_world

from occludenet_build.config.training import Augment
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.augment import augment_clips, crop_clip, crop_masks, draw_view
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.datasets import FrameReader, SkippedClip, make_loader
from occludenet_build.recognition.frame_masks import ActorPixels, FrameMasks
from occludenet_build.recognition.optim import BatchOrder
from occludenet_build.recognition.training_clips import Actors, TrainingClips, collate

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


def actors_of(root, clips, dilate=0, **settings):
    masks = FrameMasks.over(root / "annotate/frames", [clip.clip for clip in clips])
    return Actors(ActorPixels(masks, dilate), **settings)


def data(root, clips=None, augment=PLAIN, pairs=True, actors=None, **changed):
    clips = read_clips(root / "annotate/clips.parquet", "train") if clips is None else clips
    settings = {"frames": 4, "size": 16, "stride": 0, "seed": 7} | changed
    source = FrameReader(root, 18, keep=False)
    if actors is None:
        actors = actors_of(root, clips, pairs=True) if pairs else Actors()
    return TrainingClips(clips, list(LABELS), source, augment=augment, actors=actors, **settings)


@pytest.mark.parametrize("augment", KINDS.values(), ids=list(KINDS))
def test_a_counterfactual_that_is_the_clip_itself_is_seen_alike(world, augment):
    """Whatever is drawn is drawn once for both."""
    clips = [
        dataclasses.replace(clip, counterfactual=clip.file, counterfactual_hash="another")
        for clip in data(world).clips
    ]
    items = data(world, clips, augment)
    assert all(clip.erased_file == clip.file for clip in clips)
    for number in range(len(clips)):
        for epoch in range(3):
            pair = items[number, epoch]
            assert pair.counterfactual is None or torch.equal(pair.counterfactual, pair.clip)
    if augment is PLAIN:
        assert sum(items[n, 0].counterfactual is not None for n in range(len(clips))) > 4


@pytest.mark.parametrize("size", [8, 12])
@pytest.mark.parametrize("augment", [PLAIN, KINDS["crop"]], ids=["plain", "crop"])
@pytest.mark.parametrize("least", [0.0, 0.1])
def test_masks_decide_whether_anything_is_erased_in_a_view(world, size, augment, least):
    """Files differ by coding noise wherever nothing is erased: equal pictures tell nothing."""
    clips = read_clips(world / "annotate/clips.parquet", "train")
    clips = [clip for clip in clips if clip.scale]
    actors = actors_of(world, clips, pairs=True, min_erased=least)
    items = data(world, clips, augment, actors=actors, size=size, frames=1)
    there = {True: 0, False: 0}
    for number, clip in enumerate(clips):
        for epoch in range(8):
            one, seed = items._draw(clip, epoch)
            truth = np.zeros((1, 24, 32), bool)
            place, hidden = place_of(clip.label, one.frames[0]), round(8 * clip.scale)
            truth[0, 8 + hidden : 16, place : place + 8] = True
            small = cv2.resize(truth[0].astype(np.float32), (24, 18), interpolation=cv2.INTER_AREA)
            share = crop_masks((small >= 0.5)[None], one, size, augment, seed).mean()
            erased = bool(share > 0 and share >= least)
            assert (items[number, epoch].counterfactual is not None) == erased, (clip.file, epoch)
            there[erased] += 1
    assert min(there.values()) > 3


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
        return list(
            make_loader(items, BatchOrder(len(items), 5, 1, seed=3), workers, "cpu", collate)
        )

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
    batches = list(make_loader(items, BatchOrder(3, 3, 2, seed=0), 0, "cpu", collate))
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
    item = data(tmp_path, [clip], actors=actors_of(world, [clip], pairs=True))[0, 0]
    assert isinstance(item, SkippedClip) and "erased.mp4" in item.reason
