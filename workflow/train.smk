# train: CAR and its baseline, from the same seed.
#   reads  annotate/clips.parquet, annotate/labels.json, the clips, weights
#   writes train/<arm>-<seed>.pt, train/<arm>-<seed>.csv


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
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 32000,
        runtime=lambda wildcards, attempt: attempt * 2880,
        gpu=device_gpus("train"),
    params:
        settings=room_settings("train"),
        code=code.digest("train"),
        root=lambda wildcards: BUILD,
        weights=weights_option,
    shell:
        "python -m occludenet_build.train --clips {input.clips} --labels {input.labels}"
        " --root {params.root} --arm {wildcards.arm} --seed {wildcards.seed}"
        " --out {output.model} --threads {threads}"
        " {params.weights} --settings {params.settings:q} --log {log}"


rule train:
    input:
        [f"{BUILD}/train/{arm}.pt" for arm in ARMS],
    localrule: True
