"""Makes torchcodec use the FFmpeg libraries that PyAV ships.

torchcodec ships no FFmpeg; PyAV ships one under other file names. To decode with the same build,
the program restarts itself with a folder of links to PyAV's libraries on the loader's path. Linux
only; elsewhere, or where PyAV has no libraries of its own, torchcodec uses the system's FFmpeg or
is missing.
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


def use_pyav_libraries() -> None:
    """Restart this program with links to PyAV's libraries; return in the restarted program."""
    bundled = Path(av.__file__).parent.parent / "av.libs"
    if _MARK in os.environ or not sys.platform.startswith("linux") or not bundled.is_dir():
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-libraries-"))
    for library in bundled.glob("lib*.so.*"):
        # libavutil-5809ad29.so.60.26.102 -> libavutil.so.60, the name that torchcodec loads
        name = re.sub(r"-[0-9a-f]+\.so\.(\d+).*", r".so.\1", library.name)
        if name.startswith(("libav", "libsw")):
            (folder / name).symlink_to(library)
    before = os.environ.get("LD_LIBRARY_PATH")
    paths = [str(folder), str(bundled), *([before] if before else [])]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(paths), _MARK: str(folder)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def remove_links() -> None:
    """Remove the links; call it at the end of the program."""
    if _MARK in os.environ:
        shutil.rmtree(os.environ[_MARK], ignore_errors=True)
