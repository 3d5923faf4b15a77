"""Fetch clips, one video after the other: skip known clips; download, cut and record the others.

Pause between two videos: youtube.sleep_seconds plus a random part of up to half of it. (According
to the authors of yt-dlp, YouTube serves about 300 videos an hour without a login, one in 12 s.)
While YouTube refuses service, the pause doubles with each refusal, up to
download.longest_wait_seconds.

A third of Kinetics no longer exists. download.failure_budget does not count these videos. Two
events stop the build: youtube.give_up_after refusals of service in a row, and
download.give_up_after videos in a row that fail for a transient reason, such as a network that is
down or a version of yt-dlp that no longer supports YouTube's pages.

A video may end before its clip does: owners can trim videos, and lists round times up. A clip is
cut up to the end of the video if at least MIN_SHARE of it exists, and its row states the length;
otherwise it fails with outside_video. `media.video.cut` documents frames, times and sound.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core.errors import TRANSIENT, ItemError, UserError
from occludenet_build.core.files import publish
from occludenet_build.core.ledger import ClipResult, attempt
from occludenet_build.core.names import safe_path
from occludenet_build.core.progress import progress
from occludenet_build.media.video.cut import TOLERANCE, cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.probe import Limits, probe, skim
from occludenet_build.media.video.source import open_video
from occludenet_build.sources.kinetics.clip import KineticsClip, RouteResult
from occludenet_build.sources.kinetics.youtube import ledger
from occludenet_build.sources.kinetics.youtube.ytdlp import Downloader, checked_id
from occludenet_build.sources.transfer.download import redact

MIN_SHARE = Fraction(1, 2)
"""Smallest share of a clip that the video must contain."""


def clip_encoding(crf: float) -> Encoding:
    """Encoder settings of the clips; only the quality `crf` is configurable."""
    return Encoding("libx264", crf, "veryfast", instruction_set="avx2", keyframe_seconds=1.0)


def cut_clip(video: Path, clip: KineticsClip, out: Path, crf: float) -> str | None:
    """Cut the clip out of `video` into `out`; return a remark if it is shorter, else None.

    Raises ItemError: what `skim` and `cut` raise, outside_video, encode_failed.
    """
    skim(video)
    start, wanted = Fraction(clip.start), Fraction(clip.end)
    end = min(wanted, video_seconds(video))
    if end - start < MIN_SHARE * (wanted - start):
        raise ItemError(
            "outside_video", f"{_clock(start)} to {_clock(wanted)}, the video ends at {_clock(end)}"
        )
    piece = cut_video(video, start, end, out, clip_encoding(crf))
    info = probe(out, Limits())
    if info.frames != piece.frames:
        raise ItemError("encode_failed", f"{info.frames} frames of {piece.frames} decode")
    if wanted - end <= TOLERANCE:
        return None
    return f"the video ends at {_clock(end)}: {float(end - start):.2f} of {wanted - start} s"


def video_seconds(video: Path) -> Fraction:
    """Duration from the first frame to the end of the last, by the packet times; exact seconds.

    Decodes the first frame only. Raises ItemError zero_frames where that fails.
    """
    with open_video(video) as source:
        first = next(iter(source), None)
    if first is None or first.pts is None:
        raise ItemError("zero_frames", source.first_error)
    last = first.pts
    with open_video(video) as source:
        for packet in source.container.demux(source.stream):
            if packet.pts is not None:
                last = max(last, packet.pts + (packet.duration or 0))
    return (last - first.pts) * source.time_base


def _clock(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s"


OWN_FOLDER = ".youtube"
"""Work folder below the folder of the clips; no stage takes a dotted name for a class."""
REFUSED_SERVICE = ("too_many_requests", "bot_check")
"""Reasons that do not concern the video: YouTube refuses service to this address."""
_DAMAGED = ("truncated", "corrupt", "unreadable", "zero_frames")
"""Reasons of a downloaded video that does not decode."""


def fetch_clips(
    clips: Sequence[KineticsClip], folder: Path, config: Config, threads: int
) -> Iterator[RouteResult]:
    """Yield a ClipResult for each clip: known clips first, then the others as they are fetched.

    A downloaded video that does not decode has status corrupt and no path. The ledger has every
    yielded clip. `threads` is unused: one video at a time respects YouTube's limits, and one core
    cuts faster than that. With download.offline nothing is downloaded. Raises UserError where
    YouTube refuses service or everything fails (see RateLimit), and where cookies, ffmpeg or yt-dlp
    are missing.
    """
    with ledger.open_ledger(folder / OWN_FOLDER / "store") as rows:
        work = _FetchRun(folder, config, rows)
        due: list[KineticsClip] = []
        for clip in clips:
            found = work.known(clip)
            if found is None:
                due.append(clip)
            else:
                yield found
        logging.info("%d clips, %d to fetch", len(clips), len(due))
        if config.download.offline:
            yield from (work.missing(clip, "offline", "wanted from YouTube") for clip in due)
        elif due:
            yield from progress(work.fetched(due), len(due), "video")
            rows.close()


class _FetchRun:
    def __init__(self, folder: Path, config: Config, rows: ledger.ClipLedger) -> None:
        self.folder, self.config, self.rows = folder, config, rows
        self.origin = redact(config.kinetics.youtube.address)

    def known(self, clip: KineticsClip) -> RouteResult | None:
        """The result of a clip that need not, or cannot, be requested; else None."""
        try:
            target = self._target(clip)
        except ItemError as error:
            return self.missing(clip, error.reason, error.detail)
        row, size = self.rows.row(clip), _size(target)
        if row is None or row["status"] != "ok":
            if size:
                return RouteResult(clip, "present", path=target, bytes=size)
        elif size != row["bytes"]:
            return None
        if row is None or not ledger.is_final(row, clip, self.config):
            return None
        return self._found(clip, row)

    def fetched(self, due: list[KineticsClip]) -> Iterator[RouteResult]:
        """Fetch clips; one that failed by a refusal of service is tried again at the end."""
        limit, counts = RateLimit(self.config), Counter[str]()
        loader = Downloader.prepare(self.folder / OWN_FOLDER / "work", self.config)
        queue, refused = deque(due), set[str]()
        try:
            while queue:
                clip = queue.popleft()
                limit.wait()
                result = self._attempt(clip, loader, limit)
                if result.row["reason"] in REFUSED_SERVICE and clip.file not in refused:
                    refused.add(clip.file)
                    queue.append(clip)
                else:
                    self.rows.add(result)
                    counts[result.row["reason"] or "present"] += 1
                    yield self._found(clip, result.row)
                limit.check()
        finally:
            loader.clear()
            _log_counts(counts)

    def missing(self, clip: KineticsClip, reason: str, detail: str | None) -> RouteResult:
        """A result with status missing."""
        passing = reason in TRANSIENT
        return RouteResult(clip, "missing", reason, detail, self.origin, passing=passing)

    def _attempt(self, clip: KineticsClip, loader: Downloader, limit: RateLimit) -> ClipResult:
        result = attempt({"clip": clip.file}, partial(self._make, clip, loader, limit))
        result.row["key"] = ledger.clip_key(clip, self.config, result.row["reason"])
        if result.row["reason"] is not None:
            logging.info("%s: %s (%s)", clip.name, result.row["reason"], result.row["detail"])
        return result

    def _make(
        self, clip: KineticsClip, loader: Downloader, limit: RateLimit
    ) -> tuple[dict[str, Any], None]:
        video = _fetch_video(loader, clip, limit)
        cut, target = loader.folder / "clip.mp4", self._target(clip)
        detail = cut_clip(video, clip, cut, self.config.kinetics.youtube.crf)
        target.parent.mkdir(parents=True, exist_ok=True)
        publish(cut, target)
        return {"bytes": _size(target), "detail": detail}, None

    def _target(self, clip: KineticsClip) -> Path:
        """Path of a clip. Raises ItemError for an invalid id, time or name."""
        checked_id(clip.youtube_id)
        if not 0 <= clip.start < clip.end:
            raise ItemError("outside_video", f"from {clip.start} to {clip.end} s")
        return safe_path(self.folder, clip.file)

    def _found(self, clip: KineticsClip, row: dict[str, Any]) -> RouteResult:
        if row["status"] == "ok":
            path, size = self.folder / clip.file, row["bytes"]
            return RouteResult(clip, "present", None, row["detail"], self.origin, path, size)
        if row["reason"] in _DAMAGED:
            return RouteResult(clip, "corrupt", row["reason"], row["detail"], self.origin)
        return self.missing(clip, row["reason"], row["detail"])


def _fetch_video(loader: Downloader, clip: KineticsClip, limit: RateLimit) -> Path:
    """Download the video. The pause begins after it, before the clip is cut."""
    try:
        video = loader.fetch(clip.youtube_id)
    except ItemError as error:
        limit.record(error)
        raise
    limit.record(None)
    return video


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _log_counts(counts: Counter[str]) -> None:
    line = ", ".join(f"{n} {what}" for what, n in counts.most_common())
    logging.info("youtube: %s", line or "nothing fetched")


class RateLimit:
    """The pause before the next video, and when to stop."""

    def __init__(self, config: Config) -> None:
        self._youtube, self._download = config.kinetics.youtube, config.download
        self._refusals = self._failures = 0
        self._next_start = 0.0
        self._last = ""

    def wait(self) -> None:
        """Sleep until the next video may be requested."""
        time.sleep(max(0.0, self._next_start - time.monotonic()))

    def record(self, error: ItemError | None) -> None:
        """Record the result of a request, and start the pause."""
        refused = error is not None and error.reason in REFUSED_SERVICE
        passing = error is not None and error.reason in TRANSIENT
        self._refusals = self._refusals + 1 if refused else 0
        self._failures = self._failures + 1 if passing else 0
        self._last = str(error or "")
        self._next_start = time.monotonic() + self._pause()

    def _pause(self) -> float:
        seconds = self._youtube.sleep_seconds * random.uniform(1.0, 1.5)
        if not self._refusals:
            return seconds
        base = max(seconds, self._download.backoff_seconds)
        longest = max(seconds, self._download.longest_wait_seconds)
        return min(base * 2 ** min(self._refusals, 30), longest)

    def check(self) -> None:
        """Raises UserError after too many refusals or failures in a row."""
        if self._refusals >= self._youtube.give_up_after:
            raise UserError(
                f"youtube: {self._refusals} refusals of service in a row, the last {self._last}. "
                "What is finished is kept: start again in an hour or later, from another address, "
                "with a larger kinetics.youtube.sleep_seconds, with kinetics.youtube.cookies, or "
                "with a proxy or a provider of PO tokens (download.youtube)"
            )
        if self._failures >= self._download.give_up_after:
            raise UserError(
                f"youtube: the last {self._failures} videos failed, the last {self._last}. What is "
                "finished is kept: is the network up, and yt-dlp the newest? Start again then"
            )
