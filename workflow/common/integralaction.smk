# IntegralAction: its networks, their poses and settings.
#   reads  the checked configuration, CONFIG
#   writes nothing
from occludenet_build.config.integralaction import BOTH, for_mode, trained_modes


def integralaction_poses(wildcards):
    """The tables of poses that a mode sees; none for rgb_only."""
    if wildcards.mode == "rgb_only":
        return []
    return expand(f"{BUILD}/poses/{{shard}}.parquet", shard=CLIP_SHARDS)


def integralaction_starts(wildcards):
    """The networks that rgb_pose starts from; none for the others."""
    names = trained_modes(CONFIG.integralaction)[:2] if wildcards.mode == BOTH else ()
    return [f"{BUILD}/integralaction/{name}-{wildcards.seed}.pt" for name in names]


def starts_option(wildcards, input):
    """The networks that rgb_pose starts from, as an option."""
    paths = map(shlex.quote, map(str, input.starts))
    return f"--starts {' '.join(paths)}" if input.starts else ""


def integralaction_weights(wildcards):
    """acquire's note about the ImageNet weights; none for rgb_pose, which has those of the others."""
    return [] if wildcards.mode == BOTH else weights_of("integralaction")


def integralaction_mode_settings(wildcards):
    """The settings of one training, without those of other modes and of the evaluation."""
    one = for_mode(CONFIG.integralaction, wildcards.mode, int(wildcards.seed))
    return settings.canonical({"seed": CONFIG.seed, "integralaction": key_values(one)})


def integralaction_test_settings():
    """The settings of an evaluation: frames and sizes are those that the network was trained with."""
    whole = key_values(CONFIG.integralaction)
    names = ("views", "split", "lists", "device", "workers")
    return as_param({"integralaction": {name: whole[name] for name in names}})


def integralaction_listings(wildcards):
    """Digest of the names and sizes of the poses of the further evaluation sets."""
    folders = [
        plain_path(listed.poses)
        for listed in CONFIG.integralaction.lists
        if wildcards.mode != "rgb_only"
    ]
    return "".join(listing_digest(path) for path in folders if Path(path).is_dir())


def integralaction_lists(wildcards):
    """The files of the further evaluation sets."""
    return [
        plain_path(path)
        for listed in CONFIG.integralaction.lists
        for path in (listed.file, listed.label_map, listed.classes)
        if path
    ]


def integralaction_predictions(wildcards):
    """The tables of predictions of all networks; exits if no mode is named."""
    modes = trained_modes(CONFIG.integralaction)
    if not modes:
        stop(
            "config: integralaction.modes: wanted some of rgb_only, pose_only, rgb_pose, got none; "
            "set it"
        )
    return [
        f"{BUILD}/integralaction/{mode}-{seed}.parquet"
        for seed in CONFIG.integralaction.seeds
        for mode in modes
    ]
