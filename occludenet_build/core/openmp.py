"""How the threads of OpenMP wait, with which torch computes on a CPU.

All threads meet after each layer of a network. GNU's OpenMP, which torch brings, lets those that
come first spin for about a millisecond. Where other programs use one of the cores, one thread waits
for that core and the others burn theirs meanwhile: a network on two cores of which one is shared
then takes longer than on one core. With a short spin it takes as long as on one, and as before
where no core is shared (benchmarks/waiting.py).
"""

from __future__ import annotations

import os

CHOICES = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
"""Environment variables that say how threads wait."""
BRIEF = {"GOMP_SPINCOUNT": "3000"}


def spin_briefly() -> None:
    """Let threads spin briefly, unless the environment says how. Call it before torch is loaded."""
    if not CHOICES & os.environ.keys():
        os.environ |= BRIEF
