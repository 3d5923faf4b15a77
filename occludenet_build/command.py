"""Command line, logging and error handling of all stages and tools."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from occludenet_build import config as settings_module
from occludenet_build.core import commits, pool
from occludenet_build.core.errors import DISK_FULL, UserError
from occludenet_build.core.extras import import_errors_as_user_errors


def parser(
    name: str,
    contract: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    takes_settings: bool = True,
) -> argparse.ArgumentParser:
    """Create the argument parser of a command, with its own arguments and the common ones.

    `contract`: the docstring that --help shows. `takes_settings`: whether to add --settings.
    """
    created = argparse.ArgumentParser(
        prog=f"occludenet {name}",
        description=contract,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(created)
    if takes_settings:
        created.add_argument(
            "--settings",
            default="{}",
            metavar="JSON",
            help='settings of config.yaml as JSON: {"seed": 0, "STAGE": {...}}; default: {}',
        )
    created.add_argument("--log", type=Path, metavar="FILE", help="also write the log to FILE")
    return created


def main(
    name: str,
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, settings_module.Config], None],
    arguments: Sequence[str] | None = None,
) -> None:
    """Run one command, a stage or a tool.

    `arguments`: those after the command's name (default: sys.argv[1:]). `run(args, config)`
    receives the settings of the stage and of the sections that it borrows, checked and with their
    defaults. Exits with 2 for a UserError, with 1 for a full disk or a killed worker, and with 130
    after Ctrl-C, each after one line in the log. Raises all other exceptions: they are defects.
    """
    args = parser.parse_args(arguments)
    is_main = _is_main_process()
    _set_up_log(name, args.log if is_main else None)
    if not is_main:
        logging.getLogger().setLevel(logging.ERROR)
    # Handle SIGTERM, which schedulers send, like Ctrl-C, so that temporary files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with import_errors_as_user_errors():
            run(args, _config(getattr(args, "settings", "{}")))
        _log_cpu()
    except UserError as error:
        logging.error("%s", error)
        sys.exit(2)
    except BrokenProcessPool:
        logging.error("a worker was killed, probably out of memory; use fewer --threads")
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        logging.error("the disk is full; finished items are kept, make room and start again")
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("stopped; finished items are kept, and the next run continues from them")
        sys.exit(130)


def _is_main_process() -> bool:
    """Whether this process writes the log.

    torchrun starts several processes per job and numbers them in RANK; the others log errors only.
    """
    return os.environ.get("RANK", "0") == "0"


def _log_cpu() -> None:
    """Log the CPU time, for `occludenet plan`: Snakemake's benchmark misses the end of a job."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    logging.info("CPU %.2f s", sum(one.ru_utime + one.ru_stime for one in used))


PASSED_ON = {"download": "OCCLUDENET_DOWNLOAD", "failures": "OCCLUDENET_FAILURES"}
"""Section of the settings -> environment variable with the section as JSON, set by the workflow.
These sections do not affect results, so they must not be params of a rule: a change would rerun the
rule."""


def _config(text: str) -> settings_module.Config:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--settings: wanted JSON, got {text[:80]!r} ({error})") from error
    for section, variable in PASSED_ON.items():
        if variable in os.environ and isinstance(values, dict):
            values = {section: json.loads(os.environ[variable])} | values
    config = settings_module.load_part(values)
    if "failures" in values:
        pool.limit_items(config.failures.item_minutes, config.failures.worker_memory_mb)
        commits.bound_loss(config.failures.commit_clips, config.failures.commit_seconds)
    return config


def _set_up_log(name: str, path: Path | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        handlers += _log_file(path)
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s {name}: %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    # At INFO, matplotlib reports once per machine that it wrote its font list.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)


class _LogFile(logging.FileHandler):
    """A log file on a full disk loses lines, without logging's own traceback for each of them."""

    def handleError(self, record: logging.LogRecord) -> None:
        if getattr(sys.exception(), "errno", None) not in DISK_FULL:
            super().handleError(record)


def _log_file(path: Path) -> list[logging.Handler]:
    """The handler of a log file; none on a disk too full to create it: stderr has the log too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return [_LogFile(path, mode="w")]
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        return []
