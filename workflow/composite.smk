# composite: makes the occluded clips at every scale, the clean twins, the ground truth, and the
# counterfactuals (the same clips with the actor erased), in one pass over each source.
#   reads  select/shards/<shard>.parquet, the boxes of detect, the cut-outs, masks if needed
#   writes composite/<shard>.parquet, composite/store/<shard>/, <dataset>/, <dataset>-clean/,
#          counterfactual/<shard>.parquet, <dataset>-counterfactual/


# Slow presets buffer 40 frames in each of up to seven encoders: docs/encoding.md.
WORKER_MB = 1500 if CONFIG.composite.preset in ("fast", "medium", "slow") else 800


# The boxes of detect and the bank of cut-outs are params, not inputs: a shard of clips reads
# several shards of detect, and a row of select has the hashes of its boxes and its occluder. A change
# of either reruns exactly the shards whose rows change.
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
        **requests(mem_mb=500, minutes=240, thread_mb=WORKER_MB),
    params:
        settings=stage_settings("composite"),
        version=tried(results_version("composite"), "composite/{shard}.parquet"),
        boxes=in_build("detect/store"),
        bank=in_build("occluders"),
        root=in_build(),
        masks=masks_option,
    shell:
        "python -m occludenet_build composite --clips {input.clips:q} --boxes {params.boxes:q}"
        " --bank {params.bank:q} {params.masks} --root {params.root:q} --out {output.clips:q}"
        " --erased {output.erased:q} --threads {threads} --settings {params.settings:q} --log {log:q}"


rule composite:
    input:
        expand(rules.composite_shard.output.clips, shard=CLIP_SHARDS),
    localrule: True


rule counterfactual:
    input:
        expand(rules.composite_shard.output.erased, shard=CLIP_SHARDS),
    localrule: True
