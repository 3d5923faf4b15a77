# report: makes the HTML page of a build, and the files for Snakemake's --report.
#   reads  the tables of all stages, some clips
#   writes report/index.html, report/accuracy.csv, report/failures.csv


rule report:
    input:
        clips=rules.annotate.output.clips,
        predictions=rules.evaluate.input,
        paper=rules.paper.output,
        models=rules.models.output if COMPARED else [],
        integralaction=(
            rules.integralaction.output if CONFIG.integralaction.modes else []
        ),
    output:
        page=report(f"{BUILD}/report/index.html", category="Build"),
        accuracy=report(f"{BUILD}/report/accuracy.csv", category="Results"),
        figures=report(
            directory(f"{BUILD}/report/figures"),
            patterns=["{name}.svg"],
            category="Figures",
        ),
        failures=report(f"{BUILD}/report/failures.csv", category="Build"),
    log:
        f"{BUILD}/logs/report/index.log",
    benchmark:
        f"{BUILD}/benchmarks/report/index.tsv"
    conda:
        "../envs/report.yaml"
    threads: 4
    resources:
        **requests(mem_mb=4000, minutes=60),
    params:
        settings=stage_settings("report"),
        version=results_version("report"),
        root=in_build(),
    shell:
        "python -m occludenet_build report --root {params.root:q} --out {output.page:q}"
        " --networks {input.models:q} {input.integralaction:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
