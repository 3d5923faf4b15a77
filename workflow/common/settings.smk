# The settings that each stage depends on, as the param `settings` of its rules.
#   reads  the checked configuration, CONFIG
#   writes nothing
#
# Snakemake compares params as a set without names, so the settings of a job are one canonical JSON
# string. The order of keys and an explicit default do not change it; two swapped values do.


def as_param(values):
    """Settings as one canonical JSON string."""
    return verbatim(settings.canonical(values))


def stage_settings(name, config=CONFIG):
    """The settings of a stage: its section, the sections it borrows, the seed if it draws."""
    return as_param(settings.stage_settings(config, name))


# Once for a start: jobs of this start that leave failures count the number up.
attempts = functools.cache(failures.attempts)


def tried(version, table):
    """The version of a rule's results, and how often it is to try again what failed.

    `table`: its output table, below the build folder, with the wildcards of the rule. A job that
    leaves items with reasons that may pass counts the number up (core.failures), so that the next
    start runs it again.
    """

    def text(wildcards):
        count = attempts(f"{BUILD}/{table.format(**dict(wildcards.items()))}")
        return f"{version}, attempt {count}" if count else version

    return text


def kinetics_version():
    """`tried` for kinetics, and the state of a mirror that lacked clips, once it is another one."""
    table = "kinetics/clips.parquet"
    version = tried(results_version("kinetics"), table)

    @functools.cache
    def mirror():
        root = CONFIG.kinetics.mirror if CONFIG.kinetics.route == "mirror" else None
        return changed_state(f"{BUILD}/{table}", root)

    return lambda wildcards: version(wildcards) + (mirror() and f", mirror {mirror()}")


def detect_version(folder):
    """`tried` for a rule that runs detect on shards in this folder, below the build folder."""
    backend = CONFIG.detect.backend
    version = with_backend_version(results_version("detect"), "detect", backend)
    return tried(version, f"{folder}/{{shard}}.parquet")


def acquire_settings(*names):
    """The seed and the settings of acquire that one of its rules depends on."""
    whole = settings.stage_settings(CONFIG, "acquire")
    part = {name: whole["acquire"][name] for name in names if name in whole["acquire"]}
    return as_param(whole | {"acquire": part})


def coco_settings(wildcards):
    """Only the settings that determine the files of COCO."""
    needed("acquire", "coco_instances")
    own = dataclasses.asdict(CONFIG.acquire)
    names = ("coco_instances", "coco_member", "coco_sha256", "coco_images")
    part = {"acquire": {name: own[name] for name in names}}
    if CONFIG.acquire.coco_images is None or is_url(CONFIG.acquire.coco_images):
        # The images are downloaded, and only those that the bank can use.
        bank = dataclasses.asdict(CONFIG.occluders)
        names = ("categories", "min_pixels", "gates")
        part["occluders"] = {name: bank[name] for name in names}
    return settings.canonical(part)


def weights_settings(wildcards):
    """Only the settings that determine the weights file."""
    if wildcards.stage in ("detect", "actor_masks", "poses"):
        require_files(wildcards.stage)
    return weights_part(wildcards.stage, getattr(CONFIG, wildcards.stage))


def weights_part(stage, section):
    """Of the settings of a stage, those that determine its weights file."""
    names = ["weights", "weights_sha256"]
    if stage == "train" and section.backbone == "hf":
        # a folder or a name of transformers is accepted with their backbone only
        names.append("backbone")
    return settings.canonical({stage: {name: getattr(section, name) for name in names}})


ENGINES_OF = {
    "detect": ("backend", "engine", "device"),
    "actor_masks": ("backend", "engine", "device", "sam_model"),
}
"""Stage with engines -> its settings that the choice and the export depend on."""


def engine_settings(wildcards):
    """Only the settings that determine the engine of a stage, and its export."""
    section = getattr(CONFIG, wildcards.stage)
    names = ENGINES_OF[wildcards.stage]
    return settings.canonical(
        {wildcards.stage: {name: getattr(section, name) for name in names}}
    )


def arm_settings(wildcards):
    """The settings of one training, without other arms, other seeds and unused settings of CAR."""
    one = arms.of_training(CONFIG, wildcards.arm, int(wildcards.seed))
    return settings.canonical(settings.stage_settings(one, "train"))


def recorded_arm_settings(wildcards):
    """The settings of one training on S, I or M; exits if the arm cannot be trained on it."""
    arm, seed = wildcards.arm, int(wildcards.seed)
    try:
        one = arms.of_training(CONFIG, arm, seed, wildcards.dataset)
    except UserError as error:
        stop(str(error))
    return settings.canonical(settings.stage_settings(one, "train"))


def train_version(wildcards):
    """`tried` for a training; the version of its part `pairs` is that of arms of pairs only."""
    version = results_version("train", arms.versioned_part(CONFIG.train, wildcards.arm))
    folder = "train/{dataset}" if "dataset" in wildcards.keys() else "train"
    return tried(version, f"{folder}/{{arm}}-{{seed}}.pt")(wildcards)


def evaluate_version(config=CONFIG):
    """Version of evaluate; that of its part `erased` only where counterfactuals are predicted, that
    of the published protocol only where it is asked for and was another one before."""
    part = None if config.evaluate.counterfactuals else "evaluate"
    version = results_version("evaluate", part)
    return with_protocol_version(version, config.evaluate, config.train.backbone)


def evaluate_settings(lists=None, config=CONFIG):
    """The settings of evaluate; without counterfactuals, those of their fills are left out.

    `lists`: none for S, I and M, since the lists have the labels of D; None: those of the settings.
    """
    own = config.evaluate
    if lists is not None:
        own = dataclasses.replace(own, lists=lists)
    whole = settings.stage_settings(
        dataclasses.replace(config, evaluate=own), "evaluate"
    )
    erases = own.counterfactuals
    return as_param(whole if erases else {"evaluate": whole["evaluate"]})


def variants_settings(*named):
    """The settings of variants; of the sections that it borrows, those that its clips depend on.

    `named`: the settings of its own section that its clips depend on; none: all of them.
    """
    whole = settings.stage_settings(CONFIG, "variants")
    own = {name: whole["variants"][name] for name in named} or whole["variants"]
    split = {"split": whole["evaluate"]["split"]}
    return as_param(whole | {"variants": own, "evaluate": split})


def outside_settings(wildcards):
    """The settings of outside; of composite's, the name of the dataset."""
    dataset = {"dataset": CONFIG.composite.dataset}
    own = dataclasses.asdict(CONFIG.outside)
    return settings.canonical({"outside": own, "composite": dataset})


def attention_settings():
    """The settings of attention; of evaluate's settings only the split affects the maps."""
    whole = settings.stage_settings(CONFIG, "attention")
    return as_param(whole | {"evaluate": {"split": whole["evaluate"]["split"]}})


def export_settings(wildcards):
    """The settings of export for one format: of the label maps, its own."""
    own = key_values(CONFIG.export)
    own["label_maps"] = [
        m for m in own["label_maps"] if m["format"] == wildcards.format
    ]
    return settings.canonical({"export": {k: own[k] for k in own if k != "formats"}})


def questions_settings():
    """The settings of questions; of evaluate's settings only the split and the lists matter."""
    whole = settings.stage_settings(CONFIG, "questions")
    part = {name: whole["evaluate"][name] for name in ("split", "lists")}
    return as_param(whole | {"evaluate": part})


DUMPS = {}
for dump in CONFIG.predictions.dumps:
    DUMPS.setdefault(dump.slug, []).append(dump)


def dump_settings(wildcards):
    """Only the model's own dumps, so that those of other models rerun nothing."""
    dumps = [key_values(dump) for dump in DUMPS[wildcards.model]]
    return settings.canonical({"predictions": {"dumps": dumps}})


def audit_settings():
    """The settings of detect with the detector of audit."""
    second = dataclasses.replace(
        CONFIG.detect,
        backend=CONFIG.audit.backend,
        weights=CONFIG.audit.weights,
        weights_sha256=CONFIG.audit.weights_sha256,
        torchvision_model=CONFIG.audit.torchvision_model,
        image_size=CONFIG.audit.image_size,
        boxes=None,
        engine="torch",
        actor="prominent" if CONFIG.detect.actor == "file" else CONFIG.detect.actor,
    )
    return stage_settings("detect", dataclasses.replace(CONFIG, detect=second))


def fill_settings(wildcards):
    """The settings of composite with another fill, and with counterfactual clips as files."""
    other = dataclasses.replace(CONFIG.counterfactual, fill=wildcards.fill, files=True)
    changed = dataclasses.replace(CONFIG, counterfactual=other)
    return settings.canonical(settings.stage_settings(changed, "composite"))


# Surveillance videos are listed and indexed, and people detected, by the rules of the other videos,
# without quotas and in a folder of their own.
SURVEILLANCE_VIDEOS = (
    f"{FETCHED}/surveillance/videos"
    if CONFIG.segments.archives
    else CONFIG.segments.videos
)
SURVEILLANCE_CONFIG = dataclasses.replace(
    CONFIG,
    acquire=dataclasses.replace(
        CONFIG.acquire, videos=SURVEILLANCE_VIDEOS, layout="auto"
    ),
    # With actor `all`, the box around all people would be proposed as another person.
    detect=dataclasses.replace(
        CONFIG.detect,
        actor="prominent" if CONFIG.detect.actor == "all" else CONFIG.detect.actor,
    ),
    select=settings.Select(quota=settings.Quota(None, None, None)),
)
