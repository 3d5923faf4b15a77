# detect: finds person boxes in every frame, tracks, and the actor.
#   reads  index/shards/<shard>.parquet, weights or the user's boxes
#   writes detect/<shard>.parquet, detect/store/<shard>/


rule detect_shard:
    input:
        videos=index_shard,
        index=ancient(INDEX),
        weights=weights_of("detect"),
        boxes=user_boxes,
    output:
        f"{BUILD}/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/detect/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/detect/{{shard}}.tsv"
    conda:
        environment("detect", without="people")
    threads: 4
    resources:
        **requests(mem_mb=6000, minutes=240, gpus=device_gpus("detect")),
    params:
        settings=stage_settings("detect"),
        version=detect_version("detect"),
        weights=weights_option,
    shell:
        "python -m occludenet_build detect --videos {input.videos:q} --out {output:q}"
        " --threads {threads} {params.weights} --settings {params.settings:q} --log {log:q}"


rule detect:
    input:
        expand(rules.detect_shard.output, shard=DETECT_SHARDS),
    localrule: True
