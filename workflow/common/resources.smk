# What jobs request: memory, run time, GPUs, and on SLURM the account and the like (config: cluster).
#   reads  the checked configuration, CONFIG; on SLURM, sinfo
#   writes nothing
import functools

from occludenet_build.tools import cluster


def on_slurm():
    """Whether this process submits jobs to SLURM; the Snakemake inside a job does not."""
    name = type(workflow.executor_settings).__module__
    return name.startswith("snakemake_executor_plugin_slurm.") or (
        name == "snakemake_executor_plugin_slurm"
    )


@functools.cache
def slurm_partitions():
    """The partitions of the profile with the limits of the cluster; exits with one line."""
    file = workflow.executor_settings.partition_config or os.getenv(
        "SNAKEMAKE_SLURM_PARTITIONS"
    )
    try:
        return cluster.Partitions(file and Path(file), cluster.cluster_limits())
    except UserError as error:
        stop(error)


def request(resource, wanted, attempt, gpus, limit):
    """A request that grows with every attempt, up to what the cluster has or the user allows.

    The first attempt is not reduced to what the cluster has: if it is too large, `check_cluster`
    says so.
    """
    if limit is not None:
        return min(attempt * wanted, limit)
    if attempt == 1 or not on_slurm():
        return attempt * wanted
    most = slurm_partitions().most(resource, gpus)
    return int(min(attempt * wanted, max(wanted, most)))


def requests(mem_mb, minutes, gpus=0, thread_mb=0):
    """The resources of a rule: memory of the job (and of each thread), run time, GPUs."""
    kind = CONFIG.cluster.gpu if gpus else CONFIG.cluster.cpu

    def memory(wildcards, threads, attempt):
        nested = cluster.NESTED_MB if on_slurm() else 0
        wanted = mem_mb + thread_mb * threads + nested
        return request("mem_mb", wanted, attempt, gpus, kind.max_mem_mb)

    def runtime(wildcards, attempt):
        return request("minutes", minutes, attempt, gpus, kind.max_minutes)

    extras = cluster.kind_resources(kind, gpus)
    return {"mem_mb": memory, "runtime": runtime, **extras}


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


onstart:
    check_cluster()


onsuccess:
    check_complete()
