# Checks of the whole run: before its jobs are planned, before the first one, and at its end.
#   reads  the planned jobs; on SLURM, sinfo
#   writes <build>/.build.lock, <build>/settings.json, <build>/.jobs.json


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


STARTED = []


def record_jobs(again=False):
    """Note the jobs of this start, and which are still to do, for `occludenet status`.

    `again`: the record of this start is corrected.
    """
    if workflow.is_main_process:
        STARTED.append(True)
        jobs = start_record.planned_jobs(Path(BUILD), workflow.dag)
        start_record.write_jobs(Path(BUILD), jobs, again)


def record_after_checkpoints():
    """Note the jobs again whenever a checkpoint has changed which are to do."""
    update = workflow.dag.update_checkpoint_dependencies

    async def updating(*args, **kwargs):
        updated = await update(*args, **kwargs)
        if updated:
            record_jobs(again=True)
        return updated

    workflow.dag.update_checkpoint_dependencies = updating


def recorded(execute):
    """Snakemake's `Workflow.execute`, which notes the settings before, and the jobs after it.

    `onsuccess` would not be called where nothing is to be done, `onerror` not after Ctrl-C.
    """

    def recording(executor_plugin, *args, **kwargs):
        is_dry = executor_plugin.common_settings.dryrun_exec
        if is_dry or not workflow.is_main_process:
            return execute(executor_plugin, *args, **kwargs)
        versions = {stage: results_version(stage) for stage in STAGES}
        versions["detect"] = with_backend_version(
            versions["detect"], "detect", CONFIG.detect.backend
        )
        start_record.write_settings(Path(BUILD), settings.recorded(CONFIG), versions)
        try:
            result = execute(executor_plugin, *args, **kwargs)
        except BaseException:
            if STARTED:  # else the DAG may be half
                record_jobs(again=True)
            raise
        record_jobs(again=True)
        return result

    return recording


# A second run in the same build waits for the first one.
workflow.execute = recorded(workflow.execute)
workflow.execute = one_at_a_time(workflow, Path(BUILD))


onstart:
    record_jobs()
    record_after_checkpoints()
    check_packages(workflow.dag.needrun_jobs())
    check_cluster()


onsuccess:
    check_complete()
