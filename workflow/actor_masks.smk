# actor_masks: makes a mask of the actor per frame.
#   reads  select/shards/<shard>.parquet, the boxes of detect, weights
#   writes actor_masks/<shard>.parquet, actor_masks/store/<shard>/


rule actor_masks_shard:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        weights=weights_of("actor_masks"),
    output:
        f"{BUILD}/actor_masks/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/actor_masks/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/actor_masks/{{shard}}.tsv"
    conda:
        environment("actor_masks", without="video")
    threads: 4
    resources:
        **requests(mem_mb=8000, minutes=240, gpus=device_gpus("actor_masks")),
    params:
        settings=stage_settings("actor_masks"),
        version=tried(results_version("actor_masks"), "actor_masks/{shard}.parquet"),
        weights=weights_option,
        boxes=in_build("detect/store"),
    shell:
        "python -m occludenet_build actor_masks --clips {input.clips:q} --boxes {params.boxes:q}"
        " --out {output:q} --threads {threads} {params.weights} --settings {params.settings:q} --log {log:q}"


rule actor_masks:
    input:
        expand(rules.actor_masks_shard.output, shard=CLIP_SHARDS),
    localrule: True
