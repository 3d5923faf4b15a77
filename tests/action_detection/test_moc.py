"""Stage moc: settings, training clips, steps, detections, tables."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from support import tubes as drawn

from occludenet_build.action_detection.clip import bgr, network_input
from occludenet_build.action_detection.decode import (
    Tubelets,
    decode,
    probabilities,
    to_tubelets,
    with_mirrored,
)
from occludenet_build.action_detection.moc import detecting, results
from occludenet_build.action_detection.moc.clips import ClipsOfTubes, Seen, collate
from occludenet_build.action_detection.moc.evaluation import evaluate
from occludenet_build.action_detection.moc.learner import Choice, DetectorLearner
from occludenet_build.action_detection.moc.training import TrainedDetector, build_network
from occludenet_build.action_detection.network import BACKBONES
from occludenet_build.action_detection.truth import TubeSet
from occludenet_build.config import load_part
from occludenet_build.config.moc import FAULTS, Moc, for_training, with_sets
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.datasets import SkippedClip

SMALL = Moc(
    networks=("stado",), backbone="resnet_18", size=64, frames=3, head_width=16,
    attention_width=16, batch=2, workers=0, device="cpu", tensorboard=False, epochs=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def sets(*videos, name="clean"):
    return TubeSet(name, tuple(drawn.LABELS), tuple(videos))


def clips_of(found, network="stado", starts=0, seed=0, **changes):
    seen = Seen.of(dataclasses.replace(SMALL, **changes), network, 2)
    return ClipsOfTubes(found, seen, starts, seed)


# settings


def test_the_backbones_of_the_settings_are_those_that_there_are():
    for name in BACKBONES:
        assert Moc(backbone=name)
    with pytest.raises(UserError, match=r"moc.backbone"):
        load_part({"moc": {"backbone": "vgg"}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 100}, r"moc.size: wanted a multiple of 32, got 100"),
        ({"frames": 3, "test_step": 4}, r"moc.test_step: wanted at most moc.frames, 3, got 4"),
        ({"networks": ["moc", "moc"]}, r"moc.networks: .*moc"),
        ({"networks": ["slowfast"]}, r"moc.networks"),
        ({"as_released": ["typo"]}, r"moc.as_released"),
        ({"truth": {"file": __file__}}, r"moc.truth: wanted a file with its folder.*set frames"),
        (
            {"truth": {"file": __file__, "frames": "/"}, "tests": ["D-50"]},
            r"moc.tests: wanted clean, .*, got D-50",
        ),
        (
            {"truth": {"file": __file__, "frames": "/"}, "choice": "best"},
            r"moc.truth.validation: wanted a share above 0",
        ),
    ],
)
def test_settings_that_do_not_go_together(values, message):
    with pytest.raises(UserError, match=message):
        load_part({"moc": values})


def test_a_training_does_not_depend_on_what_it_does_not_use():
    whole = with_sets(dataclasses.replace(Moc(), as_released=FAULTS), ("D-50",))
    for network, kept in (
        ("moc", {"worker_seeds", "model_choice"}),
        ("stado", {"worker_seeds", "model_choice", "mask_loss"}),
        ("stado_boxes", {"worker_seeds", "model_choice", "mask_loss", "mask_boxes"}),
    ):
        one = for_training(whole, network, "occluded", 0)
        assert {*one.as_released} == kept and one.occluded == ("D-50",)
        other = dataclasses.replace(whole, tests=("clean",), test_step=2, objects=3, split="val")
        assert for_training(other, network, "occluded", 0) == one
    chosen = for_training(dataclasses.replace(whole, choice="best"), "moc", "clean", 0)
    assert {*chosen.as_released} == {"worker_seeds", "model_choice", "soft_nms", "flip"}


# training clips


def test_a_clip_without_augmentation_has_the_known_truth():
    clips = clips_of([sets(drawn.video(4), drawn.video(1, label=1))], augment=False)
    assert len(clips) == 2 * 18
    clip = clips[20, 0]  # v4 comes after v1
    assert clip.file == "clean/v4, frame 2" and clip.pictures.shape == (3, 3, 64, 64)
    expected = network_input(bgr(np.stack([drawn.picture(4, f, 0) for f in (2, 3, 4)])), size=64)
    assert torch.equal(clip.pictures, expected)
    x1, y1, x2, y2 = (value / 4 for value in np.subtract(drawn.box(4, 3, 0), (0, 0, 1, 1)))
    cell = int((y1 + y2) / 2) * 16 + int((x1 + x2) / 2)
    assert clip.targets.index.tolist() == [cell] and clip.targets.hm.flatten(1)[0, cell] == 1
    assert clip.targets.wh[0, 2:4].tolist() == [x2 - x1, y2 - y1]
    seen = drawn.seen(4, 3, 0)
    assert np.array_equal(clip.targets.mgan[1].numpy(), seen[2::4, 2::4])
    whole = clips_of([sets(drawn.video(4))], "stado_boxes", augment=False)[2, 0].targets.mgan
    assert whole[1].sum() > 1.5 * clip.targets.mgan[1].sum()
    assert clips_of([sets(drawn.video(4))], "moc")[2, 0].targets.mgan is None


def same(one, other):
    return torch.equal(one.pictures, other.pictures) and torch.equal(
        one.targets.hm, other.targets.hm
    )


def test_a_view_depends_on_seed_video_and_epoch_only():
    found = [sets(drawn.video(1), drawn.video(2))]
    one, again = clips_of(found, starts=2), clips_of(found, starts=2)
    assert len(one) == 4 and one[1, 3].file == again[1, 3].file
    again[0, 0], again[3, 3]  # other items before it change nothing
    assert same(one[1, 3], again[1, 3])
    assert not same(one[1, 3], one[1, 4]) and not same(
        one[1, 3], clips_of(found, starts=2, seed=1)[1, 3]
    )
    assert len({one[0, epoch].file for epoch in range(6)}) > 2
    assert one[0, 0].file != one[1, 0].file, "a video's start frames differ within an epoch"


def test_clean_and_occluded_trainings_see_the_same_views():
    clean = clips_of([sets(drawn.video(1), drawn.video(2))], starts=1)
    covered = [sets(drawn.video(1), drawn.video(2), name=name) for name in ("D-25", "D-50")]
    occluded = clips_of(covered, starts=1)
    assert len(clean) == len(occluded)
    names = set()
    for epoch in range(8):
        assert same(clean[0, epoch], occluded[0, epoch])
        names.add(occluded[0, epoch].file.split("/")[0])
    assert names == {"D-25", "D-50"}


def test_as_released_each_epoch_begins_with_the_same_draws():
    found = [sets(drawn.video(1))]
    clips = clips_of(found, as_released=("worker_seeds",))
    first, second = clips[0, 0], clips[0, 0]
    assert not same(first, second)
    assert same(first, clips[0, 1]) and same(second, clips[0, 1])


def test_a_clip_that_cannot_be_read_is_named_and_the_rest_is_a_batch():
    clips = clips_of([sets(drawn.video(1), drawn.video(2, gone=True))], starts=1)
    batch = collate([clips[0, 0], clips[1, 0]])
    assert batch.pictures.shape == (3, 1, 3, 64, 64) and len(batch.files) == 1
    ((file, reason),) = batch.skipped
    assert file.startswith("clean/v2, frame ") and reason == "missing: video 2"
    none = collate([SkippedClip("a", "missing")])
    assert none.pictures is None and none.files == []
    with pytest.raises(
        UserError, match=r"in 30 consecutive frames, got none of 1; make it smaller"
    ):
        clips_of([sets(drawn.video(1))], frames=30)


# a step


def learner_of(network="stado", choice=None, **changes):
    settings = dataclasses.replace(SMALL, **changes)
    model = build_network(settings, network, 2)
    return DetectorLearner.of(model, settings, 0, "cpu", choice=choice)


def test_a_step_adds_the_weighted_losses_and_empty_processes_take_part():
    clips = clips_of([sets(drawn.video(1), drawn.video(2))], starts=1)
    learner = learner_of(mask_weight=2.0)
    tally = learner.learn(collate([clips[0, 0], clips[1, 0]]), 0, 2)
    assert tally.clips == 2 and tally.mask > 0
    weighed = tally.hm + tally.mov + 0.1 * tally.wh + 2 * tally.mask
    assert tally.loss == pytest.approx(weighed, rel=1e-5)
    assert all(p.grad is not None for p in learner.model.parameters())
    learner.model.eval()
    learner.optimizer.zero_grad()
    assert learner.learn(collate([]), 0, 2).clips == 0
    assert all(p.grad is None or not p.grad.any() for p in learner.model.parameters())


def test_the_best_epoch_is_kept_and_gone_back_to(tmp_path, caplog):
    scores = iter([0.2, 0.6, 0.4])
    choice = Choice(lambda model: next(scores), tmp_path / "best.pt", "key", back_at=(3,))
    learner = learner_of("moc", choice)
    (weight,) = (p for name, p in learner.model.named_parameters() if name == "branch.hm.2.bias")
    with caplog.at_level(logging.INFO):
        for epoch in (1, 2, 3):
            with torch.no_grad():
                weight.fill_(epoch)
            learner.epoch_ended(epoch)
    assert weight[0] == 2 and choice.kept()["epoch"] == 2 and choice.kept()["score"] == 0.6
    assert "going on from the network of epoch 2" in caplog.text and learner.model.training
    assert dataclasses.replace(choice, key="another").kept() is None


# detections


@pytest.mark.parametrize(("network", "released"), [("moc", False), ("stado", True)])
def test_a_video_in_parts_gives_what_each_clip_alone_gives(network, released):
    model = build_network(SMALL, network, 2).eval()
    video = drawn.video(3, frames=36)
    asked = detecting.Asked(64, 2, 5, True, released, "cpu", 0)
    ((_, found),) = detecting.detect(model, [video], asked)
    starts = [*range(0, 33, 2), 33]
    alone = []
    with torch.no_grad():
        for start in starts:
            pictures = bgr(video.pictures.read(range(start, start + 3)))
            clip = network_input(pictures, size=64)[:, None]
            maps, back = (probabilities(model(one)) for one in (clip, clip.flip(-1)))
            both = with_mirrored(*(
                {k: v for k, v in one.items() if k != "mgan"} for one in (maps, back)
            ), released)  # fmt: skip
            alone.append(to_tubelets(decode(both, 5)[0], start, (16, 16), (64, 64)))
    wanted = Tubelets.of(alone)
    assert found.tubelets.start.tolist() == wanted.start.tolist()
    assert np.allclose(found.tubelets.score, wanted.score, atol=1e-5)
    assert np.allclose(np.sort(found.tubelets.boxes, 0), np.sort(wanted.boxes, 0), atol=1e-2)
    assert len(found.attention) == (36 if network == "stado" else 0)


def test_videos_that_cannot_be_read_have_reasons():
    model = build_network(SMALL, "moc", 2)
    videos = [drawn.video(1, gone=True), drawn.video(2, frames=2), drawn.video(3, frames=7)]
    asked = detecting.Asked(64, 3, 5, False, False, "cpu", 0)
    found = [one for _, one in detecting.detect(model, videos, asked)]
    assert [one.reason for one in found[:2]] == ["missing", "too_few_frames"]
    assert isinstance(found[2], detecting.Detections)
    trained = TrainedDetector(model, "moc", "clean", 0, drawn.LABELS, SMALL)
    settings = dataclasses.replace(SMALL, test_step=3, objects=5, flip_test=False)
    left = dataclasses.replace(sets(*videos), left_out={"x": ItemError("no_actor", "none")})
    result = evaluate(trained, [left], settings)
    assert {row["clip"]: row["reason"] for row in result.skipped} == {
        "x": "no_actor",
        "v1": "missing",
        "v2": "too_few_frames",
    }
    assert [row["n"] for row in result.ap] == [1] * 5 and result.attention == []
    with pytest.raises(UserError, match=r"moc.tests: wanted videos of clean .* got none of 1"):
        evaluate(trained, [sets(videos[0])], settings)


def test_attention_is_measured_on_true_masks_only():
    model = build_network(SMALL, "stado", 2)
    with torch.no_grad():
        model.branch.mgan[4].weight.zero_()  # the same everywhere
    trained = TrainedDetector(model, "stado", "clean", 0, drawn.LABELS, SMALL)
    settings = dataclasses.replace(SMALL, test_step=3, objects=5, flip_test=False)
    bare = dataclasses.replace(drawn.video(2, frames=7), masks=None)
    (row,) = evaluate(trained, [sets(drawn.video(1, frames=7), bare)], settings).attention
    assert row["video"] == "v1" and row["frames"] == 7
    assert row["actor"] == pytest.approx(10 * 24 / 64**2) == pytest.approx(row["area_actor"])


# files


def test_a_wrong_checkpoint_says_what_is_missing(tmp_path):
    path = tmp_path / "one.pt"
    checkpoint.save({"model": {}, "labels": ["a"]}, path)
    with pytest.raises(UserError, match=r"lacks network, seed, settings, state_dict, trained_on"):
        TrainedDetector.read(path)
    state = build_network(SMALL, "moc", 2).state_dict()
    about = {"network": "stado", "trained_on": "clean", "seed": 0, "labels": drawn.LABELS}
    settings = {"settings": dataclasses.asdict(SMALL)}
    checkpoint.save({"state_dict": state, **about, **settings}, path)
    with pytest.raises(UserError, match=r"wanted a checkpoint of STADO .*missing.*branch.mgan"):
        TrainedDetector.read(path)
    one = TrainedDetector.published(path, "moc", SMALL, drawn.LABELS)
    assert one.trained_on == "published" and not one.model.attention


def test_tables_over_networks():
    ap = [
        {"network": "moc", "trained_on": on, "seed": seed, "set": set_, "metric": "frame-AP@0.5",
         "value": value, "low": 0.0, "high": 100.0, "n": 9}
        for on, seed, set_, value in (
            ("clean", 0, "clean", 50.0), ("clean", 1, "clean", 60.0), ("occluded", 0, "D-50", 40.0)
        )
    ]  # fmt: skip
    about = {"network": "stado", "trained_on": "clean", "seed": 0, "set": "D-50", "n": 9}
    numbers = {"part": "actor", "value": 0.25, "low": 0.2, "high": 0.3, "area": 0.1}
    shares = [about | numbers]
    page = results.page(ap, shares).splitlines()
    assert "| network | trained on | seeds | clean | D-50 |" in page
    assert "| moc | clean | 2 | 55.0 (50.0 to 60.0) |  |" in page
    assert "| moc | occluded | 1 |  | 40.0 |" in page and "| videos |  |  | 9 | 9 |" in page
    assert "| stado | clean | 1 | 25.0 |" in page and "| area |  |  | 10.0 |" in page
