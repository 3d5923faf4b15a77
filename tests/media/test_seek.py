"""Frames decoded from the nearest key frame equal those of a pass from the beginning."""

from fractions import Fraction

import numpy as np
import pytest

from occludenet_build.media.video import seek
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.media.video.seek import UncertainFrames, from_keyframes
from occludenet_build.media.video.source import VideoSource, open_video, rgb_frames, to_rgb
from occludenet_build.media.video.synth import write_video

COUNT = 90
B_FRAMES = "keyint=20:min-keyint=20:scenecut=0:bframes=5:b-pyramid=normal:b-adapt=0"

SURE = {
    "b_frames.mp4": {"options": {"x264-params": B_FRAMES}},
    "b_frames.mkv": {"options": {"x264-params": B_FRAMES}},
    "open.mp4": {"options": {"x264-params": B_FRAMES + ":open-gop=1"}},
    "open.mkv": {"options": {"x264-params": B_FRAMES + ":open-gop=1"}},
    "no_b.mp4": {"options": {"bf": "0", "g": "30"}},
    "one_key.mp4": {"options": {"g": "250"}},
    "all_keys.mp4": {"options": {"g": "1"}},
    "late_and_uneven.mp4": {
        "options": {"x264-params": B_FRAMES},
        "pts": [100 + 3 * n + (n % 7 == 3) for n in range(COUNT)],
        "time_base": Fraction(1, 90),
    },
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=20:log-level=none"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "25", "cpu-used": "8"}},
}
UNSURE = {
    "h264.avi": {"options": {"x264-params": B_FRAMES}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2", "g": "20"}},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "25", "cpu-used": "8", "auto-alt-ref": "1"}},
    "refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=20"}},
}


def pictures():
    """Frames of drifting noise with a moving square: all frames differ."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 200, (48, 64 + COUNT, 3), np.uint8)
    for number in range(COUNT):
        picture = noise[:, number : number + 64].copy()
        picture[10:20, number % 50 : number % 50 + 10] = 250
        yield picture


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("films"), {}

    def film(name):
        if name not in made:
            how = {**SURE, **UNSURE}[name]
            write_video(folder / name, pictures(), Fraction(30), **how)
            made[name] = folder / name, [picture for _, picture in rgb_frames(folder / name)]
        return made[name]

    return film


def draws(count):
    random = np.random.default_rng(1)
    yield [count - 1]
    yield [0]
    yield list(range(10, 74, 4))
    for _ in range(12):
        yield sorted(set(random.integers(0, count, random.integers(1, 9)).tolist()))


@pytest.mark.parametrize("name", [*SURE, *UNSURE])
def test_the_frames_are_those_of_reading_from_the_beginning(films, name):
    path, every = films(name)
    assert len(every) == COUNT
    for numbers in draws(COUNT):
        got = sample_frames(path, numbers)
        assert all(np.array_equal(a, every[n]) for a, n in zip(got, numbers, strict=True)), numbers


@pytest.mark.parametrize("name", SURE)
def test_the_packets_tell_which_frames_they_are(films, name):
    path, every = films(name)
    for numbers in draws(COUNT):
        with open_video(path) as source:
            got = dict(from_keyframes(source, set(numbers)))
        assert list(got) == numbers
        assert all(np.array_equal(to_rgb(got[n]), every[n]) for n in numbers)


@pytest.mark.parametrize("name", UNSURE)
def test_where_they_do_not_tell_nothing_is_guessed(films, name):
    path, _ = films(name)
    with open_video(path) as source, pytest.raises(UncertainFrames):
        list(from_keyframes(source, {40, 85}))


@pytest.mark.parametrize(
    ("name", "numbers", "most"),
    [
        ("no_b.mp4", [0], 1),
        ("no_b.mp4", [35], 6),
        ("no_b.mp4", [29, 60], 31),
        ("b_frames.mp4", [45], 7),  # key frame 40, and 46, from which 45 is predicted
        ("b_frames.mp4", [0, 85], 8),
        ("all_keys.mp4", [3, 50, 89], 3),
        ("one_key.mp4", [10], 16),
    ],
)
def test_no_more_is_decoded_than_the_frames_are_made_from(films, monkeypatch, name, numbers, most):
    path, _ = films(name)
    fed = []
    decoded = VideoSource.decoded
    monkeypatch.setattr(
        VideoSource, "decoded", lambda self, packet: (fed.append(packet), decoded(self, packet))[1]
    )
    sample_frames(path, numbers)
    assert sum(packet is not None for packet in fed) <= most


def test_frames_that_no_other_needs_are_passed_over(films):
    path, _ = films("b_frames.mp4")
    with open_video(path) as source:
        context, given = source.stream.codec_context, []
        packets = seek._packets(source, COUNT - 1)
        for frame in seek._decoded(source, packets[:20], {}):
            given.append(frame.pts)
    assert 5 <= len(given) <= 12, "of 20 frames about every second is predicted from"
    assert context.skip_frame == "NONREF"


def test_no_more_of_a_long_film_is_read_than_needed(films):
    path, _ = films("no_b.mp4")
    with open_video(path) as source:
        assert len(seek._packets(source, 5)) < 40
