# One run at a time in a build folder: a second one waits before it plans its jobs.
#   reads  nothing
#   writes <build>/.build.lock
#
# `onstart` would be too late, since the jobs are planned by then. Only `Workflow.execute` knows that
# jobs will be run (the Snakefile is also read for --lint, --unlock, --summary and by each job), and
# it comes before planning. A dry run writes nothing and does not wait; jobs of a run that
# holds the lock (on nodes of a cluster, in groups) must not.


def one_at_a_time(execute):
    """`Workflow.execute`, which waits for another run in the same build."""

    def waits(executor_plugin, *args, **kwargs):
        dry = executor_plugin.common_settings.dryrun_exec
        if dry or not workflow.is_main_process:
            return execute(executor_plugin, *args, **kwargs)
        with build_lock(Path(BUILD)):
            return execute(executor_plugin, *args, **kwargs)

    return waits


workflow.execute = one_at_a_time(workflow.execute)
