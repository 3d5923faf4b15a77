# acquire: what there is to build from.
#   reads  the user's folders
#   writes acquire/videos.parquet, acquire/coco.json, acquire/weights/<room>.json
from occludenet_build.acquire import listing_digest


rule acquire_videos:
    localrule: True
    output:
        f"{BUILD}/acquire/videos.parquet",
    params:
        settings=room_settings("acquire"),
        code=code.digest("acquire"),
        listing=listing_digest(CONFIG.acquire.videos),
    log:
        f"{BUILD}/logs/acquire/videos.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/videos.tsv"
    conda:
        "../envs/video.yaml"
    shell:
        "python -m occludenet_build.acquire videos --out {output}"
        " --settings {params.settings:q} --log {log}"


rule acquire_coco:
    output:
        f"{BUILD}/acquire/coco.json",
    params:
        settings=room_settings("acquire"),
        code=code.digest("acquire"),
        bytes=Path(CONFIG.acquire.coco_instances).stat().st_size,
    log:
        f"{BUILD}/logs/acquire/coco.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/coco.tsv"
    conda:
        "../envs/video.yaml"
    shell:
        "python -m occludenet_build.acquire coco --out {output}"
        " --settings {params.settings:q} --log {log}"


rule acquire_weights:
    output:
        f"{BUILD}/acquire/weights/{{room}}.json",
    params:
        source=lambda wildcards: getattr(CONFIG, wildcards.room).weights,
        code=code.digest("acquire"),
        bytes=lambda wildcards: Path(getattr(CONFIG, wildcards.room).weights).stat().st_size,
    log:
        f"{BUILD}/logs/acquire/weights-{{room}}.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/weights-{{room}}.tsv"
    conda:
        "../envs/video.yaml"
    shell:
        "python -m occludenet_build.acquire weights --source {params.source:q} --out {output}"
        " --log {log}"


rule acquire:
    localrule: True
    input:
        rules.acquire_videos.output,
        rules.acquire_coco.output,
        weights_of("detect"),
        weights_of("actor_masks"),
