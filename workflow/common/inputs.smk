# Input functions: tables of shards, weights, the user's files, and the options that pass them on.
#   reads  the checked configuration, CONFIG; the notes of acquire from an earlier run
#   writes nothing

# --- shards ---------------------------------------------------------------------------------------
# The tables of shards are not outputs of the checkpoint that writes them. Only their content
# counts, so that another video reruns one shard. An input function that calls a finished checkpoint
# leaves no edge in the DAG, and Snakemake would miss a change before the checkpoint. Rules that read
# shard tables therefore also have the checkpoint's own table as ancient() input, which is an edge
# and no reason to rerun.


def index_shard(wildcards):
    """The table of a shard of the index."""
    checkpoints.index.get()
    return f"{BUILD}/index/shards/{wildcards.shard}.parquet"


def select_shard(wildcards):
    """The table of a shard of the chosen clips."""
    checkpoints.select.get()
    return f"{BUILD}/select/shards/{wildcards.shard}.parquet"


def folder_of(path):
    """A folder of tables below the build folder, quoted for a shell text.

    Commands that read the tables of all shards get their folder and --shards: a list of them would
    not fit into a command line. Neither is a param: they change no result.
    """
    return shlex.quote(f"{BUILD}/{path}")


def masks_of(wildcards):
    """The masks of a shard, if composite erases actors or measures occlusion by masks."""
    by_masks = CONFIG.composite.scale_mode == "target"
    needs_masks = CONFIG.counterfactual.splits or by_masks
    return f"{BUILD}/actor_masks/{wildcards.shard}.parquet" if needs_masks else []


def option(name, path):
    """A command-line option with a path, or nothing for an input that the rule does not have."""
    return f"--{name} {shlex.quote(str(path))}" if path else ""


def masks_option(wildcards, input):
    """The masks as an option."""
    return option("masks", input.masks)


def clips_option(wildcards, input):
    """The table of clips as an option."""
    return option("clips", input.clips)


# --- networks and their weights -------------------------------------------------------------------


def device_gpus(name, of=None, config=CONFIG):
    """Number of GPUs that a job requests: 0 if it runs no network, a small one, or on the CPU.

    `of`: the stage whose device it uses, if that is another stage.
    """
    section = getattr(config, of or name)
    device = section.device
    small = (
        name in OF_BACKBONE
        and config.train.backbone in SMALL_BACKBONES
        and device == "auto"
    )
    own_gpu = device != "cpu" and getattr(section, "engine", None) != "openvino"
    return int(runs_network(config, name) and own_gpu and not small)


def require_files(*stages):
    """Exit with one line if the backend of a stage needs a file that is not set."""
    try:
        for stage in stages:
            settings.require_file(getattr(CONFIG, stage), stage)
    except UserError as error:
        stop(error)


def weights_of(name):
    """acquire's note about the weights of a stage; none if it needs no weights."""
    own = name in ("train", "integralaction", "moc")
    needs = getattr(CONFIG, name).weights if own else runs_network(CONFIG, name)
    if needs and exports_weights(name, getattr(CONFIG, name)):
        return f"{BUILD}/acquire/engines/{name}.json"
    return weights_note(name) if needs else []


def weights_note(name):
    """The note about the weights alone, without an engine."""
    return f"{BUILD}/acquire/weights/{name}.json"


def engine_gpus():
    """Number of GPUs of a job that chooses an engine: as many as a job with the network."""
    stages = [s for s in ENGINES_OF if exports_weights(s, getattr(CONFIG, s))]
    return max(map(device_gpus, stages), default=0)


def engine_is_there(wildcards):
    """False where an export has been removed, so that it is made again."""
    note = Path(f"{BUILD}/acquire/engines/{wildcards.stage}.json")
    try:
        model = json.loads(note.read_text())["engine"].get("model")
        return model is None or (note.parent / model).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return True  # no note yet, or a damaged one, which the stages refuse


def weights_there(wildcards):
    """No file; exits with one line if the weights of a stage that is planned are missing."""
    try:
        settings.require_weights(getattr(CONFIG, wildcards.stage), wildcards.stage)
    except UserError as error:
        stop(error)
    return []


def audit_weights(wildcards):
    """The note about the second detector's weights; exits if they are not set."""
    note = weights_of("audit")
    if note:
        needed("audit", "weights")
    return note


def weights_option(wildcards, input):
    """acquire's note, which has the path and the hash of the weights, as an option."""
    return option("weights", input.weights)


def note_is_void(note, *keys):
    """Whether acquire has written a note that is damaged, or that names a file that is gone."""
    if not note.exists():
        return False
    try:
        noted = json.loads(note.read_text())
        return not all(Path(noted[key]).exists() for key in keys)
    except (ValueError, KeyError, TypeError):
        return True


def weights_bytes(wildcards):
    """`bytes_of_weights` of a stage."""
    note = f"{BUILD}/acquire/weights/{wildcards.stage}.json"
    return bytes_of_weights(getattr(CONFIG, wildcards.stage).weights, note)


def bytes_of_weights(weights, note):
    """Size of the user's weights file; for a downloaded one, 0, or -1 if it has been removed."""
    if not is_url(weights):
        return size_of(weights)
    return -1 if note_is_void(Path(note), "path") else 0


def list_files(evaluate):
    """The files that the lists of a section evaluate name."""
    return [
        plain_path(path)
        for listed in evaluate.lists
        for path in (listed.file, listed.label_map)
        if path
    ]


def train_program(processes):
    """What starts the processes of a training."""
    if processes == 1:
        return "python -m"
    # Without --, torchrun parses --log itself.
    return (
        "env OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node"
        f" {processes} -m --"
    )


def user_boxes(wildcards):
    """The user's boxes with the backend file; exits if a file of the backend is not set."""
    require_files("detect")
    return plain_path(CONFIG.detect.boxes) if CONFIG.detect.backend == "file" else []


def user_poses():
    """The user's table or folder of poses; none with a network."""
    return None if runs_network(CONFIG, "poses") else CONFIG.poses.file


def poses_files(wildcards):
    """The user's poses, a table; exits if a file of the backend is not set."""
    require_files("poses")
    file = user_poses()
    return plain_path(file) if file and not Path(file).is_dir() else []


def poses_listing(wildcards):
    """Digest of the listing of the user's folder of poses; none for a table, which is an input."""
    file = user_poses()
    return digest_of(file) if file and Path(file).is_dir() else ""


# --- the user's files -----------------------------------------------------------------------------


def digest_of(folder):
    """Digest of the listing of a folder; exits with one line if it cannot be listed."""
    try:
        return listing_digest(folder)
    except UserError as error:
        stop(error)


def size_of(path):
    """Size of a file, or of a folder's files, bytes; -1 if away: what reads it will say so."""
    try:
        if Path(path).is_dir():
            return sum(
                one.stat().st_size for one in Path(path).iterdir() if one.is_file()
            )
        return Path(path).stat().st_size
    except OSError:
        return -1


def videos_listing(wildcards):
    """Digest of the listing of the user's folder; none with Kinetics, whose table is an input."""
    return "" if KINETICS else digest_of(needed("acquire", "videos"))


def outside_folder(wildcards):
    """The folder of another program's counterfactuals; exits if it is not set."""
    return needed("outside", "folder")


def outside_listing(wildcards):
    """Digest of the listing of that folder."""
    return digest_of(needed("outside", "folder"))


def pictures_listing(wildcards):
    """Digest of the listing of variants.pictures; none without it."""
    folder = CONFIG.variants.pictures
    return digest_of(folder) if folder else ""


def variant_clips(wildcards):
    """The table of the derived test sets, if the settings ask for some."""
    return f"{BUILD}/variants/clips.parquet" if CONFIG.variants.sets else []


def coco_bytes(wildcards):
    """Size of the user's instances file; for downloaded files, 0, or -1 if one has been removed."""
    note = Path(f"{BUILD}/acquire/coco.json")
    if note_is_void(note, "images", "instances"):
        return -1
    named = CONFIG.acquire.coco_instances
    return 0 if is_url(named) else size_of(named)


def dump_files(wildcards):
    """The files of a model's dumps."""
    dumps = DUMPS[wildcards.model]
    return [plain_path(p) for d in dumps for p in (d.file, d.list, d.label_map) if p]


# --- other fills, on a sample of the clips --------------------------------------------------------


def question_models(wildcards):
    """The tables of predictions that give the distractors."""
    if CONFIG.questions.distractors == "random":
        return []
    known = {arm: f"{BUILD}/evaluate/{arm}.parquet" for arm in ARMS if BUILDS_CLIPS}
    known |= {model: f"{BUILD}/predictions/{model}.parquet" for model in DUMPS}
    names = CONFIG.questions.models or tuple(arm for arm in ARMS if arm in known)
    for name in names:
        if name not in known:
            stop(
                f"config: questions.models: wanted some of {', '.join(known)}, got {name}; change it"
            )
    return [known[name] for name in names]


def built_sets():
    """The sets that composite builds: clean, and D by its scales."""
    return {CLEAN, *map(set_name, CONFIG.composite.scales)}


def export_measured(wildcards):
    """The tables of S, I and M: those of export.sets, or all that the settings or the build have.

    What is exported must not depend on which of them are finished when an export starts.
    """
    found = {path.parent.name for path in Path(BUILD).glob("measure/*/clips.parquet")}
    others = sorted({*CONFIG.export.sets} - built_sets())
    unknown = [name for name in others if name.startswith("D-")]
    if unknown:
        stop(
            f"config: export.sets: wanted sets of composite.scales ({', '.join(sorted(built_sets()))}), "
            f"or S, I, M, got {', '.join(unknown)}; correct it"
        )
    every = sorted({*found, *CONFIG.measure.sets, *RECORDED})
    wanted = others if CONFIG.export.sets else every
    return [f"{BUILD}/measure/{name}/clips.parquet" for name in wanted]


def exports_built_sets():
    """Whether the settings build and export clean or some of D."""
    wanted = not CONFIG.export.sets or {*CONFIG.export.sets} & built_sets()
    return bool(BUILDS_CLIPS and wanted)


def export_annotated(wildcards):
    """The annotations of D, if the settings build and export some of it."""
    return f"{BUILD}/annotate/clips.parquet" if exports_built_sets() else []


def export_poses(wildcards):
    """The tables of poses, for the format that holds skeletons: all of them if the settings say
    where poses come from, else those that the build has."""
    if wildcards.format != "integralaction" or not exports_built_sets():
        return []
    if CONFIG.poses.weights or CONFIG.poses.file:
        return expand(f"{BUILD}/poses/{{shard}}.parquet", shard=CLIP_SHARDS)
    return sorted(map(str, Path(BUILD).glob("poses/[0-9]*.parquet")))


def export_label_map(wildcards):
    """The label map of the program that reads a format; none without one."""
    maps = CONFIG.export.label_maps
    return [plain_path(one.file) for one in maps if one.format == wildcards.format]


def exported_formats(wildcards):
    """The exports that the settings ask for; exits if there are none."""
    if not CONFIG.export.formats:
        stop(
            f"config: export.formats: wanted some of {', '.join(FORMATS)}, got none; set it"
        )
    return [f"{BUILD}/export/{name}/export.json" for name in CONFIG.export.formats]


def fill_sources(wildcards):
    """The table of the source clips: all clips for `built` and `outside`, else the sample."""
    if wildcards.fill in ("built", "outside"):
        return select_shard(wildcards)
    return f"{BUILD}/residual_actor/sample/{wildcards.shard}.parquet"


def fill_is_built(wildcards):
    """Whether the build itself has the clips of a fill; `none` stands for the occluded clips."""
    return wildcards.fill in ("built", "outside", "none", CONFIG.counterfactual.fill)


def fill_folder(wildcards):
    """The folder to which the paths of these clips are relative."""
    own = f"{BUILD}/residual_actor/{wildcards.fill}"
    return BUILD if fill_is_built(wildcards) else own


def fill_clips(wildcards):
    """The table of the clips: counterfactuals, or occluded clips for `none`."""
    kinds = {"none": "composite", "outside": "outside"}
    kind = kinds.get(wildcards.fill, "counterfactual")
    return f"{fill_folder(wildcards)}/{kind}/{wildcards.shard}.parquet"


def fill_name(wildcards):
    """The fill's name in the settings; `none` for the occluded clips."""
    return CONFIG.counterfactual.fill if wildcards.fill == "built" else wildcards.fill


# --- surveillance videos --------------------------------------------------------------------------

SURVEILLANCE_FETCHED = (
    [f"{SURVEILLANCE}/archives.json"] if CONFIG.segments.archives else []
)


def surveillance_listing(wildcards):
    """Digest of the listing of segments.videos; none with archives, whose table is an input."""
    return "" if SURVEILLANCE_FETCHED else digest_of(needed("segments", "videos"))


def proposal_keypoints(wildcards):
    """The user's joints of the people in surveillance videos; none without them."""
    named = CONFIG.proposals.keypoints
    return plain_path(named) if named else []


def keypoints_option(wildcards, input):
    """The user's joints as an option."""
    return option("keypoints", input.keypoints)


def segments_table(wildcards):
    """The user's table, or the review that they filled in; exits if there is neither."""
    surveillance_listing(wildcards)
    review = f"{BUILD}/proposals/review.csv"
    if CONFIG.segments.table is None and not Path(review).exists():
        stop(
            f"config: segments.table: wanted a CSV file, got nothing, and there is no {review}; "
            "set it, or run proposals first and decide"
        )
    return plain_path(CONFIG.segments.table) if CONFIG.segments.table else review


# --- recordings -----------------------------------------------------------------------------------


def recordings_tables(wildcards):
    """The tables of recordings.sets; exits if there are no sets, or a table is missing."""
    if not CONFIG.recordings.sets:
        stop(
            "config: recordings.sets: wanted a list of sets, got none; set it "
            "(docs/recordings.md)"
        )
    tables = [one.table_file for one in CONFIG.recordings.sets if one.table_file]
    for table in tables:
        if not Path(table).exists():
            stop(
                f"config: recordings.sets: wanted a table or a pattern, got neither, and there is no "
                f"{table}; set one"
            )
    return [plain_path(table) for table in tables]


def recordings_listing(wildcards):
    """Digests of the listings of the folders of recordings.sets, and of a folder of boxes."""
    folders = [one.folder for one in CONFIG.recordings.sets]
    folders += [path for path in anonymity_paths() if Path(path).is_dir()]
    return " ".join(digest_of(folder) for folder in folders)


def anonymity_paths():
    """The files and folders that say who may be seen in recordings, and what is hidden."""
    own, consent = CONFIG.recordings.anonymity, CONFIG.recordings.consent
    hides = CONFIG.recordings.anonymise != "off"
    named = [own.weights, own.boxes, own.check_weights] if hides else []
    return [path for path in (consent, *named) if path]


def anonymity_files(wildcards):
    """Those of them that are files."""
    return [plain_path(path) for path in anonymity_paths() if not Path(path).is_dir()]
