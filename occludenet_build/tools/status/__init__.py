"""status: where a build stands.

Reads  of BUILD: the record of the last start (.jobs.json), the tables of the stages, the journals
       of shards in progress, logs/, benchmarks/, the sizes of the files; the processes of this
       machine; squeue, if there is one
Writes a table to stdout. Nothing in BUILD is written, locked or removed: the command may run
       beside a build, on another machine of a cluster, and after a crash.

Per stage: finished jobs, finished items (videos, clips, cut-outs), items that failed and that were
skipped, running and queued jobs, items per second of the time in which jobs ran, the time left, and
the disk space. Then the reasons of failures, and the jobs that stopped with the last line of their
logs. On a terminal the table is refreshed in place while the build runs; in a pipe it is printed
once. `--failed` lists the failed items with their lines in the logs instead, `--json` prints one
JSON object.

The time left and the space needed follow from what the build itself has done so far. For stages
that have not begun, --rates gives a finished build of the same machine, from which `occludenet
plan` takes its rates. What is not known is `?`.

Exit status: 0 all jobs are finished and no item failed, 1 all are finished but items failed or a
table does not read, 2 wrong arguments, 3 jobs are left (running, stopped or not begun), whether or
not items failed so far.

Modules:

    jobs      the jobs of the build, and the state of each
    running   who runs what: processes here, jobs of SLURM
    items     finished and failed items, in tables and journals
    pace      rate, time left and space needed of a stage
    forecast  the same for stages that have not begun, by the rates of an earlier build
    look      all of it for all stages
    view      the table as text, and in place on a terminal
    failed    failed items with their lines in the logs
"""
