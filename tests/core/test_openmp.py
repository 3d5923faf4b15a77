"""torch's OpenMP gets the setting of core.openmp, unless the user's environment says something."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from occludenet_build.core import openmp

pytest.importorskip("torch")
USE = "from occludenet_build.cli import main; main(['--version']); import torch"


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP is that of torch on Linux")
@pytest.mark.parametrize(
    ("given", "spins"),
    [
        ({}, openmp.BRIEF["GOMP_SPINCOUNT"]),
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "0"),
    ],
)
def test_openmp_of_torch_is_told_how_to_wait(given, spins):
    asked = {"OMP_DISPLAY_ENV": "verbose"}  # libgomp prints what it took, as it is loaded
    environment = {k: v for k, v in os.environ.items() if k not in openmp.CHOICES} | given | asked
    said = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=True
    ).stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in said
