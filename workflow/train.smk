# train: trains the arms, CAR and its baselines, from the same seeds.
#   reads  annotate/clips.parquet, annotate/labels.json, the clips, weights; for S, I and M
#          measure/<set>/clips.parquet, measure/<set>/labels.json
#   writes train/<arm>-<seed>.pt, train/<arm>-<seed>.csv, train/store/<arm>-<seed>/; for S, I and M
#          the same below train/<set>/

TRAIN_PROGRAM = train_program(CONFIG.train.processes)


rule train_arm:
    input:
        clips=rules.annotate.output.clips,
        labels=rules.annotate.output.labels,
        weights=weights_of("train"),
    output:
        model=f"{BUILD}/train/{{arm}}-{{seed}}.pt",
        curve=f"{BUILD}/train/{{arm}}-{{seed}}.csv",
    log:
        f"{BUILD}/logs/train/{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/train/{{arm}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8 * CONFIG.train.processes
    resources:
        **requests(
            mem_mb=32000,
            minutes=2880,
            gpus=device_gpus("train") * CONFIG.train.processes,
        ),
    params:
        settings=arm_settings,
        version=train_version,
        root=in_build(),
        weights=weights_option,
        program=TRAIN_PROGRAM,
    shell:
        "{params.program} occludenet_build train --clips {input.clips:q} --labels {input.labels:q}"
        " --root {params.root:q} --arm {wildcards.arm} --seed {wildcards.seed}"
        " --out {output.model:q} --threads {threads}"
        " {params.weights} --settings {params.settings:q} --log {log:q}"


use rule train_arm as train_recorded_arm with:
    input:
        clips=f"{BUILD}/measure/{{dataset}}/clips.parquet",
        labels=f"{BUILD}/measure/{{dataset}}/labels.json",
        weights=weights_of("train"),
    output:
        model=f"{BUILD}/train/{{dataset}}/{{arm}}-{{seed}}.pt",
        curve=f"{BUILD}/train/{{dataset}}/{{arm}}-{{seed}}.csv",
    log:
        f"{BUILD}/logs/train/{{dataset}}/{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/train/{{dataset}}/{{arm}}-{{seed}}.tsv"
    params:
        settings=recorded_arm_settings,
        version=train_version,
        root=in_build(),
        weights=weights_option,
        program=TRAIN_PROGRAM,


rule train:
    input:
        [f"{BUILD}/train/{arm}.pt" for arm in [*ARMS, *RECORDED_ARMS]],
    localrule: True
