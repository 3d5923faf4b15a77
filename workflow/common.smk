# Settings, paths and shell of all rules.
#   reads  the configuration; with select.assignment published, the release's CSV files
#   writes nothing
#
# A rule is a thin call of `python -m occludenet_build <stage>`. Its params are one JSON string with
# the settings of the stage, and the version of its results (stages.py). A change of either reruns
# the stage and all later ones. A touched file, an explicit default, a comment or a formatter reruns
# nothing.
import dataclasses
import functools
import json
import os
import re
import shlex
import sys

# Of a copy of the workflow only, as `occludenet init` makes it, the folder is the user's: a file
# html.py there is no module.
if Path(workflow.basedir, "occludenet_build").is_dir():
    sys.path.insert(0, workflow.basedir)

from occludenet_build.core import extras
from occludenet_build.core.errors import UserError

try:
    with extras.import_errors_as_user_errors():
        from occludenet_build import config as settings
        from occludenet_build import command
        from occludenet_build.config import arms
        from occludenet_build.config.backends import (
            OF_BACKBONE,
            exports_weights,
            modules_of,
            runs_network,
            with_backend_version,
        )
        from occludenet_build.config.export import FORMATS
        from occludenet_build.config.models import naming, of_member
        from occludenet_build.config.protocols import with_protocol_version
        from occludenet_build.config.training import DATASET_D, SMALL_BACKBONES
        from occludenet_build.core import failures, seeds, start_record
        from occludenet_build.core.build_lock import one_at_a_time
        from occludenet_build.core.names import listing_digest
        from occludenet_build.core.settings import is_url, key_values
        from occludenet_build.core.versions import (
            ENGINE_VERSION,
            RERUN_ON,
            results_version,
        )
        from occludenet_build.release import published
        from occludenet_build.release.terms import CLEAN, SPLITS, set_name
        from occludenet_build.sources.kinetics.mirror_state import changed_state
        from occludenet_build.stages import STAGES
        from occludenet_build.tools import cluster
        from occludenet_build.tools.project import (
            plain_path,
            prepare_conda,
            python_path,
        )
except UserError as error:
    # One line instead of Snakemake's traceback, for a snakemake of another environment.
    print(f"{error}; it is {sys.executable} that runs Snakemake", file=sys.stderr)
    sys.exit(2)


def published_choice(select):
    """The CSV files of the release that select replays; none with another assignment."""
    if select.assignment != "published":
        return []
    if is_url(select.published):
        splits = CONFIG.kinetics.splits if CONFIG.kinetics.route != "none" else SPLITS
        folder = plain_path(CONFIG.select.published, is_output=True)
        return [f"{folder}/{name}" for name in published.overall_csv_names(splits)]
    return [
        plain_path(str(path)) for path in published.overall_csv_files(select.published)
    ]


def with_fetched_release(whole):
    """The configuration with the folder of the fetched CSV files, if their address is set."""
    if whole.select.assignment != "published" or not is_url(whole.select.published):
        return whole
    folder = f"{(whole.download.folder or whole.build_dir).rstrip('/')}/release"
    select = dataclasses.replace(whole.select, published=folder)
    return dataclasses.replace(whole, select=select)


if re.search("[{}]", str(Path.cwd())):
    # Snakemake 9.27 takes braces in it for wildcards, and ends in a traceback.
    print(
        f"wanted a working folder without braces, got {Path.cwd()}; rename it, or start elsewhere "
        "with --directory",
        file=sys.stderr,
    )
    sys.exit(2)

try:
    GIVEN = settings.load(config, require_files=False)
    CONFIG = with_fetched_release(GIVEN)
    PUBLISHED = published_choice(GIVEN.select)
except UserError as error:
    # One line instead of Snakemake's traceback.
    print(error, file=sys.stderr)
    sys.exit(2)

BUILD = plain_path(CONFIG.build_dir.rstrip("/"), is_output=True)
FETCHED = (CONFIG.download.folder or BUILD).rstrip("/")
SURVEILLANCE = f"{BUILD}/surveillance"
INDEX = f"{BUILD}/index/videos.parquet"
SELECT = f"{BUILD}/select/clips.parquet"
KINETICS = (
    [f"{BUILD}/kinetics/clips.parquet"] if CONFIG.kinetics.route != "none" else []
)
# A build without videos only tabulates predictions of other models.
BUILDS_CLIPS = bool(KINETICS or CONFIG.acquire.videos)
DETECT_SHARDS = seeds.shard_names(CONFIG.index.shards)
CLIP_SHARDS = seeds.shard_names(CONFIG.select.shards)
ARMS = [
    f"{arm}-{seed}"
    for seed in CONFIG.train.seeds
    for arm in arms.names(CONFIG.train)
    if DATASET_D in CONFIG.train.datasets
]

RECORDED = arms.recorded_datasets(CONFIG.train)
RECORDED_ARMS = [
    f"{dataset}/{arm}-{seed}"
    for dataset in RECORDED
    for seed in CONFIG.train.seeds
    for arm in arms.names_on_recorded(CONFIG.train)
]

for section, variable in command.PASSED_ON.items():
    os.environ[variable] = settings.canonical(
        dataclasses.asdict(getattr(CONFIG, section))
    )
os.environ[RERUN_ON] = CONFIG.rerun_on
shell.executable("bash")
# Jobs in a conda environment have a Python of their own. All others use the Python that runs
# Snakemake, whether or not its environment is activated.
USES_CONDA = "conda" in {str(m) for m in workflow.deployment_settings.deployment_method}
if USES_CONDA:
    prepare_conda(os.environ, Path(workflow.basedir))
    # `conda activate` replaces the environment that was active before, wherever that is in PATH.
    PYTHON = 'export PATH="$CONDA_PREFIX/bin:$PATH" PYTHONNOUSERSITE=1; '
else:
    PYTHON = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
# PYTHONSAFEPATH: the working folder is the user's; a file html.py there is no module. Jobs on a
# cluster run a Snakemake of their own, which gets it from here.
os.environ.update(PYTHONSAFEPATH="1")
# Conda jobs do not inherit PYTHONPATH. A prefix replaces strict mode, so it is repeated here.
# OMP_WAIT_POLICY: waiting threads of torch sleep instead of spinning on cores of other jobs.
VARIABLES = (
    f"PYTHONPATH={shlex.quote(str(python_path(Path.cwd())))} PYTHONSAFEPATH=1 "
    "OMP_WAIT_POLICY=PASSIVE"
)
shell.prefix(f"set -euo pipefail; export {VARIABLES}; {PYTHON}exec ")


wildcard_constraints:
    shard=r"\d\d\d+",
    arm=arms.PATTERN,
    seed=r"\d+",
    dataset=r"\w+",


def stop(line):
    """Exit with a one-line message instead of Snakemake's traceback."""
    print(line, file=sys.stderr)
    sys.exit(2)


def needed(section, key):
    """The value of a setting that only some targets require; exits if it is not set."""
    value = getattr(getattr(CONFIG, section), key)
    if value is None:
        stop(f"config: {section}.{key}: wanted a path, got nothing; set it")
    return value


def verbatim(text):
    """A text as a param that Snakemake does not change.

    It is passed as a function for two reasons: Snakemake reads braces in a string as wildcards, and
    `snakemake --lint` reports a string that is a prefix of an input.
    """
    return lambda wildcards: text


def environment(stage, without):
    """The environment file of a stage; `without`: of its backends that run no network."""
    return f"../envs/{'torch' if runs_network(CONFIG, stage) else without}.yaml"


def in_build(path=""):
    """A path in the build, or the build itself, as a param."""
    return verbatim(f"{BUILD}/{path}" if path else BUILD)


include: "common/settings.smk"
include: "common/inputs.smk"
include: "common/measured.smk"
include: "common/integralaction.smk"
include: "common/moc.smk"
include: "common/resources.smk"
include: "common/models.smk"
include: "common/checks.smk"
