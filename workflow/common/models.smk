# The networks of models.members: settings, weights and resources of their jobs.
#   reads  the checked configuration, CONFIG; files of other systems that the build has
#   writes nothing

# Folder of a member -> the configuration with its settings in the sections train and evaluate.
MEMBERS = {one.slug: of_member(CONFIG, one) for one in CONFIG.models.members}

TRAINED_MEMBERS = [
    f"{member}/{arm}-{seed}"
    for member, config in MEMBERS.items()
    for seed in config.train.seeds
    for arm in arms.names(config.train)
]


# Whether the settings name networks to compare; MOC and STADO on another data set are not.
COMPARED = bool(
    MEMBERS
    or CONFIG.integralaction.modes
    or (CONFIG.moc.networks and not CONFIG.moc.truth.file)
)


wildcard_constraints:
    member="|".join(map(re.escape, MEMBERS)) or "none",


def member_arm_settings(wildcards):
    """The settings of one training of a member, without other arms and other seeds."""
    config = MEMBERS[wildcards.member]
    one = arms.of_training(config, wildcards.arm, int(wildcards.seed))
    return settings.canonical(settings.stage_settings(one, "train"))


def member_train_version(wildcards):
    """The version of train, as `train_version`."""
    train = MEMBERS[wildcards.member].train
    version = results_version("train", arms.versioned_part(train, wildcards.arm))
    return tried(version, "models/{member}/{arm}-{seed}.pt")(wildcards)


def member_program(wildcards):
    """What starts the processes of a member's training."""
    return train_program(MEMBERS[wildcards.member].train.processes)


def member_threads(wildcards):
    """CPU threads of a member's training."""
    return 8 * MEMBERS[wildcards.member].train.processes


def member_gpus(stage):
    """GPUs of a job of a member: those of the member that needs most, since the account and the
    partition of a rule are one for all its jobs."""
    numbers = {
        device_gpus(stage, config=config)
        * (config.train.processes if stage == "train" else 1)
        for config in MEMBERS.values()
    }
    return max(numbers, default=0)


def member_evaluate_settings(wildcards):
    """The settings of evaluate for a member."""
    return evaluate_settings(config=MEMBERS[wildcards.member])(wildcards)


def member_evaluate_version(wildcards):
    """The version of evaluate for a member."""
    version = evaluate_version(MEMBERS[wildcards.member])
    return tried(version, "models/{member}/{arm}-{seed}.parquet")(wildcards)


def member_lists(wildcards):
    """The files of the lists that a member is evaluated on."""
    return list_files(MEMBERS[wildcards.member].evaluate)


def member_weights(wildcards):
    """acquire's note about the weights of a member; none if it starts from random weights."""
    needs = MEMBERS[wildcards.member].train.weights
    return f"{BUILD}/acquire/weights/models/{wildcards.member}.json" if needs else []


def member_weights_there(wildcards):
    """No file; exits with one line if the weights of a member that is planned are missing."""
    try:
        settings.require_weights(MEMBERS[wildcards.member].train, "train")
    except UserError as error:
        member = CONFIG.models.name_of(wildcards.member)
        stop(f"config: models.members: {member}: {str(error).removeprefix('config: ')}")
    return []


def member_weights_settings(wildcards):
    """Only the settings that determine the weights file of a member."""
    return weights_part("train", MEMBERS[wildcards.member].train)


def member_weights_bytes(wildcards):
    """As `weights_bytes`, for a member."""
    note = f"{BUILD}/acquire/weights/models/{wildcards.member}.json"
    return bytes_of_weights(MEMBERS[wildcards.member].train.weights, note)


# --- other systems in the table of all --------------------------------------------------------------


def other_predictions(wildcards):
    """The predictions of IntegralAction in its modes, if the settings name one."""
    own = CONFIG.integralaction
    return [
        f"{BUILD}/integralaction/{mode}-{seed}.parquet"
        for mode in trained_modes(own)
        for seed in own.seeds
    ]


def other_precisions(wildcards):
    """The average precisions of MOC and STADO on the clips of this build, if the settings name one
    of them."""
    own = CONFIG.moc
    return [f"{BUILD}/moc/ap.csv"] if own.networks and not own.truth.file else []


def models_asked(wildcards):
    """The predictions of all members; exits if there is nothing to compare, or if the build does
    not make the clips that a member is trained on."""
    if not COMPARED:
        stop(
            "config: models.members: wanted networks, got none; name some (docs/models.md)"
        )
    try:
        for member in CONFIG.models.members:
            with naming(member):
                arms.require_clips(MEMBERS[member.slug])
    except UserError as error:
        stop(error)
    return [f"{BUILD}/models/{name}.parquet" for name in TRAINED_MEMBERS]
