"""Who runs what: the workflow of a build, its processes on this machine, its jobs in SLURM.

Nothing is locked: the lock file of a build names its last holder, and /proc tells whether that
process still runs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.core.build_lock import LOCK_FILE

_PROC = Path("/proc")
_SQUEUE = ("squeue", "--noheader", "--format=%T|%R|%Z|%k")
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}


@dataclass(frozen=True)
class ClusterJob:
    """A job of SLURM that a Snakemake submitted."""

    state: str
    """As squeue says: RUNNING, PENDING and the like."""
    where: str
    """Its node, or in parentheses why it waits."""
    folder: str
    """Its working folder, that of Snakemake."""
    comment: str
    """rule_NAME, or rule_NAME_wildcards_VALUES."""


@dataclass(frozen=True)
class Activity:
    """What goes on in a build."""

    workflow: bool | None
    """Whether the workflow runs; None: the last one ran on another machine."""
    holder: str
    """Who ran or runs it: `process N on HOST`; empty if nobody did."""
    logs: dict[str, int] = field(default_factory=dict)
    """Log of a job that runs on this machine, its real path -> the id of its process."""
    cluster: tuple[ClusterJob, ...] = ()
    """Jobs in the queue of SLURM."""
    problem: str = ""
    """Why the queue is not known; empty if it is, or if there is none."""


def activity(build: Path) -> Activity:
    """What goes on in a build, as far as this machine can tell."""
    workflow, holder = _workflow(build)
    cluster, problem = queue()
    return Activity(workflow, holder, dict(_processes()), cluster, problem)


def _workflow(build: Path) -> tuple[bool | None, str]:
    try:
        holder = (build / LOCK_FILE).read_text().strip()
        words = holder.split()
        number, host = int(words[1]), words[3]
    except (OSError, ValueError, IndexError):
        return False, ""
    if host != socket.gethostname() or not _PROC.is_dir():
        return None, holder
    return "snakemake" in " ".join(_arguments(_PROC / str(number))), holder


def _processes() -> Iterator[tuple[str, int]]:
    """(real path of the log, id) of the processes here that run a command with --log."""
    found = os.scandir(_PROC) if _PROC.is_dir() else ()
    numbers = [entry.name for entry in found if entry.name.isdigit()]
    for number in numbers:
        words = _arguments(_PROC / number)
        if "occludenet_build" in words and "--log" in words[:-1]:
            log = words[words.index("--log") + 1]
            try:
                folder = (_PROC / number / "cwd").readlink()
            except OSError:
                continue
            yield os.path.realpath(folder / log), int(number)


def _arguments(process: Path) -> list[str]:
    try:
        text = (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return []
    return text.rstrip("\0").split("\0")


def queue() -> tuple[tuple[ClusterJob, ...], str]:
    """(jobs in the queue of SLURM that a Snakemake submitted, why it is not known)."""
    if shutil.which(_SQUEUE[0]) is None:
        return (), ""
    try:
        done = subprocess.run(_SQUEUE, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return (), f"squeue does not answer: {said[-1] if said else error}"
    return parse_squeue(done.stdout), ""


def parse_squeue(text: str) -> tuple[ClusterJob, ...]:
    """The jobs of a Snakemake from lines `state|node or reason|folder|comment`.

    >>> parse_squeue("RUNNING|c1|/w|rule_detect_shard_wildcards_000\\nRUNNING|c1|/w|(null)")
    ... # doctest: +NORMALIZE_WHITESPACE
    (ClusterJob(state='RUNNING', where='c1', folder='/w',
                comment='rule_detect_shard_wildcards_000'),)
    """
    rows = (line.strip().split("|", 3) for line in text.splitlines())
    jobs = (ClusterJob(*row) for row in rows if len(row) == 4)
    return tuple(j for j in jobs if j.comment.startswith("rule_") and j.state not in _ENDED)
