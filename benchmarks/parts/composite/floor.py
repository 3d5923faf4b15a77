"""Composite for one clip in this process, and its same-content floor, which only encodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import av

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.encoder import Encoding, FrameFormat
from occludenet_build.media.video.sound import SharedSound, SoundQueue
from occludenet_build.media.video.source import display_of, open_video
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, frame_format_of
from occludenet_build.occlusion import render as render_module
from occludenet_build.occlusion.clip_results import ClipTask, make_clip
from occludenet_build.occlusion.render import render
from parts.composite.frames import copy_frame

Pictures = list[av.VideoFrame]


def composite_clip(due: ClipTask, settings: Composite) -> None:
    """Make a clip as a worker of the stage does, ground truth and hashes included.

    Raises RuntimeError where the clip fails.
    """
    for result in make_clip(due, settings).values():
        if result.row["status"] != "ok":
            raise RuntimeError(f"{due.job.clip}: {result.row['reason']} {result.row['detail']}")


class _Recorder(RunEncoder):
    """An encoder that keeps a copy of every picture it receives."""

    kept: list[Pictures]

    def __init__(self, picture: FrameFormat, *arguments) -> None:
        super().__init__(picture, *arguments)
        self._copies: Pictures = []
        self.kept.append(self._copies)

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        self._copies.append(copy_frame(frame))
        super().encode(frame, pts)


@contextmanager
def _recorded(kept: list[Pictures]) -> Iterator[None]:
    recorder = type("Recorder", (_Recorder,), {"kept": kept})
    with mock.patch.object(render_module, "RunEncoder", recorder):
        yield


class Floor:
    """Decodes the source, and encodes every output in full from its finished pictures.

    Its files are compared with those that the stage writes without shared segments.
    """

    def __init__(self, due: ClipTask, settings: Composite, folder: Path) -> None:
        self._job, self._encoding, self._folder = due.job, Encoding.of(settings), folder
        self._pictures: list[Pictures] = []
        with _recorded(self._pictures):
            # one segment: as many encoders as outputs, in their order
            render(due.job, dataclasses.replace(settings, share_frames=0))
        self._hashes = [sha256_file(file) for file in self.ours]
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self) -> None:
        pts: list[int] = []
        with open_video(self._job.source) as source, ExitStack() as stack:
            first = self._pictures[0][0]
            picture, shown = frame_format_of(source, first), display_of(first)
            writers = [
                stack.enter_context(TwinWriter(path, source, picture, self._encoding, shown))
                for path in self.files
            ]
            encoders = [RunEncoder(picture, self._encoding, [w], pts, 0) for w in writers]
            sound = SoundQueue()
            sound.send_to(SharedSound(writers, source))
            for number, frame in enumerate(source.packets(sound)):
                pts.append(frame.pts)
                for encoder, pictures in zip(encoders, self._pictures, strict=True):
                    encoder.encode(pictures[number], frame.pts)
            for encoder in encoders:
                encoder.finish()

    @property
    def files(self) -> list[Path]:
        """The floor's own files."""
        return [self._folder / f"{number}.mp4" for number in range(len(self._pictures))]

    @property
    def ours(self) -> list[Path]:
        """The files of the stage, in the same order."""
        return [self._job.root / out.file for out in self._job.outputs]

    def check(self) -> None:
        """Raises RuntimeError where a file of the floor differs from that of the stage."""
        for file, expected in zip(self.files, self._hashes, strict=True):
            if sha256_file(file) != expected:
                raise RuntimeError(
                    f"{file} differs from that of the stage: they are not comparable"
                )
