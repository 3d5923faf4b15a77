"""torchcodec brings no FFmpeg along; PyAV does, under other file names.

So that both decode with the same build, the program starts itself again with a folder of links to
PyAV's libraries on the loader's path. Linux only; elsewhere, or without PyAV's own libraries,
torchcodec finds an FFmpeg of the system or is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import av

_MARK = "OCCLUDENET_BENCH_LIBRARIES"


def borrowed() -> None:
    """Start this program again on links to PyAV's libraries; returns in the program so started."""
    bundled = Path(av.__file__).parent.parent / "av.libs"
    if _MARK in os.environ or not sys.platform.startswith("linux") or not bundled.is_dir():
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-libraries-"))
    for library in bundled.glob("lib*.so.*"):
        # libavutil-5809ad29.so.60.26.102 -> libavutil.so.60, the name that others ask for
        name = re.sub(r"-[0-9a-f]+\.so\.(\d+).*", r".so.\1", library.name)
        if name.startswith(("libav", "libsw")):
            (folder / name).symlink_to(library)
    before = os.environ.get("LD_LIBRARY_PATH")
    paths = [str(folder), str(bundled), *([before] if before else [])]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(paths), _MARK: str(folder)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def give_back() -> None:
    """Remove the links at the end."""
    if _MARK in os.environ:
        shutil.rmtree(os.environ[_MARK], ignore_errors=True)
