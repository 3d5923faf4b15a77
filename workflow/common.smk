# What all rooms share: the checked settings, the places, the shell.
#
# A rule is a thin call of `python -m occludenet_build <stage>`. Its params are one JSON string of
# the settings that the stage depends on and the version of its results (stages.py): a change of
# either reruns the stage and what follows it; a touched file, a written-out default, a comment or
# a formatter reruns nothing.
import dataclasses
import json
import os
import shlex
import sys

sys.path.insert(0, workflow.basedir)

from occludenet_build import config as settings
from occludenet_build import command
from occludenet_build.config import arms
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.release import published
from occludenet_build.core.versions import RERUN_ON, results_version


def published_choice(select):
    """The CSV files whose choice is replayed, if one is."""
    replays = select.assignment == "published"
    return [str(p) for p in published.csv_files(select.published)] if replays else []


try:
    CONFIG = settings.load(config)
    PUBLISHED = published_choice(CONFIG.select)
except UserError as error:
    # One line instead of Snakemake's traceback of this file.
    print(error, file=sys.stderr)
    sys.exit(2)

BUILD = CONFIG.build_dir.rstrip("/")
FETCHED = (CONFIG.download.folder or BUILD).rstrip("/")
KINETICS = (
    [f"{BUILD}/kinetics/clips.parquet"] if CONFIG.kinetics.route != "none" else []
)
DETECT_SHARDS = seeds.shard_names(CONFIG.index.shards)
CLIP_SHARDS = seeds.shard_names(CONFIG.select.shards)
ARMS = [
    f"{arm}-{seed}" for seed in CONFIG.train.seeds for arm in arms.names(CONFIG.train)
]

os.environ[command.DOWNLOADS] = settings.canonical(dataclasses.asdict(CONFIG.download))
os.environ[RERUN_ON] = CONFIG.rerun_on
shell.executable("bash")
# Jobs in a conda environment bring their own Python; all others run with the one that runs
# Snakemake, whether its environment is activated or not.
USES_CONDA = "conda" in {str(m) for m in workflow.deployment_settings.deployment_method}
PYTHON = (
    "" if USES_CONDA else f"export PATH={str(Path(sys.executable).parent)!r}:$PATH; "
)
# Conda jobs do not inherit PYTHONPATH; a prefix replaces strict mode, so repeat it. Threads of torch
# that wait would spin, on cores that other jobs want.
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={workflow.basedir!r} OMP_WAIT_POLICY=PASSIVE; {PYTHON}exec "
)


def stop(line):
    """End with one line that says what is wrong, instead of Snakemake's traceback."""
    print(line, file=sys.stderr)
    sys.exit(2)


def needed(room, key):
    """A setting that only some targets need, asked for when one of them is."""
    value = getattr(getattr(CONFIG, room), key)
    if value is None:
        stop(f"config: {room}.{key}: wanted a path, got nothing; set it")
    return value


wildcard_constraints:
    shard=r"\d\d\d+",
    arm=arms.PATTERN,
    seed=r"\d+",


def as_param(values):
    """Settings as one canonical JSON string. A function, as braces in a text are wildcards."""
    text = settings.canonical(values)
    return lambda wildcards: text


def room_settings(room):
    """The settings a room depends on."""
    return as_param(settings.room_settings(CONFIG, room))


# A shard's table is no output of the checkpoint that writes it: it counts by its content, so that
# one more video reruns one shard. But an input function that asks a finished checkpoint leaves no
# edge in the DAG, and a change before the checkpoint would go unseen: rules that read shard tables
# also name the checkpoint's own table, as ancient(), which is an edge and not a reason to rerun.
INDEX = f"{BUILD}/index/videos.parquet"
SELECT = f"{BUILD}/select/clips.parquet"


def index_shard(wildcards):
    checkpoints.index.get()
    return f"{BUILD}/index/shards/{wildcards.shard}.parquet"


def select_shard(wildcards):
    checkpoints.select.get()
    return f"{BUILD}/select/shards/{wildcards.shard}.parquet"


def masks_of(wildcards):
    """The masks of a shard, where something is erased or measured by them."""
    target = CONFIG.composite.scale_mode == "target"
    wanted = CONFIG.counterfactual.splits or target
    return f"{BUILD}/actor_masks/{wildcards.shard}.parquet" if wanted else []


include: "common/fetching.smk"
include: "common/models.smk"
include: "common/again.smk"
include: "common/learning.smk"
include: "common/surveillance.smk"
