# residual_actor: is the actor still detected in the counterfactual clips? Compares the people that
# detect finds in them with the actor's boxes in the source clips. Two separate targets:
# residual_actor covers all counterfactual clips, residual_actor_fills compares fills on a sample.
#   reads  select/shards/<shard>.parquet, counterfactual/<shard>.parquet and its clips, the boxes of
#          detect, the masks of actor_masks
#   writes residual_actor/<fill>/clips.parquet, residual_actor/<fill>/summary.json,
#          residual_actor/fills.json
#          residual_actor/sample/: the clips on which fills are compared
#          residual_actor/<fill>/{videos,detect}/<shard>.parquet, and for fills that the build does
#          not have also {composite,counterfactual}/<shard>.parquet
#
# <fill> is `built` for all counterfactual clips of the build, `outside` for those of another program
# (target residual_actor_outside), else a fill on the sample, or `none`
# for the occluded clips.


wildcard_constraints:
    fill="built|outside|none|zero|mean|blur|median|noise|inpaint",


rule residual_actor_sample:
    input:
        SELECT,
    output:
        expand(f"{BUILD}/residual_actor/sample/{{shard}}.parquet", shard=CLIP_SHARDS),
    log:
        f"{BUILD}/logs/residual_actor/sample.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/sample.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=stage_settings("residual_actor"),
        version=results_version("residual_actor"),
        folder=in_build("residual_actor/sample"),
    shell:
        "python -m occludenet_build residual_actor sample --clips {input:q} --out {params.folder:q}"
        " --settings {params.settings:q} --log {log:q}"


use rule composite_shard as residual_actor_made with:
    input:
        clips=fill_sources,
        masks=masks_of,
    output:
        clips=f"{BUILD}/residual_actor/{{fill}}/composite/{{shard}}.parquet",
        erased=f"{BUILD}/residual_actor/{{fill}}/counterfactual/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/residual_actor/{{fill}}/made-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/{{fill}}/made-{{shard}}.tsv"
    params:
        settings=fill_settings,
        version=tried(
            results_version("composite"),
            "residual_actor/{fill}/composite/{shard}.parquet",
        ),
        boxes=in_build("detect/store"),
        bank=in_build("occluders"),
        root=fill_folder,
        masks=masks_option,


rule residual_actor_videos:
    input:
        clips=fill_sources,
        select=ancient(SELECT),
        made=fill_clips,
    output:
        f"{BUILD}/residual_actor/{{fill}}/videos/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/residual_actor/{{fill}}/videos-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/{{fill}}/videos-{{shard}}.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=1000, minutes=10),
    params:
        settings=stage_settings("residual_actor"),
        version=results_version("residual_actor"),
        root=fill_folder,
    shell:
        "python -m occludenet_build residual_actor list --clips {input.clips:q} --made {input.made:q}"
        " --root {params.root:q} --out {output:q} --settings {params.settings:q} --log {log:q}"


use rule detect_shard as residual_actor_detect with:
    input:
        videos=rules.residual_actor_videos.output,
        weights=weights_of("detect"),
        boxes=[],
    output:
        f"{BUILD}/residual_actor/{{fill}}/detect/{{shard}}.parquet",
    log:
        f"{BUILD}/logs/residual_actor/{{fill}}/detect-{{shard}}.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/{{fill}}/detect-{{shard}}.tsv"
    params:
        settings=stage_settings("detect"),
        version=detect_version("residual_actor/{fill}/detect"),
        weights=weights_option,


rule residual_actor_fill:
    input:
        videos=expand(
            rules.residual_actor_videos.output, shard=CLIP_SHARDS, allow_missing=True
        ),
        found=expand(
            rules.residual_actor_detect.output, shard=CLIP_SHARDS, allow_missing=True
        ),
        masks=rules.actor_masks.input,
    output:
        clips=f"{BUILD}/residual_actor/{{fill}}/clips.parquet",
        summary=f"{BUILD}/residual_actor/{{fill}}/summary.json",
    log:
        f"{BUILD}/logs/residual_actor/{{fill}}/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/{{fill}}/clips.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=2000, minutes=60),
    params:
        settings=stage_settings("residual_actor"),
        version=results_version("residual_actor"),
        boxes=in_build("detect/store"),
        fill=fill_name,
    shell:
        "python -m occludenet_build residual_actor compare"
        f" --videos {folder_of('residual_actor')}/{{wildcards.fill}}/videos"
        f" --found {folder_of('residual_actor')}/{{wildcards.fill}}/detect"
        f" --masks {folder_of('actor_masks')} --shards {len(CLIP_SHARDS)}"
        " --boxes {params.boxes:q} --fill {params.fill:q} --out {output.clips:q}"
        " --settings {params.settings:q} --log {log:q}"


rule residual_actor:
    input:
        expand(rules.residual_actor_fill.output, fill="built"),
    localrule: True


rule residual_actor_outside:
    input:
        expand(rules.residual_actor_fill.output, fill="outside"),
    localrule: True


rule residual_actor_fills:
    input:
        expand(
            rules.residual_actor_fill.output.summary, fill=CONFIG.residual_actor.fills
        ),
    output:
        f"{BUILD}/residual_actor/fills.json",
    log:
        f"{BUILD}/logs/residual_actor/fills.log",
    benchmark:
        f"{BUILD}/benchmarks/residual_actor/fills.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=stage_settings("residual_actor"),
        version=results_version("residual_actor"),
    shell:
        "python -m occludenet_build residual_actor fills --summaries {input:q} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"
