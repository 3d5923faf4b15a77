"""Runs detect on a shard of clips, in this process, with the model in memory."""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.config.people import Detect
from occludenet_build.core import tables
from occludenet_build.core.ledger import ShardLedger
from occludenet_build.people.detect import decode_ahead, inference
from occludenet_build.people.detect.command import run as run_stage
from occludenet_build.people.detectors.interface import Model, People, Size
from occludenet_build.sources.weights import local_file, with_exported_model
from parts.measure import Cost, of_call

from .inputs import Row

Shape = tuple[int, tuple[int, ...]]
"""Number of pictures in a batch, and the shape of each."""

DECODING = "decode, cuts, letterbox (CPU of other threads)"

_runs = itertools.count()


class TimedModel:
    """A `detectors.interface.Model` that records its batches and their time."""

    def __init__(self, model: Model) -> None:
        self.model, self.prepare = model, model.prepare
        self.batches: list[Shape] = []
        self.seconds: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Forget the batches and times of earlier runs."""
        self.batches, self.seconds = [], defaultdict(float)

    def start(self, prepared: list[Any]) -> Any:
        """See Model.start."""
        self.batches.append((len(prepared), prepared[0].shape))
        return self.timed("model", self.model.start, prepared)

    def finish(self, started: Any, sizes: list[Size]) -> list[People]:
        """See Model.finish."""
        return self.timed("NMS", self.model.finish, started, sizes)

    def timed(self, part: str, call: Callable, *values: Any) -> Any:
        """Call a function and add its wall time to a part."""
        begun = time.perf_counter()
        result = call(*values)
        self.seconds[part] += time.perf_counter() - begun
        return result


def _resolved(settings: Detect, weights: Path) -> Detect:
    """The settings with the paths of the weights and of the export, if `weights` is a note."""
    path = local_file(str(weights), None, "detect.weights")
    return with_exported_model(replace(settings, weights=path), str(weights), "detect")


class DetectStage:
    """Runs detect with given settings; every run writes into a folder of its own.

    `weights` are a file, or the note of `acquire engine`.
    """

    def __init__(self, folder: Path, weights: Path, threads: int, **detect: Any) -> None:
        self.folder, self.threads, self.weights = folder, threads, weights
        given = {} if weights.suffix == ".json" else {"weights": str(weights)}
        self.settings = cfg.load_part({"detect": given | detect})
        self.resolved = _resolved(self.settings.detect, weights)
        self.model = TimedModel(inference.cached_model(self.resolved, threads))
        self.parts: dict[str, float] = {}
        """Time of the last run by part, milliseconds per frame of the model: wall time, but CPU
        time for the decode threads, which run in parallel."""

    def run(self, clips: list[Row]) -> tuple[Cost, pd.DataFrame, pd.DataFrame]:
        """Cost of detect on the clips, their rows, and their boxes."""
        folder = self.folder / f"run{next(_runs)}"
        index, out = folder / "index.parquet", folder / "detect" / "000.parquet"
        tables.write_table(pa.Table.from_pylist(clips), index)
        args = Namespace(videos=index, out=out, weights=str(self.weights), threads=self.threads)
        self.model.begin()
        with self._timed_parts() as decoding:
            cost = of_call(lambda: run_stage(args, self.settings))
        self._note_parts(cost, sum(decoding))
        boxes = tables.read_table(out.parent / "store" / "000" / "detail.parquet")
        return cost, tables.read_table(out).to_pandas(), boxes.to_pandas()

    def _note_parts(self, cost: Cost, decoding: float) -> None:
        frames = sum(count for count, _ in self.model.batches)
        seconds = dict(self.model.seconds)
        # the rest: waiting for frames, and reading and writing tables
        seconds |= {"waiting, tables": cost.wall - sum(seconds.values()), DECODING: decoding}
        self.parts = {name: 1000 * value / frames for name, value in seconds.items()}

    @contextmanager
    def _timed_parts(self) -> Iterator[list[float]]:
        """CPU seconds of each turn of a decode thread; the times of other parts go to the model."""
        spent: list[float] = []
        take, rows_of, commit = decode_ahead.ClipStream.take, inference.rows_of, ShardLedger.commit
        timed = self.model.timed

        def taken(stream: decode_ahead.ClipStream) -> decode_ahead.Turn:
            begun = time.thread_time()
            turn = take(stream)
            spent.append(time.thread_time() - begun)
            return turn

        with (
            mock.patch.object(inference, "cached_model", lambda settings, threads: self.model),
            mock.patch.object(decode_ahead.ClipStream, "take", taken),
            mock.patch.object(inference, "rows_of", lambda *v: timed("tracks, rows", rows_of, *v)),
            mock.patch.object(ShardLedger, "commit", lambda *v: timed("ledger", commit, *v)),
        ):
            yield spent

    def shapes(self) -> Counter[Shape]:
        """Shape -> number of batches in the last run."""
        return Counter(self.model.batches)
