"""The version of a stage's results, which stands for the code wherever results are compared.

Standard library only: the workflow imports it.
"""

from __future__ import annotations

import os

from occludenet_build.core import code
from occludenet_build.stages import STAGES

RERUN_ON = "OCCLUDENET_RERUN_ON"
"""Environment variable with the setting `rerun_on`, as the workflow sets it for its jobs: a stage
that is run by hand and one that Snakemake runs then write the same ledger keys."""


def results_version(stage: str, part: str | None = None) -> str:
    """What stands for the code in a rule's params and in the keys of a ledger.

    The versions of the stage and of its parts: `index 1, facts 1`. A key names the `part` that it
    is of (or the stage itself, for what belongs to no part) and holds that version alone. With
    `rerun_on: code` a digest of the code follows.

    >>> results_version("detect"), results_version("index", "facts")
    ('detect 1', 'facts 1')
    """
    row = STAGES[stage]
    versions = {stage: row.results_version, **row.parts}
    named = versions if part is None else {part: versions[part]}
    text = ", ".join(f"{name} {version}" for name, version in named.items())
    if os.environ.get(RERUN_ON, "version") == "version":
        return text
    return f"{text} {code.digest(_module(stage, part))}"


def _module(stage: str, part: str | None) -> str:
    """The part's module where it has one of its own, else the stage's package."""
    package = STAGES[stage].module
    of_part = f"{package}.{part}"
    return of_part if part and code.source_file(of_part).exists() else package
