# leftover: is the actor still found in the counterfactual clips? A target of its own; leftover_fills
# is another: the same with every fill, on a sample.
#   reads  the tables of select, detect, counterfactual, actor_masks; the counterfactual clips
#   writes leftover/videos/, leftover/detect/, leftover/clips.parquet, leftover/summary.json
#          leftover/sample/, leftover/fills/<fill>/, leftover/fills.json


wildcard_constraints:
    fill="none|zero|mean|blur|median|noise|inpaint",


rule leftover_videos:
    input:
        clips=select_shard,
        select=ancient(SELECT),
        made=rules.composite_shard.output.erased,
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
        version=results_version("leftover"),
        root=lambda wildcards: BUILD,
    shell:
        "python -m occludenet_build leftover list --clips {input.clips} --made {input.made}"
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
        version=results_version("leftover"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        fill="",
    shell:
        "python -m occludenet_build leftover compare --videos {input.videos} --found {input.found}"
        " --boxes {params.boxes} --masks {input.masks} {params.fill} --out {output.clips}"
        " --settings {params.settings:q} --log {log}"


rule leftover_sample:
    input:
        SELECT,
    output:
        expand(f"{BUILD}/leftover/sample/{{shard}}.parquet", shard=CLIP_SHARDS),
    log:
        f"{BUILD}/logs/leftover/sample.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/sample.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=room_settings("leftover"),
        version=results_version("leftover"),
        folder=lambda wildcards: f"{BUILD}/leftover/sample",
    shell:
        "python -m occludenet_build leftover sample --clips {input} --out {params.folder}"
        " --settings {params.settings:q} --log {log}"


use rule composite_shard as leftover_made with:
    input:
        clips=f"{BUILD}/leftover/sample/{{shard}}.parquet",
        masks=masks_of,
    output:
        clips=f"{BUILD}/leftover/fills/{{fill}}/composite/{{shard}}.parquet",
        erased=f"{BUILD}/leftover/fills/{{fill}}/counterfactual/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/leftover/{{fill}}/made-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/{{fill}}/made-{{shard}}.tsv"
    params:
        settings=filled_settings,
        version=results_version("composite"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        bank=lambda wildcards: f"{BUILD}/occluders",
        root=lambda wildcards: f"{BUILD}/leftover/fills/{wildcards.fill}",
        masks=lambda wildcards, input: f"--masks {input.masks}" if input.masks else "",


use rule leftover_videos as leftover_fill_videos with:
    input:
        clips=f"{BUILD}/leftover/sample/{{shard}}.parquet",
        made=filled_clips,
    output:
        f"{BUILD}/leftover/fills/{{fill}}/videos/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/leftover/{{fill}}/videos-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/{{fill}}/videos-{{shard}}.tsv"
    params:
        settings=room_settings("leftover"),
        version=results_version("leftover"),
        root=lambda wildcards: (
            f"{BUILD}/leftover/fills/{wildcards.fill}"
            if wildcards.fill in OTHER_FILLS
            else BUILD
        ),


use rule detect_shard as leftover_fill_detect with:
    input:
        videos=rules.leftover_fill_videos.output,
        weights=weights_of("detect"),
        boxes=[],
    output:
        f"{BUILD}/leftover/fills/{{fill}}/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/leftover/{{fill}}/detect-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/{{fill}}/detect-{{shard}}.tsv"


use rule leftover as leftover_fill with:
    input:
        videos=expand(
            rules.leftover_fill_videos.output, shard=CLIP_SHARDS, allow_missing=True
        ),
        found=expand(
            rules.leftover_fill_detect.output, shard=CLIP_SHARDS, allow_missing=True
        ),
        masks=rules.actor_masks.input,
    output:
        clips=f"{BUILD}/leftover/fills/{{fill}}/clips.parquet",
        summary=f"{BUILD}/leftover/fills/{{fill}}/summary.json",
    log:
        f"{BUILD}/logs/leftover/{{fill}}/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/{{fill}}/clips.tsv"
    params:
        settings=room_settings("leftover"),
        version=results_version("leftover"),
        boxes=lambda wildcards: f"{BUILD}/detect/store",
        fill=lambda wildcards: f"--fill {wildcards.fill}",


rule leftover_fills:
    input:
        expand(rules.leftover_fill.output.summary, fill=CONFIG.leftover.fills),
    output:
        f"{BUILD}/leftover/fills.json",
    log:
        f"{BUILD}/logs/leftover/fills.log",
    benchmark:
        f"{BUILD}/benchmarks/leftover/fills.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=room_settings("leftover"),
        version=results_version("leftover"),
    shell:
        "python -m occludenet_build leftover fills --summaries {input} --out {output}"
        " --settings {params.settings:q} --log {log}"
