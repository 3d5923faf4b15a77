"""Route youtube: each clip is cut out of its YouTube video, which is fetched whole.

One video at a time, with a pause after each (see `patience`), in the time of which its clip is cut.
Every clip of Kinetics-400 is of a video of its own, so no video is fetched twice.

    <folder>/<split>/<class>/<id>_<start>_<end>.mp4   the clips
    <folder>/.youtube/store/    the ledger, a row per clip that was ever asked for (see `book`)
    <folder>/.youtube/work/     the video in hand; gone after the run, or at the next one's start

Not asked for again: a clip that this route has made with the same id, times, height, crf and
address, while its file is there as it was; a file that this route knows nothing of, as another
route or a kill between two steps leaves it (all write whole files only); what failed for good.
What may have passed (core.errors.TRANSIENT) is asked for again in each run.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import ledger
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import publish
from occludenet_build.core.names import inside
from occludenet_build.core.progress import progress
from occludenet_build.kinetics.clip import Clip
from occludenet_build.kinetics.found import Found
from occludenet_build.kinetics.youtube import book
from occludenet_build.kinetics.youtube.patience import REFUSED, Patience
from occludenet_build.kinetics.youtube.stretch import cut_out
from occludenet_build.kinetics.youtube.ytdlp import Downloader, checked_id
from occludenet_build.transfer.download import shown

PLACE = ".youtube"
"""Below the folder of the clips, on the same disk; a name that no room takes for a class."""
_DAMAGED = ("truncated", "corrupt", "unreadable", "zero_frames")
"""Reasons of a video that came and does not decode."""


def fetch_clips(
    clips: Sequence[Clip], folder: Path, config: Config, threads: int
) -> Iterator[Found]:
    """A Found for each clip: those known before first, then as they come.

    status is corrupt, without a path, where a video came that does not decode. What was yielded is
    in the ledger. `threads` is not used: one video at a time is polite, and one core cuts faster.
    With download.offline nothing is started. Raises UserError where YouTube refuses all service
    or nothing works any more (see `patience`), and where cookies, ffmpeg or yt-dlp are missing.
    """
    with book.held(folder / PLACE / "store") as rows:
        work = _Work(folder, config, rows)
        due: list[Clip] = []
        for clip in clips:
            found = work.known(clip)
            if found is None:
                due.append(clip)
            else:
                yield found
        logging.info("%d clips, %d to be fetched", len(clips), len(due))
        if config.download.offline:
            yield from (work.missing(clip, "offline", "wanted from YouTube") for clip in due)
        elif due:
            yield from progress(work.fetched(due), len(due), "video")
            rows.close()


class _Work:
    def __init__(self, folder: Path, config: Config, rows: book.Book) -> None:
        self.folder, self.config, self.rows = folder, config, rows
        self.origin = shown(config.kinetics.youtube.address)

    def known(self, clip: Clip) -> Found | None:
        """What need not be asked for, or cannot be."""
        try:
            target = self._target(clip)
        except ItemError as error:
            return self.missing(clip, error.reason, error.detail)
        row, size = self.rows.row(clip), _size(target)
        if row is None or row["status"] != "ok":
            if size:
                return Found(clip, "present", path=target, bytes=size)
        elif size != row["bytes"]:
            return None
        if row is None or not book.settled(row, clip, self.config):
            return None
        return self._found(clip, row)

    def fetched(self, due: list[Clip]) -> Iterator[Found]:
        """A clip that was refused along with everything else has a second turn at the end."""
        patience, counts = Patience(self.config), Counter[str]()
        loader = Downloader.prepare(self.folder / PLACE / "work", self.config)
        queue, turned_away = deque(due), set[str]()
        try:
            while queue:
                clip = queue.popleft()
                patience.wait()
                result = self._attempt(clip, loader, patience)
                if result.row["reason"] in REFUSED and clip.file not in turned_away:
                    turned_away.add(clip.file)
                    queue.append(clip)
                else:
                    self.rows.add(result)
                    counts[result.row["reason"] or "present"] += 1
                    yield self._found(clip, result.row)
                patience.check()
        finally:
            loader.clear()
            _log_counts(counts)

    def missing(self, clip: Clip, reason: str, detail: str | None) -> Found:
        return Found(clip, "missing", reason, detail, self.origin)

    def _attempt(self, clip: Clip, loader: Downloader, patience: Patience) -> ledger.Result:
        result = ledger.attempt({"clip": clip.file}, partial(self._make, clip, loader, patience))
        result.row["key"] = book.key(clip, self.config, result.row["reason"])
        if result.row["reason"] is not None:
            logging.info("%s: %s (%s)", clip.name, result.row["reason"], result.row["detail"])
        return result

    def _make(
        self, clip: Clip, loader: Downloader, patience: Patience
    ) -> tuple[dict[str, Any], None]:
        video = _asked(loader, clip, patience)
        cut, target = loader.folder / "clip.mp4", self._target(clip)
        detail = cut_out(video, clip, cut, self.config.kinetics.youtube.crf)
        target.parent.mkdir(parents=True, exist_ok=True)
        publish(cut, target)
        return {"bytes": _size(target), "detail": detail}, None

    def _target(self, clip: Clip) -> Path:
        """Where it stands. Raises ItemError for a clip that no list should name."""
        checked_id(clip.youtube_id)
        if not 0 <= clip.start < clip.end:
            raise ItemError("outside_video", f"from {clip.start} to {clip.end} s")
        return inside(self.folder, clip.file)

    def _found(self, clip: Clip, row: dict[str, Any]) -> Found:
        if row["status"] == "ok":
            path, size = self.folder / clip.file, row["bytes"]
            return Found(clip, "present", None, row["detail"], self.origin, path, size)
        status = "corrupt" if row["reason"] in _DAMAGED else "missing"
        return Found(clip, status, row["reason"], row["detail"], self.origin)


def _asked(loader: Downloader, clip: Clip, patience: Patience) -> Path:
    """The whole video. The pause begins here, before the clip is cut."""
    try:
        video = loader.fetch(clip.youtube_id)
    except ItemError as error:
        patience.ended(error)
        raise
    patience.ended(None)
    return video


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _log_counts(counts: Counter[str]) -> None:
    line = ", ".join(f"{n} {what}" for what, n in counts.most_common())
    logging.info("youtube: %s", line or "nothing fetched")
