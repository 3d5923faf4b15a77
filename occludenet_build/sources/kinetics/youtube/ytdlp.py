"""One YouTube video as a file, by yt-dlp as a program of its own.

A process of its own is killed, with all that it has started, when its time is over; what it takes
of memory is gone with it, and its crash is a row. What it found is read from a file that it writes
(FACTS), what went wrong from its standard error (see `messages`).

It reads no configuration, plug-ins or cache; names of files are fixed; no id can be an option,
since addresses stand behind `--`. JavaScript of YouTube's is run by deno alone, which keeps it in a
sandbox, and only where deno and yt-dlp-ejs are installed: yt-dlp's own defaults.

    <folder>/bin/, cookies.txt   ffmpeg and a copy of the cookies, where they are needed
    <folder>/video/              the video in hand, and yt-dlp's working directory
"""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
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
from occludenet_build.release.terms import YOUTUBE_ID
from occludenet_build.sources.kinetics.youtube import messages
from occludenet_build.sources.transfer.download import refuse

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("child.py")))
_ID = re.compile(YOUTUBE_ID)
_LOG_END = 1 << 20
"""Bytes at the end of a log that are read."""
FACTS = "facts.json"
"""Where yt-dlp notes, a JSON object a line, what the video is and where the file stands."""
LIVE_STATUSES = ("is_live", "is_upcoming", "post_live")
"""Values of live_status for what is no video yet."""


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
        _check(config)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run has left
        folder.mkdir(parents=True, exist_ok=True)
        _provide_ffmpeg(folder)
        _copy_cookies(config, folder)
        return cls(folder, config)

    def fetch(self, youtube_id: str) -> Path:
        """The whole video; it stands until the next one is fetched.

        Raises ItemError; OSError for a full disk, UserError for cookies that do not read.
        """
        url = self.config.kinetics.youtube.address.replace("{id}", checked_id(youtube_id))
        place = self.folder / "video"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        told = ytdlp_options(self.config, self.folder)
        code = self._run([*PROGRAM, str(os.getpid()), *told, "--", url], place)
        log, video = _end(place / "stderr"), _video(place)
        if code == 0 and video is not None:
            return video
        _raise_for_all(log)
        raise self._failure(code, log, place)

    def clear(self) -> None:
        """Remove the folder and the video in hand."""
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
            return messages.failure_from_log(log, f"yt-dlp ended with code {code}")
        facts, most = _facts(place), self.config.kinetics.youtube.max_seconds
        if facts.get("is_live") or facts.get("live_status") in LIVE_STATUSES:
            return ItemError("live", str(facts.get("live_status") or "is_live"))
        seconds = facts.get("duration") or 0
        if seconds > most:
            detail = f"{seconds:g} s, kinetics.youtube.max_seconds is {most:g}"
            return ItemError("too_long", detail)
        if "larger than max-filesize" in _end(place / "stdout"):
            return ItemError("too_large", f"download.max_bytes is {self.config.download.max_bytes}")
        return messages.failure_from_log(log, "yt-dlp ended well and left no file")


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


def ytdlp_options(config: Config, folder: Path) -> list[str]:
    """All but the address, for a Downloader's folder."""
    settings, download = config.kinetics.youtube, config.download
    retries = str(download.retries)
    pause = f"exp={download.backoff_seconds:f}:{download.longest_wait_seconds:f}"
    live = " & ".join(f"live_status!=?{status}" for status in LIVE_STATUSES)
    return [
        *("--ignore-config", "--no-plugin-dirs", "--no-cache-dir", "--no-update", "--no-exec"),
        *("--no-playlist", "--default-search", "error", "--abort-on-error", "--xff", "never"),
        *("--no-quiet", "--no-progress", "--color", "never"),
        *("--output", "video.%(ext)s", "--force-overwrites", "--no-mtime"),
        *("--print-to-file", "pre_process:%(.{duration,live_status,is_live})j", FACTS),
        *("--print-to-file", "after_move:%(.{filepath})j", FACTS),
        *("--match-filters", f"!is_live & {live} & duration<=?{settings.max_seconds:f}"),
        *("--max-filesize", str(download.max_bytes)),
        *("--format", _formats(settings.height)),
        *("--format-sort", "res,vcodec:h264,acodec:aac,ext:mp4:m4a"),
        *("--merge-output-format", "mp4/mkv"),
        *("--abort-on-unavailable-fragments", "--socket-timeout", f"{download.timeout_seconds:f}"),
        *("--retries", retries, "--fragment-retries", retries, "--extractor-retries", retries),
        *("--retry-sleep", pause, "--retry-sleep", f"fragment:{pause}"),
        *("--retry-sleep", f"extractor:{pause}"),
        *_path_option("--ffmpeg-location", folder / "bin"),
        *_path_option("--cookies", folder / "cookies.txt"),
    ]


def _path_option(option: str, path: Path) -> list[str]:
    return [option, str(path.resolve())] if path.exists() else []


def _formats(height: int) -> str:
    """What is fetched, best first: pictures and sound apart, both in one, pictures alone.

    `height` is of the shorter side: an upright video's is its width. A size that is not known is
    no reason to leave a format out.
    """
    upright, lying = f"[aspect_ratio<1][width<={height}]", f"[height<=?{height}]"
    return "/".join(f"bv*{size}+ba/b{size}/bv*{size}" for size in (upright, lying))


def _check(config: Config) -> None:
    """Raises UserError where no video at all could be fetched."""
    if importlib.util.find_spec("yt_dlp") is None:
        raise UserError("kinetics.youtube: wanted yt-dlp, it is not installed; pip install yt-dlp")
    try:
        refuse(config.kinetics.youtube.address.replace("{id}", "0" * 11))
    except ItemError as error:
        raise UserError(
            f"config: kinetics.youtube.address: wanted an http or https address, {error.detail}"
        ) from error
    if shutil.which("deno") is None or importlib.util.find_spec("yt_dlp_ejs") is None:
        logging.warning(
            "yt-dlp finds fewer of YouTube's formats without the program deno and yt-dlp-ejs"
        )


def _provide_ffmpeg(folder: Path) -> None:
    """Pictures and sound come apart and are merged by ffmpeg; yt-dlp knows it by its name.

    Where there is none on PATH, `folder`/bin gets a link to that of imageio-ffmpeg.
    """
    if shutil.which("ffmpeg") is not None:
        return
    import imageio_ffmpeg

    (folder / "bin").mkdir(parents=True)
    try:
        (folder / "bin" / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise UserError(
            "kinetics.youtube: wanted the program ffmpeg, found none; install it"
        ) from error


def _copy_cookies(config: Config, folder: Path) -> None:
    """A copy for this run alone, since yt-dlp writes into its cookie file."""
    source = config.kinetics.youtube.cookies
    if source is None:
        return
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise UserError(
            f"kinetics.youtube.cookies: wanted a cookie file, {source}: {error.strerror}"
        ) from error
    target = folder / "cookies.txt"
    target.touch(mode=0o600)
    target.write_bytes(content)
