# leaks: finds chosen clips of one split that are also in another split, or in another dataset.
#   reads  select/clips.parquet, the videos, the lists of leaks.lists
#   writes leaks/clips.parquet, leaks/findings.{parquet,csv}, leaks/lists.parquet,
#          leaks/summary.json


rule leaks:
    input:
        clips=SELECT,
        lists=[plain_path(path) for path in CONFIG.leaks.lists],
    output:
        clips=f"{BUILD}/leaks/clips.parquet",
        findings=f"{BUILD}/leaks/findings.parquet",
        lists=f"{BUILD}/leaks/lists.parquet",
        summary=f"{BUILD}/leaks/summary.json",
    log:
        f"{BUILD}/logs/leaks/findings.log",
    benchmark:
        f"{BUILD}/benchmarks/leaks/findings.tsv"
    conda:
        "../envs/video.yaml"
    threads: 32
    resources:
        **requests(mem_mb=2000, minutes=480, thread_mb=300),
    params:
        settings=stage_settings("leaks"),
        version=tried(results_version("leaks"), "leaks/clips.parquet"),
    shell:
        "python -m occludenet_build leaks --clips {input.clips:q} --out {output.clips:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
