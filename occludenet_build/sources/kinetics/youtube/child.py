"""Run yt-dlp for one video, in a process that ends when its parent does.

    python -P child.py <process id of the parent> <options of yt-dlp ...>

Standard library only, and run as a file, so that it imports nothing of this package.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Let the kernel kill this process when its parent ends, then run yt-dlp."""
    parent = int(sys.argv.pop(1))
    control = getattr(ctypes.CDLL(None), "prctl", None)
    if control is not None:
        control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    runpy.run_module("yt_dlp", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
