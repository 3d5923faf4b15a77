"""Fetch and unpack archives; a run that was killed at any time is resumed by the next.

In the target's folder of archives, where `<name>` ends with a hash of the address:

    <name>          the archive, or <name>.00, .01 ... its pieces, which are read without joining
                    them; removed after it is unpacked, unless the target keeps archives
    <name>.json     its record (a Delivery), written after it was unpacked or has failed
    <list>          the last copy of a fetched list
    .lock           a second process waits for this lock

A file gets its name only when it is complete. An archive whose record has status ok and whose
selected files are all on disk is neither fetched nor opened. If a file is missing, or the selection
now includes more files of the archive, it is fetched again; existing files are not written again.
Archives are unpacked one by one as they arrive, while the next are fetched: at most
download.parallel + 1 archives are on disk, and one record is in memory.

An incomplete or corrupt archive fails. Of its files only those are kept that must be intact: those
before the end of a truncated archive, and those of a zip that match their checksum. The next run
tries it again. An archive that was joined from several answers, or is left from an earlier run, is
fetched again at once, since joining may be the fault. Where two archives have a file of the same
path, the first that arrives delivers it, and the other records it as a duplicate.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from occludenet_build.config.sources import Downloads
from occludenet_build.core import files
from occludenet_build.core.errors import TRANSIENT, UserError, as_item_error
from occludenet_build.sources.transfer.download import Download, Outcome, redact
from occludenet_build.sources.transfer.parallel import FailureBudget, download_all
from occludenet_build.sources.transfer.sources import ArchiveSource, expand_sources
from occludenet_build.sources.transfer.unpack_target import (
    NOT_WHOLE,
    Delivery,
    Owners,
    UnpackTarget,
    read_record,
    unpack_archive,
    write_record,
)

MAY_PASS = frozenset({*TRANSIENT, "forbidden"})
"""Reasons for which an archive is tried again by the next start; a token may open a gated one."""


def deliver_archives(
    sources: Iterable[str], target: UnpackTarget, settings: Downloads
) -> Iterator[Delivery]:
    """Fetch and unpack the archives that the sources name; yield a Delivery for each.

    Sources are archives or lists of archives, as files or addresses (see `sources`); local files
    are read in place and kept. Raises UserError when more than download.failure_budget of the
    archives fail (broken archives count), after it has yielded the last of them; and with
    download.offline, at the end, if there are archives that no run has tried yet.
    """
    with files.folder_lock(target.archives):
        asked = expand_sources(sources, target.archives, settings, target.wanted)
        yield from _DeliveryRun(target, settings, len(asked)).deliver(asked)


class _DeliveryRun:
    def __init__(self, target: UnpackTarget, settings: Downloads, total: int) -> None:
        self.target, self.settings, self.total = target, settings, total
        self.budget = FailureBudget(settings, total)
        self.owners: Owners = {}
        self.not_here: list[str] = []

    def deliver(self, asked: list[ArchiveSource]) -> Iterator[Delivery]:
        due = []
        for source in asked:
            known = self._known(source)
            if known is None:
                due.append(source)
            else:
                yield known
        logging.info("%d archives, %d unpacked before", len(asked), len(asked) - len(due))
        for source in due:
            if not source.is_remote:
                yield from self._settled(source, self._local(source))
        yield from self._remote([source for source in due if source.is_remote])
        self._refuse_missing()

    def _known(self, source: ArchiveSource) -> Delivery | None:
        """The Delivery of an earlier run, or None if one of its files is missing."""
        record = read_record(self._record(source))
        if record is None or record.status != "ok":
            return None
        if not source.is_remote and source.stamp not in (record.stamp, "missing"):
            return None
        known = record.with_current_targets(self.target.content, self.target.path_for)
        if not known.is_complete(self.target.content):
            return None
        self.owners.update(dict.fromkeys(known.delivered, source.text))
        self._clear(source)
        return known

    def _local(self, source: ArchiveSource) -> Delivery:
        if source.gap:
            return _not_opened(source, "missing", _no_piece(source))
        try:
            sizes = [_readable_size(Path(part)) for part in source.parts]
        except OSError as error:
            reason = as_item_error(error).reason
            return _not_opened(source, reason, f"{error.filename}: {error.strerror}")
        found = Delivery(source.shown, "ok", bytes=sum(sizes), stamp=source.stamp)
        return self._unpacked(source, [Path(part) for part in source.parts], found)

    def _remote(self, due: list[ArchiveSource], again: bool = False) -> Iterator[Delivery]:
        """Fetch and unpack archives; fetch broken ones that were joined once more at the end."""
        doubtful = []
        for source in due:
            if source.gap:
                failed = _not_opened(source, "missing", _no_piece(source))
                yield from self._settled(source, failed)
        for source, outcomes in self._fetch([source for source in due if not source.gap]):
            delivery = self._arrived(source, outcomes)
            if delivery.reason in NOT_WHOLE:
                joined = any(_is_joined(outcome) for outcome in outcomes)
                # The last piece may not be named; the others need not be fetched again then.
                if joined or not (source.pieces and delivery.reason == "truncated"):
                    self._remove(source)
                if joined and not again and not self.settings.offline:
                    doubtful.append(source)
                    continue
            yield from self._settled(source, delivery)
        if doubtful:
            yield from self._remote(doubtful, again=True)

    def _fetch(self, todo: list[ArchiveSource]) -> Iterator[tuple[ArchiveSource, list[Outcome]]]:
        """Yield each archive with the outcomes of its parts, in their order, after the last."""
        owner = {path: source for source in todo for path in self._paths(source)}
        waiting = {source: dict.fromkeys(self._paths(source)) for source in todo}
        downloads = [
            Download(part, path)
            for source in todo
            for part, path in zip(source.parts, self._paths(source), strict=True)
        ]
        if not downloads:
            return
        total = self.total - len(todo) + len(downloads)
        fetched = download_all(downloads, self.settings, total=total)
        with contextlib.closing(fetched):  # type: ignore[type-var] # a generator
            for outcome in fetched:
                source = owner[outcome.download.target]
                outcomes: dict[Path, Any] = waiting[source]
                outcomes[outcome.download.target] = outcome
                if None not in outcomes.values():
                    yield source, list(outcomes.values())

    def _arrived(self, source: ArchiveSource, outcomes: list[Outcome]) -> Delivery:
        received = sum(outcome.bytes for outcome in outcomes)
        sha256 = outcomes[0].sha256 if not source.pieces else None
        fetched = Delivery(source.shown, "ok", bytes=received, sha256=sha256)
        failed = next((outcome for outcome in outcomes if outcome.status != "ok"), None)
        if failed is None:
            return self._unpacked(source, self._paths(source), fetched)
        if failed.reason == "offline":
            before = read_record(self._record(source))
            if before is not None and before.status == "failed":
                return before
            self.not_here.append(source.shown)
        detail = failed.detail
        if source.pieces:
            detail = f"piece {redact(failed.download.url)}" + (f": {detail}" if detail else "")
        return fetched.as_failed(failed.reason or "", detail)

    def _unpacked(self, source: ArchiveSource, paths: list[Path], fetched: Delivery) -> Delivery:
        before = read_record(self._record(source))
        found = unpack_archive(paths, source.text, fetched, self.target, self.owners, before)
        if source.pieces and found.reason in NOT_WHOLE:
            first, last = (_name(source.parts[at]) for at in (0, -1))
            detail = f"{found.detail}; its pieces are {first} to {last}: are these all?"
            return found.as_failed(found.reason or "", detail)
        return found

    def _settled(self, source: ArchiveSource, delivery: Delivery) -> Iterator[Delivery]:
        """Write the record of an archive, yield its Delivery, count it in the budget."""
        if delivery.status == "failed":
            delivery = delivery.merged_with(read_record(self._record(source)))
        if delivery.reason != "offline":
            write_record(self._record(source), delivery)
        if delivery.status == "ok":
            self._clear(source)
        content = self.target.content
        yield delivery.with_current_targets(content, self.target.path_for).without_missing(content)
        if not self.settings.offline:
            self.budget.count(_as_outcome(source, self._archive(source), delivery))

    def _clear(self, source: ArchiveSource) -> None:
        if source.is_remote and not self.target.keep:
            self._remove(source)

    def _remove(self, source: ArchiveSource) -> None:
        for path in self._paths(source):
            path.unlink(missing_ok=True)

    def _refuse_missing(self) -> None:
        if self.not_here:
            first = ", ".join(self.not_here[:5]) + (" ..." if len(self.not_here) > 5 else "")
            raise UserError(
                f"{len(self.not_here)} of {self.total} archives are not unpacked yet, and "
                f"downloads are switched off: {first}; fetch them where there is a network"
            )

    def _archive(self, source: ArchiveSource) -> Path:
        return self.target.archives / source.file

    def _paths(self, source: ArchiveSource) -> list[Path]:
        """Paths of the parts of a fetched archive, in their order."""
        return [self.target.archives / source.file_of(part) for part in source.parts]

    def _record(self, source: ArchiveSource) -> Path:
        return self.target.archives / f"{source.file}.json"


def _not_opened(source: ArchiveSource, reason: str, detail: str) -> Delivery:
    logging.warning("%s: %s (%s)", source.shown, reason, detail)
    return Delivery(source.shown, "failed", reason, detail)


def _readable_size(path: Path) -> int:
    with open(path, "rb"):
        return path.stat().st_size


def _name(part: str) -> str:
    return redact(part).rpartition("/")[2]


def _no_piece(source: ArchiveSource) -> str:
    return (
        f"its piece {source.gap} is not there, {_name(source.parts[0])} to "
        f"{_name(source.parts[-1])} are; add it"
    )


def _is_joined(outcome: Outcome) -> bool:
    """Whether the file comes from more than one request of this run."""
    return outcome.attempts != 1 or outcome.received != outcome.bytes


def _as_outcome(source: ArchiveSource, path: Path, delivery: Delivery) -> Outcome:
    return Outcome(Download(source.text, path), delivery.status, delivery.reason, delivery.detail)
