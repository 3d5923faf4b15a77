"""Inside a running worker: what the room does for a clip, and the floor that need not composite."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import av

from compositor.pictures import copied
from occludenet_build.config.occlusion import Composite
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.encoder import Encoding, Picture
from occludenet_build.media.video.sound import SharedSound, SoundQueue
from occludenet_build.media.video.source import reading
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, picture_of
from occludenet_build.occlusion import render as render_module
from occludenet_build.occlusion.composite import Due, make
from occludenet_build.occlusion.render import render

Pictures = list[av.VideoFrame]


def ours(due: Due, settings: Composite) -> None:
    """What a worker of the room does for a clip, ground truth and hashes included."""
    for result in make(due, settings).values():
        if result.row["status"] != "ok":
            raise RuntimeError(f"{due.job.clip}: {result.row['reason']} {result.row['detail']}")


class _Recorder(RunEncoder):
    """An encoder that keeps a copy of every picture it gets."""

    kept: list[Pictures]

    def __init__(self, picture: Picture, *arguments) -> None:
        super().__init__(picture, *arguments)
        self._mine: Pictures = []
        self.kept.append(self._mine)

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        self._mine.append(copied(frame))
        super().encode(frame, pts)


@contextmanager
def _recorded(kept: list[Pictures]) -> Iterator[None]:
    recorder = type("Recorder", (_Recorder,), {"kept": kept})
    with mock.patch.object(render_module, "RunEncoder", recorder):
        yield


class Floor:
    """Decodes, and encodes every output whole from its finished pictures; nothing is shared.

    Its files are checked against those that the room makes when nothing is shared.
    """

    def __init__(self, due: Due, settings: Composite, folder: Path) -> None:
        self._job, self._encoding, self._folder = due.job, Encoding.of(settings), folder
        self._pictures: list[Pictures] = []
        with _recorded(self._pictures):
            # in one run, with as many encoders as outputs, in their order
            render(due.job, dataclasses.replace(settings, share_frames=0))
        self._wanted = [sha256_file(file) for file in self.ours]
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self) -> None:
        shown: list[int] = []
        with reading(self._job.source) as source, ExitStack() as stack:
            picture = picture_of(source, self._pictures[0][0])
            writers = [
                stack.enter_context(TwinWriter(path, source, picture, self._encoding, 0))
                for path in self.files
            ]
            encoders = [RunEncoder(picture, self._encoding, [w], shown, 0) for w in writers]
            sound = SoundQueue()
            sound.send_to(SharedSound(writers, source))
            for number, frame in enumerate(source.packets(sound)):
                shown.append(frame.pts)
                for encoder, pictures in zip(encoders, self._pictures, strict=True):
                    encoder.encode(pictures[number], frame.pts)
            for encoder in encoders:
                encoder.finish()

    @property
    def files(self) -> list[Path]:
        return [self._folder / f"{number}.mp4" for number in range(len(self._pictures))]

    @property
    def ours(self) -> list[Path]:
        """What the room makes, in the same order."""
        return [self._job.root / out.file for out in self._job.outputs]

    def check(self) -> None:
        """Raises RuntimeError where the floor's files are not those of the room, unshared."""
        for file, wanted in zip(self.files, self._wanted, strict=True):
            if sha256_file(file) != wanted:
                raise RuntimeError(f"{file} differs from ours: they are not comparable")
