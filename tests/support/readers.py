"""An environment of its own for the programs that read what export writes.

    make readers        builds it, and prints its Python; the slow tests build it themselves

mmaction2 wants an old mmcv, slowfast is of 2019: they must not enter the main environment. The
other one has only what is in tests/readers/constraints.txt, 80 MB, and takes PyTorch, torchvision,
torchcodec, decord, NumPy and OpenCV from the main one by a .pth file. It lies in .readers/, under
the hash of what it was made of, and is built once, in less than a minute; OCCLUDENET_READERS names
another folder. torchcodec ships no FFmpeg: it gets links to the libraries that PyAV ships.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core.files import folder_lock, short_hash, write_text

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = REPO / "tests" / "readers"
CONSTRAINTS = SCRIPTS / "constraints.txt"
_READY = "ready"


@dataclass(frozen=True)
class Readers:
    """The environment; a script of tests/readers/ is run by it."""

    root: Path

    def __call__(self, script: str, tasks: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Run tests/readers/<script>.py, whose `main` is called once per task; return its results.

        All tasks in one process: the programs take seconds to import.
        """
        command = [str(self.python), str(SCRIPTS / f"{script}.py"), json.dumps(list(tasks))]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300,
            env=self.variables(), cwd=self.root,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    def variables(self) -> Mapping[str, str]:
        """Without the network, without the project, with FFmpeg for torchcodec."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_"))}
        paths = [str(self.root / "ffmpeg"), str(_pyav_libraries())]
        return kept | {
            "LD_LIBRARY_PATH": ":".join([*paths, *filter(None, [kept.get("LD_LIBRARY_PATH")])]),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.root / "huggingface"),
            "PYTHONWARNINGS": "ignore",
            "OMP_WAIT_POLICY": "PASSIVE",
        }


def build_readers() -> Readers:
    """Build the environment unless it is there; other processes wait for the one that builds."""
    places = [sys.version, sysconfig.get_path("purelib")]
    name = short_hash(*places, CONSTRAINTS.read_text(), (REPO / "constraints.txt").read_text())
    given = os.environ.get("OCCLUDENET_READERS")
    root = Path(given) if given else REPO / ".readers" / name
    with folder_lock(root.with_name(f"{root.name}.lock")):
        if not (root / _READY).exists():
            shutil.rmtree(root, ignore_errors=True)
            _build(root)
            write_text(root / _READY, "")
    return Readers(root)


def _build(root: Path) -> None:
    _run(sys.executable, "-m", "venv", "--without-pip", str(root))
    (packages,) = root.glob("lib/python3*/site-packages")
    (packages / "main_environment.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(root / "bin" / "python")]
    options = ["--disable-pip-version-check", "--quiet", "--no-deps"]
    _run(*pip, "install", *options, "-r", str(CONSTRAINTS))
    (root / "ffmpeg").mkdir()
    for library in _pyav_libraries().glob("lib*.so.*"):
        # libavutil-5809ad29.so.60.26.102 -> libavutil.so.60, the name that torchcodec loads
        short = re.sub(r"-[0-9a-f]+\.so\.(\d+).*", r".so.\1", library.name)
        if short.startswith(("libav", "libsw")):
            (root / "ffmpeg" / short).symlink_to(library)


def _pyav_libraries() -> Path:
    import av

    return Path(av.__file__).parent.parent / "av.libs"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-1000:]}{done.stderr[-3000:]}"


if __name__ == "__main__":
    print(build_readers().python)
