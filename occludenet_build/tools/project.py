"""The project files outside of the package, such as the Snakefile, and running Snakemake.

In a checkout these files are next to the package, in an installed package in its folder `_project`.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

import occludenet_build
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash

FILES = (
    *("Snakefile", "config.yaml", "workflow", "profiles", "envs", "constraints.txt"),
    *("demo", "recipes"),
)
"""Files and folders that a wheel contains; setup.py copies them."""

PACKAGE = Path(occludenet_build.__file__).resolve().parent
"""Folder of the package."""


def project_root() -> Path:
    """Folder that contains FILES: the checkout, or the copy in the installed package.

    Raises UserError if neither exists.
    """
    installed = PACKAGE / "_project"
    root = installed if installed.is_dir() else PACKAGE.parent
    if not (root / "Snakefile").is_file():
        raise UserError(f"wanted the workflow's Snakefile in {root}, got none; install again")
    return root


def python_path(folder: Path) -> Path:
    """Folder for PYTHONPATH, for jobs with their own Python: it contains only this package.

    In a checkout this is its root. The folder of an installed package contains all packages of its
    environment, which another Python must not import: a link in `folder`/.snakemake is used.
    """
    if not (PACKAGE / "_project").is_dir():
        return PACKAGE.parent
    link = folder.absolute() / ".snakemake" / "python_path" / PACKAGE.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() != PACKAGE:
        link.unlink()
    with suppress(FileExistsError):  # from an earlier run or a concurrent one
        link.symlink_to(PACKAGE, target_is_directory=True)
    return link.parent


def plain_path(path: str, is_output: bool = False) -> str:
    """A path to the same file that Snakemake and the commands take as it is.

    Snakemake reads braces in a path as wildcards, and has no escape; a command reads a path that
    begins with a dash as an option. For those, a link in .snakemake/paths is used. `is_output`: a
    folder that is created.
    """
    if not ("{" in path or "}" in path or path.startswith("-")):
        return path
    target = Path(path).absolute()
    if is_output:
        target.mkdir(parents=True, exist_ok=True)
    plain = re.sub(r"[^A-Za-z0-9._]", "_", target.name)[:80]
    link = Path(".snakemake", "paths", f"{plain}-{short_hash(str(target))[:8]}")
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # from an earlier run or a concurrent one
        link.symlink_to(target)
    return str(link)


def prepare_conda(environ: MutableMapping[str, str], root: Path) -> None:
    """Change Snakemake's environment variables, which conda, pip and the jobs inherit.

    An activated virtual environment is for the Python that runs Snakemake only: as `deactivate`
    does, its programs leave PATH. pip, which fills the environments, takes the versions of
    `root`/constraints.txt for what their files do not name, unless the user has set PIP_CONSTRAINT,
    and installs also what PYTHONPATH or ~/.local have.

    >>> variables = {"PATH": "/v/bin:/usr/bin", "VIRTUAL_ENV": "/v"}
    >>> prepare_conda(variables, Path("/a b"))
    >>> variables["PATH"], "VIRTUAL_ENV" in variables, variables["PIP_CONSTRAINT"]
    ('/usr/bin', False, 'file:///a%20b/constraints.txt')
    """
    active = environ.pop("VIRTUAL_ENV", None)
    path = environ.get("PATH", os.defpath).split(os.pathsep)
    environ["PATH"] = os.pathsep.join(folder for folder in path if folder != f"{active}/bin")
    # as an address: pip splits the variable at spaces
    environ.setdefault("PIP_CONSTRAINT", (root / "constraints.txt").absolute().as_uri())
    environ["PIP_IGNORE_INSTALLED"] = "1"


def find_demo() -> None:
    """Make `import demo.world` work: the package demo is outside of occludenet_build."""
    root = str(project_root())
    if root not in sys.path:
        sys.path.insert(0, root)


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def snakemake(
    folder: Path, configs: Sequence[Path], cores: int, dry_run: bool = False, *targets: str
) -> None:
    """Run the workflow in `folder`, with the configuration files `configs`; default target: all.

    If Snakemake fails, the process exits with its status. Raises KeyboardInterrupt after Ctrl-C.
    """
    root = project_root()
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile"]
    command += ["--workflow-profile", root / "profiles" / "default"]
    command += ["--directory", folder, "--cores", str(cores), *(["--dry-run"] if dry_run else [])]
    # --configfile takes several values: the target must follow --.
    command += ["--configfile", *configs, "--", *(targets or ["all"])]
    # Files in the user's folder, such as html.py, are not modules of Snakemake.
    environ = os.environ | {"PYTHONSAFEPATH": "1"}
    status = _wait_for(subprocess.Popen(list(map(str, command)), env=environ))
    if status:
        logging.error("Snakemake exited with status %d; see its messages above", status)
        sys.exit(status)


def _wait_for(process: subprocess.Popen) -> int:
    """Wait for Snakemake and return its status, also after Ctrl-C: Snakemake ends its jobs itself.

    A terminal sends Ctrl-C to both processes; `kill` and schedulers send SIGTERM to this one only.
    """
    received = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            process.terminate()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt
    return status
