# proposals: proposes stretches of surveillance videos in which static objects hide part of a
# person, for OccludeNet-S. A separate target. The user reviews the page; segments cuts the clips
# that they accept.
#   reads  segments.videos, weights or the user's boxes, the user's keypoints
#   writes proposals/candidates.parquet, proposals/videos.parquet, proposals/index.html;
#          proposals/review.csv, which the user edits and which is therefore no output
#          surveillance/: listing, index and boxes of those videos, by the rules of acquire, index
#          and detect with SURVEILLANCE_CONFIG


use rule acquire_videos as surveillance_videos with:
    input:
        kinetics=[],
        archives=SURVEILLANCE_FETCHED,
    output:
        f"{SURVEILLANCE}/videos.parquet",
    log:
        f"{BUILD}/logs/surveillance/videos.log",
    benchmark:
        f"{BUILD}/benchmarks/surveillance/videos.tsv"
    params:
        settings=stage_settings("acquire", SURVEILLANCE_CONFIG),
        version=tried(results_version("acquire"), "surveillance/videos.parquet"),
        listing=surveillance_listing,
        kinetics="",


use rule index as surveillance_index with:
    input:
        videos=rules.surveillance_videos.output,
        published=[],
    output:
        videos=f"{SURVEILLANCE}/index/videos.parquet",
        shards=expand(
            f"{SURVEILLANCE}/index/shards/{{shard}}.parquet", shard=DETECT_SHARDS
        ),
    log:
        f"{BUILD}/logs/surveillance/index.log",
    benchmark:
        f"{BUILD}/benchmarks/surveillance/index.tsv"
    params:
        settings=stage_settings("index", SURVEILLANCE_CONFIG),
        version=tried(results_version("index"), "surveillance/index/videos.parquet"),


use rule detect_shard as surveillance_detect with:
    input:
        videos=f"{SURVEILLANCE}/index/shards/{{shard}}.parquet",
        weights=weights_of("detect"),
        boxes=user_boxes,
    output:
        f"{SURVEILLANCE}/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/surveillance/detect-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/surveillance/detect-{{shard}}.tsv"
    params:
        settings=stage_settings("detect", SURVEILLANCE_CONFIG),
        version=detect_version("surveillance/detect"),
        weights=weights_option,


rule proposals:
    input:
        videos=rules.surveillance_index.output.videos,
        detect=expand(rules.surveillance_detect.output, shard=DETECT_SHARDS),
        keypoints=proposal_keypoints,
    output:
        candidates=f"{BUILD}/proposals/candidates.parquet",
        videos=f"{BUILD}/proposals/videos.parquet",
        page=f"{BUILD}/proposals/index.html",
    log:
        f"{BUILD}/logs/proposals/candidates.log",
    benchmark:
        f"{BUILD}/benchmarks/proposals/candidates.tsv"
    conda:
        "../envs/video.yaml"
    threads: 16
    resources:
        **requests(mem_mb=1000, minutes=480, thread_mb=1000),
    params:
        settings=stage_settings("proposals"),
        version=tried(results_version("proposals"), "proposals/candidates.parquet"),
        keypoints=keypoints_option,
    shell:
        "python -m occludenet_build proposals --videos {input.videos:q}"
        f" --detect {folder_of('surveillance/detect')} --shards {len(DETECT_SHARDS)}"
        " {params.keypoints} --out {output.candidates:q} --threads {threads} --settings {params.settings:q} --log {log:q}"
