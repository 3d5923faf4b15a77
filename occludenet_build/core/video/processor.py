"""The processor's instruction sets, as far as x264's bytes hang on them.

Four things make them hang, the first three in its macroblock tree (read in x264's source and tried
on self-built variants, emulated processors and real clips; `tests/test_determinism.py`):

- With AVX-512 the tree takes a row's macroblocks by eights and adds what it finds beyond the row:
  the next row's, and after the last row what happens to be in memory. Unless the width is a
  multiple of 128 pixels the bytes change from run to run. So AVX-512 is never used; without the
  fault they would be those of AVX2.
- Everything up to AVX2 divides by way of an approximate reciprocal (RCPPS), of which each maker has
  his own: with another one, one encode in five came out otherwise.
- AVX and older round otherwise than AVX2: one encode in twenty.
- Without SSSE3 ties between predictions are broken otherwise: every encode.

`portable` keeps x264 from the first three: the same pictures on all processors with SSE4.2, mostly
those of `avx2`.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import cv2

_OPENCV = {"avx2": (11, 12), "avx": (10,), "sse4.2": (7,), "sse2": (3,)}
"""Instruction set, newest first -> OpenCV's numbers of what must be there."""

_EXACT = {"avx2": 0x10F3F7, "avx": 0x1003E7, "sse4.2": 0x1001E7}
"""Instruction set -> it and all older ones as x264's flags, without SSE2: what x264 then does in
plain C is the tree's division, and some filters. (numpy needs SSE4.2 itself.)"""


@cache
def newest(limit: str) -> str:
    """The newest instruction set of this processor that is not newer than `limit`.

    Asks the processor, not the system: they differ where the processor is emulated. Empty where
    it is none of Intel's kind.
    """
    names = list(_OPENCV)
    older = names[names.index(limit) :]
    return next((name for name in older if all(map(cv2.checkHardwareSupport, _OPENCV[name]))), "")


def x264_asm(wanted: str) -> str:
    """x264's `asm` for avx2, sse2 or portable; empty: as x264 likes."""
    if wanted != "portable":
        return newest(wanted)
    found = newest("avx2")
    return str(_EXACT[found]) if found in _EXACT else found


def x265_asm(wanted: str) -> str:
    """x265's `asm`; it needs nothing else to be portable."""
    return newest("avx2" if wanted == "portable" else wanted)


def used(wanted: str) -> str:
    """What to record with a clip: bytes agree where this, encoder and libraries are the same."""
    found = newest("avx2" if wanted == "portable" else wanted)
    if not found:
        return platform.machine()
    if wanted == "portable":
        # Sound that is encoded anew has other bytes where there is no AVX2.
        return wanted if found == "avx2" else f"{wanted} {found}"
    return f"{found} {_maker()}"


@cache
def _maker() -> str:
    """GenuineIntel, AuthenticAMD; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = next((line for line in lines if line.startswith("vendor_id")), "")
    return found.partition(":")[2].strip()
