"""Runs in every Python process of an environment of the stand-in: notes what the process saw.

The note lies in <environment>.witness/. This file is copied into the environments, so it imports
the standard library only.
"""

import atexit
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

VARIABLES = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "WITNESS_AVOIDS")


def libraries() -> list[str]:
    """Paths of the shared libraries that this process has loaded."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    files = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    return sorted(file for file in files if ".so" in file.rpartition("/")[2])


def note() -> None:
    """Write the note of this process, at its end."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    asked = os.environ.get("WITNESS_ASKS", "").split()
    seen = {
        "argv": sys.orig_argv,
        "prefix": sys.prefix,
        "base": sys.base_prefix,
        "no_user_site": bool(sys.flags.no_user_site),
        "path": sys.path,
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "importable": [name for name in asked if find_spec(name)],
        "libraries": libraries(),
        "modules": {name: file for name, file in files.items() if file},
    }
    folder = Path(f"{sys.prefix}.witness")
    folder.mkdir(exist_ok=True)
    (folder / f"{os.getpid()}-{os.urandom(4).hex()}.json").write_text(json.dumps(seen))


if Path(__file__).parent.name == "site-packages":  # not where tests are collected
    atexit.register(note)
