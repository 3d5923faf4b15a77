# integralaction: trains IntegralAction in its modes and evaluates it with poses of both twins.
# Runs if integralaction.modes names some.
#   reads  annotate/clips.parquet, annotate/labels.json, the clips, poses/<shard>.parquet with its
#          store, weights
#   writes integralaction/<mode>-<seed>.pt, .csv, .parquet, .clean.parquet, .gates.parquet, .json,
#          integralaction/store/<mode>-<seed>/, integralaction/modes.csv, integralaction/gate.csv,
#          integralaction/tables.json


wildcard_constraints:
    mode="rgb_only|pose_only|rgb_pose",


rule integralaction_train:
    input:
        clips=rules.annotate.output.clips,
        labels=rules.annotate.output.labels,
        poses=integralaction_poses,
        starts=integralaction_starts,
        weights=integralaction_weights,
    output:
        model=f"{BUILD}/integralaction/{{mode}}-{{seed}}.pt",
        curve=f"{BUILD}/integralaction/{{mode}}-{{seed}}.csv",
    log:
        f"{BUILD}/logs/integralaction/{{mode}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/integralaction/{{mode}}-{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 8 * CONFIG.integralaction.processes
    resources:
        **requests(
            mem_mb=32000,
            minutes=2880,
            gpus=device_gpus("integralaction") * CONFIG.integralaction.processes,
        ),
    params:
        settings=integralaction_mode_settings,
        version=tried(
            results_version("integralaction"), "integralaction/{mode}-{seed}.pt"
        ),
        root=in_build(),
        poses=in_build("poses"),
        starts=starts_option,
        weights=weights_option,
        program=train_program(CONFIG.integralaction.processes),
    shell:
        "{params.program} occludenet_build integralaction train --clips {input.clips:q}"
        " --labels {input.labels:q} --poses {params.poses:q} --root {params.root:q}"
        " --mode {wildcards.mode} --seed {wildcards.seed} {params.starts} {params.weights}"
        " --out {output.model:q} --threads {threads} --settings {params.settings:q} --log {log:q}"


rule integralaction_evaluate:
    input:
        clips=rules.annotate.output.clips,
        poses=integralaction_poses,
        model=rules.integralaction_train.output.model,
        lists=integralaction_lists,
    output:
        predictions=f"{BUILD}/integralaction/{{mode}}-{{seed}}.parquet",
        clean=f"{BUILD}/integralaction/{{mode}}-{{seed}}.clean.parquet",
        gates=f"{BUILD}/integralaction/{{mode}}-{{seed}}.gates.parquet",
        metrics=f"{BUILD}/integralaction/{{mode}}-{{seed}}.json",
    log:
        f"{BUILD}/logs/integralaction/evaluate-{{mode}}-{{seed}}.log",
    benchmark:
        f"{BUILD}/benchmarks/integralaction/evaluate-{{mode}}-{{seed}}.tsv"
    wildcard_constraints:
        mode="pose_only|rgb_pose",
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        **requests(mem_mb=16000, minutes=720, gpus=device_gpus("integralaction")),
    params:
        settings=integralaction_test_settings(),
        version=tried(
            results_version("integralaction"), "integralaction/{mode}-{seed}.parquet"
        ),
        listings=integralaction_listings,
        root=in_build(),
        poses=in_build("poses"),
    shell:
        "python -m occludenet_build integralaction evaluate --clips {input.clips:q}"
        " --model {input.model:q} --poses {params.poses:q} --root {params.root:q}"
        " --out {output.predictions:q} --threads {threads} --settings {params.settings:q}"
        " --log {log:q}"


use rule integralaction_evaluate as integralaction_evaluate_rgb with:
    output:
        predictions=f"{BUILD}/integralaction/{{mode}}-{{seed}}.parquet",
        gates=f"{BUILD}/integralaction/{{mode}}-{{seed}}.gates.parquet",
        metrics=f"{BUILD}/integralaction/{{mode}}-{{seed}}.json",
    wildcard_constraints:
        mode="rgb_only",


rule integralaction:
    input:
        predictions=integralaction_predictions,
    output:
        modes=report(f"{BUILD}/integralaction/modes.csv", category="Results"),
        gate=report(f"{BUILD}/integralaction/gate.csv", category="Results"),
        tables=f"{BUILD}/integralaction/tables.json",
    log:
        f"{BUILD}/logs/integralaction/summary.log",
    benchmark:
        f"{BUILD}/benchmarks/integralaction/summary.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        **requests(mem_mb=4000, minutes=60),
    params:
        version=results_version("integralaction"),
    shell:
        "python -m occludenet_build integralaction summary --predictions {input.predictions:q}"
        " --out {output.modes:q} --log {log:q}"
