# index: properties of each video, from decoding every frame once. A checkpoint.
#   reads  acquire/videos.parquet, with select.assignment published the release's CSV files
#   writes index/videos.parquet, index/shards/<shard>.parquet


checkpoint index:
    input:
        videos=rules.acquire_videos.output,
        published=PUBLISHED,
    output:
        videos=INDEX,
    log:
        f"{BUILD}/logs/index/videos.log",
    benchmark:
        f"{BUILD}/benchmarks/index/videos.tsv"
    conda:
        "../envs/video.yaml"
    threads: 32
    resources:
        **requests(mem_mb=1000, minutes=720, thread_mb=500),
    params:
        settings=stage_settings("index"),
        version=tried(results_version("index"), "index/videos.parquet"),
    shell:
        "python -m occludenet_build index --videos {input.videos:q} --out {output.videos:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
