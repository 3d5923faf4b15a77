"""One YouTube video as a file, by yt-dlp as a program of its own.

A process of its own is killed, with all that it has started, when its time is over; what it takes
of memory is gone with it, and its crash is a row. What it found is read from a file that it writes
(options.FACTS), what went wrong from its standard error (see `messages`).

    <folder>/bin, cookies.txt   see `options`
    <folder>/video/             the video in hand, and yt-dlp's working directory
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.kinetics.youtube import messages
from occludenet_build.kinetics.youtube.options import (
    FACTS,
    NOT_OVER,
    check,
    copy_cookies,
    options,
    provide_ffmpeg,
)
from occludenet_build.release.terms import YOUTUBE_ID

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("child.py")))
_ID = re.compile(YOUTUBE_ID)
_LOG_END = 1 << 20
"""Bytes at the end of a log that are read."""


def checked_id(youtube_id: str) -> str:
    """Raises ItemError bad_url: ids come from a list that anybody may have written."""
    if _ID.fullmatch(youtube_id) is None:
        raise ItemError(
            "bad_url", f"{youtube_id[:40]!a} is no id of YouTube, 11 of A-Z a-z 0-9 _ -"
        )
    return youtube_id


@dataclass(frozen=True)
class Downloader:
    """Use `prepare`. `folder` belongs to one run alone."""

    folder: Path
    config: Config

    @classmethod
    def prepare(cls, folder: Path, config: Config) -> Downloader:
        """Raises UserError where no video at all could be fetched."""
        check(config)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run has left
        folder.mkdir(parents=True, exist_ok=True)
        provide_ffmpeg(folder)
        copy_cookies(config, folder)
        return cls(folder, config)

    def fetch(self, youtube_id: str) -> Path:
        """The whole video; it stands until the next one is fetched.

        Raises ItemError; OSError for a full disk, UserError for cookies that do not read.
        """
        url = self.config.kinetics.youtube.address.replace("{id}", checked_id(youtube_id))
        place = self.folder / "video"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        told = options(self.config, self.folder)
        code = self._run([*PROGRAM, str(os.getpid()), *told, "--", url], place)
        log, video = _end(place / "stderr"), _video(place)
        if code == 0 and video is not None:
            return video
        _raise_for_all(log)
        raise self._failure(code, log, place)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str], place: Path) -> int:
        """The exit code. Its output goes into files: no pipe fills memory or keeps one waiting."""
        seconds = self.config.kinetics.youtube.timeout_seconds
        with open(place / "stdout", "wb") as out, open(place / "stderr", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=os.environ | {"PYTHONUTF8": "1"},
                start_new_session=True,
            )
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise ItemError("timed_out", f"not finished after {seconds:g} s") from None
            finally:
                _kill_group(process)  # its time is over, Ctrl-C, or something that it has left

    def _failure(self, code: int, log: str, place: Path) -> ItemError:
        """Why there is no file. A video that the filter turns down ends well, without one."""
        if code < 0 and "ERROR:" not in log:
            return ItemError("extractor_failed", f"yt-dlp was killed by signal {-code}")
        if code != 0:
            return messages.failure(log, f"yt-dlp ended with code {code}")
        facts, most = _facts(place), self.config.kinetics.youtube.max_seconds
        if facts.get("is_live") or facts.get("live_status") in NOT_OVER:
            return ItemError("live", str(facts.get("live_status") or "is_live"))
        seconds = facts.get("duration") or 0
        if seconds > most:
            detail = f"{seconds:g} s, kinetics.youtube.max_seconds is {most:g}"
            return ItemError("too_long", detail)
        if "larger than max-filesize" in _end(place / "stdout"):
            return ItemError("too_large", f"download.max_bytes is {self.config.download.max_bytes}")
        return messages.failure(log, "yt-dlp ended well and left no file")


def _raise_for_all(log: str) -> None:
    """What no other video would get past, either."""
    if "No space left on device" in log or "Disk quota exceeded" in log:
        raise OSError(errno.ENOSPC, "the disk is full")
    if "Netscape format" in log:
        raise UserError(
            "kinetics.youtube.cookies: wanted a file in Netscape's format, as browsers' extensions "
            "export it; yt-dlp does not read this one"
        )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _end(path: Path) -> str:
    with open(path, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _LOG_END))
        return stream.read().decode("utf-8", "replace")


def _facts(place: Path) -> dict[str, Any]:
    """What yt-dlp has noted of the video; nothing where it did not come so far."""
    facts: dict[str, Any] = {}
    try:
        for line in (place / FACTS).read_text().splitlines():
            facts |= json.loads(line)
    except (OSError, ValueError, TypeError):
        pass
    return facts


def _video(place: Path) -> Path | None:
    """The finished file, if yt-dlp says that it has one and it is there."""
    name = _facts(place).get("filepath")
    path = place / Path(str(name)).name
    return path if name and path.is_file() and path.stat().st_size else None
