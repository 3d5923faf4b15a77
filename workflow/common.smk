# What all stages share: the checked settings, the paths and the shell.
#   reads  the configuration; a release's CSV files if its choice is replayed
#   writes nothing
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
from occludenet_build.config.backends import runs_network
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.project import python_path
from occludenet_build.release import published
from occludenet_build.core.versions import RERUN_ON, results_version


def published_choice(select):
    """The release's CSV files whose choice of clips is replayed, if one is."""
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
SURVEILLANCE = f"{BUILD}/surveillance"
INDEX = f"{BUILD}/index/videos.parquet"
SELECT = f"{BUILD}/select/clips.parquet"
KINETICS = (
    [f"{BUILD}/kinetics/clips.parquet"] if CONFIG.kinetics.route != "none" else []
)
# A build may have no clips of its own: only other people's numbers.
BUILDS_CLIPS = bool(KINETICS or CONFIG.acquire.videos)
DETECT_SHARDS = seeds.shard_names(CONFIG.index.shards)
CLIP_SHARDS = seeds.shard_names(CONFIG.select.shards)
ARMS = [
    f"{arm}-{seed}" for seed in CONFIG.train.seeds for arm in arms.names(CONFIG.train)
]

os.environ[command.DOWNLOADS] = settings.canonical(dataclasses.asdict(CONFIG.download))
os.environ[RERUN_ON] = CONFIG.rerun_on
shell.executable("bash")
# Jobs in a conda environment bring their own Python; all others use the one that runs Snakemake,
# whether its environment is activated or not.
USES_CONDA = "conda" in {str(m) for m in workflow.deployment_settings.deployment_method}
PYTHON = (
    "" if USES_CONDA else f"export PATH={str(Path(sys.executable).parent)!r}:$PATH; "
)
# Conda jobs do not inherit PYTHONPATH. A prefix replaces strict mode, so it is repeated here.
# OMP_WAIT_POLICY: waiting threads of torch otherwise spin on cores that other jobs need.
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={str(python_path(Path.cwd()))!r} OMP_WAIT_POLICY=PASSIVE; {PYTHON}exec "
)


wildcard_constraints:
    shard=r"\d\d\d+",
    arm=arms.PATTERN,
    seed=r"\d+",


def stop(line):
    """End with one line that says what is wrong, instead of Snakemake's traceback."""
    print(line, file=sys.stderr)
    sys.exit(2)


def needed(section, key):
    """A setting that only some targets need, asked for when one of them is planned."""
    value = getattr(getattr(CONFIG, section), key)
    if value is None:
        stop(f"config: {section}.{key}: wanted a path, got nothing; set it")
    return value


def verbatim(text):
    """A text as a param that Snakemake leaves as it is.

    A function, for two reasons: braces in a plain text are taken for wildcards, and
    `snakemake --lint` takes a plain path that begins a rule's input for a mistake.
    """
    return lambda wildcards: text


def in_build(path=""):
    """A folder of the build, or the whole build, as a param."""
    return verbatim(f"{BUILD}/{path}" if path else BUILD)


include: "common/settings.smk"
include: "common/inputs.smk"
