"""What jobs in the stand-in's environments saw, and a submitter who could disturb them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from conftest import REPO

DECOY = "decoy_of_the_submitter"
"""A module on the submitter's PYTHONPATH."""


SYSTEM = {
    "ld-linux-x86-64 libc libm libmvec libpthread libdl librt libutil libresolv": "glibc",
    "libnss_files libnss_dns": "glibc, for names of users and hosts",
    "libstdc++": "every Linux with glibc; its wheels are built for that (manylinux)",
    "libgcc_s libz": "libgcc and libzlib, which python of conda-forge depends on",
    "libssl libcrypto libffi liblzma libbz2 libsqlite3 libexpat libuuid libcrypt libreadline"
    " libncursesw libtinfo": "the same, for modules of the standard library",
    "libfribidi": "nowhere: Pillow loads it where a machine has it, for text from right to left",
}
"""Libraries that jobs may load from outside of their environment -> where they come from with
conda. None of them is missing on a bare node."""


def submitter(folder: Path, venv: Path) -> dict[str, str]:
    """Variables of somebody with an activated virtual environment, a PYTHONPATH, and a conda
    environment that was activated before and stands behind another Python in PATH."""
    early, older, modules = folder / "early", folder / "older", folder / "modules"
    for path in (early, older / "bin", modules):
        path.mkdir(parents=True)
    (early / "python").write_text("#!/bin/sh\necho wrong Python >&2; exit 13\n")
    (early / "python").chmod(0o755)
    (modules / f"{DECOY}.py").write_text("")
    # pip takes what it finds for installed
    metadata = modules / "tqdm-4.70.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tqdm\nVersion: 4.70.1\n")
    (metadata / "INSTALLER").write_text("pip\n")
    (metadata / "RECORD").write_text("")
    path = [str(venv / "bin"), str(early), str(older / "bin"), os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(path),
        "VIRTUAL_ENV": str(venv),
        "PYTHONPATH": str(modules),
        "CONDA_SHLVL": "1",
        "CONDA_PREFIX": str(older),
        "WITNESS_ASKS": f"{DECOY} snakemake tqdm",
        "WITNESS_AVOIDS": str(venv / "bin"),
    }


def notes(envs: Path) -> list[dict[str, Any]]:
    """The notes of the jobs in the environments of a folder, without those of pip and others."""
    found = [json.loads(path.read_text()) for path in envs.glob("*.witness/*.json")]
    return [note for note in found if "occludenet_build" in note["argv"]]


def environment_of(prefix: str) -> str:
    """Name of the environment file that Snakemake made an environment from."""
    text = Path(f"{prefix}.yaml").read_text()
    (name,) = [p.stem for p in (REPO / "envs").glob("*.yaml") if p.read_text() == text]
    return name


def stage_of(note: dict[str, Any]) -> str:
    return note["argv"][note["argv"].index("occludenet_build") + 1]


def check_isolated(envs: Path, package: Path) -> dict[str, set[str]]:
    """Check every job in the environments of the folder `envs`; returns stage -> environments.

    `package`: the folder that contains the package occludenet_build of the jobs.
    """
    stages: dict[str, set[str]] = {}
    assert set().union(*map(strange_libraries, notes(envs))) == set()
    for note in notes(envs):
        check_job(note, package)
        assert Path(note["prefix"]).parent == envs
        stages.setdefault(stage_of(note), set()).add(environment_of(note["prefix"]))
    return stages


def check_job(note: dict[str, Any], package: Path) -> None:
    """Everything that a job could import, and all that it did, is its own."""
    own, variables = note["prefix"], note["variables"]
    path = variables["PATH"].split(os.pathsep)
    assert path[0] == f"{own}/bin" and variables["WITNESS_AVOIDS"] not in path
    assert variables["PYTHONPATH"] == str(package) and variables["VIRTUAL_ENV"] is None
    assert note["no_user_site"], note["argv"]
    assert note["importable"] == ["tqdm"], note["argv"]
    allowed = (own, note["base"], str((package / "occludenet_build").resolve()))
    for name, file in note["modules"].items():
        # torch has modules that name a file without a folder
        places = (file, os.path.realpath(file)) if Path(file).is_absolute() else ()
        assert not places or any(place.startswith(allowed) for place in places), (name, file)


def strange_libraries(note: dict[str, Any]) -> set[str]:
    """Libraries that the job has loaded, from outside of its environment and not in SYSTEM."""
    known = {name for names in SYSTEM for name in names.split()}
    own = (note["prefix"], note["base"])
    outside = [file for file in note["libraries"] if not file.startswith(own)]
    return {f for f in outside if Path(f).name.split(".so")[0].split("-2.")[0] not in known}
