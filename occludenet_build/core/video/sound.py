"""The sound of one source, passed on to its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
from av.error import FFmpegError

from occludenet_build.core.video.source import Source
from occludenet_build.core.video.writer import TwinWriter, is_copied


class SoundQueue:
    """A callback for `Source.packets` that holds sound back until there is somewhere to send it:
    it may come before the first picture, and the outputs are opened with that."""

    def __init__(self) -> None:
        self._early: list[av.Packet] = []
        self._sink: Callable[[av.Packet], None] | None = None

    def __call__(self, packet: av.Packet) -> None:
        if packet.stream.type != "audio":
            return
        if self._sink is None:
            self._early.append(packet)
        else:
            self._sink(packet)

    def send_to(self, sink: Callable[[av.Packet], None]) -> None:
        """From now on, beginning with what was held back."""
        self._sink = sink
        for packet in self._early:
            sink(packet)
        self._early.clear()


def how_passed(source: Source) -> str:
    """copied, encoded (if any of its streams must be) or none."""
    copied = [is_copied(stream) for stream in source.audio]
    return ("copied" if all(copied) else "encoded") if copied else "none"


def decoded(packet: av.Packet) -> list[Any]:
    """Sound frames; damaged sound is a short silence, not a lost clip."""
    try:
        return list(packet.decode())
    except FFmpegError:
        return []


class SharedSound:
    """Passes sound packets on; decodes once, and only what MP4 does not carry."""

    def __init__(self, writers: list[TwinWriter], source: Source) -> None:
        self.writers = writers
        self.how = how_passed(source)

    def __call__(self, packet: av.Packet) -> None:
        stream, is_end = packet.stream, packet.dts is None  # demux ends each stream so
        if not is_copied(stream):
            frames = [*decoded(packet), *([None] if is_end else [])]
            for writer in self.writers:
                writer.encode_sound(stream.index, frames)
        elif not is_end:
            index = stream.index
            for writer in self.writers:
                writer.copy_packet(index, packet)
