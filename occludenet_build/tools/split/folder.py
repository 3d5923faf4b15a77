"""The folder of one machine: what its jobs read, the workflow, its settings, and how to start."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from occludenet_build.config import Config, load, stage_settings
from occludenet_build.config.backends import exports_weights
from occludenet_build.core import tables
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import counter
from occludenet_build.core.files import json_text, write_json, write_text
from occludenet_build.stages import STAGES
from occludenet_build.tools import project
from occludenet_build.tools.split import FORMAT, PART_FILE, Part
from occludenet_build.tools.split.shards import tables_of

WORKFLOW = ("Snakefile", "workflow", "profiles", "envs", "constraints.txt")
"""Files and folders of the project that a machine needs."""

STAND_IN = "handed_out"
"""An empty folder that stands for acquire.videos: the list of videos is handed out."""

_READS = {
    "index": ("acquire/videos.parquet", "index/videos.parquet", "index/shards/*.parquet"),
    "select": (
        *("acquire/videos.parquet", "acquire/coco.json", "index/videos.parquet"),
        *("index/shards/*.parquet", "detect/*.parquet", "occluders/occluders.parquet"),
        *("select/clips.parquet", "select/shards/*.parquet"),
    ),
}
"""Stage that lists the shards -> tables that the jobs and the plan of the workflow need."""

_START = """\
#!/bin/sh
# Makes the shards of this machine. Options go to snakemake: sh start.sh --cores all
# Another snakemake than that in PATH: SNAKEMAKE=/path/to/snakemake sh start.sh --cores all
set -eu
cd "$(dirname "$0")"
# What was handed out has one date, so that however it was copied nothing of it counts as changed.
if [ ! -e .received ]; then
    touch .receiving
    find {build} -type f -exec touch -r .receiving {{}} +
    mv .receiving .received
fi
exec ${{SNAKEMAKE:-snakemake}} "$@" -- \\
    {targets}
"""


@dataclass(frozen=True)
class Source:
    """What is handed out of: the build, the settings, and the stage that lists the shards."""

    build: Path
    values: Mapping[str, Any]
    """The settings as given in the configuration files."""
    config: Config
    """The same, checked, with all defaults."""
    lister: str


def write_folder(folder: Path, part: Part, source: Source, copy: bool) -> list[str]:
    """Write the folder of a machine; return what it needs from outside.

    `copy`: copy that into it too. Raises UserError if something that it needs is missing.
    """
    root = Path("Snakefile").resolve().parent if Path("Snakefile").is_file() else None
    for name in WORKFLOW:
        _copy((root or project.project_root()) / name, folder / name)
    (folder / STAND_IN).mkdir()
    for name in handed_files(source, part):
        _copy(source.build / name, folder / part.build / name)
    _readdress_notes(folder, part, source)
    write_text(folder / "config.yaml", yaml.safe_dump(settings_of(part, source), sort_keys=False))
    needs = sorted(outside_files(source, part))
    write_text(folder / "needs.txt", "".join(f"{path}\n" for path in needs))
    if copy:
        for path in needs:
            if not Path(path).is_absolute():
                _copy(Path(path), folder / path)
    write_text(folder / "start.sh", start_script(part))
    write_text(folder / PART_FILE, json_text({"format": FORMAT} | dataclasses.asdict(part)))
    return needs


def start_script(part: Part) -> str:
    """The text of start.sh."""
    targets = [
        shlex.quote(f"{part.build}/{tables_of(stage, shard)[-1]}")
        for stage in part.stages
        for shard in part.shards
    ]
    return _START.format(build=shlex.quote(part.build), targets=" \\\n    ".join(targets))


def settings_of(part: Part, source: Source) -> dict[str, Any]:
    """The settings of the stages that are handed out, and what the plan of the others needs.

    Results depend on those of their own stages only. The files that the others name need not be on
    the machine. Raises UserError if the settings that a machine would read are not those of the
    build.
    """
    sections = {name for stage in part.stages for name in (stage, *STAGES[stage].borrows)}
    kept = {"seed", "rerun_on", "failures", "cluster", *sections}
    found = {name: value for name, value in source.values.items() if name in kept}
    found |= {"build_dir": part.build, "acquire": {"videos": STAND_IN}}
    if "detect" not in sections:
        found["detect"] = {"backend": "motion"}  # its boxes are handed out
    config = source.config
    # what is checked against the settings of these stages
    found["index"] = {"shards": config.index.shards}
    found["select"] = {"shards": config.select.shards}
    found["train"] = {"scales": list(config.train.scales)}
    evaluate = config.evaluate
    found["evaluate"] = {"counterfactuals": evaluate.counterfactuals, "split": evaluate.split}
    read = load(found | {"acquire": {"videos": "."}}, require_files=False)
    for stage in part.stages:
        if stage_settings(read, stage) != stage_settings(config, stage):
            raise UserError(
                f"the settings of {stage}: wanted those of the build for {part.machine}, got "
                "others; this is a defect, please report it with your configuration"
            )
    return found


def handed_files(source: Source, part: Part) -> Iterator[str]:
    """Files of the build that the machine needs, relative to the build.

    Raises UserError if the build lacks tables.
    """
    for pattern in _READS[source.lister]:
        found = sorted(p for p in source.build.glob(pattern) if p.name[0] != ".")
        if not found:
            raise UserError(f"wanted {source.build}/{pattern}, got none; start snakemake")
        yield from (path.relative_to(source.build).as_posix() for path in found)
    for stage in part.stages:
        yield from _begun(source.build, stage, part.shards)
    yield from (note for note, _ in _notes(source, part))
    yield from _weights(source, part)
    if source.lister == "select":
        rows = [row for shard in part.shards for row in _clips(source, shard)]
        for shard in sorted({row["detect_shard"] for row in rows if row["detect_shard"]}):
            yield f"detect/store/{shard}/detail.parquet"
        cutouts = {
            name for row in rows for name in (row["occluder_file"], *(row["other_files"] or ()))
        }
        yield from (f"occluders/{name}" for name in sorted(filter(None, cutouts)))


def outside_files(source: Source, part: Part) -> set[str]:
    """Files outside of the build that the machine needs: videos, weights, boxes."""
    found = {row["path"] for shard in part.shards for row in _clips(source, shard)}
    found |= {path for _, path in _notes(source, part) if _inside(source.build, path) is None}
    boxes = source.config.detect.boxes
    if boxes and "detect" in part.stages:
        found.add(boxes)
    return found


def _clips(source: Source, shard: str) -> list[dict[str, Any]]:
    return tables.read_rows(source.build / source.lister / "shards" / f"{shard}.parquet")


def _begun(build: Path, stage: str, shards: Iterable[str]) -> Iterator[str]:
    """Clips of the shards that the build has finished already, and how often they were tried."""
    for shard in shards:
        first = Path(tables_of(stage, shard)[-1])
        if (count := counter(build / first)).exists():
            yield count.relative_to(build).as_posix()
        for table in tables_of(stage, shard):
            for path in sorted((build / Path(table).parent / "store" / shard).rglob("*.parquet")):
                if path.name[0] != ".":
                    yield path.relative_to(build).as_posix()


def _notes(source: Source, part: Part) -> Iterator[tuple[str, str]]:
    """acquire's notes about the weights of the stages, and the paths that they name.

    Raises UserError if an engine is still to be chosen: machines would choose different ones.
    """
    for stage in part.stages:
        notes = [f"acquire/weights/{stage}.json"]
        if exports_weights(stage, getattr(source.config, stage, None)):
            notes.append(f"acquire/engines/{stage}.json")
            if not (source.build / notes[-1]).exists():
                raise UserError(
                    f"wanted {source.build}/{notes[-1]}, so that all machines use one engine, got "
                    "none; start snakemake acquire"
                )
        for note in notes:
            if (source.build / note).exists():
                yield note, str(read_json(source.build / note)["path"])


def _readdress_notes(folder: Path, part: Part, source: Source) -> None:
    """Where build_dir is another one, have the notes name the weights that were handed out."""
    for note, path in _notes(source, part):
        inside = _inside(source.build, path)
        if inside is not None and path != f"{part.build}/{inside}":
            values = read_json(source.build / note) | {"path": f"{part.build}/{inside}"}
            write_json(folder / part.build / note, values)


def _weights(source: Source, part: Part) -> Iterator[str]:
    found = {_inside(source.build, path) for _, path in _notes(source, part)}
    yield from sorted(filter(None, found))
    for note, _ in _notes(source, part):
        model = read_json(source.build / note).get("engine", {}).get("model")
        if model is not None:
            yield (Path(note).parent / model).parent.as_posix()


def _inside(build: Path, path: str) -> str | None:
    """A path relative to the build; None for one outside of it."""
    try:
        return Path(path).absolute().relative_to(build.absolute()).as_posix()
    except ValueError:
        return None


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder with its date. Raises UserError if it is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
    except FileNotFoundError as error:
        raise UserError(
            f"wanted {source}, which a machine needs, it is missing; put it back"
        ) from error
