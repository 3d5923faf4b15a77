"""Whether the folders of a mirror have changed since clips were found missing in it.

A part of a mirror may have been away: another disk, a folder that was being copied. What a mirror
lacks is then no fact for ever. The stage notes the state of the folders, and the workflow, before
each start, compares: in another state the stage looks again. Standard library only, since the
workflow imports this module.

    <out folder>/retry/mirror    the state when clips were first found missing
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from occludenet_build.core.files import short_hash, write_text


def folders_once(
    root: Path | str, on_error: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str], list[str], os.stat_result]]:
    """os.walk that follows links, but yields each folder once, with its status.

    `on_error` receives the error of a folder that cannot be read. As with os.walk, the caller may
    change the list of folders.
    """
    seen = set()
    for parent, folders, names in os.walk(root, onerror=on_error, followlinks=True):
        try:
            status = Path(parent).stat()
        except OSError as error:
            folders.clear()
            if on_error is not None:
                on_error(error)
            continue
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        yield parent, folders, names, status


def folders_digest(root: Path | str) -> str:
    """A digest of the folders below `root`, links followed, and of the times of their last change.

    A folder changes when a file in it appears, goes or is renamed. Files are not looked at.
    """
    states = (
        f"{os.path.relpath(parent, root)!a} {status.st_mtime_ns}"
        for parent, _, _, status in folders_once(root)
    )
    return short_hash(*sorted(states))


def note_state(table: Path, digest: str) -> None:
    """Note the state in which clips were found missing; `table`: the output of the stage.

    The first note stays: the param of the rule is the difference from it.
    """
    if not _note(table).exists():
        write_text(_note(table), f"{digest}\n")


def changed_state(table: Path | str, root: str | None) -> str:
    """The digest of a mirror's folders if it differs from the noted one, else an empty text.

    Without a note, no clip was ever missing in it, or the stage has not run.
    """
    try:
        noted = _note(Path(table)).read_text().strip()
    except OSError:
        return ""
    now = folders_digest(root) if root else noted
    return "" if now == noted else now


def _note(table: Path) -> Path:
    return table.parent / "retry" / "mirror"
