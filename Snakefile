# OccludeNet as a build. The stages in the order of the data; config.yaml is the manual of their
# settings, README.md and docs/ explain the rest.
from snakemake.utils import min_version

min_version("9.19")

if Path("config.yaml").exists():

    configfile: "config.yaml"


# What all stages share
include: "workflow/common.smk"
# Sources: videos, cut-outs and weights
include: "workflow/kinetics.smk"
include: "workflow/acquire.smk"
include: "workflow/index.smk"
# People: bounding boxes, tracks, the actor
include: "workflow/detect.smk"
# Occlusion: which clips, which occluder, where the actor is, the clips themselves
include: "workflow/occluders.smk"
include: "workflow/select.smk"
include: "workflow/actor_masks.smk"
include: "workflow/composite.smk"
include: "workflow/outside.smk"
# The joints of the people in these clips
include: "workflow/poses.smk"
# Dataset: annotations, and what is wrong with them
include: "workflow/annotate.smk"
include: "workflow/validate.smk"
include: "workflow/leaks.smk"
# Test sets of background bias, made of the clips by their masks
include: "workflow/variants.smk"
# The dataset for other programs
include: "workflow/export.smk"
# Recognition: CAR, the other arms, other people's models
include: "workflow/train.smk"
include: "workflow/evaluate.smk"
include: "workflow/integralaction.smk"
include: "workflow/predictions.smk"
include: "workflow/questions.smk"
include: "workflow/attention.smk"
# Action detection: MOC and STADO
include: "workflow/moc.smk"
# Several networks in one table
include: "workflow/models.smk"
# Results: the paper's tables and figures, the page of a build
include: "workflow/paper.smk"
include: "workflow/report.smk"
# OccludeNet-S: clips cut out of surveillance videos
include: "workflow/proposals.smk"
include: "workflow/segments.smk"
# OccludeNet-I and -M: clips cut out of recordings
include: "workflow/recordings.smk"
# OccludeNet-S, -I and -M: the occlusion that is in their clips
include: "workflow/measure.smk"
# Checks of a finished build
include: "workflow/audit.smk"
include: "workflow/residual_actor.smk"


rule all:
    default_target: True
    input:
        rules.annotate.output,
        rules.validate.output,
        rules.leaks.output,
        rules.moc.output if CONFIG.moc.networks else [],
        rules.models.output if COMPARED else [],
        rules.integralaction.output if CONFIG.integralaction.modes else [],
        rules.paper.output,
        rules.report.output,
    localrule: True


# The clips and their annotations, without training.
rule dataset:
    input:
        rules.annotate.output,
        rules.validate.output,
        rules.leaks.output,
    localrule: True
