# annotate: writes the annotations, as OccludeNet's CSV files and as Parquet with all columns.
#   reads  the tables of select, occluders, composite, counterfactual, actor_masks
#   writes annotate/clips.parquet, annotate/labels.json, annotate/frames/, annotate/store/,
#          <dataset>/annotations/
#
# One job for all shards, which its worker processes take one by one: a job per shard would start
# for 3 s of work. Shards that are finished stay, whenever it ends.


# Counterfactuals of another program take the place of the build's own.
ERASED = "outside" if CONFIG.outside.folder else "counterfactual"


rule annotate:
    input:
        select=SELECT,
        occluders=rules.occluders.output,
        composite=rules.composite.input,
        masks=rules.actor_masks.input,
        counterfactual=(
            rules.outside.input
            if CONFIG.outside.folder
            else rules.counterfactual.input
        ),
    output:
        clips=f"{BUILD}/annotate/clips.parquet",
        labels=f"{BUILD}/annotate/labels.json",
    log:
        f"{BUILD}/logs/annotate/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/annotate/clips.tsv"
    conda:
        "../envs/video.yaml"
    threads: 32
    resources:
        **requests(mem_mb=3000, minutes=120, thread_mb=400),
    params:
        settings=stage_settings("annotate"),
        version=tried(results_version("annotate"), "annotate/clips.parquet"),
        root=in_build(),
    shell:
        "python -m occludenet_build annotate --select {input.select:q}"
        f" --composite {folder_of('composite')} --masks {folder_of('actor_masks')}"
        f" --counterfactual {folder_of(ERASED)} --shards {len(CLIP_SHARDS)}"
        " --occluders {input.occluders:q} --root {params.root:q} --out {output.clips:q}"
        " --threads {threads} --settings {params.settings:q} --log {log:q}"
