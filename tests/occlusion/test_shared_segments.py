"""Segments that outputs share: how a clip is split, and the streams joined from them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from itertools import groupby, pairwise

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.render import (
    CLEAN,
    ERASED,
    OCCLUDED,
    files_in,
    job_of,
    look,
    picture_packets,
    planes,
    textured,
)

from occludenet_build.config.occlusion import Composite, Window
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.render import group_outputs, render, split_segments

STRETCHES = st.lists(st.tuples(st.booleans(), st.integers(1, 70)), min_size=1, max_size=8)


def flags(stretches):
    return [flag for flag, length in stretches for _ in range(length)]


@settings(max_examples=300, deadline=None)
@given(STRETCHES, STRETCHES, st.integers(0, 40), st.integers(1, 60))
def test_runs_cover_a_clip_and_hold_what_they_say(pasted, erased, least, group):
    pasted = flags(pasted)
    erased = (flags(erased) * 70)[: len(pasted)]
    erased += [False] * (len(pasted) - len(erased))
    runs = split_segments(pasted, erased, least, group)
    assert [n for run in runs for n in range(run.start, run.stop)] == list(range(len(pasted)))
    for run in runs:
        assert run.stop > run.start
        assert run.pasted == any(pasted[run.start : run.stop])
        assert run.erased == any(erased[run.start : run.stop])
    for run, following in pairwise(runs):
        # two key frames in a row would bear the same number
        assert (run.stop - run.start) % group != 1
        assert run.pasted != following.pasted
    if least == 0:
        assert len(runs) == 1


@settings(deadline=None)
@given(STRETCHES, st.integers(4, 40), st.integers(3, 60))
def test_long_stretches_without_an_occluder_are_runs_and_short_ones_are_not(
    stretches, least, group
):
    pasted = [True, *flags(stretches)]
    found = {}
    for run in split_segments(pasted, [False] * len(pasted), least, group):
        found |= dict.fromkeys(range(run.start, run.stop), run.pasted)
    for flag, members in groupby(range(len(pasted)), key=lambda n: pasted[n]):
        numbers = list(members)
        is_shared = not flag and len(numbers) >= least
        # the last frames of a shared segment may belong to its neighbour
        for number in numbers[1:-1] if is_shared else numbers:
            assert found[number] == (not is_shared), number


@settings(deadline=None)
@given(STRETCHES, STRETCHES, STRETCHES)
def test_masks_cut_no_run(pasted, one, other):
    pasted = flags(pasted)
    cut = [
        [run[:3] for run in split_segments(pasted, (flags(e) * len(pasted))[: len(pasted)], 24, 50)]
        for e in (one, other)
    ]
    assert cut[0] == cut[1]


@pytest.mark.parametrize(
    ("pasted", "erased", "groups"),
    [
        (True, True, {(0.25, False): [0], (0.75, False): [1], (None, False): [2],
                      (0.25, True): [3], (0.75, True): [4]}),
        (True, False, {(0.25, False): [0, 3], (0.75, False): [1, 4], (None, False): [2]}),
        (False, True, {(None, False): [0, 1, 2], (None, True): [3, 4]}),
        (False, False, {(None, False): [0, 1, 2, 3, 4]}),
    ],
)  # fmt: skip
def test_outputs_that_show_the_same_are_encoded_once(pasted, erased, groups):
    run = split_segments([pasted] * 30, [erased] * 30, 24, 50)[0]
    outputs = [(out.scale, out.erased) for out in (*OCCLUDED, CLEAN, *ERASED)]
    assert group_outputs(run, outputs) == groups


FRAMES, SIZE = 150, (128, 96)
PASTED = [*range(20), *range(50, 71), *range(100, 150)]
"""50, the length of a group of pictures, and two shared segments of 30."""
SETTINGS = Composite(scales=(0.25, 0.75), crf=18.0, smooth_seconds=0.0)


def actor_masks(frames):
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[20:80, 50:80] = True
    return dict.fromkeys(frames, masks.encode(mask))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "a.mp4"
    pictures = textured(60, *SIZE, seed=1) + textured(FRAMES - 60, *SIZE, seed=2)
    write_video(path, pictures, 25)
    return path


def rendered(source, root, settings=SETTINGS, pasted=PASTED, **facts):
    """The folder with all outputs of the clip, which has a scene cut at frame 60."""
    boxes = {n: ActorBox((30.0 + n / 5, 10.0, 80.0 + n / 5, 86.0)) for n in pasted}
    render(job_of(source, root, FRAMES, boxes, **facts), settings)
    return root


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """Build folders: with shared segments, and with every output encoded in full."""
    folder = tmp_path_factory.mktemp("built")
    alone = replace(SETTINGS, share_frames=0)
    return rendered(source, folder / "shared"), rendered(source, folder / "alone", alone)


FILES = [out.file for out in (*OCCLUDED, CLEAN)]


@pytest.mark.parametrize("file", FILES)
def test_a_joined_stream_has_the_times_of_one_that_was_encoded_whole(source, built, file):
    shared, alone = (picture_packets(root / file) for root in built)
    assert len(shared) == len(alone) == FRAMES
    assert look(built[0] / file).times == look(source).times
    assert sorted(p.pts for p in shared) == sorted(p.pts for p in alone)
    assert [p.dts for p in shared] == [p.dts for p in alone]
    assert all(one.dts < other.dts for one, other in pairwise(shared))
    assert all(p.dts <= p.pts for p in shared)
    keys = {round(p.pts * 25) for p in shared if p.is_key}
    assert keys >= {0, 20, 50, 71, 100}
    assert any(a.pts > b.pts for a, b in pairwise(shared))  # there are B-frames to reorder


@pytest.mark.parametrize("file", FILES)
def test_a_joined_stream_looks_like_one_that_was_encoded_whole(built, file):
    for one, other in zip(planes(built[0] / file), planes(built[1] / file), strict=True):
        error = np.mean((one.astype(float) - other) ** 2)
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > 40


def test_shared_frames_are_the_same_packets_and_the_same_pixels(built):
    decoded = [planes(built[0] / file) for file in FILES]
    streams = [picture_packets(built[0] / file) for file in FILES]
    for number in range(FRAMES):
        same = all(np.array_equal(decoded[0][number], other[number]) for other in decoded[1:])
        data = [{p.data for p in s if round(p.pts * 25) == number} for s in streams]
        unoccluded = number not in PASTED
        assert same == unoccluded, number
        assert (data[0] == data[1] == data[2]) == unoccluded, number


@pytest.mark.parametrize("file", FILES[1:])
def test_seeking_gives_the_picture_that_reading_through_gives(built, file):
    sequential = planes(built[0] / file)
    rng = np.random.default_rng(0)
    with av.open(str(built[0] / file)) as container:
        stream = container.streams.video[0]
        step = round(1 / (25 * stream.time_base))
        for number in [*rng.integers(0, FRAMES, 25).tolist(), 19, 20, 21, 49, 50, 70, 71, 99, 100]:
            container.seek(number * step, stream=stream)
            found = next(f for f in container.decode(stream) if f.pts >= number * step)
            assert found.pts == number * step
            np.testing.assert_array_equal(found.to_ndarray(), sequential[number], str(number))


@pytest.mark.parametrize("file", FILES[1:])
def test_opencv_reads_and_finds_every_frame(built, file):
    video = cv2.VideoCapture(str(built[0] / file))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    read = [video.read() for _ in range(FRAMES + 1)]
    assert [ok for ok, _ in read] == [True] * FRAMES + [False]
    for number in (120, 71, 50, 20, 3, 100):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        np.testing.assert_array_equal(video.read()[1], read[number][1], str(number))
    video.release()


def decoded_by_ffmpeg(path):
    """Numbers of the frames that the program decodes; it must print no error."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    words = [program, "-v", "warning", "-err_detect", "explode", "-xerror", "-i", str(path)]
    words += ["-map", "0:v", "-f", "framemd5", "-"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [int(line.split(",")[2]) for line in lines]


@pytest.mark.parametrize("file", FILES[1:])
def test_the_ffmpeg_program_decodes_without_a_word(built, file):
    assert decoded_by_ffmpeg(built[0] / file) == list(range(FRAMES))


def test_two_key_frames_in_a_row_are_read(tmp_path):
    """A scene cut a whole group before the end of a segment puts a key frame at its end.

    In one of two cases it has the number of the next run's first; H.264 forbids that, and a
    decoder that is given whole pictures does not mind.
    """
    source, root = tmp_path / "a.mp4", tmp_path / "build"
    write_video(source, textured(14, *SIZE) + [255 - p for p in textured(66, *SIZE, seed=2)], 25)
    boxes = {n: ActorBox((30.0, 10.0, 80.0, 86.0)) for n in range(40, 80)}
    job = job_of(source, root, 80, boxes)
    render(job, replace(SETTINGS, keyframe_seconds=1.0))
    for out in job.outputs:
        packets = picture_packets(root / out.file)
        assert [round(p.pts * 25) for p in packets if p.is_key] == [0, 14, 39, 40, 65]
        assert decoded_by_ffmpeg(root / out.file) == list(range(80))
        assert len(planes(root / out.file)) == 80


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast", "medium"])
@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_a_clip_may_be_occluded_at_its_very_ends_only(make_clip, tmp_path, first, preset):
    """The first segment ends before the encoder's delay is known."""
    clip = make_clip("a.mp4", 60)
    boxes = {n: ActorBox((10.0, 10.0, 50.0, 58.0)) for n in [*range(first), *range(60 - first, 60)]}
    job = job_of(clip, tmp_path / "build", 60, boxes)
    render(job, replace(SETTINGS, preset=preset, keyframe_seconds=1.0))
    for out in job.outputs:
        packets = picture_packets(job.root / out.file)
        assert all(one.dts < other.dts for one, other in pairwise(packets))
        assert all(p.dts <= p.pts for p in packets)
        assert look(job.root / out.file).times == look(clip).times


def contents_of(root, outputs):
    return {out.file: (root / out.file).read_bytes() for out in outputs}


WAYS = [
    ("as the boxes", SETTINGS, PASTED, PASTED),
    ("masks where no occluder is", SETTINGS, PASTED, range(FRAMES)),
    ("some masks", SETTINGS, PASTED, [*range(10), *range(25, 33), 149]),
    (
        "a window",
        replace(SETTINGS, window=Window(start=0.3, end=0.7)),
        range(FRAMES),
        range(FRAMES),
    ),
]


@pytest.mark.parametrize(("way", "chosen", "pasted", "masked"), WAYS, ids=[w[0] for w in WAYS])
def test_bytes_do_not_hang_on_what_else_is_made_in_the_pass(
    source, tmp_path, way, chosen, pasted, masked
):
    """A later pass, for lost files or for other masks, gives the files of the common pass."""
    facts = {"masks": actor_masks(masked), "erasure": Erasure("zero", 2)}
    sets = {"all": (*OCCLUDED, CLEAN, *ERASED), "occluded": (*OCCLUDED, CLEAN), "erased": ERASED}
    fast = replace(chosen, preset="superfast")
    for name, outputs in sets.items():
        rendered(source, tmp_path / name, fast, pasted, outputs=outputs, **facts)
    rendered(source, tmp_path / "no masks", fast, pasted)
    everything = contents_of(tmp_path / "all", sets["all"])
    occluded = contents_of(tmp_path / "occluded", sets["occluded"])
    assert occluded == {file: everything[file] for file in occluded}
    assert contents_of(tmp_path / "no masks", sets["occluded"]) == occluded
    erased = contents_of(tmp_path / "erased", ERASED)
    assert erased == {file: everything[file] for file in erased}
    assert files_in(tmp_path / "erased") == sorted(erased)
    assert not set(erased.values()) & set(occluded.values())
