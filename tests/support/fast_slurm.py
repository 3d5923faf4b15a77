"""Snakemake with a short, constant interval between status queries; for tests on a local SLURM.

The executor adds 10 s to its interval after each query in which no job succeeded, and no option
changes that. Submission, queries and scheduling are unchanged.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(
    lambda self: 0.5, lambda self, value: None
)

if __name__ == "__main__":
    sys.exit(main())
