"""Settings of what happens to items that fail, such as videos that do not decode."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.settings import setting

_SHARE = 0.25


@dataclass(frozen=True)
class OutageShares:
    """Largest share of the items of one job, 0 to 1, that may fail for reasons that may pass."""

    kinetics: float = setting(_SHARE, low=0, high=1)
    """Stage kinetics: of the selected clips."""
    index: float = setting(_SHARE, low=0, high=1)
    """Stage index: of all videos."""
    detect: float = setting(_SHARE, low=0, high=1)
    """Stage detect: of the clips of a shard."""
    actor_masks: float = setting(_SHARE, low=0, high=1)
    """Stage actor_masks: of the clips of a shard."""
    composite: float = setting(_SHARE, low=0, high=1)
    """Stage composite: of the clips of a shard."""
    outside: float = setting(_SHARE, low=0, high=1)
    """Stage outside: of the clips of a shard."""
    variants: float = setting(_SHARE, low=0, high=1)
    """Stage variants: of the clips of the sets, of a shard."""
    export: float = setting(_SHARE, low=0, high=1)
    """Stage export: of the clips of all sets."""
    occluders: float = setting(_SHARE, low=0, high=1)
    """Stage occluders: of the photos."""
    leaks: float = setting(_SHARE, low=0, high=1)
    """Stage leaks: of the chosen clips."""
    proposals: float = setting(_SHARE, low=0, high=1)
    """Stage proposals: of the surveillance videos."""
    segments: float = setting(_SHARE, low=0, high=1)
    """Stage segments: of the segments."""
    recordings: float = setting(_SHARE, low=0, high=1)
    """Stage recordings: of the files, of the takes and of the clips."""
    train: float = setting(_SHARE, low=0, high=1)
    """Stages that train: of the clips of each row of the loss curve, for any reason."""
    evaluate: float = setting(_SHARE, low=0, high=1)
    """Stages evaluate, integralaction and moc: of the clips of all sets."""
    attention: float = setting(_SHARE, low=0, high=1)
    """Stage attention: of the clips."""


@dataclass(frozen=True)
class Failures:
    """Items that fail, such as a video that does not decode. A change here reruns no stage."""

    outage_share: OutageShares = setting(OutageShares())
    """Largest share of the items of one job, 0 to 1, that may fail for reasons that may pass: a
    file that is away, an input/output error, a killed worker. With more (and more than one item)
    the job ends with an error and keeps what is finished. With fewer the build goes on, and the
    next start tries them again."""
    defects: str = setting("stop", choices=("stop", "go on"))
    """What an error of this program in the work on one item does. stop: the job ends with an error
    after all other items; go on: it is a row with a reason, like a broken file."""
    item_minutes: float | None = setting(60.0, low=0.001)
    """Longest time for one item in a worker process, in minutes; longer ones are ended and become
    rows (too_slow). null: no limit. Networks run in the process of the job, without this limit."""
    worker_memory_mb: int | None = setting(None, low=200)
    """Largest memory of one worker process, in MB; an item that needs more becomes a row
    (out_of_memory). null: no limit."""
    commit_clips: int = setting(32, low=1)
    """Finished clips, or other items, of a job that are written to its ledger together: as many a
    crash loses at most, besides those in progress."""
    commit_seconds: float = setting(10.0, low=0)
    """As many seconds of work, of all its processes, a crash loses at most too; what takes longer
    is written at once."""

    def share_of(self, stage: str) -> float:
        """Largest share of the items of one job of a stage that may fail so, 0 to 1."""
        return getattr(self.outage_share, stage)
