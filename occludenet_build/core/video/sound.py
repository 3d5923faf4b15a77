"""The sound of one source, passed on to all its outputs."""

from __future__ import annotations

from typing import Any

import av
from av.error import FFmpegError

from occludenet_build.core.video.source import Source
from occludenet_build.core.video.writer import TwinWriter, is_copied


class SharedSound:
    """Passes sound packets on; decodes once, and only what MP4 does not carry."""

    def __init__(self, writers: list[TwinWriter], source: Source) -> None:
        self.writers = writers
        copied = [is_copied(stream) for stream in source.audio]
        self.how = ("copied" if all(copied) else "encoded") if copied else "none"

    def __call__(self, packet: av.Packet) -> None:
        stream = packet.stream
        if stream.type != "audio":
            return
        if not is_copied(stream):
            frames = self._decoded(packet)
            for writer in self.writers:
                writer.encode_sound(stream.index, frames)
        elif packet.dts is not None:  # demux ends each stream with an empty packet
            index = stream.index
            for writer in self.writers:
                writer.copy_packet(index, packet)

    @staticmethod
    def _decoded(packet: av.Packet) -> list[av.AudioFrame | None]:
        try:
            frames: list[Any] = list(packet.decode())
        except FFmpegError:
            return []  # damaged sound: a short silence, not a lost clip
        return frames if packet.dts is not None else [*frames, None]
