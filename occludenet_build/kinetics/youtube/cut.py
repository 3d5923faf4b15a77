"""The ten seconds of a clip, cut out of the whole video.

What is there is taken: YouTube lets owners trim a video, and lists round times up. A clip is made
where at least half of its stretch exists (LEAST), up to the video's end, and its row says how much
that is; below that it is outside_video. Pictures, times and sound are those of `core.video.cut`.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.cut import TOLERANCE, cut
from occludenet_build.core.video.encoder import Encoding
from occludenet_build.core.video.probe import probe, skim
from occludenet_build.core.video.source import reading
from occludenet_build.kinetics.clip import Clip

LEAST = Fraction(1, 2)
"""Share of the stretch that must exist."""
_MOST_PIXELS = 1 << 40


def encoding(crf: float) -> Encoding:
    """Nothing but its quality is a setting: another preset changes sizes by a few percent."""
    return Encoding("libx264", crf, "veryfast", instruction_set="avx2", keyframe_seconds=1.0)


def cut_out(video: Path, clip: Clip, out: Path, crf: float) -> str | None:
    """Write the clip to `out`. What is worth saying of it, or None.

    Raises ItemError: what `skim` and `cut` raise, outside_video, encode_failed.
    """
    skim(video)
    start, wanted = Fraction(clip.start), Fraction(clip.end)
    end = min(wanted, picture_seconds(video))
    if end - start < LEAST * (wanted - start):
        raise ItemError(
            "outside_video", f"{_clock(start)} to {_clock(wanted)}, the video ends at {_clock(end)}"
        )
    piece = cut(video, start, end, out, encoding(crf))
    info = probe(out, max_decode_errors=0, max_pixels=_MOST_PIXELS)
    if info.frames != piece.frames:
        raise ItemError("encode_failed", f"{info.frames} frames of {piece.frames} decode")
    if wanted - end <= TOLERANCE:
        return None
    return f"the video ends at {_clock(end)}: {float(end - start):.2f} of {wanted - start} s"


def picture_seconds(video: Path) -> Fraction:
    """From the first picture to the end of the last, by the times in the file; nothing decodes but
    the first. Raises ItemError zero_frames where not even that does."""
    with reading(video) as source:
        first = next(iter(source), None)
    if first is None or first.pts is None:
        raise ItemError("zero_frames", source.first_error)
    last = first.pts
    with reading(video) as source:
        for packet in source.container.demux(source.stream):
            if packet.pts is not None:
                last = max(last, packet.pts + (packet.duration or 0))
    return (last - first.pts) * source.time_base


def _clock(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s"
