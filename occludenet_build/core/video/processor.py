"""The processor's instruction sets, as far as an encoder's output hangs on them.

x264 chooses other code, and makes other bytes, with SSE2 and with AVX-512; from SSSE3 to AVX2 its
bytes agree. With AVX-512 they are not even the same from run to run at widths of 336 to 352
pixels: its macroblock tree reads beyond the rows that it wrote. So AVX-512 is never used.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def flags() -> frozenset[str]:
    """What the processor says it has; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(found.partition(":")[2].split())


def instructions(wanted: str) -> str:
    """The value of `asm` for x264 and x265: `wanted` (avx2 or sse2) where the processor has it.

    Empty where it has not: what it has is older, and is used as it is.
    """
    return wanted if wanted in flags() else ""


def used(wanted: str) -> str:
    """What to record with a clip: `wanted`, or what this machine has instead."""
    older = (name for name in ("avx", "sse4_1", "ssse3") if name in flags())
    return instructions(wanted) or next(older, platform.machine())
