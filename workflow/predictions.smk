# predictions: what models of other programs say, as tables like evaluate's.
#   reads  predictions.dumps, annotate/clips.parquet if clips are built here
#   writes predictions/<model>.parquet, predictions/<model>.json

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


rule predictions_model:
    input:
        # a build may have no clips of its own: only other people's numbers
        clips=rules.annotate.output.clips if KINETICS or CONFIG.acquire.videos else [],
        dumps=dump_files,
    output:
        predictions=f"{BUILD}/predictions/{{model}}.parquet",
        summary=f"{BUILD}/predictions/{{model}}.json",
    log:
        f"{BUILD}/logs/predictions/{{model}}.log",
    benchmark:
        f"{BUILD}/benchmarks/predictions/{{model}}.tsv"
    wildcard_constraints:
        model=r"[A-Za-z0-9.+_]+",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 8000,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        settings=dump_settings,
        code=code.digest("predictions"),
        clips=clips_option,
    shell:
        "python -m occludenet_build.predictions --model {wildcards.model} {params.clips}"
        " --out {output.predictions} --settings {params.settings:q} --log {log}"


rule predictions:
    input:
        [f"{BUILD}/predictions/{model}.parquet" for model in DUMPS],
    localrule: True
