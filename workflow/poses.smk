# poses: the joints of the actor and of other people, on the clean twins and on the occluded clips.
#   reads  select/shards/<shard>.parquet, composite/<shard>.parquet, its store and its clips, the
#          boxes of detect, weights or the user's poses
#   writes poses/<shard>.parquet, poses/store/<shard>/, poses/summary.csv, poses/sheet.jpg


# The boxes of detect are params, not inputs, as for composite_shard.
rule poses_shard:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        composite=f"{BUILD}/composite/{{shard}}.parquet",
        weights=weights_of("poses"),
        poses=poses_files,
    output:
        f"{BUILD}/poses/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/poses/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/poses/{{shard}}.tsv"
    conda:
        environment("poses", without="report")
    threads: 4
    resources:
        **requests(mem_mb=6000, minutes=480, gpus=device_gpus("poses")),
    params:
        settings=stage_settings("poses"),
        version=tried(results_version("poses"), "poses/{shard}.parquet"),
        listing=poses_listing,
        weights=weights_option,
        boxes=in_build("detect/store"),
        root=in_build(),
    shell:
        "python -m occludenet_build poses find --clips {input.clips:q}"
        " --composite {input.composite:q} --boxes {params.boxes:q} --root {params.root:q}"
        " --out {output:q} --threads {threads} {params.weights} --settings {params.settings:q}"
        " --log {log:q}"


rule poses:
    input:
        expand(rules.poses_shard.output, shard=CLIP_SHARDS),
    output:
        summary=f"{BUILD}/poses/summary.csv",
        sheet=f"{BUILD}/poses/sheet.jpg",
    log:
        f"{BUILD}/logs/poses/summary.log",
    benchmark:
        f"{BUILD}/benchmarks/poses/summary.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **requests(mem_mb=4000, minutes=60),
    params:
        settings=stage_settings("poses"),
        version=results_version("poses"),
        root=in_build(),
    shell:
        f"python -m occludenet_build poses summary --poses {folder_of('poses')}"
        f" --composite {folder_of('composite')} --shards {len(CLIP_SHARDS)}"
        " --root {params.root:q} --out {output.summary:q} --sheet {output.sheet:q}"
        " --settings {params.settings:q} --log {log:q}"
