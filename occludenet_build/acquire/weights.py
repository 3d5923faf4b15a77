"""acquire weights: a file of the user's, or one that is fetched once, with its hash.

Of an address the file stands in the folder of --out, with its record; `acquire.recorded` says how.
"""

from __future__ import annotations

import logging
from pathlib import Path

from occludenet_build.acquire.recorded import Wanted, fetched, own
from occludenet_build.config import Downloads
from occludenet_build.core import files
from occludenet_build.core.settings import is_url
from occludenet_build.transfer.download import file_name

ROOMS = ("detect", "actor_masks", "train", "audit")
"""The rooms whose settings name weights."""


def acquire_weights(wanted: Wanted, settings: Downloads, out: Path) -> None:
    """Write the note of the file, after fetching it if need be; core.weights reads it."""
    if is_url(wanted.source):
        with files.exclusive(out.parent):
            note = fetched(wanted, settings, out.parent / file_name(wanted.source, "weights"))
    else:
        note = own(wanted)
    files.write_json(out, note)
    logging.info("%s: %s, sha256 %s", wanted.key, note["path"], note["sha256"])
