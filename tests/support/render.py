"""Jobs for `render` on drawn clips, and readers for the files it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from occludenet_build.media.video import source as reader
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.jobs import ClipJob, ClipOutput

OCCLUDED = (ClipOutput("d/25%/a.mp4", 0.25), ClipOutput("d/75%/a.mp4", 0.75))
CLEAN = ClipOutput("clean/a.mp4", None)
ERASED = tuple(ClipOutput(f"e/{out.file}", out.scale, erased=True) for out in OCCLUDED)
SCALES = (0.25, 0.75)
UNTAGGED = (2, 2, 2)


def job_of(source: Path, root: Path, frames: int, boxes: dict[int, ActorBox], **facts) -> ClipJob:
    """A job for two scales and the clean twin of a source, with an opaque cut-out."""
    if "cutouts" not in facts:
        facts["cutouts"] = (write_png(root.parent / "cutouts" / "cut.png", opaque()),)
    facts = {"clip": "a", "fps": 25.0, "scales": SCALES, "outputs": (*OCCLUDED, CLEAN)} | facts
    return ClipJob(source=source, root=root, frames=frames, boxes=boxes, **facts)


def with_gap(frames: int, size: tuple[int, int]) -> dict[int, ActorBox]:
    """A box that moves through the middle of the picture, absent in the middle half of the clip."""
    width, height = size
    boxes = {}
    for n in range(frames):
        if frames < 4 or not frames // 4 <= n < 3 * frames // 4:
            left = (0.2 + 0.2 * n / frames) * width
            boxes[n] = ActorBox((left, 0.15 * height, left + 0.4 * width, 0.85 * height))
    return boxes


def write_png(path: Path, rgba: np.ndarray) -> Path:
    """Write RGBA uint8 (H, W, 4) as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1].tobytes())
    return path


def opaque(height: int = 40, width: int = 40, colour: Sequence[int] = (20, 200, 60)) -> np.ndarray:
    """A cut-out without transparency: RGBA uint8 (H, W, 4)."""
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[:, :, :3] = colour
    return rgba


def textured(frames: int, width: int, height: int, seed: int = 0) -> list[np.ndarray]:
    """A panning texture with sensor noise, which an encoder codes with B-frames."""
    rng = np.random.default_rng(seed)
    grain = (height // 8 + 2, (width + frames) // 8 + 2, 3)
    ground = cv2.resize(
        rng.normal(120, 40, grain).astype(np.float32), (width + frames, height), interpolation=2
    )
    noise = rng.normal(0, 4, (height, width, 3))
    return [
        np.clip(ground[:, n : n + width] + np.roll(noise, 7 * n, 1), 0, 255).astype(np.uint8)
        for n in range(frames)
    ]


class Sound(NamedTuple):
    """A sound stream with clicks of 1 kHz and 20 ms."""

    codec: str
    rate: int = 48_000
    layout: str = "mono"
    language: str = ""
    seconds: float = 2.4
    clicks: tuple[float, ...] = (0.5, 1.1, 1.9)

    def samples(self) -> np.ndarray:
        """The samples, float32 (channels, N), in [-1, 1]."""
        signal = np.zeros(int(self.seconds * self.rate), np.float32)
        times = np.arange(int(0.02 * self.rate))
        click = 0.8 * np.sin(2 * np.pi * 1000 * times / self.rate) * np.hanning(times.size)
        for at in self.clicks:
            signal[int(at * self.rate) :][: times.size] += click
        return np.repeat(signal[None], av.AudioLayout(self.layout).nb_channels, axis=0)


@dataclass(frozen=True)
class Made:
    """A source file with properties that `write_video` cannot set.

    `tags`: primaries, transfer, matrix.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    fps: Fraction = Fraction(25)
    full_range: bool = False
    matrix: int = 6
    primaries: int = 6
    transfer: int = 6
    aspect: Fraction = Fraction(1)
    rotation: int = 0
    sounds: tuple[Sound, ...] = ()

    def write(self, path: Path, pictures: Sequence[np.ndarray]) -> Path:
        """Encode frames, uint8 (H, W, 3) RGB."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            video = self._video(container, pictures[0])
            heard = [self._sound(container, sound) for sound in self.sounds]
            for number, picture in enumerate(pictures):
                container.mux(video.encode(self._frame(number, picture)))
            container.mux(video.encode(None))
            for stream, sound in zip(heard, self.sounds, strict=True):
                _encode_sound(container, stream, sound)
        return path

    def _video(self, container: Any, first: np.ndarray) -> Any:
        stream = container.add_stream(self.codec, rate=self.fps)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, context = self.pix_fmt, stream.codec_context
        context.time_base = stream.time_base = 1 / self.fps
        context.sample_aspect_ratio = self.aspect
        _tag(context, self)
        if self.rotation:
            stream.set_display_rotation(self.rotation)
        return stream

    def _frame(self, number: int, picture: np.ndarray) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        yuv = {"dst_colorspace": self.matrix, "dst_color_range": 2 if self.full_range else 1}
        frame = frame.reformat(format=self.pix_fmt, **(yuv if "yuv" in self.pix_fmt else {}))
        frame.pts, frame.time_base = number, 1 / self.fps
        _tag(frame, self)
        return frame

    @staticmethod
    def _sound(container: Any, sound: Sound) -> Any:
        stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
        stream.codec_context.options = {"strict": "-2"}  # for vorbis
        if sound.language:
            stream.metadata["language"] = sound.language
        return stream


def _tag(target: Any, made: Made) -> None:
    target.color_range, target.colorspace = 2 if made.full_range else 1, made.matrix
    target.color_primaries, target.color_trc = made.primaries, made.transfer


def _encode_sound(container: Any, stream: Any, sound: Sound) -> None:
    context = stream.codec_context
    whole = av.AudioFrame.from_ndarray(sound.samples(), format="fltp", layout=sound.layout)
    whole.sample_rate, whole.time_base, whole.pts = sound.rate, Fraction(1, sound.rate), 0
    pieces = av.AudioResampler(context.format, sound.layout, sound.rate, context.frame_size or 1024)
    for piece in [*pieces.resample(whole), *pieces.resample(None), None]:
        container.mux(stream.encode(piece))


class Heard(NamedTuple):
    """A sound stream of a file."""

    codec: str
    rate: int
    channels: int
    language: str
    packets: list[tuple[Fraction, bytes]]
    """(time in seconds, bytes) of each packet."""


@dataclass(frozen=True)
class Look:
    """The properties of a decoded file: frame times, colours, display, sound."""

    times: list[Fraction]
    """Times of the frames, seconds."""
    colours: set[tuple[int, int, int, int]]
    """(range, matrix, primaries, transfer) of the frames."""
    display: Display
    aspect: Fraction
    pixels: str
    rate: Fraction
    sounds: list[Heard]


def look(path: Path) -> Look:
    """Decode a video file and collect its facts."""
    with reader.open_video(path) as source:
        heard: dict[int, list[tuple[Fraction, bytes]]] = {s.index: [] for s in source.audio}

        def hear(packet: av.Packet) -> None:
            if packet.stream.index in heard and packet.dts is not None:
                heard[packet.stream.index].append((packet.pts * packet.time_base, bytes(packet)))

        times, colours, first = [], set(), None
        for frame in source.packets(hear):
            name = frame.format.name.replace("yuvj", "yuv")  # a decoder's name for full range
            first = first or (reader.display_of(frame), name)
            times.append(frame.pts * source.time_base)
            tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
            colours.add(tuple(int(tag) for tag in tags))
        sounds = [
            Heard(
                s.codec_context.name,
                s.rate,
                s.layout.nb_channels,
                s.metadata.get("language", "und"),
                heard[s.index],
            )
            for s in source.audio
        ]
        aspect, rate = source.stream.sample_aspect_ratio, source.stream.average_rate
        assert first is not None
        return Look(times, colours, first[0], Fraction(aspect or 1), first[1], rate, sounds)


class Packet(NamedTuple):
    """An encoded frame; times in seconds."""

    pts: Fraction
    dts: Fraction
    data: bytes
    is_key: bool


def picture_packets(path: Path) -> list[Packet]:
    """The packets of the frames of a file, in decoding order."""
    with reader.open_container(path) as container:
        found = [p for p in container.demux(video=0) if p.dts is not None]
        return [
            Packet(p.pts * p.time_base, p.dts * p.time_base, bytes(p), p.is_keyframe) for p in found
        ]


def planes(path: Path) -> list[np.ndarray]:
    """All decoded frames of a file, in their pixel format."""
    with reader.open_video(path) as source:
        return [frame.to_ndarray() for frame in source]


def files_in(folder: Path) -> list[str]:
    """Paths of all files below a folder, relative to it, including temporary files."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
