# What all rooms share: the checked settings, the places, the shell.
#
# A rule is a thin call of `python -m occludenet_build.<room>`. Its params are one JSON string of
# the settings that the room depends on and a digest of the code that it runs: a change of either
# reruns the room and what follows it; a touched file or a written-out default reruns nothing.
import dataclasses
import json
import os
import shlex
import sys

sys.path.insert(0, workflow.basedir)

from occludenet_build import config as settings
from occludenet_build import stage
from occludenet_build.config import arms
from occludenet_build.core import code, seeds
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.release import published


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

os.environ[stage.DOWNLOADS] = settings.canonical(dataclasses.asdict(CONFIG.download))
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


def arm_settings(wildcards):
    """What one training depends on: another arm, another seed and what only CAR uses rerun none."""
    one = arms.of_training(CONFIG, wildcards.arm, int(wildcards.seed))
    return settings.canonical(settings.room_settings(one, "train"))


def acquire_settings(*names):
    """Those settings of acquire that a part of it depends on, and the seed."""
    whole = settings.room_settings(CONFIG, "acquire")
    part = {name: whole["acquire"][name] for name in names}
    return as_param(whole | {"acquire": part})


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


def coco_settings(wildcards):
    """Only what decides which files of COCO these are."""
    needed("acquire", "coco_instances")
    acquire = settings.room_settings(CONFIG, "acquire")["acquire"]
    part = {
        "acquire": {
            key: acquire[key]
            for key in ("coco_instances", "coco_member", "coco_sha256", "coco_images")
        }
    }
    fetches_images = CONFIG.acquire.coco_images is None or is_url(
        CONFIG.acquire.coco_images
    )
    if fetches_images:
        bank = settings.room_settings(CONFIG, "occluders")["occluders"]
        part["occluders"] = {
            key: bank[key] for key in ("categories", "min_pixels", "gates")
        }
    return settings.canonical(part)


def coco_bytes(wildcards):
    """The size of the user's own instances file, and whether what was fetched is still there."""
    note = Path(f"{BUILD}/acquire/coco.json")
    noted = json.loads(note.read_text()) if note.exists() else {}
    if not all(Path(noted[key]).exists() for key in ("images", "instances") if noted):
        return -1
    named = CONFIG.acquire.coco_instances
    return 0 if is_url(named) else Path(named).stat().st_size


DETECTORS = ("yolo", "torchvision")
MODELS = {
    "detect": DETECTORS,
    "audit": DETECTORS,
    "actor_masks": ("sam", "mobile-sam", "sam2", "yolo-seg"),
}


def runs_model(room):
    """Whether a room runs a network; train and evaluate always do."""
    return room not in MODELS or getattr(CONFIG, room).backend in MODELS[room]


def weights_of(room):
    """The note about a room's weights, if it needs any."""
    needs = CONFIG.train.weights if room == "train" else runs_model(room)
    return f"{BUILD}/acquire/weights/{room}.json" if needs else []


def weights_option(wildcards, input):
    """The note as an argument: which file it is of, and with which hash, stands in it."""
    return f"--weights {shlex.quote(str(input.weights))}" if input.weights else ""


def weights_settings(wildcards):
    """Only what decides which file it is."""
    section = getattr(CONFIG, wildcards.room)
    return settings.canonical(
        {
            wildcards.room: {
                "weights": section.weights,
                "weights_sha256": section.weights_sha256,
            }
        }
    )


def weights_bytes(wildcards):
    """The size of a room's own weights file; of a fetched one whether it has been removed."""
    weights = getattr(CONFIG, wildcards.room).weights
    if not is_url(weights):
        return Path(weights).stat().st_size
    note = Path(f"{BUILD}/acquire/weights/{wildcards.room}.json")
    return 0 if not note.exists() or weights_file(note).exists() else -1


def weights_file(note):
    return Path(json.loads(note.read_text())["path"])


def audit_weights(wildcards):
    """The note about the second detector's weights, which are asked for only if audit is."""
    note = weights_of("audit")
    if note:
        needed("audit", "weights")
    return note


def audit_settings(wildcards):
    """detect's, but for the detector."""
    second = dataclasses.replace(
        CONFIG.detect,
        backend=CONFIG.audit.backend,
        weights=CONFIG.audit.weights,
        weights_sha256=CONFIG.audit.weights_sha256,
        torchvision_model=CONFIG.audit.torchvision_model,
        image_size=CONFIG.audit.image_size,
        boxes=None,
        actor="prominent" if CONFIG.detect.actor == "file" else CONFIG.detect.actor,
    )
    changed = dataclasses.replace(CONFIG, detect=second)
    return settings.canonical(settings.room_settings(changed, "detect"))


def device_gpus(room, of=None):
    """GPUs a job asks the scheduler for: none where nothing runs a model, or the setting says cpu.

    `of`: the room whose device it is, where that is another.
    """
    return int(runs_model(room) and getattr(CONFIG, of or room).device != "cpu")


def videos_listing(wildcards):
    """What stands in the user's folder; with Kinetics the table that is an input says it."""
    return "" if KINETICS else listing_digest(needed("acquire", "videos"))


# Surveillance videos are listed, indexed and searched like all others, but all of them, and in a
# place of their own.
SURVEILLANCE = f"{BUILD}/surveillance"
SURVEILLANCE_VIDEOS = (
    f"{FETCHED}/surveillance/videos"
    if CONFIG.segments.archives
    else CONFIG.segments.videos
)
SURVEILLANCE_FETCHED = (
    [f"{SURVEILLANCE}/archives.json"] if CONFIG.segments.archives else []
)
SURVEILLANCE_CONFIG = dataclasses.replace(
    CONFIG,
    acquire=dataclasses.replace(
        CONFIG.acquire, videos=SURVEILLANCE_VIDEOS, layout="auto"
    ),
    # a group of everybody would be proposed as one more person
    detect=dataclasses.replace(
        CONFIG.detect,
        actor="prominent" if CONFIG.detect.actor == "all" else CONFIG.detect.actor,
    ),
    select=settings.Select(quota=settings.Quota(None, None, None)),
)


def surveillance_settings(room):
    return as_param(settings.room_settings(SURVEILLANCE_CONFIG, room))


def surveillance_listing(wildcards):
    """As of the videos; what came out of archives stands in a table that is an input."""
    return "" if SURVEILLANCE_FETCHED else listing_digest(needed("segments", "videos"))


def segments_table(wildcards):
    """The user's table, or the one that he filled in; asked for only if segments are."""
    surveillance_listing(wildcards)
    review = f"{BUILD}/proposals/review.csv"
    if CONFIG.segments.table is None and not Path(review).exists():
        stop(
            f"config: segments.table: wanted a CSV file, got nothing, and there is no {review}; "
            "set it, or run proposals first and decide"
        )
    return CONFIG.segments.table or review
