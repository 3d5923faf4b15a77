# attention: Grad-CAM maps of the trained networks, as numbers and pictures.
#   reads  train/<arm>-<seed>.pt, annotate/clips.parquet, annotate/frames/, the clips
#   writes attention/<arm>-<seed>.parquet, attention/<arm>-<seed>/, attention/summary.csv


rule attention_arm:
    input:
        clips=rules.annotate.output.clips,
        model=rules.train_arm.output.model,
    output:
        maps=f"{BUILD}/attention/{{arm}}-{{seed}}.parquet",
        pictures=directory(f"{BUILD}/attention/{{arm}}-{{seed}}"),
    log:
        f"{BUILD}/logs/attention/{{arm}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/attention/{{arm}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        **requests(mem_mb=16000, minutes=720, gpus=device_gpus("attention")),
    params:
        settings=attention_settings(),
        version=tried(results_version("attention"), "attention/{arm}-{seed}.parquet"),
        root=in_build(),
    shell:
        "python -m occludenet_build attention --clips {input.clips:q} --model {input.model:q}"
        " --root {params.root:q} --out {output.maps:q} --threads {threads}"
        " --settings {params.settings:q} --log {log:q}"


rule attention:
    input:
        [f"{BUILD}/attention/{arm}.parquet" for arm in ARMS],
    output:
        f"{BUILD}/attention/summary.csv",
    log:
        f"{BUILD}/logs/attention/summary.log",
    benchmark:
        f"{BUILD}/benchmarks/attention_summary.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        **requests(mem_mb=4000, minutes=30),
    params:
        settings=as_param({"seed": CONFIG.seed}),
        version=results_version("attention"),
    shell:
        "python -m occludenet_build attention --tables {input:q} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"
