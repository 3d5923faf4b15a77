# models: trains and evaluates the networks of models.members, and compares them by degree.
#   reads  annotate/clips.parquet, annotate/labels.json, the clips, weights; of other systems
#          integralaction/<mode>-<seed>.parquet, moc/ap.csv
#   writes models/<member>/<arm>-<seed>.pt, .csv, .parquet, .json, .effect.csv,
#          models/<member>/store/<arm>-<seed>/, models/by_degree.*, models/study.*, models/pairs.csv,
#          models/tables.json


rule acquire_model_weights:
    input:
        member_weights_there,
    output:
        f"{BUILD}/acquire/weights/models/{{member}}.json",
    log:
        f"{BUILD}/logs/acquire/weights-models-{{member}}.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/weights-models-{{member}}.tsv"
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=member_weights_settings,
        version=tried(
            results_version("acquire"), "acquire/weights/models/{member}.json"
        ),
        bytes=member_weights_bytes,
    shell:
        "python -m occludenet_build acquire weights --stage train --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"


use rule train_arm as train_model with:
    input:
        clips=rules.annotate.output.clips,
        labels=rules.annotate.output.labels,
        weights=member_weights,
    output:
        model=f"{BUILD}/models/{{member}}/{{arm}}-{{seed}}.pt",
        curve=f"{BUILD}/models/{{member}}/{{arm}}-{{seed}}.csv",
    log:
        f"{BUILD}/logs/models/{{member}}/train-{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/models/{{member}}/train-{{arm}}-{{seed}}.tsv"
    threads: member_threads
    resources:
        **requests(mem_mb=32000, minutes=2880, gpus=member_gpus("train")),
    params:
        settings=member_arm_settings,
        version=member_train_version,
        root=in_build(),
        weights=weights_option,
        program=member_program,


use rule evaluate_arm as evaluate_model with:
    input:
        clips=rules.annotate.output.clips,
        model=rules.train_model.output.model,
        variants=[],
        lists=member_lists,
    output:
        predictions=f"{BUILD}/models/{{member}}/{{arm}}-{{seed}}.parquet",
        metrics=f"{BUILD}/models/{{member}}/{{arm}}-{{seed}}.json",
        effect=f"{BUILD}/models/{{member}}/{{arm}}-{{seed}}.effect.csv",
    log:
        f"{BUILD}/logs/models/{{member}}/evaluate-{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/models/{{member}}/evaluate-{{arm}}-{{seed}}.tsv"
    resources:
        **requests(mem_mb=16000, minutes=720, gpus=member_gpus("evaluate")),
    params:
        settings=member_evaluate_settings,
        version=member_evaluate_version,
        root=in_build(),


rule models:
    input:
        predictions=models_asked,
        others=other_predictions,
        precisions=other_precisions,
    output:
        by_degree=report(f"{BUILD}/models/by_degree.csv", category="Results"),
        study=report(f"{BUILD}/models/study.csv", category="Results"),
        tables=f"{BUILD}/models/tables.json",
    log:
        f"{BUILD}/logs/models/tables.log",
    benchmark:
        f"{BUILD}/benchmarks/models/tables.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **requests(mem_mb=8000, minutes=60),
    params:
        settings=stage_settings("models"),
        version=results_version("models"),
        out=in_build("models"),
    shell:
        "python -m occludenet_build models --predictions {input.predictions:q}"
        " --others {input.others:q} --precisions {input.precisions:q} --out {params.out:q}"
        " --settings {params.settings:q} --log {log:q}"
