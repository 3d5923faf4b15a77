# counterfactual: the occluded clips with the actor erased.
#   reads  select/shards/<shard>.parquet, actor_masks/<shard>.parquet, boxes, cut-outs
#   writes counterfactual/<shard>.parquet, <dataset>-counterfactual/


rule counterfactual_shard:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        masks=rules.actor_masks_shard.output,
    output:
        f"{BUILD}/counterfactual/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/counterfactual/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/counterfactual/{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * (500 + 700 * threads),
        runtime=lambda wildcards, attempt: attempt * 120,
    params:
        settings=room_settings("counterfactual"),
        code=code.digest("counterfactual"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        bank=lambda wildcards: f"{BUILD}/occluders",
        root=lambda wildcards: BUILD,
    shell:
        "python -m occludenet_build.counterfactual --clips {input.clips} --masks {input.masks}"
        " --boxes {params.boxes} --bank {params.bank} --root {params.root} --out {output}"
        " --threads {threads} --settings {params.settings:q} --log {log}"


rule counterfactual:
    input:
        expand(rules.counterfactual_shard.output, shard=CLIP_SHARDS),
    localrule: True
