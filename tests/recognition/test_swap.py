"""do(B = b'): whose pixels a swapped clip shows, who is swapped, and the counterfactual then."""

import dataclasses

import numpy as np
import pytest
import torch
from support.clips import LABELS, place_of, save_frames, write_world

from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import Augment, Swap
from occludenet_build.recognition.augment import crop_masks
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.datasets import FrameReader
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.frame_masks import ActorPixels, ActorView, FrameMasks
from occludenet_build.recognition.swap import Sceneries, before_scenery
from occludenet_build.recognition.training_clips import Actors, TrainingClips

ALWAYS = Swap(probability=1.0)
STILL = Augment(flip=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root, train=3, test=0)
    return root


def items_of(root, swap, pairs=False, augment=STILL, size=24, **changed):
    clips = [c for c in read_clips(root / "annotate/clips.parquet", "train") if c.scale]
    masks = FrameMasks.over(root / "annotate/frames", [clip.clip for clip in clips])
    actors = Actors(ActorPixels(masks, dilate=0), pairs=pairs, swap=swap, **changed)
    source = FrameReader(root, 24, keep=True)
    return TrainingClips(
        clips, list(LABELS), source, frames=4, size=size, stride=0, augment=augment, seed=3,
        actors=actors,
    )  # fmt: skip


def test_actor_and_occluder_on_it_stay_and_all_else_is_the_scenery():
    random = np.random.default_rng(0)
    clip, scenery = (random.integers(0, 256, (2, 6, 8, 3), np.uint8) for _ in range(2))
    actor, occluder = np.zeros((2, 6, 8), bool), np.zeros((2, 6, 8), bool)
    actor[:, 1:5, 2:5], occluder[:, 0:3, 4:8] = True, True
    found = before_scenery(clip, ActorView(actor, actor & ~occluder), scenery)
    assert np.array_equal(found.clip[actor], clip[actor])
    assert np.array_equal(found.clip[~actor], scenery[~actor])
    on_actor = actor & occluder
    assert on_actor.any() and np.array_equal(found.erased[on_actor], clip[on_actor])
    assert np.array_equal(found.erased[~on_actor], scenery[~on_actor])


@pytest.mark.parametrize("shape", [(6, 8), (12, 16), (9, 8), (3, 16), (6, 5)])
def test_a_scenery_of_another_size_covers_the_picture(shape):
    clip, nobody = np.zeros((2, 6, 8, 3), np.uint8), np.zeros((2, 6, 8), bool)
    scenery = np.full((2, *shape, 3), 200, np.uint8)
    assert (before_scenery(clip, ActorView(nobody, nobody), scenery).clip == 200).all()


def actor_of(items, number, epoch):
    clip = items.clips[number]
    one, seed = items._draw(clip, epoch)
    shown = np.zeros((len(one.frames), 24, 32), bool)
    for at, frame in enumerate(one.frames):
        place = place_of(clip.label, frame)
        shown[at, 8:16, place : place + 8] = True
    return crop_masks(shown, one, items.size, items.augment, seed)


def test_a_swapped_clip_keeps_its_actor_and_label_and_gets_an_emptied_scenery(world):
    items, plain = items_of(world, ALWAYS), items_of(world, None)
    for number, clip in enumerate(items.clips):
        for epoch in range(2):
            pair, before = items[number, epoch], plain[number, epoch]
            actor = torch.from_numpy(actor_of(items, number, epoch))
            assert pair.label == before.label and pair.counterfactual is None
            assert torch.equal(pair.clip[actor], before.clip[actor])
            lender = items._sceneries.drawn_for(clip, epoch)
            assert lender.clip != clip.clip
            frames = items._draw(lender, epoch)[0].frames
            lent = items.source.of(lender.erased_file, frames)
            one = items._draw(clip, epoch)[0]
            left = round(one.left * 8)
            seen = torch.from_numpy(lent[:, :, left : left + 24])
            assert torch.equal(pair.clip[~actor], seen[~actor])


@pytest.mark.parametrize("kind", ["new", "own"])
def test_the_counterfactual_of_a_swapped_clip(world, kind):
    """new: it differs from the clip in the hole only; own: it is the clip's counterfactual."""
    swap = Swap(probability=1.0, counterfactual=kind)
    items, own = items_of(world, swap, pairs=True), items_of(world, None, pairs=True)
    for number, clip in enumerate(items.clips):
        pair = items[number, 1]
        if kind == "own":
            assert torch.equal(pair.counterfactual, own[number, 1].counterfactual)
            continue
        one = items._draw(clip, 1)[0]
        hole = items._view(clip, one, np.zeros((4, 24, 32, 3), np.uint8)).hole
        hole = torch.from_numpy(crop_masks(hole, one, 24, STILL, 0))
        differs = (pair.clip != pair.counterfactual).any(dim=3)
        assert differs[hole].all() and not differs[~hole].any()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_the_share_of_swapped_clips(world, probability):
    items = items_of(world, Swap(probability=probability))
    drawn = [items._sceneries.drawn_for(clip, epoch) for clip in items.clips for epoch in range(60)]
    assert abs(np.mean([lender is not None for lender in drawn]) - probability) < 0.06
    if probability == 1:
        assert {lender.clip for lender in drawn} == {clip.clip for clip in items.clips}


@pytest.mark.parametrize(
    ("frames", "least", "swapped"),
    [(0, 0.0, False), (1, 0.0, True), (1, 0.5, False), (2, 0.5, True), (3, 1.0, False)],
)
def test_who_is_hardly_seen_keeps_the_scenery(frames, least, swapped):
    actor = np.zeros((4, 5, 5), bool)
    actor[:frames, 2, 2] = True
    assert Sceneries([], Swap(min_frames=least, min_share=0), 0).can_swap(actor) is swapped


@pytest.mark.parametrize(("side", "swapped"), [(1, False), (2, True)])
def test_whose_actor_is_tiny_keeps_the_scenery(side, swapped):
    actor = np.zeros((4, 20, 20), bool)
    actor[:, :side, :side] = True
    assert Sceneries([], Swap(), 0).can_swap(actor) is swapped


def test_a_clip_without_masks_or_other_sources_keeps_its_scenery(tmp_path):
    rows = write_world(tmp_path, train=1, test=0)
    plain, items = items_of(tmp_path, None), items_of(tmp_path, ALWAYS)
    lonely = [dataclasses.replace(clip, clip="one") for clip in items.clips]
    assert Sceneries(lonely, ALWAYS, 0).drawn_for(lonely[0], 0) is None
    none = dataclasses.replace(items.clips[0], counterfactual=None, counterfactual_hash=None)
    assert Sceneries(items.clips, ALWAYS, 0).drawn_for(none, 0) is None
    # save_frames would change a file that this process has read
    (tmp_path / "annotate/frames").rename(tmp_path / "annotate/old")
    save_frames(tmp_path, rows, unmasked=[clip.file for clip in items.clips])
    (tmp_path / "annotate/frames").rename(tmp_path / "annotate/unmasked")
    masks = FrameMasks.over(tmp_path / "annotate/unmasked", [c.clip for c in items.clips])
    items.actors = dataclasses.replace(items.actors, pixels=ActorPixels(masks, 0))
    assert torch.equal(items[0, 0].clip, plain[0, 0].clip)


def test_a_scenery_that_cannot_be_read_is_not_lent(tmp_path, caplog):
    """The borrower keeps its own scenery, and the lender is named."""
    write_world(tmp_path, train=1, test=0)
    plain, items = items_of(tmp_path, None), items_of(tmp_path, ALWAYS)
    for clip in items.clips:
        (tmp_path / clip.erased_file).write_bytes(b"no video")
    assert torch.equal(items[0, 0].clip, plain[0, 0].clip)
    assert "is not lent: not_a_video" in caplog.text and items.clips[0].file not in caplog.text


def test_a_hidden_actor_keeps_the_scenery(world):
    """Nothing is seen of the actor: only occluder and a foreign scenery would be left."""
    items, plain = items_of(world, ALWAYS), items_of(world, None)

    class Hidden:
        def of(self, clip, numbers, height, width):
            there = np.ones((len(numbers), height, width), bool)
            return ActorView(there, ~there)

    items.actors = dataclasses.replace(items.actors, pixels=Hidden())
    assert torch.equal(items[0, 0].clip, plain[0, 0].clip)


def test_drawn_fills_differ_between_clips_and_epochs(world):
    """A fill of the frame's own pixels, drawn per clip and epoch, from masks and not from files."""
    base = items_of(world, None)
    masks = FrameMasks.over(world / "annotate/frames", [clip.clip for clip in base.clips])
    erasing = Erasing(masks, Counterfactual(dilate=0), 0)
    items = items_of(world, None, pairs=True, fills=("zero", "mean"), erasing=erasing)
    seen = set()
    for number, clip in enumerate(items.clips):
        for epoch in range(4):
            pair = items[number, epoch]
            one = items._draw(clip, epoch)[0]
            view = items._view(clip, one, np.zeros((4, 24, 32, 3), np.uint8))
            hole = torch.from_numpy(crop_masks(view.hole, one, 24, STILL, 0))
            level = float(pair.counterfactual[hole].float().mean())
            assert (level < 25) == (items._fill(clip, epoch) == "zero"), level
            seen.add((items._fill(clip, epoch), epoch))
    assert len(seen) == 8
