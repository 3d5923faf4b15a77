"""Sampling of frames and crops, and reading of the chosen frames of a file."""

import json
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets.samplers import UniformClipSampler
from torchvision.datasets.video_utils import VideoClips

from occludenet_build.config.protocols import (
    BY_SAMPLING,
    IBM_STUDY,
    PROTOCOLS,
    with_protocol,
    with_protocol_version,
)
from occludenet_build.config.recognition import SAMPLINGS, Evaluate
from occludenet_build.config.training import SMALL_BACKBONES
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.augment import (
    crop_clip,
    draw_view,
    frame_segments,
    views,
)
from occludenet_build.recognition.backbones.registry import BACKBONES
from occludenet_build.recognition.sampling import SAMPLERS, check_sampling, frames_of_views


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (1, 8), (7, 8), (8, 8), (9, 8), (300, 8)])
def test_segments_cover_the_clip_in_order(count, parts):
    pieces = frame_segments(count, parts)
    assert len(pieces) == parts and pieces[0][0] == 0
    assert all(0 <= low < high <= count for low, high in pieces)
    assert pieces == sorted(pieces)
    if count >= parts:
        assert [n for low, high in pieces for n in range(low, high)] == list(range(count))


def test_draw_depends_on_seed_file_and_epoch_alone():
    first = draw_view(3, "a.mp4", 2, 48, 8, flip=True)
    assert draw_view(3, "a.mp4", 2, 48, 8, flip=True) == first
    others = [(4, "a.mp4", 2), (3, "b.mp4", 2), (3, "a.mp4", 3)]
    assert all(draw_view(*other, 48, 8, flip=True) != first for other in others)


def test_draw_takes_one_frame_of_each_segment_and_flips_half():
    draws = [draw_view(0, f"{n}.mp4", 0, 48, 8, flip=True) for n in range(400)]
    for one in draws:
        pieces = zip(one.frames, frame_segments(48, 8), strict=True)
        assert all(low <= number < high for number, (low, high) in pieces)
        assert 0 <= one.top < 1 and 0 <= one.left < 1
    assert 150 < sum(one.flip for one in draws) < 250
    assert not any(draw_view(0, f"{n}.mp4", 0, 48, 8, flip=False).flip for n in range(50))


@pytest.mark.parametrize(
    ("count", "frames", "number"), [(24, 8, 4), (5, 8, 3), (300, 16, 10), (1, 4, 2)]
)
def test_views_are_even_and_inside(count, frames, number):
    seen = views(count, frames, number)
    assert len(seen) == number
    for one in seen:
        assert len(one) == frames and list(one) == sorted(one)
        assert one[0] >= 0 and one[-1] < count


def test_views_take_one_frame_of_each_segment():
    for one in views(24, 8, 4):
        pieces = zip(one, frame_segments(24, 8), strict=True)
        assert all(low <= number < high for number, (low, high) in pieces)


def test_cropped_window_and_flip():
    pictures = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    assert np.array_equal(crop_clip(pictures, 4, 0.0, 1.0, False), pictures[:, :, 2:])
    assert np.array_equal(crop_clip(pictures, 4, 0.0, 0.0, True), pictures[:, :, 3::-1])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    grey = (np.full((36, 64, 3), 20 + 9 * number, np.uint8) for number in range(20))
    write_video(path, grey, Fraction(25))
    return path


def test_sample_has_the_frames_that_reading_counts(film):
    every = dict(rgb_frames(film))
    got = sample_frames(film, [7, 3, 3, 19])
    assert all(np.array_equal(a, every[n]) for a, n in zip(got, [7, 3, 3, 19], strict=True))
    assert len(sample_frames(film)) == 20


@pytest.mark.parametrize(("short", "shape"), [(18, (18, 32)), (72, (72, 128)), (36, (36, 64))])
def test_sample_scales_the_short_side(film, short, shape):
    assert sample_frames(film, [4], short).shape == (1, *shape, 3)


def test_sample_says_what_is_wrong(film, tmp_path):
    with pytest.raises(ItemError, match="truncated"):
        sample_frames(film, [20])
    with pytest.raises(ItemError, match="missing"):
        sample_frames(tmp_path / "no.mp4", [0])


# The test indices of mmaction2, UniFormerV2, SlowFast, IBM's action-recognition-pytorch and
# IntegralAction, as their own code gives them: program, frames of the clip, frames of a view,
# stride (0: spread), views, the first and the last view, crc32 of all as JSON.
CASES = json.loads(Path(__file__).with_name("sampling_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[:5])))
def test_views_are_those_of_the_program(case):
    name, count, frames, stride, number, first, last, crc = case
    check_sampling(name, stride)
    seen = [list(view) for view in frames_of_views(name, count, frames, stride, number)]
    assert seen[0] == first and seen[-1] == last
    assert zlib.crc32(json.dumps(seen).encode()) == crc


def test_every_program_is_among_the_cases():
    assert {case[0] for case in CASES} == set(SAMPLERS) - {"torchvision"}
    assert set(SAMPLINGS) == set(SAMPLERS)


@pytest.mark.parametrize("parity_cases", ["sampling.json"])
def test_the_cases_are_all_of_the_facts(parity, parity_cases):
    facts = json.loads((parity / parity_cases).read_text())
    assert sum(len(part["cases"]) for part in facts.values()) == 73 <= len(CASES)


@pytest.mark.parametrize(("count", "frames", "stride", "number"), [
    (300, 16, 2, 5), (250, 32, 2, 12), (61, 16, 2, 5), (300, 128, 2, 1), (64, 16, 4, 3),
])  # fmt: skip
def test_views_are_those_of_torchvision(count, frames, stride, number):
    """Its own sampler over the index of its own resampled clips."""
    found = VideoClips.compute_clips_for_video(torch.arange(count), frames, 1, 30, 30 / stride)
    index = VideoClips.__new__(VideoClips)
    index.clips = [found[0]]
    wanted = [found[0][n].tolist() for n in UniformClipSampler(index, number)]
    seen = frames_of_views("torchvision", count, frames, stride, number)
    assert [list(view) for view in seen] == wanted


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [1, 2, 7, 40, 301])
@pytest.mark.parametrize("number", [1, 2, 10])
def test_every_view_is_within_the_clip(name, count, number):
    for stride in (0, 4):
        if (SAMPLERS[name].strided if stride else SAMPLERS[name].spread) is False:
            continue
        seen = frames_of_views(name, count, 8, stride, number)
        assert len(seen) == number and all(len(view) == 8 for view in seen)
        assert all(0 <= frame < count for view in seen for frame in view)


@pytest.mark.parametrize(("name", "stride", "wanted"), [
    ("uniformerv2", 4, "4 frames apart, got uniformerv2"),
    ("slowfast", 0, "spread over the whole clip, got slowfast"),
    ("mmaction2_fps", 0, "wanted one of mmaction2, uniformerv2, ibm"),
])  # fmt: skip
def test_a_sampling_that_the_network_cannot_have(name, stride, wanted):
    with pytest.raises(UserError, match=wanted):
        check_sampling(name, stride)


def test_the_published_protocol_of_every_backbone():
    for name, backbone in BACKBONES.items():
        if name in SMALL_BACKBONES:  # of this project: nobody published a protocol
            continue
        taken = with_protocol(Evaluate(sampling="published"), name)
        check_sampling(taken.sampling, backbone.input.stride)
        assert taken.size <= taken.short_side
        assert taken.size >= backbone.input.size, name
    x3d = with_protocol(Evaluate(sampling="published", views=2), "x3d_s")
    assert (x3d.views, x3d.crops, x3d.size, x3d.short_side) == (10, 3, 182, 182)
    assert with_protocol(Evaluate(views=2), "tiny3d") == Evaluate(views=2)
    with pytest.raises(UserError, match="got tiny3d, of which none is known"):
        with_protocol(Evaluate(sampling="published"), "tiny3d")
    assert {row.sampling for row in PROTOCOLS.values()} <= set(SAMPLERS)


def test_the_protocol_of_the_cnn_study_follows_its_sampling():
    asked = Evaluate(sampling="published", views=2, average="softmax")
    for name in IBM_STUDY:
        dense, uniform = with_protocol(asked, name, 2), with_protocol(asked, name, 0)
        usual = with_protocol(asked, name)
        assert usual == (dense if BACKBONES[name].input.stride else uniform)
        assert (dense.views, dense.crops, dense.size, dense.short_side) == (10, 3, 256, 256)
        assert (uniform.views, uniform.crops, uniform.size, uniform.short_side) == (1, 1, 224, 256)
        for taken in (dense, uniform):
            how = taken.sampling, taken.average, taken.crop_places
            assert how == ("ibm", "logits", "quarters")
    assert {name for name in BACKBONES if name.startswith("ibm_")} == set(IBM_STUDY)
    assert with_protocol(asked, "r3d_18", 0) == with_protocol(asked, "r3d_18", 2)


def test_only_who_takes_a_changed_protocol_is_evaluated_again():
    published, crops = Evaluate(sampling="published"), Evaluate(sampling="ibm", views=10, crops=3)
    names = [*BACKBONES, *PROTOCOLS, "hf"]
    again = {name for name in names if with_protocol_version("1", published, name) != "1"}
    assert again == {f"ibm_i3d_resnet{depth}" for depth in (18, 50, 101)}
    for settings in (Evaluate(), crops):
        assert all(with_protocol_version("1", settings, name) == "1" for name in names)
    # the rows of a network that was published with two protocols say nothing of their own
    assert {row.version for rows in BY_SAMPLING.values() for row in rows} == {1}
