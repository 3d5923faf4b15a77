# What a training, its evaluation, its maps, and the predictions of others depend on.


def arm_settings(wildcards):
    """What one training depends on: another arm, another seed and what only CAR uses rerun none."""
    one = arms.of_training(CONFIG, wildcards.arm, int(wildcards.seed))
    return settings.canonical(settings.room_settings(one, "train"))


def evaluate_settings():
    """Where nothing is erased neither counterfactual's settings nor the seed matter."""
    whole = settings.room_settings(CONFIG, "evaluate")
    erases = CONFIG.evaluate.counterfactuals
    return as_param(whole if erases else {"evaluate": whole["evaluate"]})


def attention_settings():
    """Of evaluate's only the split: how it averages makes no other map."""
    whole = settings.room_settings(CONFIG, "attention")
    return as_param(whole | {"evaluate": {"split": whole["evaluate"]["split"]}})


DUMPS = {}
for dump in CONFIG.predictions.dumps:
    DUMPS.setdefault(dump.slug, []).append(dump)


def dump_files(wildcards):
    """What a model's dumps are read from."""
    dumps = DUMPS[wildcards.model]
    return [p for d in dumps for p in (d.file, d.list, d.label_map) if p]


def dump_settings(wildcards):
    """Only its own dumps: another model's rerun nothing here."""
    dumps = [dataclasses.asdict(dump) for dump in DUMPS[wildcards.model]]
    return settings.canonical({"predictions": {"dumps": dumps}})


def clips_option(wildcards, input):
    return f"--clips {shlex.quote(str(input.clips))}" if input.clips else ""
