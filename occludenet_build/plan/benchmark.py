"""Snakemake's benchmark files; CPU seconds rather from the room's own log, which misses none."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

_OFTEN, _RARELY, _UNTIL = 0.5, 30.0, 15.5
"""Snakemake looks at a job every half second until so many seconds, then every 30."""


@dataclass(frozen=True)
class Measured:
    wall: float
    """Seconds."""
    cpu: float
    """CPU seconds of all processes, to the end of the job."""
    rss_mb: float


def read(file: Path, log: Path) -> Measured | None:
    """The last run of a job; None where the file holds none."""
    with open(file, newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    if not rows:
        return None
    wall, cpu, rss = (_number(rows[-1][name]) for name in ("s", "cpu_time", "max_rss"))
    return Measured(wall, logged(log) or cpu_seconds(wall, cpu), rss)


def logged(log: Path) -> float | None:
    """CPU seconds as a room tells them when it ends."""
    text = log.read_text(errors="replace") if log.exists() else ""
    said = re.findall(r"^[\d:]+ \w+: CPU ([\d.]+) s$", text, re.M)
    return float(said[-1]) if said else None


def _number(text: str) -> float:
    return 0.0 if text in ("NA", "-", "") else float(text)


def cpu_seconds(wall: float, counted: float) -> float:
    """CPU seconds of a whole job, of which `counted` were there at Snakemake's last look.

    Half a minute at the end of a job may be unseen: it is taken to be like the rest. A job that
    was over before the second look was one process at work.

    >>> cpu_seconds(0.3, 0.0), round(cpu_seconds(36, 21.9), 1), round(cpu_seconds(7200, 14000))
    (0.3, 50.9, 14028)
    """
    seen = last_look(wall)
    return counted * wall / seen if seen and counted else wall


def last_look(wall: float) -> float:
    """Seconds after its start at which a job was looked at for the last time."""
    if wall < _UNTIL:
        return wall // _OFTEN * _OFTEN
    return _UNTIL + (wall - _UNTIL) // _RARELY * _RARELY
