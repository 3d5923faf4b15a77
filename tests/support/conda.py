"""A stand-in for conda where no channel can be reached: a program on PATH that Snakemake talks to.

It answers what Snakemake asks, and refuses everything else. An environment is a virtual environment
with the packages of the file's pip part, from one of two places:

| packages | from | shows | time |
|---|---|---|---|
| index | pip, called as conda calls it | that the file can be installed | minutes |
| linked | hard links to the packages of the tests' Python | that the file suffices | seconds |

Python comes from this machine, which therefore needs the minor version that the files name. Each
Python process of an environment leaves a note of what it saw (witness.py). What the stand-in does
not show: that a channel has Python, and that wheels run with conda's Python.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

VERSION = "25.9.1"
CHANNELS = ["conda-forge", "nodefaults"]
LOG, KIND = "calls.jsonl", "packages"


@dataclass(frozen=True)
class Conda:
    """An installed stand-in; `root` is its prefix, with bin/conda and bin/activate."""

    root: Path

    def calls(self) -> list[str]:
        """The commands that it was called with."""
        log = self.root / LOG
        return log.read_text().splitlines() if log.exists() else []

    def environment(self, **more: str) -> dict[str, str]:
        """Variables for Snakemake, with conda on PATH."""
        path = f"{self.root / 'bin'}{os.pathsep}{more.pop('PATH', os.environ['PATH'])}"
        return os.environ | more | {"PATH": path}


def install(root: Path, packages: str) -> Conda:
    """Make the program. `packages`: index or linked."""
    (root / "bin").mkdir(parents=True)
    (root / KIND).write_text(packages)
    own = f"{shlex.quote(sys.executable)} -I {shlex.quote(__file__)} {shlex.quote(str(root))}"
    (root / "bin/conda").write_text(f'#!/bin/sh\nexec {own} "$@"\n')
    (root / "bin/conda").chmod(0o755)
    # Snakemake sources it, in bash
    conda = shlex.quote(str(root / "bin/conda"))
    (root / "bin/activate").write_text(f'eval "$({conda} shell.posix activate "$1")"\n')
    return Conda(root)


def missing_python() -> str:
    """Why this machine cannot stand in; empty if it can."""
    return (
        "" if _python("3.11") else "wanted Python 3.11 for the environments, this machine has none"
    )


def _python(version: str) -> str | None:
    """An interpreter of a minor version, outside of any virtual environment."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return shutil.which(f"python{version}")


def main(root: Path, words: list[str]) -> None:
    with (root / LOG).open("a") as log:
        log.write(" ".join(words) + "\n")
    match words:
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": str(root), "platform": "linux-64"}))
        case ["--version"]:
            print(f"conda {VERSION}")
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", to]:
            create(Path(file), Path(to), (root / KIND).read_text())
        case ["clean", "-y", "--tarballs"]:
            pass  # it keeps none
        case ["shell.posix", "activate", prefix]:
            print(activate(prefix, os.environ))
        case _:
            sys.exit(f"conda stand-in: unknown command {' '.join(words)}")


def activate(prefix: str, environ: Mapping[str, str]) -> str:
    """Shell commands. As with conda, an environment that is active already is replaced where it
    stands in PATH, not put first."""
    path = environ["PATH"].split(":")
    level = int(environ.get("CONDA_SHLVL") or 0)
    old = f"{environ['CONDA_PREFIX']}/bin" if level and environ.get("CONDA_PREFIX") else None
    new = f"{prefix}/bin"
    path = [new if p == old else p for p in path] if old in path else [new, *path]
    lines = {"PATH": ":".join(path), "CONDA_PREFIX": prefix, "CONDA_SHLVL": str(level + 1)}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in lines.items())


# --- environments ---------------------------------------------------------------------------------


def create(file: Path, prefix: Path, packages: str) -> None:
    """Make the environment of a file. Exits where conda would not find what the file names."""
    wanted = yaml.safe_load(file.read_text())
    if set(wanted) != {"channels", "dependencies"} or wanted["channels"] != CHANNELS:
        sys.exit(f"conda stand-in: wanted channels {CHANNELS} and dependencies, got {wanted}")
    *own, pip = wanted["dependencies"]
    versions = dict(spec.split("=") for spec in own if "=" in spec)
    if {spec.split("=")[0] for spec in own} != {"python", "pip"} or set(versions) != {"python"}:
        sys.exit(f"PackagesNotFoundError: the stand-in has python and pip only, got {own}")
    python = _python(versions["python"])
    if python is None:
        sys.exit(f"PackagesNotFoundError: python={versions['python']}")
    subprocess.run([python, "-m", "venv", "--without-pip", str(prefix)], check=True)
    _site_packages(prefix).joinpath("witness.pth").write_text("import witness\n")
    shutil.copy(Path(__file__).with_name("witness.py"), _site_packages(prefix))
    listed = pip["pip"] + older_python()
    if packages == "index":
        _install(prefix, listed, file.parent)
    else:
        link_packages(prefix, listed)


def older_python() -> list[str]:
    """What this machine's Python lacks: conda's 3.11 is 3.11.4 or newer."""
    return ["backports.tarfile"] if sys.version_info < (3, 11, 4) else []


def _site_packages(prefix: Path) -> Path:
    (found,) = prefix.glob("lib/python3.*/site-packages")
    return found


def _install(prefix: Path, listed: list[str], folder: Path) -> None:
    """As conda does it: its own file of requirements, in the folder of the environment file."""
    python = str(prefix / "bin/python")
    subprocess.run([python, "-m", "ensurepip", "--default-pip"], check=True, stdout=sys.stderr)
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".requirements.txt") as requirements:
        requirements.write("\n".join(listed))
        requirements.flush()
        command = [python, "-m", "pip", "install", "-U", "-r", requirements.name]
        # without --no-compile it takes a minute longer, and twice as many files
        command += ["--no-compile", "--exists-action=b"]
        subprocess.run(command, check=True, cwd=folder, stdout=sys.stderr)
    share_disk(_site_packages(prefix))


def share_disk(site_packages: Path) -> None:
    """Replace what is the same file in the tests' Python, by pip's hashes, by a hard link to it.

    The environments take 10 GB otherwise.
    """
    for one in distributions(path=[str(site_packages)]):
        here = _installed(Requirement(f"{one.name}=={one.version}"))
        known = {(str(f), f.hash.value): f for f in (here and here.files) or [] if f.hash}
        for file in one.files or []:
            same = known.get((str(file), file.hash.value)) if file.hash else None
            target = site_packages / file
            if same is not None and here is not None and target.stat().st_size > 100_000:
                copy = target.with_name(f"{target.name}.link")
                with suppress(OSError):  # another file system
                    os.link(here.locate_file(same), copy)
                    copy.replace(target)


def link_packages(prefix: Path, listed: list[str]) -> None:
    """Fill an environment; what is not installed here comes from the index after all."""
    found, missing = closure(["pip", *listed])
    for one in found:
        link(one, _site_packages(prefix))
    if missing:
        command = [str(prefix / "bin/python"), "-m", "pip", "install", "--no-deps", *missing]
        subprocess.run(command, check=True, stdout=sys.stderr)


def closure(requirements: list[str]) -> tuple[list[Distribution], list[str]]:
    """The installed distributions that requirements ask for, directly or indirectly, and the
    requirements that no installed one meets."""
    todo, found = [Requirement(text) for text in requirements], {}
    missing = []
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        have = found.get(name) or _installed(wanted)
        if have is None:
            missing.append(str(wanted))
        elif name not in found:
            found[name] = have
            needs = [Requirement(text) for text in have.requires or []]
            todo += [n for n in needs if not n.marker or _applies(n.marker, wanted.extras)]
    return list(found.values()), missing


def _installed(wanted: Requirement) -> Distribution | None:
    try:
        have = distribution(wanted.name)
    except PackageNotFoundError:
        return None
    return have if wanted.specifier.contains(have.version, prereleases=True) else None


def _applies(marker: Marker, extras: set[str]) -> bool:
    return any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def link(found: Distribution, site_packages: Path) -> None:
    """Hard links to the files of a distribution; its programs are left out."""
    for file in found.files or []:
        source, target = Path(str(found.locate_file(file))), site_packages / file
        if ".." not in file.parts and source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another file system
                shutil.copyfile(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
