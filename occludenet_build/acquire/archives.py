"""acquire archives: long surveillance videos out of the archives of segments.archives.

UCF-Crime comes as zip files with `Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4`. A video keeps the
folder it stands in, which is its class; folders above are left out, and so is all that is not named
as a video. In --folder:

    <class>/<video>    the videos
    .archives/         lists, records, and archives while they are needed (transfer.bundles)

The JSON of --out holds `folder`; `archives`, by address: status, reason, detail, bytes, sha256
(null for your own file), videos, and refused, a count for each reason; and `classes`: videos of
each.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.core.video.suffixes import SUFFIXES
from occludenet_build.transfer.bundles import deliver
from occludenet_build.transfer.unpack_target import Delivery, UnpackTarget


def acquire_archives(config: cfg.Config, folder: Path, out: Path) -> None:
    """Fetch and unpack what is missing, and note what there is.

    Raises UserError where too many archives fail, and where not one video came.
    """
    sources = config.segments.archives
    if not sources:
        raise UserError("segments.archives: wanted archives of videos, got nothing; set it")
    rows, classes = [], Counter[str]()
    target = UnpackTarget(folder / ".archives", folder, _path_for)
    for delivery in deliver(sources, target, config.download):
        rows.append(_row(delivery))
        classes += Counter(Path(target).parent.name for target in delivery.delivered)
    if not classes:
        reasons = ", ".join(sorted({row["reason"] or "no video in it" for row in rows}))
        raise UserError(
            f"segments.archives: wanted videos, {len(rows)} archives brought none ({reasons}); "
            "correct them, or set segments.videos"
        )
    rows.sort(key=lambda row: row["address"])
    files.write_json(
        out, {"folder": str(folder), "archives": rows, "classes": dict(sorted(classes.items()))}
    )
    logging.info("%d videos of %d classes in %s", classes.total(), len(classes), folder)


def _path_for(name: str) -> str | None:
    """Where a member goes: below the folder that it stands in.

    >>> _path_for("Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4"), _path_for("Abuse/notes.txt")
    ('Abuse/Abuse001_x264.mp4', None)
    """
    *folders, file = name.split("/")
    if file.startswith(".") or Path(file).suffix.lower() not in SUFFIXES:
        return None
    return "/".join([*folders[-1:], file])


def _row(delivery: Delivery) -> dict[str, Any]:
    refused = Counter(piece.reason for piece in delivery.pieces if piece.status == "failed")
    names = ("address", "status", "reason", "detail", "bytes", "sha256")
    return {name: getattr(delivery, name) for name in names} | {
        "videos": len(delivery.delivered),
        "refused": dict(refused),
    }
