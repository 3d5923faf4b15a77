# evaluate: predictions per clip, top-1 and top-5 per set, and the causal effect per class.
#   reads  train/<arm>-<seed>.pt, annotate/clips.parquet, the clips, the lists of evaluate.lists
#   writes evaluate/<arm>-<seed>.parquet, .json, .effect.csv; for S, I and M the same below
#          evaluate/<set>/


rule evaluate_arm:
    input:
        clips=rules.annotate.output.clips,
        model=rules.train_arm.output.model,
        variants=variant_clips,
        lists=list_files(CONFIG.evaluate),
    output:
        predictions=f"{BUILD}/evaluate/{{arm}}-{{seed}}.parquet",
        metrics=f"{BUILD}/evaluate/{{arm}}-{{seed}}.json",
        effect=f"{BUILD}/evaluate/{{arm}}-{{seed}}.effect.csv",
    log:
        f"{BUILD}/logs/evaluate/{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/evaluate/{{arm}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        **requests(mem_mb=16000, minutes=720, gpus=device_gpus("evaluate")),
    params:
        settings=evaluate_settings(),
        version=tried(evaluate_version(), "evaluate/{arm}-{seed}.parquet"),
        root=in_build(),
    shell:
        "python -m occludenet_build evaluate --clips {input.clips:q} --model {input.model:q}"
        " --more {input.variants:q}"
        " --root {params.root:q} --out {output.predictions:q} --threads {threads}"
        " --settings {params.settings:q} --log {log:q}"


use rule evaluate_arm as evaluate_recorded_arm with:
    input:
        clips=rules.train_recorded_arm.input.clips,
        model=rules.train_recorded_arm.output.model,
        variants=[],
        lists=[],
    output:
        predictions=f"{BUILD}/evaluate/{{dataset}}/{{arm}}-{{seed}}.parquet",
        metrics=f"{BUILD}/evaluate/{{dataset}}/{{arm}}-{{seed}}.json",
        effect=f"{BUILD}/evaluate/{{dataset}}/{{arm}}-{{seed}}.effect.csv",
    log:
        f"{BUILD}/logs/evaluate/{{dataset}}/{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/evaluate/{{dataset}}/{{arm}}-{{seed}}.tsv"
    params:
        settings=evaluate_settings(lists=()),
        version=tried(evaluate_version(), "evaluate/{dataset}/{arm}-{seed}.parquet"),
        root=in_build(),


rule evaluate:
    input:
        [f"{BUILD}/evaluate/{arm}.parquet" for arm in [*ARMS, *RECORDED_ARMS]],
    localrule: True
