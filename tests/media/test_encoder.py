"""Encoders by name: all options are valid, and a missing encoder is replaced with a warning."""

from __future__ import annotations

import logging
from dataclasses import fields
from fractions import Fraction

import av
import pytest
from support.composite_stage import CompositeStage

from occludenet_build.config.occlusion import Composite
from occludenet_build.media.video import encoder as module
from occludenet_build.media.video.encoder import CODECS, Encoding, encoder_version, group_size

LIMITS = {spec.name: spec.metadata for spec in fields(Composite)}
HARDWARE = [name for name in CODECS if not name.startswith("lib")]


def encoding(codec="libx264", preset="veryfast", instruction_set="avx2", seconds=2.0):
    return Encoding(codec, 21.0, preset, instruction_set, seconds)


def test_the_choices_of_the_setting_are_the_encoders():
    assert set(LIMITS["codec"]["choices"]) == set(CODECS)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("preset", LIMITS["preset"]["choices"])
def test_every_option_is_one_of_the_encoder(codec, preset):
    options = av.CodecContext.create(codec, "w").supported_options
    known = {option.name: option for option in [*options.generic, *options.private]}
    for name, value in CODECS[codec](encoding(codec, preset)).items():
        assert name in known
        named = {choice.name for choice in known[name].choices or ()}
        assert not named or value.isdigit() or value in named, (name, value, named)


@pytest.mark.parametrize("codec", HARDWARE)
def test_a_missing_hardware_encoder_is_reported_and_replaced(codec, caplog):
    if not module._startup_error(codec):
        pytest.skip(f"this machine runs {codec}")
    with caplog.at_level(logging.WARNING):
        assert module.available_encoder(codec) == "libx264"
    (line,) = caplog.messages
    assert line.startswith(f"{codec} does not run here (")
    assert line.endswith("libx264 is used instead")


def test_software_encoders_are_used_as_they_are(caplog):
    assert [module.available_encoder(c) for c in ("libx264", "libx265")] == ["libx264", "libx265"]
    assert not caplog.messages


def test_composite_records_the_encoder_that_ran(tmp_path):
    if not module._startup_error("h264_nvenc"):
        pytest.skip("this machine runs h264_nvenc")
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", clips=("one",)).write()
    stage.run(codec="h264_nvenc", instruction_set="portable")
    (row,) = stage.rows().values()
    assert row["status"] == "ok"
    assert row["encoder"].startswith("libx264 core ")
    assert row["instruction_set"].startswith("portable")
    assert "libavcodec" in row["libraries"] and "opencv" in row["libraries"]


@pytest.mark.parametrize(
    ("rate", "seconds", "frames"),
    [(Fraction(25), 2.0, 50), (Fraction(30000, 1001), 2.0, 60), (Fraction(1), 0.04, 1)],
)
def test_key_frames_are_so_many_frames_apart(rate, seconds, frames):
    assert group_size(encoding(seconds=seconds), rate) == frames


@pytest.mark.parametrize(
    ("codec", "beginning", "shown"),
    [
        ("libx264", b"\0x264 - core 165 r3222 b35605a - H.264", "libx264 core 165 r3222"),
        ("libx264", b"x264 - core 165 - H.264", "libx264 core 165"),
        ("libx265", b"x265 (build 216) - 4.2", "libx265 x265 (build 216)"),
        ("h264_nvenc", b"", "h264_nvenc"),
    ],
)
def test_versions_are_read_from_the_stream(codec, beginning, shown):
    assert encoder_version(codec, beginning) == shown
