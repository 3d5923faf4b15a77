"""Share of each part in the CPU time of a worker, from nested timers around its functions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from occludenet_build.core import files
from occludenet_build.media.video import source
from occludenet_build.media.video.encoder import Encoder
from occludenet_build.media.video.sound import SharedSound
from occludenet_build.media.video.writer import TwinWriter
from occludenet_build.occlusion import composite
from occludenet_build.occlusion.counterfactual import Eraser
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.occlusion.ground_truth import TruthRows
from occludenet_build.occlusion.patches import PatchPrefetch
from occludenet_build.occlusion.render import _ClipRenderer

PARTS: dict[str, list[tuple[Any, str]]] = {
    "decode": [],  # Source.packets, a generator, and `open_container`, a context manager: see below
    "copy": [(FrameBuffer, "load"), (FrameBuffer, "copy")],
    "patches": [  # and ground truth
        (_ClipRenderer, "_place_occluders"), (PatchPrefetch, "pastes_at"),
        (TruthRows, "add"), (TruthRows, "table"), (composite.tables, "table_digest"),
    ],
    "blend": [(FrameBuffer, "blend"), (FrameBuffer, "apply"), (FrameBuffer, "restore")],
    "erase": [(Eraser, "erase")],
    "encode": [(Encoder, "__init__"), (Encoder, "encode"), (Encoder, "finish")],
    "mux": [  # and sound
        (TwinWriter, "__init__"), (TwinWriter, "picture_packet"), (TwinWriter, "__exit__"),
        (SharedSound, "write_of"),
    ],
    "hash": [(files, "sha256_file"), (source, "sha256_file")],
    "rest": [],
}  # fmt: skip
"""Part -> owner and name of its functions."""


class Profile:
    """Measures CPU time by part inside `with profile: ...`."""

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()
        self._inside = ["rest"]  # the running parts, innermost last
        self._since = 0.0

    def shares(self) -> dict[str, float]:
        """Part -> its share of the CPU time."""
        total = sum(self._spent.values())
        return {part: round(self._spent[part] / total, 4) for part in PARTS}

    def __enter__(self) -> None:
        self._patches = ExitStack()
        for part, functions in PARTS.items():
            for owner, name in functions:
                self._replace(owner, name, self._timed(part, getattr(owner, name)))
        self._replace(source.VideoSource, "packets", self._decoding(source.VideoSource.packets))
        self._replace(source, "open_container", self._around("decode", source.open_container))
        self._since = time.process_time()

    def __exit__(self, *error: object) -> None:
        self._add_elapsed()
        self._patches.close()

    def _replace(self, owner: Any, name: str, function: Callable) -> None:
        self._patches.enter_context(mock.patch.object(owner, name, function))

    def _add_elapsed(self) -> None:
        """Add the CPU time since the last call to the innermost running part."""
        now = time.process_time()
        self._spent[self._inside[-1]] += now - self._since
        self._since = now

    @contextmanager
    def _timer(self, part: str) -> Iterator[None]:
        self._add_elapsed()
        self._inside.append(part)
        try:
            yield
        finally:
            self._add_elapsed()
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
