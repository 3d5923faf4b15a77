# outside: counterfactual clips that another program made, checked frame by frame and measured.
# Runs if outside.folder is set; annotate then names these clips, and train and evaluate use them.
#   reads  counterfactual/<shard>.parquet, composite/<shard>.parquet, actor_masks/<shard>.parquet,
#          their stores and clips, outside.folder
#   writes outside/<shard>.parquet, outside/frames/<shard>.parquet, outside/store/<shard>/


rule outside_shard:
    input:
        composite=rules.composite_shard.output.clips,
        erased=rules.composite_shard.output.erased,
        masks=rules.actor_masks_shard.output,
    output:
        clips=f"{BUILD}/outside/{{shard}}.parquet",
        measures=f"{BUILD}/outside/frames/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/outside/{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/outside/{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        **requests(mem_mb=500, minutes=240, thread_mb=500),
    params:
        settings=outside_settings,
        version=tried(results_version("outside"), "outside/{shard}.parquet"),
        listing=outside_listing,
        folder=outside_folder,
        root=in_build(),
    shell:
        "python -m occludenet_build outside --composite {input.composite:q} --erased {input.erased:q}"
        " --masks {input.masks:q} --folder {params.folder:q} --root {params.root:q}"
        " --out {output.clips:q} --threads {threads} --settings {params.settings:q} --log {log:q}"


rule outside:
    input:
        expand(rules.outside_shard.output.clips, shard=CLIP_SHARDS),
    localrule: True
