"""Time and space of stages that have not begun, by the rates of a finished build.

The estimate is that of `occludenet plan`; its modules are imported only if it is asked for.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.core.start_record import SETTINGS_FILE, read_settings


@dataclass(frozen=True)
class Forecast:
    """Stage -> its estimates, for the whole stage."""

    seconds: dict[str, float | None]
    bytes: dict[str, float | None]

    def of(self, stage: str) -> tuple[float | None, float | None]:
        """(seconds, bytes) of a stage; None: not known."""
        return self.seconds.get(stage), self.bytes.get(stage)


def forecast(build: Path, earlier: Path, cores: int) -> Forecast:
    """Estimate all stages of a build.

    `earlier`: a finished build of this machine. Raises UserError if it has no benchmarks, or if the
    build has no record of its settings.
    """
    from occludenet_build.tools.plan import fetch, rates
    from occludenet_build.tools.plan.counts import counts
    from occludenet_build.tools.plan.estimate import estimate
    from occludenet_build.tools.plan.videos import videos_of

    recorded = read_settings(build)
    if recorded is None:
        raise UserError(
            f"--rates: wanted the settings of the build in {build / SETTINGS_FILE}, got none; "
            "the next start of the workflow writes it"
        )
    try:
        config = dataclasses.replace(cfg.load_part(recorded[0]), build_dir=str(build))
    except UserError as error:
        raise UserError(
            f"--rates: {error}; wanted Snakemake's working folder, start the command there"
        ) from error
    known = rates.learn(earlier)
    objects, _ = fetch.coco(config)
    items = counts(config, videos_of(config), known.yields, objects)
    costs = estimate(config, items, known)
    seconds: dict[str, float | None] = {}
    for cost in costs.costs:
        if cost.cpu_seconds is None or seconds.get(cost.stage, 0.0) is None:
            seconds[cost.stage] = None
        else:
            spent = cost.gpu_seconds or cost.cpu_seconds / cores
            seconds[cost.stage] = (seconds.get(cost.stage) or 0.0) + spent
    return Forecast(seconds, dict(costs.stored))
