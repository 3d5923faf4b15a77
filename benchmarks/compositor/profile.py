"""Where the CPU of a worker goes: timers around its parts, each without those inside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from occludenet_build.composite import work
from occludenet_build.compositing.erasing import Eraser
from occludenet_build.compositing.frame_buffer import FrameBuffer
from occludenet_build.compositing.ground_truth import TruthRows
from occludenet_build.compositing.patch_prefetch import PatchPrefetch
from occludenet_build.compositing.render import _Clip
from occludenet_build.core import files
from occludenet_build.core.video import source
from occludenet_build.core.video.encoder import Encoder
from occludenet_build.core.video.sound import SharedSound
from occludenet_build.core.video.writer import TwinWriter

PARTS: dict[str, list[tuple[Any, str]]] = {
    "decode": [],  # Source.packets as well, a generator
    "copy": [(FrameBuffer, "load"), (FrameBuffer, "copy")],
    "patches": [
        (_Clip, "_place"), (PatchPrefetch, "at"),  # with the ground truth's masks
        (_Clip, "_truth"), (TruthRows, "table"), (work.tables, "digest"),
    ],
    "blend": [(FrameBuffer, "blended")],
    "erase": [(Eraser, "erase")],
    "encode": [(Encoder, "__init__"), (Encoder, "encode"), (Encoder, "finish")],
    "mux": [  # and sound
        (TwinWriter, "__init__"), (TwinWriter, "picture_packet"), (TwinWriter, "__exit__"),
        (SharedSound, "__call__"),
    ],
    "hash": [(files, "sha256_file")],
    "rest": [],
}  # fmt: skip
"""Part -> the functions that are it: owner and name."""
AROUND = (("decode", source, "opened"), ("blend", FrameBuffer, "showing"))
"""Part, owner and name of what stands around something else: a `with`."""


class Profile:
    """`with profile: ...` puts the timers in place, and takes them away again."""

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()
        self._inside = ["rest"]  # the parts that we are in, innermost last
        self._since = 0.0

    def shares(self) -> dict[str, float]:
        """Part -> share of all CPU."""
        total = sum(self._spent.values())
        return {part: round(self._spent[part] / total, 4) for part in PARTS}

    def __enter__(self) -> None:
        self._patches = ExitStack()
        for part, functions in PARTS.items():
            for owner, name in functions:
                self._replace(owner, name, self._timed(part, getattr(owner, name)))
        self._replace(source.Source, "packets", self._decoding(source.Source.packets))
        for part, owner, name in AROUND:
            self._replace(owner, name, self._around(part, getattr(owner, name)))
        self._since = time.process_time()

    def __exit__(self, *error: object) -> None:
        self._book()
        self._patches.close()

    def _replace(self, owner: Any, name: str, function: Callable) -> None:
        self._patches.enter_context(mock.patch.object(owner, name, function))

    def _book(self) -> None:
        """What has passed since goes to the part that we are in."""
        now = time.process_time()
        self._spent[self._inside[-1]] += now - self._since
        self._since = now

    @contextmanager
    def _timer(self, part: str) -> Iterator[None]:
        self._book()
        self._inside.append(part)
        try:
            yield
        finally:
            self._book()
            self._inside.pop()

    def _timed(self, part: str, function: Callable) -> Callable:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self._timer(part):
                return function(*arguments, **options)

        return timed

    def _decoding(self, packets: Callable) -> Callable:
        def decoding(*arguments: Any, **options: Any) -> Iterator:
            frames = packets(*arguments, **options)
            while True:
                with self._timer("decode"):
                    frame = next(frames, None)
                if frame is None:
                    return
                yield frame

        return decoding

    def _around(self, part: str, manager: Callable) -> Callable:
        @contextmanager
        def timed(*arguments: Any) -> Iterator:
            with self._timer(part), manager(*arguments) as value:
                with self._timer("rest"):
                    yield value

        return timed
