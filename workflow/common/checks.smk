# Checks of the whole run: before its jobs are planned, before the first one, and at its end.
#   reads  the planned jobs; on SLURM, sinfo
#   writes <build>/.build.lock


def check_packages(jobs):
    """Exit with a line per stage whose jobs will import a package that is not installed.

    Jobs with a conda environment are not checked: theirs is another installation.
    """
    needs = set()
    for job in () if USES_CONDA else jobs:
        stage = re.search(r"occludenet_build (\w+)", job.rule.shellcmd or "")
        if stage is not None and "settings" in job.params.keys():
            own = json.loads(job.params.settings).get(stage[1], {})
            needs.add((stage[1], modules_of(stage[1], own)))
    lines = []
    for stage, modules in sorted(needs):
        try:
            extras.require(modules, stage)
        except UserError as error:
            lines.append(str(error))
    if lines:
        stop("\n".join(lines))


def check_cluster():
    """Exit with a line per rule whose jobs the cluster would refuse, before the first job."""
    if not on_slurm():
        return
    planned = [
        cluster.Job(job.rule.name, job.threads, dict(job.resources.items()))
        for job in workflow.dag.needrun_jobs()
        if not workflow.is_local(job.rule)
    ]
    lines = cluster.refusals(planned, slurm_partitions())
    if lines:
        stop("\n".join(lines))


def check_complete():
    """Exit with an error if planned jobs were not run.

    When a checkpoint ends while a failed job waits for its next attempt, Snakemake 9.27 forgets
    that job, runs no job that needs it, and ends with status 0.
    """
    left = sorted({job.rule.name for job in workflow.dag.needrun_jobs()})
    if left:
        stop(
            f"{', '.join(left)}: wanted all jobs done, got an end before their turn: a job failed "
            "while a checkpoint was updated; start the same command again, what is done is kept"
        )


# A second run in the same build waits for the first one.
workflow.execute = one_at_a_time(workflow, Path(BUILD))


onstart:
    check_packages(workflow.dag.needrun_jobs())
    check_cluster()


onsuccess:
    check_complete()
