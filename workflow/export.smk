# export: the dataset in the formats of other programs. A separate target.
#   reads  annotate/, measure/<set>/, select/clips.parquet, the stores of detect and actor_masks,
#          poses/ if it is there, the clips
#   writes export/<format>/, for each of export.formats


rule export_format:
    input:
        clips=export_annotated,
        measured=export_measured,
        poses=export_poses,
        labels=export_label_map,
    output:
        f"{BUILD}/export/{{format}}/export.json",
    log:
        f"{BUILD}/logs/export/{{format}}.log",
    benchmark:
        f"{BUILD}/benchmarks/export/{{format}}.tsv"
    conda:
        "../envs/video.yaml"
    threads: 4
    resources:
        **requests(mem_mb=4000, minutes=720, thread_mb=500),
    params:
        settings=export_settings,
        version=tried(results_version("export"), "export/{format}.json"),
        root=in_build(),
    shell:
        "python -m occludenet_build export --format {wildcards.format} --root {params.root:q}"
        " --out {output:q} --threads {threads} --settings {params.settings:q} --log {log:q}"


rule export:
    input:
        exported_formats,
    localrule: True
