# kinetics: acquires the clips of Kinetics-400 by the route of kinetics.route.
#   reads  the official lists; archives, YouTube or a mirror
#   writes kinetics/clips.parquet, kinetics/classes.csv, and below download.folder kinetics/


rule kinetics:
    output:
        f"{BUILD}/kinetics/clips.parquet",
    log:
        f"{BUILD}/logs/kinetics/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/kinetics/clips.tsv"
    # A repeated request does not help after a refusal by YouTube.
    localrule: True
    conda:
        "../envs/network.yaml"
    threads: 4
    params:
        settings=stage_settings("kinetics"),
        version=kinetics_version(),
        folder=verbatim(f"{FETCHED}/kinetics"),
    shell:
        "python -m occludenet_build kinetics --out {output:q} --folder {params.folder:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
