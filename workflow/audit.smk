# audit: compares the actor's boxes with those of a second detector, in a sample of the chosen
# clips. A separate target.
#   reads  select/clips.parquet, detect/store/<shard>/, the weights of the second detector
#   writes audit/sample.parquet, audit/clips.parquet, audit/summary.json
#          audit/detect/: the boxes of the second detector, by the rules of detect


rule audit_sample:
    input:
        SELECT,
    output:
        f"{BUILD}/audit/sample.parquet",
    log:
        f"{BUILD}/logs/audit/sample.log",
    benchmark:
        f"{BUILD}/benchmarks/audit/sample.tsv"
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=stage_settings("audit"),
        version=results_version("audit"),
    shell:
        "python -m occludenet_build audit sample --clips {input:q} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"


use rule detect_shard as audit_detect with:
    input:
        videos=rules.audit_sample.output,
        weights=audit_weights,
    output:
        f"{BUILD}/audit/detect/sample.parquet",
    log:
        f"{BUILD}/logs/audit/detect.log",
    benchmark:
        f"{BUILD}/benchmarks/audit/detect.tsv"
    conda:
        environment("audit", without="people")
    resources:
        **requests(mem_mb=6000, minutes=240, gpus=device_gpus("audit", of="detect")),
    params:
        settings=audit_settings(),
        version=tried(
            with_backend_version(
                results_version("detect"), "detect", CONFIG.audit.backend
            ),
            "audit/detect/sample.parquet",
        ),
        weights=weights_option,


rule audit:
    input:
        sample=rules.audit_sample.output,
        second=rules.audit_detect.output,
    output:
        clips=f"{BUILD}/audit/clips.parquet",
        summary=f"{BUILD}/audit/summary.json",
    log:
        f"{BUILD}/logs/audit/clips.log",
    benchmark:
        f"{BUILD}/benchmarks/audit/clips.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        **requests(mem_mb=2000, minutes=30),
    params:
        settings=stage_settings("audit"),
        version=results_version("audit"),
        first=in_build("detect/store"),
    shell:
        "python -m occludenet_build audit compare --sample {input.sample:q} --first {params.first:q}"
        " --second {input.second:q} --out {output.clips:q} --settings {params.settings:q} --log {log:q}"
