# select: chooses the clips that are occluded, and their occluders. A checkpoint.
#   reads  index/videos.parquet, detect/<shard>.parquet, occluders/occluders.parquet,
#          with select.assignment published the release's CSV files
#   writes select/clips.parquet, select/shards/<shard>.parquet


checkpoint select:
    input:
        index=INDEX,
        detect=rules.detect.input,
        occluders=rules.occluders.output,
        published=PUBLISHED,
    output:
        SELECT,
    log:
        f"{BUILD}/logs/select/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/select/clips.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=4000, minutes=30),
    params:
        settings=stage_settings("select"),
        version=tried(results_version("select"), "select/clips.parquet"),
    shell:
        "python -m occludenet_build select --index {input.index:q} --detect {BUILD:q}/detect --shards {CONFIG.index.shards}"
        " --occluders {input.occluders:q} --out {output:q} --settings {params.settings:q} --log {log:q}"
