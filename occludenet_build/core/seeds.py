"""Random numbers as a function of (seed, item, purpose).

Results do not depend on the order of calls, the number of cores or the shards. This module uses
the standard library, except in `rng`, because the workflow imports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def uniform_integer(seed: int, *parts: str) -> int:
    """A uniform 64-bit integer, determined by the arguments alone."""
    message = "\x1f".join([str(seed), *parts]).encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "big")


def uniform(seed: int, *parts: str) -> float:
    """A uniform number in [0, 1), determined by the arguments alone."""
    return uniform_integer(seed, *parts) / 2**64


def rng(seed: int, *parts: str) -> np.random.Generator:
    """A numpy random generator for one item and purpose."""
    import numpy as np

    return np.random.default_rng(uniform_integer(seed, *parts))


def selection_key(seed: int, clip: str) -> int:
    """Sort key of a clip in the order in which clips are selected: smaller comes first."""
    return uniform_integer(seed, clip, "draw")


def choose(options: Iterable[str], seed: int, *parts: str) -> str:
    """Choose an option by rendezvous hashing: a new option changes only the choices it wins.

    >>> choose(["a", "b"], 1, "clip") == choose(["b", "a"], 1, "clip")
    True
    """
    return max(options, key=lambda option: (uniform_integer(seed, *parts, option), option))


def split_of(fractions: dict[str, float], seed: int, *parts: str) -> str:
    """The split of an item. `fractions`: split -> share, in order; the shares sum to 1."""
    position, edge = uniform(seed, *parts), 0.0
    for name, share in fractions.items():
        edge += share
        if position < edge:
            return name
    return [name for name, share in fractions.items() if share > 0][-1]


def shard_of(item: str, shards: int) -> str:
    """Name of the shard of an item, as in file names: `000` for the first."""
    return f"{uniform_integer(0, item, 'shard') % shards:03d}"


def shard_names(shards: int) -> list[str]:
    """Names of all shards: `000`, `001`, ..."""
    return [f"{number:03d}" for number in range(shards)]


def shard_tables(given: Iterable[Path], shards: int | None = None) -> list[Path]:
    """The tables that a command line names: files, or folders with a table NNN.parquet per shard.

    `shards`: how many shards such a folder has; None: all tables in it. With folders, the length of
    a command line does not depend on the number of shards.
    """
    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
        elif shards is None:
            found += sorted(path.glob("[0-9][0-9][0-9]*.parquet"))
        else:
            found += [path / f"{name}.parquet" for name in shard_names(shards)]
    return found
