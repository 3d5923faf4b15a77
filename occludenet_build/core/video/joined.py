"""Runs of pictures, encoded apart, as one stream: decoding times over the whole clip.

A run's encoder knows nothing of the pictures before it, so the decoding times it gives begin
anew. They are given again here as x264 gives them for a whole clip: the k-th packet of a stream is
decoded when the (k - delay)-th picture is shown, the first ones as much earlier as needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import av

from occludenet_build.core.video.encoder import JOINS, Encoder, Encoding, Picture
from occludenet_build.core.video.writer import REFUSALS, TwinWriter


class RunEncoder:
    """Encodes one run and writes its packets to every output that has this run in common.

    `shown` is the clip's list of pts, which grows as pictures come; `start`: the run's first one.
    """

    def __init__(
        self,
        picture: Picture,
        encoding: Encoding,
        writers: Sequence[TwinWriter],
        shown: Sequence[int],
        start: int,
    ) -> None:
        with REFUSALS:
            self._encoder = Encoder(picture, encoding)
        self._writers, self._shown, self._next = writers, shown, start
        self._retimed = encoding.codec in JOINS
        self.beginning = b""
        """The header and the first packet."""

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        with REFUSALS:
            packets = self._encoder.encode(frame, pts)
        self._write(packets)

    def finish(self) -> None:
        with REFUSALS:
            packets = self._encoder.finish()
        self._write(packets)

    def _write(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            self.beginning = self.beginning or self._encoder.header + bytes(packet)
            if self._retimed:
                packet.dts = self._decoding_time()
            self._next += 1
            for writer in self._writers:
                writer.picture_packet(packet)

    def _decoding_time(self) -> int:
        shown, delay, number = self._shown, self._encoder.delay, self._next
        if number >= delay:
            return shown[number - delay]
        return shown[number] - self._early()

    def _early(self) -> int:
        """How long before it is shown the first picture is decoded."""
        shown, delay = self._shown, self._encoder.delay
        if len(shown) > delay:
            return shown[delay] - shown[0]
        # The first run was over before so many pictures came; more may follow.
        return delay * (shown[-1] - shown[0])
