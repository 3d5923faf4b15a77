"""Interlaced pictures: each frame holds two fields, of different times, in alternate lines.

Outputs of a video whose first frame is interlaced are encoded so, with its field order: players of
a progressive encode would mix the chroma of both fields, and could not deinterlace it. x264 does
so; other encoders code progressive frames.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av

from occludenet_build.media.video.planes import layout_of


def field_order_of(frame: av.VideoFrame) -> str:
    """Field order of a frame: tff or bff, the top or bottom field first; empty: progressive."""
    if not frame.interlaced_frame:
        return ""
    is_top_first = _through(frame, "select", r"eq(interlace_type\,1)")
    return "bff" if is_top_first is None else "tff"


def with_fields(frame: av.VideoFrame, order: str) -> av.VideoFrame:
    """A frame that shares the pixels of another and is marked with the field order.

    `frame`: in a working format. A frame is returned as is if `order` is empty, or if x264 cannot
    divide its chroma lines in two fields.
    """
    if not order or frame.height % (2 << layout_of(frame).sub_y):
        return frame
    marked = _through(frame, "setfield", order)
    assert marked is not None
    if frame.time_base is not None:
        marked.pts, marked.time_base = frame.pts, frame.time_base
    return marked


def _through(frame: av.VideoFrame, name: str, words: str) -> av.VideoFrame | None:
    """What a filter makes of a frame; None if it holds it back."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 25),
    )
    sink: Any = graph.add("buffersink")
    graph.link_nodes(source, graph.add(name, words), sink).configure()
    graph.push(frame)
    graph.push(None)
    try:
        return cast(av.VideoFrame, graph.pull())
    except (BlockingIOError, EOFError):
        return None
