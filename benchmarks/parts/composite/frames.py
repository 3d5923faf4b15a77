"""Copies of frames, and SSIM."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from statistics import mean

import av
import av.filter
import numpy as np

from occludenet_build.media.video.planes import in_format, layout_of, new_frame, plane_arrays


def copy_frame(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame with the same pixels and colour tags and no other properties.

    A decoded frame has a picture type, from which an encoder would choose its key frames.
    """
    copy, layout = new_frame(frame), layout_of(frame)
    for target, source in zip(plane_arrays(copy, layout), plane_arrays(frame, layout), strict=True):
        np.copyto(target, source)
    return copy


def ssim(decoded: Iterable[av.VideoFrame], reference: list[av.VideoFrame]) -> float:
    """Mean SSIM over frames and planes, by ffmpeg's filter, in the format of `reference`.

    The filter overwrites the times of the frames. Raises ValueError where the numbers of frames
    differ.
    """
    like, tick = reference[0], Fraction(1, 25)
    graph = av.filter.Graph()
    size = {"width": like.width, "height": like.height, "format": like.format, "time_base": tick}
    inputs = [graph.add_buffer(**size, name=name) for name in ("decoded", "reference")]
    compare, sink = graph.add("ssim"), graph.add("buffersink")
    for number, buffer in enumerate(inputs):
        buffer.link_to(compare, 0, number)
    compare.link_to(sink)
    graph.configure()
    values = []
    for pair in zip(decoded, reference, strict=True):
        for buffer, frame in zip(inputs, pair, strict=True):
            same = in_format(frame, like.format.name)
            same.pts, same.time_base = len(values), tick
            buffer.push(same)
        values.append(float(sink.pull().metadata["lavfi.ssim.All"]))
    return mean(values)
