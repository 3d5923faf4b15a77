# composite: the occluded clips at every scale, the clean twin, the ground truth.
#   reads  select/shards/<shard>.parquet, the boxes of detect, the cut-outs
#   writes composite/<shard>.parquet, composite/store/<shard>/, <dataset>/, <dataset>-clean/


rule composite_shard:
    input:
        clips=select_shard,
        select=ancient(SELECT),
    output:
        f"{BUILD}/composite/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/composite/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/composite/{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * (500 + 700 * threads),
        runtime=lambda wildcards, attempt: attempt * 120,
    params:
        settings=room_settings("composite"),
        code=code.digest("composite"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        bank=lambda wildcards: f"{BUILD}/occluders",
        root=lambda wildcards: BUILD,
    shell:
        "python -m occludenet_build.composite --clips {input.clips} --boxes {params.boxes}"
        " --bank {params.bank} --root {params.root} --out {output} --threads {threads}"
        " --settings {params.settings:q} --log {log}"


rule composite:
    input:
        expand(rules.composite_shard.output, shard=CLIP_SHARDS),
    localrule: True
