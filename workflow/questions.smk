# questions: multiple-choice questions about the clips, for video language models. A separate target.
#   reads  annotate/clips.parquet, the lists of evaluate.lists, evaluate/ and predictions/ for hard
#          distractors
#   writes questions/handout/, questions/classifiers/, questions/key.json, questions/summary.json


rule questions:
    input:
        clips=rules.annotate.output.clips if BUILDS_CLIPS else [],
        models=question_models,
        lists=rules.evaluate_arm.input.lists,
    output:
        key=f"{BUILD}/questions/key.json",
        summary=f"{BUILD}/questions/summary.json",
        handout=directory(f"{BUILD}/questions/handout"),
        classifiers=directory(f"{BUILD}/questions/classifiers"),
    log:
        f"{BUILD}/logs/questions.log",
    benchmark:
        f"{BUILD}/benchmarks/questions.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **requests(mem_mb=8000, minutes=60),
    params:
        settings=questions_settings(),
        version=results_version("questions"),
        clips=clips_option,
        root=in_build(),
        out=in_build("questions"),
    shell:
        "python -m occludenet_build questions {params.clips} --root {params.root:q}"
        " --predictions {input.models:q} --out {params.out:q} --settings {params.settings:q}"
        " --log {log:q}"
