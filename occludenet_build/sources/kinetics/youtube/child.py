"""What is started for a video: yt-dlp, which ends when the process that started it does.

    python -P child.py <process id of who starts it> <options of yt-dlp ...>

Standard library only, and run as a file: nothing of this package is loaded.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent's life, and become yt-dlp."""
    parent = int(sys.argv.pop(1))
    control = getattr(ctypes.CDLL(None), "prctl", None)
    if control is not None:
        control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    runpy.run_module("yt_dlp", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
