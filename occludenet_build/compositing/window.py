"""When in a clip the occluder is there, and how much of its size it has then."""

from __future__ import annotations

from bisect import bisect_left

from occludenet_build.config import Window


def strength(frame: int, frames: int, window: Window) -> float:
    """Factor on the occluder's size in a frame: 0 outside of the window, 1 inside.

    A frame belongs to the window if start <= frame / frames < end. With a ramp of r frames the
    first r of them have 1/r, 2/r, ... 1, and the last ones the same the other way round; a ramp
    longer than half the window is half the window: a triangle, with 1 at its top.

    >>> [strength(n, 10, Window(start=0.2, end=0.9, ramp=0.3)) for n in range(1, 6)]
    [0.0, 0.3333333333333333, 0.6666666666666666, 1.0, 1.0]
    """
    first, stop = _first_from(window.start, frames), _first_from(window.end, frames)
    if not first <= frame < stop:
        return 0.0
    ramp = min(window.ramp * frames, (stop - first + 1) // 2)
    inside = min(frame - first, stop - 1 - frame) + 1
    return min(1.0, inside / ramp) if ramp > 1 else 1.0


def _first_from(share: float, frames: int) -> int:
    """The first frame with frame / frames >= share; `frames` if there is none.

    Compared as the definition has it: ceil(share x frames) is one off for 0.07 of 100.
    """
    return bisect_left(range(frames), share, key=lambda frame: frame / frames)
