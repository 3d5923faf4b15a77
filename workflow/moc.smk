# moc: trains MOC and STADO on clean and on occluded videos, and evaluates them by degree.
# Runs if moc.networks names some.
#   reads  annotate/, measure/<set>/, the stores of detect and actor_masks, the clips,
#          occluders/occluders.parquet for static occluders; or moc.truth; weights
#   writes moc/<network>-<trained on>-<seed>.pt, .csv, .tubes.parquet, .attention.parquet, .json,
#          moc/store/<the same>/, moc/ap.csv, moc/attention.csv, moc/ap.md


wildcard_constraints:
    detector="|".join(NETWORKS),
    trained_on="|".join(TRAININGS),


rule moc_train:
    input:
        tables=moc_train_inputs,
        pickle=moc_pickle,
        weights=weights_of("moc"),
    output:
        model=f"{BUILD}/moc/{{detector}}-{{trained_on}}-{{seed}}.pt",
        curve=f"{BUILD}/moc/{{detector}}-{{trained_on}}-{{seed}}.csv",
    log:
        f"{BUILD}/logs/moc/{{detector}}-{{trained_on}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/moc/{{detector}}-{{trained_on}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        **requests(mem_mb=32000, minutes=2880, gpus=device_gpus("moc")),
    params:
        settings=moc_train_settings,
        version=tried(results_version("moc"), "moc/{detector}-{trained_on}-{seed}.pt"),
        frames=moc_frames,
        root=in_build(),
        weights=weights_option,
    shell:
        "python -m occludenet_build moc train --network {wildcards.detector}"
        " --trained-on {wildcards.trained_on} --seed {wildcards.seed} --root {params.root:q}"
        " {params.weights} --out {output.model:q} --threads {threads}"
        " --settings {params.settings:q} --log {log:q}"


rule moc_evaluate:
    input:
        tables=moc_test_inputs,
        pickle=moc_pickle,
        model=rules.moc_train.output.model,
    output:
        tubes=f"{BUILD}/moc/{{detector}}-{{trained_on}}-{{seed}}.tubes.parquet",
        attention=f"{BUILD}/moc/{{detector}}-{{trained_on}}-{{seed}}.attention.parquet",
        metrics=f"{BUILD}/moc/{{detector}}-{{trained_on}}-{{seed}}.json",
    log:
        f"{BUILD}/logs/moc/evaluate-{{detector}}-{{trained_on}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/moc/evaluate-{{detector}}-{{trained_on}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        **requests(mem_mb=16000, minutes=1440, gpus=device_gpus("moc")),
    params:
        settings=moc_test_settings(),
        version=tried(
            results_version("moc"),
            "moc/{detector}-{trained_on}-{seed}.tubes.parquet",
        ),
        frames=moc_frames,
        root=in_build(),
    shell:
        "python -m occludenet_build moc evaluate --model {input.model:q} --root {params.root:q}"
        " --out {output.tubes:q} --threads {threads} --settings {params.settings:q} --log {log:q}"


rule moc:
    input:
        moc_evaluations,
    output:
        ap=f"{BUILD}/moc/ap.csv",
        attention=f"{BUILD}/moc/attention.csv",
        page=f"{BUILD}/moc/ap.md",
    log:
        f"{BUILD}/logs/moc/summary.log",
    benchmark:
        f"{BUILD}/benchmarks/moc/summary.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        **requests(mem_mb=4000, minutes=60),
    params:
        settings=as_param({"moc": {"seeds": CONFIG.moc.seeds}}),
        version=results_version("moc"),
        tables=in_build("moc"),
    shell:
        "python -m occludenet_build moc summary --tables {params.tables:q}"
        " --out {output.ap:q} --settings {params.settings:q} --log {log:q}"
