# variants: derived test sets for the tests of background bias (HAT, SCUBA, SCUFO, greyed occluders).
# Runs if variants.sets names some; evaluate then predicts these sets too.
#   reads  select/clips.parquet, composite/<shard>.parquet and its clips, the masks of actor_masks,
#          the boxes of detect, the source clips, variants.pictures
#   writes variants/plates/<shard>.parquet, variants/pairs.parquet, variants/items/<shard>.parquet,
#          variants/clips.parquet, variants/<set>/, variants/<set>.csv


# The boxes of detect are params, not inputs, as for composite_shard.
rule variants_plates:
    input:
        clips=select_shard,
        select=SELECT,
        composite=f"{BUILD}/composite/{{shard}}.parquet",
        masks=f"{BUILD}/actor_masks/{{shard}}.parquet",
    output:
        f"{BUILD}/variants/plates/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/variants/plates-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/variants/plates-{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        **requests(mem_mb=500, minutes=240, thread_mb=800),
    params:
        settings=variants_settings("clips"),
        version=tried(
            results_version("variants", "plates"), "variants/plates/{shard}.parquet"
        ),
        boxes=in_build("detect/store"),
        root=in_build(),
    shell:
        "python -m occludenet_build variants plates --clips {input.clips:q} --select {input.select:q}"
        " --composite {input.composite:q} --masks {input.masks:q} --boxes {params.boxes:q}"
        " --root {params.root:q} --out {output:q} --threads {threads} --settings {params.settings:q}"
        " --log {log:q}"


rule variants_pairs:
    input:
        expand(rules.variants_plates.output, shard=CLIP_SHARDS),
    output:
        f"{BUILD}/variants/pairs.parquet",
    log:
        f"{BUILD}/logs/variants/pairs.log",
    benchmark:
        f"{BUILD}/benchmarks/variants/pairs.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=4000, minutes=60),  # 20,000 clips: a minute and 0.6 GB
    params:
        settings=variants_settings("sets", "pairs", "seeds", "near"),
        version=results_version("variants"),
    shell:
        f"python -m occludenet_build variants pairs --plates {folder_of('variants/plates')}"
        f" --shards {len(CLIP_SHARDS)}"
        " --out {output:q} --settings {params.settings:q} --log {log:q}"


rule variants_make:
    input:
        clips=select_shard,
        select=SELECT,
        composite=f"{BUILD}/composite/{{shard}}.parquet",
        plates=expand(rules.variants_plates.output, shard=CLIP_SHARDS),
        pairs=rules.variants_pairs.output,
    output:
        f"{BUILD}/variants/items/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/variants/items-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/variants/items-{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        **requests(mem_mb=1500, minutes=720, thread_mb=800),
    params:
        settings=variants_settings(),
        version=tried(
            results_version("variants", "clips"), "variants/items/{shard}.parquet"
        ),
        pictures=pictures_listing,
        root=in_build(),
    shell:
        "python -m occludenet_build variants make --clips {input.clips:q} --select {input.select:q}"
        " --composite {input.composite:q} --pairs {input.pairs:q}"
        f" --masks {folder_of('actor_masks')} --plates {folder_of('variants/plates')}"
        f" --shards {len(CLIP_SHARDS)}"
        " --root {params.root:q} --out {output:q} --threads {threads} --settings {params.settings:q}"
        " --log {log:q}"


rule variants:
    input:
        expand(rules.variants_make.output, shard=CLIP_SHARDS),
    output:
        f"{BUILD}/variants/clips.parquet",
    log:
        f"{BUILD}/logs/variants/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/variants/clips.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=2000, minutes=30),
    params:
        settings=variants_settings("sets"),
        version=results_version("variants"),
        root=in_build(),
    shell:
        f"python -m occludenet_build variants collect --items {folder_of('variants/items')}"
        f" --shards {len(CLIP_SHARDS)}"
        " --root {params.root:q} --out {output:q} --settings {params.settings:q} --log {log:q}"
