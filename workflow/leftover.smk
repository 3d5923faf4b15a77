# leftover: is the actor still found in the counterfactual clips? A target of its own.
#   reads  the tables of select, detect, counterfactual, actor_masks; the counterfactual clips
#   writes leftover/videos/, leftover/detect/, leftover/clips.parquet, leftover/summary.json


rule leftover_videos:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        erased=rules.composite_shard.output.erased,
    output:
        f"{BUILD}/leftover/videos/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/leftover/videos-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/videos-{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1000,
        runtime=lambda wildcards, attempt: attempt * 10,
    params:
        settings=room_settings("leftover"),
        code=code.digest("leftover"),
        root=lambda wildcards: BUILD,
    shell:
        "python -m occludenet_build.leftover --clips {input.clips} --erased {input.erased}"
        " --root {params.root} --out {output} --settings {params.settings:q} --log {log}"


use rule detect_shard as leftover_detect with:
    input:
        videos=rules.leftover_videos.output,
        weights=weights_of("detect"),
        boxes=[],
    output:
        f"{BUILD}/leftover/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/leftover/detect-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/detect-{{shard}}.tsv"


rule leftover:
    input:
        videos=expand(rules.leftover_videos.output, shard=CLIP_SHARDS),
        found=expand(rules.leftover_detect.output, shard=CLIP_SHARDS),
        masks=rules.actor_masks.input,
    output:
        clips=f"{BUILD}/leftover/clips.parquet",
        summary=f"{BUILD}/leftover/summary.json",
    log:
        f"{BUILD}/logs/leftover/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/clips.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        settings=room_settings("leftover"),
        code=code.digest("leftover"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
    shell:
        "python -m occludenet_build.leftover --videos {input.videos} --found {input.found}"
        " --boxes {params.boxes} --masks {input.masks} --out {output.clips}"
        " --settings {params.settings:q} --log {log}"
