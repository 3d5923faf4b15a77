"""Get a published file for a run within seconds, or the reason why it cannot be had.

A whole build tries a server again for minutes. Here the user waits at the terminal, and there is
something else to fall back to.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from occludenet_build.config import Downloads
from occludenet_build.config.published_files import PublishedFile
from occludenet_build.sources.acquire import recorded
from occludenet_build.sources.transfer import cache
from occludenet_build.sources.transfer.connection import new_http_session
from occludenet_build.sources.transfer.download import (
    CONNECTION_ERRORS,
    file_name,
    host_of,
    requested_address,
)

PATIENCE = 4.0
"""Time in which a server must answer, seconds; includes the look-up of its name."""
QUICK = Downloads(retries=2, timeout_seconds=10.0, longest_wait_seconds=5.0, failure_budget=1.0)
"""Settings of a download for which the user waits."""


@dataclass(frozen=True)
class Obtained:
    """What came of a wish for a file."""

    path: Path | None = None
    """A file of the user that is used in place; None: `acquire` finds it at its address."""
    missing: str | None = None
    """Why it cannot be had; None if it can."""


def obtain(
    file: PublishedFile, key: str, build: Path, offline: bool, dry_run: bool = False
) -> Obtained:
    """Find a published file on this machine, or fetch it to where `acquire` of `build` expects it.

    `key`: the setting that names it, for messages. With `dry_run` nothing is fetched or copied.
    Raises UserError for a file that is there and not what it was or should be.
    """
    target = build / "acquire" / "weights" / file_name(file.url, "weights")
    copy = cache.find_copy(file, unverified=True)
    if copy is not None and file.digest is None and copy != cache.cached_path(file):
        return Obtained(path=copy)
    if not (target.exists() or copy):
        missing = "--offline" if offline else unreachable(file.url)
        if missing or dry_run:
            return Obtained(missing=missing)
    if dry_run:
        return Obtained()
    request = recorded.FileRequest(file.url, file.sha256, key)
    try:
        recorded.fetch_published(request, replace(QUICK, offline=offline), target)
    except recorded.NotFetchedError as error:
        return Obtained(missing=str(error))
    return Obtained()


def unreachable(url: str) -> str | None:
    """Why the server of an address gives no answer within PATIENCE; None if it answers."""
    found: list[str | None] = []

    def ask() -> None:
        try:
            with new_http_session() as http:
                # Any answer will do: whether it has the file, the download says.
                http.head(address, allow_redirects=False, timeout=PATIENCE)
            found.append(None)
        except CONNECTION_ERRORS:
            found.append(f"{host_of(address)} is not reachable")

    address = requested_address(url, None)
    # A look-up of a name cannot be interrupted, so that it must not hold up this thread.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if not found:
        return f"{host_of(address)} gave no answer in {PATIENCE:g} s"
    return found[0]
