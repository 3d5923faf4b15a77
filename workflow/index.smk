# index: what each video is, from decoding every frame once. A checkpoint.
#   reads  acquire/videos.parquet
#   writes index/videos.parquet, index/shards/<shard>.parquet


checkpoint index:
    input:
        rules.acquire_videos.output,
    output:
        INDEX,
    log:
        f"{BUILD}/logs/index/videos.log",
    benchmark:
        f"{BUILD}/benchmarks/index/videos.tsv"
    conda:
        "../envs/video.yaml"
    threads: 32
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * (1000 + 500 * threads),
        runtime=lambda wildcards, attempt: attempt * 720,
    params:
        settings=room_settings("index"),
        code=code.digest("index"),
    shell:
        "python -m occludenet_build.index --videos {input} --out {output} --threads {threads}"
        " --settings {params.settings:q} --log {log}"
