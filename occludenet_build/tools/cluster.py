"""Jobs on a SLURM cluster: what they request, and what the cluster refuses, before submission.

The partition of a job follows from its resources, by the limits in the file of the profile's
`slurm-partition-config`: snakemake-executor-plugin-slurm selects it. SLURM refuses a job that no
node of that partition can run, or leaves it pending for ever. Therefore the workflow compares all
planned jobs with the partitions' real limits (`sinfo`) when it starts.
"""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from occludenet_build.config.sources import JobKind
from occludenet_build.core.errors import UserError

NESTED_MB = 400
"""Memory of the two Snakemake processes inside each job (173 and 165 MB measured), in MB."""

_SINFO = ("sinfo", "--noheader", "--exact", "--format=%R|%l|%m|%c|%G|%P")


@dataclass(frozen=True)
class Limits:
    """What one job can get in a partition: the largest values over its nodes."""

    minutes: float = inf
    mem_mb: float = inf
    cpus: float = inf
    gpus: float = 0
    default: bool = False
    """Whether jobs without a partition go there."""


@dataclass(frozen=True)
class Job:
    """The first attempt of a planned job; the resources as the executor plugin reads them."""

    name: str
    threads: int
    resources: Mapping[str, Any]

    @property
    def gpus(self) -> int:
        """The GPUs that it requests, by `gpu` or by `gres`."""
        in_gres = re.search(r"gpu(?::[^:,]+)*?:(\d+)", str(self.resources.get("gres", "")))
        return int(self.resources.get("gpu", 0) or (in_gres[1] if in_gres else 0))


def kind_resources(kind: JobKind, gpus: int) -> dict[str, Any]:
    """The plugin's resources for the settings cluster.cpu or cluster.gpu, and the GPUs.

    >>> kind_resources(JobKind(account="a", gres="gpu:a100:{gpu}"), 2)
    {'slurm_account': 'a', 'gres': 'gpu:a100:2'}
    >>> kind_resources(JobKind(qos="long", gpu_model="h100"), 1)
    {'qos': 'long', 'gpu': 1, 'gpu_model': 'h100'}
    >>> kind_resources(JobKind(), 0)
    {'gpu': 0}
    """
    named = {
        "slurm_account": kind.account,
        "qos": kind.qos,
        "constraint": kind.constraint,
        "slurm_extra": kind.extra,
    }
    found: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    if gpus and kind.gres is not None:
        return found | {"gres": kind.gres.replace("{gpu}", str(gpus))}
    model = {"gpu_model": kind.gpu_model} if gpus and kind.gpu_model is not None else {}
    return found | {"gpu": gpus} | model


def cluster_limits() -> dict[str, Limits]:
    """The limits of the partitions of this cluster, by name.

    Raises UserError if sinfo is missing or fails.
    """
    try:
        done = subprocess.run(_SINFO, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise UserError(
            "SLURM: wanted the program sinfo, found none; start the build on a machine from which "
            "jobs are submitted, or leave out --workflow-profile profiles/slurm"
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise UserError(
            f"SLURM: wanted the list of partitions from sinfo, got: {said[-1] if said else error}; "
            "start again when the cluster answers"
        ) from None
    return parse_sinfo(done.stdout)


def parse_sinfo(text: str) -> dict[str, Limits]:
    """The limits of partitions from lines `name|time limit|MB|CPUs|gres|name with a star`.

    >>> parse_sinfo("cpu|1-00:00:00|64000|32|(null)|cpu*")
    {'cpu': Limits(minutes=1440.0, mem_mb=64000.0, cpus=32.0, gpus=0, default=True)}
    """
    found: dict[str, Limits] = {}
    for line in text.splitlines():
        name, time, memory, cpus, gres, starred = line.strip().split("|")
        old = found.get(name, Limits(0, 0, 0))
        found[name] = Limits(
            max(old.minutes, _minutes(time)),
            max(old.mem_mb, float(memory.rstrip("+"))),
            max(old.cpus, float(cpus.rstrip("+"))),
            max(old.gpus, _gpus(gres)),
            starred.endswith("*"),
        )
    return found


def _minutes(text: str) -> float:
    """Minutes of SLURM's [days-]hours:minutes:seconds, minutes:seconds, or infinite."""
    if text in ("infinite", "UNLIMITED", "n/a"):
        return inf
    days, _, clock = text.rpartition("-")
    parts = [float(p) for p in clock.split(":")]
    parts = [0.0] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + parts[0] * 60 + parts[1] + parts[2] / 60


def _gpus(gres: str) -> int:
    """The number of GPUs in a node's gres, as in gpu:a100:4(S:0-1),nvme:1."""
    plain = re.sub(r"\([^)]*\)", "", gres)
    return sum(int(n) for n in re.findall(r"(?:^|,)gpu(?::[^:,]+)*?:(\d+)(?=,|$)", plain))


class Partitions:
    """The partitions of the profile's file, and the real limits of the cluster.

    Raises UserError if the file names a partition that the cluster does not have.
    """

    def __init__(self, file: Path | None, limits: dict[str, Limits]) -> None:
        from snakemake_executor_plugin_slurm.partitions import read_partition_file

        self.file, self.limits = file, limits
        self.listed = read_partition_file(file) if file else []
        for partition in self.listed:
            if partition.partition_cluster is None and partition.name not in limits:
                raise UserError(
                    f"{file}: wanted partitions of this cluster ({', '.join(sorted(limits))}), "
                    f"got {partition.name!r}; write their names into that file"
                )

    def chosen(self, job: Job) -> str | None:
        """The partition to which the plugin submits a job; None if none fits or is known."""
        from snakemake_executor_plugin_slurm.partitions import get_best_partition

        if job.resources.get("slurm_partition"):
            return str(job.resources["slurm_partition"])
        best = get_best_partition(self.listed, job, _SILENT) if self.listed else None
        return best or next((name for name, p in self.limits.items() if p.default), None)

    def refusal(self, job: Job) -> str | None:
        """Why the cluster would not run a job, in one line with what to set; None if it would."""
        name = self.chosen(job)
        if name is None:
            return f"{job.name}: no partition; {self._advice(job)}"
        limits = self.limits.get(name)
        excess = [] if limits is None else _excess(job, limits)
        if not excess:
            return None
        return f"{job.name}: {'; '.join(excess)} in partition {name!r}; {self._advice(job)}"

    def _advice(self, job: Job) -> str:
        enough = [n for n, p in self.limits.items() if not _excess(job, p)]
        if enough:
            names = " or ".join(map(repr, enough))
            return f"partition {names} can run it: correct the limits in {self.file}"
        kind = "gpu" if job.gpus else "cpu"
        return (
            f"no partition can run it: limit requests by cluster.{kind}.max_minutes and max_mem_mb "
            "in the configuration, cores by max-threads in profiles/slurm/profile.yaml"
        )

    def most(self, resource: str, gpus: int) -> float:
        """The most that any partition offers to jobs with so many GPUs: of mem_mb or minutes."""
        fitting = [p for p in self.limits.values() if p.gpus >= gpus]
        return max((getattr(p, resource) for p in fitting), default=inf)


def _excess(job: Job, limits: Limits) -> list[str]:
    """What a job requests beyond the limits of a partition."""
    asked = {
        "minutes of run time": (job.resources.get("runtime", 0), limits.minutes),
        "MB of memory": (job.resources.get("mem_mb", 0), limits.mem_mb),
        "CPU cores": (job.threads, limits.cpus),
        "GPUs": (job.gpus, limits.gpus),
    }
    return [
        f"requests {want:g} {what}, at most {limit:g}"
        for what, (want, limit) in asked.items()
        if isinstance(want, (int, float)) and want > limit
    ]


def refusals(jobs: Iterable[Job], partitions: Partitions) -> list[str]:
    """The reasons of all jobs that the cluster would not run, one line per rule."""
    found: dict[str, str] = {}
    for job in jobs:
        if job.name not in found and (why := partitions.refusal(job)) is not None:
            found[job.name] = why
    return list(found.values())


_SILENT = logging.getLogger("occludenet_build.cluster")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
