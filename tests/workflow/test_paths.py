"""Folders with names that shells, Snakemake and Python read as something else."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path

import pytest
from support.workflow import SETTINGS, Build

from occludenet_build.core import tables
from occludenet_build.core.seeds import shard_names, shard_tables
from occludenet_build.tools.project import plain_path

HOSTILE = '-it\'s {shard} a {0} "$HOME" `x` Ünïcode; *'
"""A name that no quoting by habit survives: a dash, quotes, braces, dollar, blanks."""
WORKING = re.sub("[{}]", "", HOSTILE)
"""Snakemake itself cannot work in a folder with braces."""
SHADOWS = ("html", "random", "select", "json", "numpy", "occludenet_build")
"""Modules that jobs import, as files of the user."""


class HostileBuild(Build):
    """A build in a folder of a hostile name, with modules of the user beside its settings."""

    def __init__(self, folder: Path, world: Path, settings: dict) -> None:
        folder.mkdir()
        super().__init__(folder, None, settings)
        shutil.copytree(world, folder / HOSTILE)
        for name in SHADOWS:
            (folder / f"{name}.py").write_text(f"raise RuntimeError('imported {name}')\n")

    def command(self, *targets: str, cores: int = 2) -> list[str]:
        # -P for this process only: jobs must not import from the folder either
        python, *rest = super().command(*targets, cores=cores)
        return [python, "-P", *rest]


def settings() -> dict:
    changed = copy.deepcopy(SETTINGS) | {"build_dir": f"{HOSTILE} build"}
    acquire = {
        name: path.replace("world", HOSTILE, 1) for name, path in SETTINGS["acquire"].items()
    }
    changed["train"] = SETTINGS["train"] | {"processes": 2}  # torchrun starts Python itself
    return changed | {"acquire": acquire, "download": {"folder": f"{HOSTILE} downloads"}}


@pytest.mark.slow
def test_a_build_in_folders_of_hostile_names(world, tmp_path):
    build = HostileBuild(tmp_path / WORKING, world, settings())
    build.run("dataset", "residual_actor", "train")
    root = build.folder / f"{HOSTILE} build"
    rows = tables.read_rows(root / "annotate/clips.parquet")
    assert {row["status"] for n in shard_names(3)
            for row in tables.read_rows(root / f"composite/{n}.parquet")} == {"ok"}  # fmt: skip
    assert rows and all((root / row["file"]).is_file() for row in rows)
    assert (root / "logs/annotate/clips.log").read_text().strip()
    listed = list((root / "OccludeNet-D/annotations").glob("*.csv"))
    assert len(listed) >= 6
    assert len(list((root / "train").glob("*.pt"))) == 2
    assert build.planned("dataset") == {}
    strays = {path.name for path in build.folder.iterdir()}
    expected = {HOSTILE, f"{HOSTILE} build", ".snakemake", "mine.yaml"}
    assert strays == expected | {f"{name}.py" for name in SHADOWS}


@pytest.mark.parametrize("name", ["a b", "it's", "Ü", "$x", "a/b", "x=1", "~"])
def test_paths_that_quoting_is_enough_for_stay(name):
    assert plain_path(name) == name


@pytest.mark.parametrize("name", ["{shard}", "a }", "-x", "{a}/{b}"])
def test_other_paths_become_links(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = plain_path(name, is_output=True)
    assert plain_path(name, is_output=True) == link and re.fullmatch(r"[\w./-]+", link)
    (Path(link) / "file").write_text("x")
    assert (tmp_path / name / "file").exists()


@pytest.mark.slow
def test_no_command_line_grows_with_the_number_of_shards(world, tmp_path):
    """Jobs of `dataset`, and of the separate targets, with 10 and with 1,000 shards."""
    longest = {}
    for shards in (10, 1000):
        build = Build(tmp_path, None, settings_with(shards, world))
        text = build.run("-n", "-p", "select", "proposals", "annotate", "residual_actor")
        lines = [line for line in text.splitlines() if "python -m occludenet_build" in line]
        names = {re.search(r"occludenet_build (\w+)", line)[1] for line in lines}
        assert {"select", "proposals", "annotate", "residual_actor"} <= names
        longest[shards] = max(map(len, lines))
    assert longest[1000] < longest[10] + 50


def settings_with(shards: int, world: Path) -> dict:
    paths = {name: str(world / path.removeprefix("world/")) for name, path in
             SETTINGS["acquire"].items()}  # fmt: skip
    return SETTINGS | {
        "acquire": paths,
        "index": {"shards": shards},
        "select": {"shards": shards},
        "segments": {"videos": paths["videos"]},
    }


def test_folders_of_shards(tmp_path):
    for name in ("000", "001", "002", ".003.part", "notes"):
        (tmp_path / f"{name}.parquet").touch()
    file = tmp_path / "notes.parquet"
    assert [p.stem for p in shard_tables([tmp_path], 2)] == ["000", "001"]
    assert [p.stem for p in shard_tables([tmp_path])] == ["000", "001", "002"]
    assert shard_tables([file, tmp_path / "gone"], 2) == [file, tmp_path / "gone"]


def test_a_working_folder_with_braces_is_one_line(world, tmp_path):
    folder = tmp_path / "a {b}"
    folder.mkdir()
    text = Build(folder, world, SETTINGS).run("-n", "occluders", ok=False)
    assert "Traceback" not in text and "without braces" in text


def test_a_folder_that_cannot_be_planned_is_one_line(world, tmp_path):
    build = Build(tmp_path, world, SETTINGS | {"occluders": {"own": "mine.yaml"}})
    text = build.run("-n", "occluders", ok=False)
    assert "Traceback" not in text and "mine.yaml is not one" in text
