# What jobs request: memory, run time, GPUs, and on SLURM the account and the like (config: cluster).
#   reads  the checked configuration, CONFIG; on SLURM, sinfo
#   writes nothing
import functools


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
