# validate: checks the annotations; with select.assignment published, also against the release.
#   reads  <dataset>/annotations/, with select.assignment published the release's CSV files
#   writes validate/findings.{parquet,csv}, validate/summary.json, validate/report.txt,
#          validate/comparison.parquet


rule validate:
    input:
        rules.annotate.output,
        against=PUBLISHED,
    output:
        findings=f"{BUILD}/validate/findings.parquet",
        summary=f"{BUILD}/validate/summary.json",
    log:
        f"{BUILD}/logs/validate/findings.log",
    benchmark:
        f"{BUILD}/benchmarks/validate/findings.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=4000, minutes=30),
    params:
        settings=stage_settings("validate"),
        version=results_version("validate"),
        annotations=in_build(f"{CONFIG.composite.dataset}/annotations"),
        out=lambda wildcards, output: str(Path(output.findings).parent),
    shell:
        "python -m occludenet_build validate {params.annotations:q} --against {input.against:q}"
        " --out {params.out:q} --settings {params.settings:q} --log {log:q}"
