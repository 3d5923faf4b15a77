# The sets of recorded clips whose occlusion is measured: their clips, shards and settings.
#   reads  the checked configuration, CONFIG
#   writes nothing
#
# Their clips are indexed, and people in them detected, by the rules of the other videos, without
# quotas, in a folder of their own per set.
from occludenet_build.config.measure import SET_NAME

MEASURED = f"{BUILD}/measure/{{set}}"
MEASURE_SHARDS = seeds.shard_names(CONFIG.measure.shards)
MEASURE_CONFIG = dataclasses.replace(
    SURVEILLANCE_CONFIG,
    index=dataclasses.replace(CONFIG.index, shards=CONFIG.measure.shards),
)


def measured_clips(wildcards):
    """The table of the stage that cut the clips of a set: segments for S, else recordings; exits if
    no stage cuts that set."""
    if wildcards.set == "S":
        return f"{BUILD}/segments/clips.parquet"
    known = [one.name for one in CONFIG.recordings.sets]
    if wildcards.set not in known:
        stop(
            "config: train.datasets, measure.sets: wanted S or a name of recordings.sets, which "
            f"has {', '.join(known) or 'none'}, got {wildcards.set}; correct one of them"
        )
    return f"{BUILD}/recordings/clips.parquet"


def measured_tables(wildcards):
    """The tables of measure.sets; exits if none is named."""
    if not CONFIG.measure.sets:
        stop(
            "config: measure.sets: wanted S, I, M or sets of recordings, got none; name them"
        )
    return [f"{BUILD}/measure/{name}/clips.parquet" for name in CONFIG.measure.sets]


def still_objects(wildcards):
    """Sizes of the user's masks of objects that stay in place, by path; none without them."""
    folder = CONFIG.measure.occluders
    if not folder:
        return ""
    masks = sorted(Path(folder).glob("*/*.png"))
    return json.dumps([[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in masks])


def measure_settings(wildcards):
    """The settings that the measures of a clip depend on."""
    whole = settings.stage_settings(CONFIG, "measure")
    del whole["counterfactual"]
    whole["measure"] = {k: v for k, v in whole["measure"].items() if k != "sets"}
    return settings.canonical(whole)


def measured_set_settings(wildcards):
    """The settings that the table of a set depends on besides those of its clips."""
    whole = settings.stage_settings(CONFIG, "measure")
    part = {"shards": CONFIG.measure.shards}
    return settings.canonical(
        {"measure": part, "counterfactual": whole["counterfactual"]}
    )
