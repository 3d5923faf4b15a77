# MOC and STADO: their inputs and settings.
#   reads  the checked configuration, CONFIG
#   writes nothing
from occludenet_build.config.moc import (
    NETWORKS,
    TRAININGS,
    for_training,
    set_parts,
    with_sets,
)

MOC = with_sets(CONFIG.moc, [set_name(scale) for scale in CONFIG.composite.scales])
DETECTORS = [
    f"{network}-{trained_on}-{seed}"
    for seed in MOC.seeds
    for network in MOC.networks
    for trained_on in MOC.trained_on
]


def moc_bases(names):
    """The sets of the build that these sets are made of; none with a pickle."""
    return {set_parts(name)[0] for name in names} if MOC.truth.file is None else set()


def moc_annotated(names):
    """The annotations of D, if one of the sets is of it."""
    return f"{BUILD}/annotate/clips.parquet" if moc_bases(names) & built_sets() else []


def moc_measured(names):
    """The tables of S, I and M of the sets; exits if one has a name that nothing builds."""
    others = sorted(moc_bases(names) - built_sets())
    known = {*CONFIG.measure.sets, *RECORDED, "S", "I", "M"}
    unknown = [name for name in others if name not in known]
    if unknown:
        stop(
            "config: moc: wanted sets of composite.scales "
            f"({', '.join(sorted(built_sets()))}), or S, I, M, with _25, _33, _50 or without, got "
            f"{', '.join(unknown)}; correct moc.occluded or moc.tests"
        )
    return [f"{BUILD}/measure/{name}/clips.parquet" for name in others]


def moc_cut_outs(names):
    """The bank of cut-outs, if one of the sets has STADO's static occluders."""
    static = any(n for _, n in map(set_parts, names))
    return f"{BUILD}/occluders/occluders.parquet" if static else []


def moc_masks(names):
    """The tables of masks of the actors, which composite does not always need: attention learns
    them, and is measured by them."""
    if not moc_bases(names) & built_sets():
        return []
    return expand(f"{BUILD}/actor_masks/{{shard}}.parquet", shard=CLIP_SHARDS)


def moc_train_sets(wildcards):
    """The sets that a training reads."""
    return for_training(
        MOC, wildcards.detector, wildcards.trained_on, int(wildcards.seed)
    ).occluded


def moc_train_inputs(wildcards):
    """The tables that a training reads, and those of its weights."""
    names = moc_train_sets(wildcards)
    needs_masks = wildcards.detector == "stado"
    tables = [moc_annotated(names), *moc_measured(names), moc_cut_outs(names)]
    return [one for one in tables if one] + (moc_masks(names) if needs_masks else [])


def moc_test_inputs(wildcards):
    """The tables that an evaluation reads."""
    names = MOC.tests
    needs_masks = wildcards.detector != "moc"
    tables = [moc_annotated(names), *moc_measured(names), moc_cut_outs(names)]
    return [one for one in tables if one] + (moc_masks(names) if needs_masks else [])


def moc_pickle(wildcards):
    """The user's pickle of tubes."""
    return [plain_path(MOC.truth.file)] if MOC.truth.file else []


def moc_frames(wildcards):
    """Digest of the listing of the folder of its frames; none without it."""
    return digest_of(MOC.truth.frames) if MOC.truth.frames else ""


def moc_train_settings(wildcards):
    """The settings of one training, without those of others and of the evaluation."""
    one = for_training(
        MOC, wildcards.detector, wildcards.trained_on, int(wildcards.seed)
    )
    return settings.canonical({"seed": CONFIG.seed, "moc": key_values(one)})


def moc_test_settings():
    """The settings of an evaluation: frames and sizes are those that the network was trained with."""
    whole = key_values(MOC)
    names = ("tests", "split", "truth", "objects", "flip_test", "test_step", "frames")
    own = {name: whole[name] for name in (*names, "device", "workers")}
    faults = [one for one in MOC.as_released if one in ("soft_nms", "flip")]
    return as_param(
        {"seed": CONFIG.seed, "moc": own | {"as_released": faults, "choice": "last"}}
    )


def moc_evaluations(wildcards):
    """The evaluations of all networks; exits if none is named."""
    if not DETECTORS:
        stop(
            f"config: moc.networks: wanted some of {', '.join(NETWORKS)}, got none; set it"
        )
    kinds = ("json", "attention.parquet")
    return [f"{BUILD}/moc/{name}.{kind}" for name in DETECTORS for kind in kinds]
