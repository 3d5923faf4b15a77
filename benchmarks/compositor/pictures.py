"""Copies of frames, and how alike two frames are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from statistics import mean

import av
import av.filter
import numpy as np

from occludenet_build.media.video.planes import in_format, layout_of, new_frame, views


def copied(frame: av.VideoFrame) -> av.VideoFrame:
    """Pixels and colour tags in memory of its own: what a decoder says of its frames would tell
    an encoder which pictures to make key frames."""
    copy, layout = new_frame(frame), layout_of(frame)
    for mine, theirs in zip(views(copy, layout), views(frame, layout), strict=True):
        np.copyto(mine, theirs)
    return copy


def ssim(shown: Iterable[av.VideoFrame], wanted: list[av.VideoFrame]) -> float:
    """Mean over frames and planes, as ffmpeg's filter has it, in the format of `wanted`.

    The times of the frames are lost.
    Raises RuntimeError where there are not as many frames.
    """
    like, tick = wanted[0], Fraction(1, 25)
    graph = av.filter.Graph()
    size = {"width": like.width, "height": like.height, "format": like.format, "time_base": tick}
    inputs = [graph.add_buffer(**size, name=name) for name in ("shown", "wanted")]
    compare, sink = graph.add("ssim"), graph.add("buffersink")
    for number, buffer in enumerate(inputs):
        buffer.link_to(compare, 0, number)
    compare.link_to(sink)
    graph.configure()
    values = []
    for pair in zip(shown, wanted, strict=True):
        for buffer, frame in zip(inputs, pair, strict=True):
            same = in_format(frame, like.format.name)
            same.pts, same.time_base = len(values), tick
            buffer.push(same)
        values.append(float(sink.pull().metadata["lavfi.ssim.All"]))
    return mean(values)
