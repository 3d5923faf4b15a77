# acquire: lists the inputs of a build with their hashes.
#   reads  the user's folders, the network
#   writes acquire/videos.parquet, acquire/coco.json, acquire/weights/<stage>.json,
#          acquire/engines/<stage>.json and the exports that it names,
#          surveillance/archives.json, release/<split>_d.csv
#
# Rules that need the network run on the machine of Snakemake (localrule), since the nodes of a
# cluster often have no network.


rule acquire_videos:
    input:
        kinetics=KINETICS,
    output:
        f"{BUILD}/acquire/videos.parquet",
    log:
        f"{BUILD}/logs/acquire/videos.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/videos.tsv"
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=acquire_settings("videos", "layout", "flat_class", "split", "classes"),
        version=tried(results_version("acquire"), "acquire/videos.parquet"),
        listing=videos_listing,
        kinetics="--kinetics" if KINETICS else "",
    shell:
        "python -m occludenet_build acquire videos {params.kinetics} {input.kinetics:q} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"


rule acquire_coco:
    output:
        f"{BUILD}/acquire/coco.json",
    log:
        f"{BUILD}/logs/acquire/coco.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/coco.tsv"
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=coco_settings,
        version=tried(results_version("acquire"), "acquire/coco.json"),
        bytes=coco_bytes,
        folder=verbatim(f"{FETCHED}/coco"),
    shell:
        "python -m occludenet_build acquire coco --out {output:q} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log:q}"


rule acquire_weights:
    input:
        weights_there,
    output:
        f"{BUILD}/acquire/weights/{{stage}}.json",
    log:
        f"{BUILD}/logs/acquire/weights-{{stage}}.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/weights-{{stage}}.tsv"
    wildcard_constraints:
        stage="detect|actor_masks|train|audit|poses|integralaction|moc",
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=weights_settings,
        version=tried(results_version("acquire"), "acquire/weights/{stage}.json"),
        bytes=weights_bytes,
    shell:
        "python -m occludenet_build acquire weights --stage {wildcards.stage} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"


# Which library runs the network of a stage, decided once per build, and the export of the weights to
# it; where the settings ask for one. It runs where the jobs of the stage run: the choice depends on
# the machine.
rule acquire_engine:
    input:
        weights=lambda wildcards: weights_note(wildcards.stage),
    output:
        f"{BUILD}/acquire/engines/{{stage}}.json",
    log:
        f"{BUILD}/logs/acquire/engine-{{stage}}.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/engine-{{stage}}.tsv"
    wildcard_constraints:
        stage="detect|actor_masks",
    conda:
        "../envs/torch.yaml"
    resources:
        **requests(mem_mb=8000, minutes=60, gpus=engine_gpus()),
    params:
        settings=engine_settings,
        version=f"{results_version('acquire')}, engine {ENGINE_VERSION}",
        there=engine_is_there,
    shell:
        "python -m occludenet_build acquire engine --stage {wildcards.stage} --out {output:q}"
        " --source {input.weights:q} --settings {params.settings:q} --log {log:q}"


rule acquire_archives:
    output:
        f"{SURVEILLANCE}/archives.json",
    log:
        f"{BUILD}/logs/acquire/archives.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/archives.tsv"
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=as_param({"segments": {"archives": CONFIG.segments.archives}}),
        version=tried(results_version("acquire"), "surveillance/archives.json"),
        folder=verbatim(SURVEILLANCE_VIDEOS),
    shell:
        "python -m occludenet_build acquire archives --out {output:q} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log:q}"


if PUBLISHED and is_url(GIVEN.select.published):

    rule acquire_release:
        output:
            PUBLISHED,
        log:
            f"{BUILD}/logs/acquire/release.log",
        benchmark:
            f"{BUILD}/benchmarks/acquire/release.tsv"
        localrule: True
        conda:
            "../envs/network.yaml"
        params:
            settings=as_param({"select": {"published": GIVEN.select.published}}),
            version=results_version("acquire"),
        shell:
            "python -m occludenet_build acquire release --out {output:q}"
            " --settings {params.settings:q} --log {log:q}"


rule acquire:
    input:
        rules.acquire_videos.output,
        rules.acquire_coco.output,
        weights_of("detect"),
        weights_of("actor_masks"),
        weights_of("train"),
        PUBLISHED,
    localrule: True
