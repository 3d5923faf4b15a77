# OccludeNet as a build. The rooms in the order in which the data walks through them;
# config.yaml is the manual of their settings, docs/ and README.md explain the rest.
from snakemake.utils import min_version

min_version("9.19")

if Path("config.yaml").exists():

    configfile: "config.yaml"


include: "workflow/common.smk"
include: "workflow/kinetics.smk"
include: "workflow/acquire.smk"
include: "workflow/index.smk"
include: "workflow/detect.smk"
include: "workflow/occluders.smk"
include: "workflow/select.smk"
include: "workflow/leaks.smk"
include: "workflow/audit.smk"
include: "workflow/actor_masks.smk"
include: "workflow/composite.smk"
include: "workflow/annotate.smk"
include: "workflow/validate.smk"
include: "workflow/train.smk"
include: "workflow/evaluate.smk"
include: "workflow/predictions.smk"
include: "workflow/attention.smk"
include: "workflow/paper.smk"
include: "workflow/report.smk"
include: "workflow/leftover.smk"
include: "workflow/proposals.smk"
include: "workflow/segments.smk"


rule all:
    default_target: True
    input:
        rules.annotate.output,
        rules.validate.output,
        rules.leaks.output,
        rules.paper.output,
        rules.report.output,
    localrule: True


rule dataset:
    input:
        rules.annotate.output,
        rules.validate.output,
        rules.leaks.output,
    # The clips and their annotations, without training.
    localrule: True
