# composite: the occluded clips at every scale, the clean twin, the ground truth, and the same clips
# with the actor erased, in one pass.
#   reads  select/shards/<shard>.parquet, the boxes of detect, the cut-outs, the masks if wanted
#   writes composite/<shard>.parquet, composite/store/<shard>/, <dataset>/, <dataset>-clean/,
#          counterfactual/<shard>.parquet, <dataset>-counterfactual/


# Slow presets hold back 40 pictures in each of up to seven encoders: docs/encoding.md.
WORKER_MB = 1500 if CONFIG.composite.preset in ("fast", "medium", "slow") else 800


rule composite_shard:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        masks=masks_of,
    output:
        clips=f"{BUILD}/composite/{{shard}}.parquet",
        erased=f"{BUILD}/counterfactual/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/composite/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/composite/{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * (500 + WORKER_MB * threads),
        runtime=lambda wildcards, attempt: attempt * 240,
    params:
        settings=room_settings("composite"),
        version=results_version("composite"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        bank=lambda wildcards: f"{BUILD}/occluders",
        root=lambda wildcards: BUILD,
        masks=lambda wildcards, input: f"--masks {input.masks}" if input.masks else "",
    shell:
        "python -m occludenet_build composite --clips {input.clips} --boxes {params.boxes}"
        " --bank {params.bank} {params.masks} --root {params.root} --out {output.clips}"
        " --erased {output.erased} --threads {threads} --settings {params.settings:q} --log {log}"


rule composite:
    input:
        expand(rules.composite_shard.output.clips, shard=CLIP_SHARDS),
    localrule: True


rule counterfactual:
    input:
        expand(rules.composite_shard.output.erased, shard=CLIP_SHARDS),
    localrule: True
