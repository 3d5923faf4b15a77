"""What all stages and tools share at the door: the command line, the log, one-line errors."""

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
from occludenet_build.core.errors import DISK_FULL, UserError


def parser(
    name: str,
    contract: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    takes_settings: bool = True,
) -> argparse.ArgumentParser:
    """What reads the arguments of a command: its own, and those that all have.

    `contract` is the docstring that --help shows.
    """
    made = argparse.ArgumentParser(
        prog=f"occludenet {name}",
        description=contract,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(made)
    if takes_settings:
        made.add_argument(
            "--settings",
            default="{}",
            metavar="JSON",
            help='settings as in config.yaml, as JSON: {"seed": 0, "STAGE": {...}}; default: {}',
        )
    made.add_argument("--log", type=Path, metavar="FILE", help="plain lines go here as well")
    return made


def main(
    name: str,
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, settings_module.Config], None],
    words: Sequence[str] | None = None,
) -> None:
    """Run one command, a stage or a tool, from its command line.

    `words` is what stands after the command's name (default: sys.argv[1:]). `run(args, config)`
    gets the settings of the stage (and of those it borrows) checked and with their defaults. Ends
    the process with 2 after one line on the terminal for a UserError, with 1 after one for a full
    disk or a worker that was killed, or with 130 after Ctrl-C. Raises what else goes wrong, which
    is a defect.
    """
    args = parser.parse_args(words)
    first = _is_first()
    _set_up_log(name, args.log if first else None)
    if not first:
        logging.getLogger().setLevel(logging.ERROR)
    # SIGTERM, as schedulers send it, unwinds like Ctrl-C: temporary files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(args, _config(getattr(args, "settings", "{}")))
        _log_cpu()
    except UserError as error:
        logging.error("%s", error)
        sys.exit(2)
    except BrokenProcessPool:
        logging.error("a worker was killed, most likely for want of memory: give fewer --threads")
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        logging.error("the disk is full; finished items are kept, make room and start again")
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("stopped; finished items are kept, a new start goes on from them")
        sys.exit(130)


def _is_first() -> bool:
    """Whether this process has the log. torchrun starts several for one job and numbers them in
    RANK: the others tell only what stops them."""
    return os.environ.get("RANK", "0") == "0"


def _log_cpu() -> None:
    """What `plan` learns from: Snakemake's benchmark misses the last seconds of a job."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    logging.info("CPU %.2f s", sum(one.ru_utime + one.ru_stime for one in used))


DOWNLOADS = "OCCLUDENET_DOWNLOAD"
"""Environment variable with the section `download` as JSON, as the workflow sets it: how files are
fetched changes none, so that it is no parameter of a rule, which would rerun what follows."""


def _config(text: str) -> settings_module.Config:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--settings: wanted JSON, got {text[:80]!r} ({error})") from error
    if DOWNLOADS in os.environ and isinstance(values, dict):
        values = {"download": json.loads(os.environ[DOWNLOADS])} | values
    return settings_module.load_part(values)


def _set_up_log(name: str, path: Path | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w"))
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s {name}: %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    # at INFO it says that it wrote a list of the fonts, once on every machine
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
