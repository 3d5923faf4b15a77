# acquire: what there is to build from.
#   reads  the user's folders, the network
#   writes acquire/videos.parquet, acquire/coco.json, acquire/weights/<room>.json
#
# Rules that need the network run where Snakemake runs (localrule), since the nodes of a cluster
# often have none.
from occludenet_build.acquire.videos import listing_digest


rule acquire_videos:
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
        settings=room_settings("acquire"),
        code=code.digest("acquire"),
        listing=listing_digest(CONFIG.acquire.videos),
    shell:
        "python -m occludenet_build.acquire videos --out {output}"
        " --settings {params.settings:q} --log {log}"


rule acquire_coco:
    output:
        f"{BUILD}/acquire/coco.json",
    log:
        f"{BUILD}/logs/acquire/coco.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/coco.tsv"
    conda:
        "../envs/network.yaml"
    params:
        settings=room_settings("acquire"),
        code=code.digest("acquire"),
        bytes=Path(CONFIG.acquire.coco_instances).stat().st_size,
    shell:
        "python -m occludenet_build.acquire coco --out {output}"
        " --settings {params.settings:q} --log {log}"


rule acquire_weights:
    output:
        f"{BUILD}/acquire/weights/{{room}}.json",
    log:
        f"{BUILD}/logs/acquire/weights-{{room}}.log",
    benchmark:
        f"{BUILD}/benchmarks/acquire/weights-{{room}}.tsv"
    wildcard_constraints:
        room="detect|actor_masks|train|audit",
    retries: 0 if CONFIG.download.offline else 2
    localrule: True
    conda:
        "../envs/network.yaml"
    params:
        settings=weights_settings,
        code=code.digest("acquire"),
        bytes=weights_bytes,
    shell:
        "python -m occludenet_build.acquire weights --room {wildcards.room} --out {output}"
        " --settings {params.settings:q} --log {log}"


rule acquire:
    input:
        rules.acquire_videos.output,
        rules.acquire_coco.output,
        weights_of("detect"),
        weights_of("actor_masks"),
        weights_of("train"),
    localrule: True
