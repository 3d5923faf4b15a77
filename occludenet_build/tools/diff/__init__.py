"""diff: what differs between two builds, and why.

Reads  of BUILD_A and BUILD_B: the records of their settings (settings.json; for builds that have
       none, what Snakemake noted in .snakemake beside them), the tables of the stages, and the
       metrics of evaluate and models
Writes a text to stdout, or with --json one JSON object with every clip; nothing in the builds

A source clip is added or dropped if only B, or only A, has finished it; it is changed if the hashes
of its files or of its ground truth differ. Its cause is looked for at the first stage, in the order
of the data, whose row of the clip differs:

    source      the video is in one build only, its content or its folder differs, or it was away
    setting     settings of that stage differ
    weights     the network's weights or its backend differ
    version     the version of the stage's results differs
    machine     another encoder, instruction set or version of a library
    other clips it depends on other clips: a quota, the bank of occluders, a duplicate
    unfinished  one of the builds has not come so far
    unknown     none of these, or the settings are not recorded

Metrics: top-1 and top-5 of each model and set, whether they moved by more than their 95 % intervals
allow, and what that model depends on that differs.

Exit status: 0 the same, 1 something differs, 2 wrong arguments. Paths are not compared.

Modules:

    settings    settings and versions that differ
    clips       clips added, dropped and changed, each with the stage where it begins to differ
    causes      the cause of a difference at a stage
    metrics     metrics that differ
    view        all of it as text
"""
