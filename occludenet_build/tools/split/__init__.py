"""split: hand out the shards of a build to machines that share no disk and have no scheduler.

    snakemake --cores all index --configfile mine.yaml
    occludenet split 4 --configfile mine.yaml --out detect_parts      hands out the shards of detect
    ... start.sh on each machine ...
    occludenet merge detect_parts/* --configfile mine.yaml
    snakemake --cores all select --configfile mine.yaml
    occludenet split 4 --configfile mine.yaml --out clip_parts        of actor_masks and composite
    ... start.sh on each machine ...
    occludenet merge clip_parts/* --configfile mine.yaml
    snakemake --cores all all --configfile mine.yaml

Run it in the folder in which you run snakemake, with the same --configfile. Before the clips are
chosen it hands out the shards of detect, after that those of the stages that make the clips; only
shards that the build does not have. Each machine gets about the same number of pixels, or what
--speeds says.

Writes OUT/machine-1, ...: folders that work on a machine with the same version of this package

    start.sh         makes the shards: sh start.sh --cores all; options go to snakemake. Killed or
                     interrupted, the same command continues
    needs.txt        files outside of the folder that the machine must have at the same path: the
                     videos of its shards, weights, boxes. A path that is not absolute is relative
                     to the folder; `rsync -r --files-from`. With --copy they are in the folder
    config.yaml      the settings of these stages; the workflow, profiles/, envs/
    part.json        which shards, of which build, from which tables (PART below)
    <build_dir>/     the tables, boxes, cut-outs and weights that the jobs read

`occludenet merge` takes the shards back.
"""

from __future__ import annotations

from dataclasses import dataclass

PART_FILE = "part.json"
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """PART: what the machine of a folder makes."""

    machine: str
    """Name of the folder."""
    of: str
    """build_dir of the build that the shards are for."""
    build: str
    """build_dir in the folder of the machine."""
    stages: tuple[str, ...]
    """The stages of which it makes shards."""
    shards: tuple[str, ...]
    """The shards that it makes of each."""
    tables: dict[str, str]
    """The tables that list the clips of these shards, relative to the build -> sha256."""
    attempts: dict[str, int]
    """First output of a job that is not handed out -> how often it was to be tried again."""
