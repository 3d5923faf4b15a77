# segments: cuts OccludeNet-S, clips of 8 to 10 s, from surveillance videos. A separate target.
#   reads  segments.videos, segments.table or the accepted rows of proposals/review.csv
#   writes segments/clips.parquet, OccludeNet-S/


rule segments:
    input:
        table=segments_table,
        archives=SURVEILLANCE_FETCHED,
    output:
        f"{BUILD}/segments/clips.parquet",
    log:
        f"{BUILD}/logs/segments/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/segments/clips.tsv"
    conda:
        "../envs/video.yaml"
    threads: 8
    resources:
        **requests(mem_mb=500, minutes=120, thread_mb=900),
    params:
        settings=stage_settings("segments"),
        version=tried(results_version("segments"), "segments/clips.parquet"),
        listing=surveillance_listing,
        root=in_build(),
        videos=verbatim(SURVEILLANCE_VIDEOS),
    shell:
        "python -m occludenet_build segments --table {input.table:q} --videos {params.videos:q}"
        " --root {params.root:q} --out {output:q} --threads {threads} --settings {params.settings:q} --log {log:q}"
