"""The files of the project beside the package: where they are, and Snakemake started on them.

In a checkout they lie beside the package, in an installed package in its folder `_project`.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import occludenet_build
from occludenet_build.core.errors import UserError

FILES = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "demo", "recipes")
"""Files and folders that travel inside a wheel; setup.py copies them."""

PACKAGE = Path(occludenet_build.__file__).resolve().parent


def project_root() -> Path:
    """The folder that holds FILES: the checkout's, or the copy in the installed package.

    Raises UserError where neither is there.
    """
    installed = PACKAGE / "_project"
    root = installed if installed.is_dir() else PACKAGE.parent
    if not (root / "Snakefile").is_file():
        raise UserError(f"wanted the workflow's Snakefile in {root}, got none; install again")
    return root


def python_path(folder: Path) -> Path:
    """A folder that holds this package and no other, for jobs that bring their own Python.

    In a checkout this is its root. Beside an installed package lies its whole environment, which
    another Python must not see: the package is linked into `folder`/.snakemake.
    """
    if not (PACKAGE / "_project").is_dir():
        return PACKAGE.parent
    link = folder.absolute() / ".snakemake" / "python_path" / PACKAGE.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() != PACKAGE:
        link.unlink()
    with suppress(FileExistsError):  # of an earlier run, or of one beside this
        link.symlink_to(PACKAGE, target_is_directory=True)
    return link.parent


def find_demo() -> None:
    """Make `import demo.world` work: the mini-world lies outside the product."""
    root = str(project_root())
    if root not in sys.path:
        sys.path.insert(0, root)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def snakemake(
    folder: Path, configs: Sequence[Path], cores: int, dry_run: bool = False, target: str = "all"
) -> None:
    """Run the workflow in `folder`, with the settings of `configs`, by this Python.

    Ends the process with Snakemake's status where it fails. Raises KeyboardInterrupt after Ctrl-C.
    """
    root = project_root()
    words = [sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile"]
    words += ["--workflow-profile", root / "profiles" / "default"]
    words += ["--directory", folder, "--cores", str(cores), *(["--dry-run"] if dry_run else [])]
    # --configfile takes several: the target stands after --
    words += ["--configfile", *configs, "--", target]
    status = _wait_for(subprocess.Popen(list(map(str, words))))
    if status:
        logging.error("Snakemake ended with status %d; its lines above say why", status)
        sys.exit(status)


def _wait_for(process: subprocess.Popen) -> int:
    """Its status. Snakemake ends its jobs itself: it is waited for, also after Ctrl-C.

    A terminal sends Ctrl-C to both processes, `kill` and schedulers send SIGTERM to this one only.
    """
    stopped = []

    def note(number: int, frame: object) -> None:
        stopped.append(number)
        if number == signal.SIGTERM:
            process.terminate()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped:
        raise KeyboardInterrupt
    return status
