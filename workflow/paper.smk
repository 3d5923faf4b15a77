# paper: makes the paper's tables and figures from the build's results. Targets: table_1 ...
# table_6, figure_4a ..., figure_4 for all its parts, and paper for all that can be made.
#   reads  annotate/clips.parquet, evaluate/, predictions/, attention/, occluders/, other builds
#   writes paper/<table>.{csv,md,tex}, paper/<figure>.{svg,png,csv}, paper/items.csv
from occludenet_build.results.paper import items

PAPER_NEEDS = {
    "clips": [rules.annotate.output.clips] if BUILDS_CLIPS else [],
    "occluders": [rules.occluders.output[0]] if BUILDS_CLIPS else [],
    "predictions": [
        *(rules.evaluate.input if CONFIG.paper.trained else ()),
        *rules.predictions.input,
        # files of other builds, which this workflow does not make
        *(
            plain_path(str(path))
            for build in CONFIG.predictions.builds
            for path in items.predictions_in(Path(build))
        ),
    ],
    "attention": [*(rules.attention.output if CONFIG.paper.trained and ARMS else ())],
}


# A rule for tables and a rule for figures, which differ in their files only.
for kind, suffixes in (
    ("table", items.SUFFIXES["table"]),
    ("figure", items.SUFFIXES["chart"]),
):

    rule:
        name:
            f"paper_{kind}"
        input:
            lambda wildcards: items.needed(wildcards.item, PAPER_NEEDS),
        output:
            report(f"{BUILD}/paper/{{item}}{suffixes[0]}", category="Paper"),
            *[f"{BUILD}/paper/{{item}}{suffix}" for suffix in suffixes[1:]],
        log:
            f"{BUILD}/logs/paper/{{item}}.log",
        benchmark:
            f"{BUILD}/benchmarks/paper/{{item}}.tsv"
        wildcard_constraints:
            item=rf"{kind}_\w+",
        conda:
            "../envs/report.yaml"
        resources:
            **requests(mem_mb=8000, minutes=60),
        params:
            settings=stage_settings("paper"),
            version=results_version("paper"),
            root=in_build(),
        shell:
            "python -m occludenet_build paper --root {params.root:q} --only {wildcards.item}"
            " --settings {params.settings:q} --log {log:q}"


for target, names in items.targets().items():

    rule:
        name:
            target
        input:
            [
                f"{BUILD}/paper/{name}{suffix}"
                for name in names
                for suffix in items.SUFFIXES[items.ITEMS[name].kind]
            ],
        localrule: True


# All items in one job: an item that cannot be made is a row of items.csv and not an error.
rule paper:
    input:
        [path for paths in PAPER_NEEDS.values() for path in paths],
    output:
        f"{BUILD}/paper/items.csv",
    log:
        f"{BUILD}/logs/paper/items.log",
    benchmark:
        f"{BUILD}/benchmarks/paper/items.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **requests(mem_mb=8000, minutes=120),
    params:
        settings=stage_settings("paper"),
        version=results_version("paper"),
        root=in_build(),
    shell:
        "python -m occludenet_build paper --root {params.root:q}"
        " --settings {params.settings:q} --log {log:q}"
