# recordings: cuts OccludeNet-I and -M, clips of 5 to 10 s, from the user's recordings. A separate
# target.
#   reads  the folders and tables of recordings.sets, the files of recordings.anonymity, consent
#   writes recordings/clips.parquet, recordings/index.html, recordings/<set>.csv, recordings/leaks.*, OccludeNet-<set>/


rule recordings:
    input:
        tables=recordings_tables,
        privacy=anonymity_files,
    output:
        clips=f"{BUILD}/recordings/clips.parquet",
        page=f"{BUILD}/recordings/index.html",
    log:
        f"{BUILD}/logs/recordings/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/recordings/clips.tsv"
    conda:
        environment("recordings", without="report")
    threads: 8
    resources:
        **requests(mem_mb=500, minutes=480, thread_mb=1500),
    params:
        settings=stage_settings("recordings"),
        version=tried(results_version("recordings"), "recordings/clips.parquet"),
        listing=recordings_listing,
        root=in_build(),
    shell:
        "python -m occludenet_build recordings --root {params.root:q} --out {output.clips:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
