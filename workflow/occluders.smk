# occluders: makes cut-outs from COCO instances and the user's own pictures.
#   reads  acquire/coco.json, the COCO images and instances, the folder occluders.own
#   writes occluders/occluders.parquet, occluders/summary.json, occluders/png/, occluders/sheets/


rule occluders:
    input:
        rules.acquire_coco.output,
    output:
        f"{BUILD}/occluders/occluders.parquet",
    log:
        f"{BUILD}/logs/occluders/occluders.log",
    benchmark:
        f"{BUILD}/benchmarks/occluders/occluders.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        **requests(mem_mb=6000, minutes=60),
    params:
        settings=stage_settings("occluders"),
        version=tried(results_version("occluders"), "occluders/occluders.parquet"),
        own=digest_of(CONFIG.occluders.own) if CONFIG.occluders.own else "",
    shell:
        "python -m occludenet_build occluders --coco {input:q} --out {output:q} --threads {threads}"
        " --settings {params.settings:q} --log {log:q}"
