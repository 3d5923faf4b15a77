# What rules read: tables of shards, weights, the user's own files, and how they are passed on.
#   reads  the checked configuration, CONFIG; notes that acquire left in an earlier run
#   writes nothing
from occludenet_build.acquire.videos import listing_digest

# --- shards ---------------------------------------------------------------------------------------
# A shard's table is no output of the checkpoint that writes it: it counts by its content, so that
# one more video reruns one shard. But an input function that asks a finished checkpoint leaves no
# edge in the DAG, and a change before the checkpoint would go unseen: rules that read shard tables
# also name the checkpoint's own table, as ancient(), which is an edge and not a reason to rerun.


def index_shard(wildcards):
    checkpoints.index.get()
    return f"{BUILD}/index/shards/{wildcards.shard}.parquet"


def select_shard(wildcards):
    checkpoints.select.get()
    return f"{BUILD}/select/shards/{wildcards.shard}.parquet"


def masks_of(wildcards):
    """The masks of a shard, where an actor is erased or the occlusion is measured by masks."""
    target = CONFIG.composite.scale_mode == "target"
    wanted = CONFIG.counterfactual.splits or target
    return f"{BUILD}/actor_masks/{wildcards.shard}.parquet" if wanted else []


def option(name, path):
    """A command-line option with an input that a rule may lack."""
    return f"--{name} {shlex.quote(str(path))}" if path else ""


def masks_option(wildcards, input):
    return option("masks", input.masks)


def clips_option(wildcards, input):
    return option("clips", input.clips)


# --- networks and their weights -------------------------------------------------------------------

def device_gpus(name, of=None):
    """GPUs that a job asks the scheduler for: none where no network runs or the device is cpu.

    `of`: the stage whose device it uses, where that is another.
    """
    return int(runs_network(CONFIG, name) and getattr(CONFIG, of or name).device != "cpu")


def weights_of(name):
    """acquire's note about a stage's weights, if it needs any."""
    needs = CONFIG.train.weights if name == "train" else runs_network(CONFIG, name)
    return f"{BUILD}/acquire/weights/{name}.json" if needs else []


def audit_weights(wildcards):
    """The note about the second detector's weights, which are asked for only if audit is."""
    note = weights_of("audit")
    if note:
        needed("audit", "weights")
    return note


def weights_option(wildcards, input):
    """The note as an option: it names the file and its hash."""
    return option("weights", input.weights)


def weights_bytes(wildcards):
    """The size of the user's own weights file; of a fetched one whether it has been removed."""
    weights = getattr(CONFIG, wildcards.stage).weights
    if not is_url(weights):
        return Path(weights).stat().st_size
    note = Path(f"{BUILD}/acquire/weights/{wildcards.stage}.json")
    gone = note.exists() and not Path(json.loads(note.read_text())["path"]).exists()
    return -1 if gone else 0


# --- the user's files -----------------------------------------------------------------------------


def videos_listing(wildcards):
    """What is in the user's folder; with Kinetics the table that is an input says it."""
    return "" if KINETICS else listing_digest(needed("acquire", "videos"))


def coco_bytes(wildcards):
    """The size of the user's own instances file, and whether what was fetched is still there."""
    note = Path(f"{BUILD}/acquire/coco.json")
    noted = json.loads(note.read_text()) if note.exists() else {}
    if not all(Path(noted[key]).exists() for key in ("images", "instances") if noted):
        return -1
    named = CONFIG.acquire.coco_instances
    return 0 if is_url(named) else Path(named).stat().st_size


def dump_files(wildcards):
    """What a model's dumps are read from."""
    dumps = DUMPS[wildcards.model]
    return [p for d in dumps for p in (d.file, d.list, d.label_map) if p]


# --- other fills, on a sample of the clips --------------------------------------------------------


def fill_sources(wildcards):
    """The source clips: all of them for the build's own counterfactuals, else the sample."""
    if wildcards.fill == "built":
        return select_shard(wildcards)
    return f"{BUILD}/residual_actor/sample/{wildcards.shard}.parquet"


def fill_is_built(wildcards):
    """Whether the build itself holds these clips; `none` are the occluded clips."""
    return wildcards.fill in ("built", "none", CONFIG.counterfactual.fill)


def fill_folder(wildcards):
    """The folder that the paths of these clips are relative to."""
    own = f"{BUILD}/residual_actor/{wildcards.fill}"
    return BUILD if fill_is_built(wildcards) else own


def fill_clips(wildcards):
    """The table of the clips: counterfactuals, or the occluded clips for `none`."""
    kind = "composite" if wildcards.fill == "none" else "counterfactual"
    return f"{fill_folder(wildcards)}/{kind}/{wildcards.shard}.parquet"


def fill_name(wildcards):
    return CONFIG.counterfactual.fill if wildcards.fill == "built" else wildcards.fill


# --- surveillance videos --------------------------------------------------------------------------

SURVEILLANCE_FETCHED = (
    [f"{SURVEILLANCE}/archives.json"] if CONFIG.segments.archives else []
)


def surveillance_listing(wildcards):
    """As of the videos; what came out of archives stands in a table that is an input."""
    return "" if SURVEILLANCE_FETCHED else listing_digest(needed("segments", "videos"))


def segments_table(wildcards):
    """The user's table, or the review that they filled in; asked for only if segments are."""
    surveillance_listing(wildcards)
    review = f"{BUILD}/proposals/review.csv"
    if CONFIG.segments.table is None and not Path(review).exists():
        stop(
            f"config: segments.table: wanted a CSV file, got nothing, and there is no {review}; "
            "set it, or run proposals first and decide"
        )
    return CONFIG.segments.table or review
