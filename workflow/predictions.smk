# predictions: converts predictions of models in other programs into tables like those of evaluate.
#   reads  predictions.dumps, annotate/clips.parquet if the build has clips
#   writes predictions/<model>.parquet, predictions/<model>.json


rule predictions_model:
    input:
        clips=rules.annotate.output.clips if BUILDS_CLIPS else [],
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
        **requests(mem_mb=8000, minutes=30),
    params:
        settings=dump_settings,
        version=results_version("predictions"),
        clips=clips_option,
    shell:
        "python -m occludenet_build predictions --model {wildcards.model} {params.clips}"
        " --out {output.predictions:q} --settings {params.settings:q} --log {log:q}"


rule predictions:
    input:
        [f"{BUILD}/predictions/{model}.parquet" for model in DUMPS],
    localrule: True
