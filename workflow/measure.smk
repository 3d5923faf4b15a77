# measure: measures who hides whom in the clips of OccludeNet-S, -I and -M. A separate target; what
# trains or evaluates on such a set has it measured.
#   reads  segments/clips.parquet (set S), recordings/clips.parquet (other sets) and their clips,
#          weights or the user's boxes, measure.occluders
#   writes measure/<set>/clips.parquet, labels.json, frames/<shard>.parquet, shards/<shard>.parquet
#          measure/<set>/: also listing, index and boxes of those clips, by the rules of index and
#          detect with MEASURE_CONFIG


wildcard_constraints:
    set=SET_NAME,


rule measure_videos:
    input:
        measured_clips,
    output:
        f"{MEASURED}/videos.parquet",
    log:
        f"{BUILD}/logs/measure/{{set}}-videos.log",
    benchmark:
        f"{BUILD}/benchmarks/measure/{{set}}-videos.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        version=results_version("measure"),
        root=in_build(),
    shell:
        "python -m occludenet_build measure list --clips {input:q} --set {wildcards.set}"
        " --root {params.root:q} --out {output:q} --log {log:q}"


use rule index as measure_index with:
    input:
        videos=rules.measure_videos.output,
        published=[],
    output:
        videos=f"{MEASURED}/index/videos.parquet",
        shards=expand(
            f"{MEASURED}/index/shards/{{shard}}.parquet",
            shard=MEASURE_SHARDS,
            allow_missing=True,
        ),
    log:
        f"{BUILD}/logs/measure/{{set}}-index.log",
    benchmark:
        f"{BUILD}/benchmarks/measure/{{set}}-index.tsv"
    params:
        settings=stage_settings("index", MEASURE_CONFIG),
        version=tried(results_version("index"), "measure/{set}/index/videos.parquet"),


use rule detect_shard as measure_detect with:
    input:
        videos=f"{MEASURED}/index/shards/{{shard}}.parquet",
        weights=weights_of("detect"),
        boxes=user_boxes,
    output:
        f"{MEASURED}/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/measure/{{set}}-detect-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/measure/{{set}}-detect-{{shard}}.tsv"
    params:
        settings=stage_settings("detect", MEASURE_CONFIG),
        version=detect_version("measure/{set}/detect"),
        weights=weights_option,


rule measure_shard:
    input:
        videos=f"{MEASURED}/index/shards/{{shard}}.parquet",
        detect=f"{MEASURED}/detect/{{shard}}.parquet",
        clips=measured_clips,
        weights=weights_of("actor_masks"),
    output:
        clips=f"{MEASURED}/shards/{{shard}}.parquet",
        frames=f"{MEASURED}/frames/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/measure/{{set}}-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/measure/{{set}}-{{shard}}.tsv"
    conda:
        environment("actor_masks", without="video")
    threads: 4
    resources:
        **requests(
            mem_mb=6000, minutes=240, gpus=device_gpus("actor_masks"), thread_mb=500
        ),
    params:
        settings=measure_settings,
        version=tried(
            results_version("measure"), "measure/{set}/shards/{shard}.parquet"
        ),
        objects=still_objects,
        weights=weights_option,
    shell:
        "python -m occludenet_build measure clips --clips {input.clips:q} --set {wildcards.set}"
        " --videos {input.videos:q} --detect {input.detect:q} --out {output.clips:q}"
        " --threads {threads} {params.weights} --settings {params.settings:q} --log {log:q}"


rule measure_set:
    input:
        clips=measured_clips,
        index=rules.measure_index.output.videos,
        shards=expand(
            rules.measure_shard.output.clips, shard=MEASURE_SHARDS, allow_missing=True
        ),
    output:
        clips=f"{MEASURED}/clips.parquet",
        labels=f"{MEASURED}/labels.json",
    log:
        f"{BUILD}/logs/measure/{{set}}.log",
    benchmark:
        f"{BUILD}/benchmarks/measure/{{set}}.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=measured_set_settings,
        version=results_version("measure"),
    shell:
        "python -m occludenet_build measure table --clips {input.clips:q} --set {wildcards.set}"
        " --index {input.index:q}"
        f" --shards {folder_of('measure')}/{{wildcards.set}}/shards --out {{output.clips:q}}"
        " --settings {params.settings:q} --log {log:q}"


rule measure:
    input:
        measured_tables,
    localrule: True
