"""Download one YouTube video with yt-dlp, in a process of its own.

The process, with its children, is killed at its time limit; its memory is freed, and a crash
affects one row only. It writes the properties of the video into a file (FACTS), and errors to
standard error (see `messages`).

yt-dlp reads no configuration or cache, and only the plug-ins and JavaScript runtimes of the
settings (see `access`). File names are fixed. An id cannot be taken for an option, since addresses
follow `--`.

    <folder>/bin/, cookies.txt   ffmpeg and a copy of the cookies, where they are needed
    <folder>/plugins/            links to plug-ins
    <folder>/video/              the current video, and yt-dlp's working directory
"""

from __future__ import annotations

import errno
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
from occludenet_build.sources.kinetics.youtube import access, messages
from occludenet_build.sources.kinetics.youtube.access import SecretOptions
from occludenet_build.sources.transfer.download import check_address

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("child.py")))
_ID = re.compile(YOUTUBE_ID)
_LOG_END = 1 << 20
"""Number of bytes that are read at the end of a log."""
FACTS = "facts.json"
"""File of yt-dlp with properties of the video and its path, a JSON object per line."""
_FORMATS = '{"formats": %(formats.:.{vcodec,width,height})j}'
LIVE_STATUSES = ("is_live", "is_upcoming", "post_live")
"""Values of live_status of a stream that is not a finished video."""


def checked_id(youtube_id: str) -> str:
    """Check an id, since lists are not trusted. Raises ItemError bad_url for a malformed one."""
    if _ID.fullmatch(youtube_id) is None:
        raise ItemError(
            "bad_url", f"{youtube_id[:40]!a} is no id of YouTube, 11 of A-Z a-z 0-9 _ -"
        )
    return youtube_id


@dataclass(frozen=True)
class Downloader:
    """Downloads videos; `prepare` creates it. `folder` must be used by one run only."""

    folder: Path
    config: Config
    secrets: SecretOptions

    @classmethod
    def prepare(cls, folder: Path, config: Config) -> Downloader:
        """Create the folder with ffmpeg and cookies.

        Raises UserError where ffmpeg, cookies, plug-ins or a new yt-dlp are missing, or the address
        is invalid.
        """
        _check(config)
        secrets = SecretOptions(config.download.youtube)
        shutil.rmtree(folder, ignore_errors=True)  # left by a killed run
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _provide_ffmpeg(folder)
        _copy_cookies(config, folder)
        access.open_options(config.download.youtube, folder)
        return cls(folder, config, secrets)

    def fetch(self, youtube_id: str) -> Path:
        """Download a video and return its path; the next download removes it.

        Raises ItemError where it fails, OSError for a full disk, UserError for malformed cookies.
        """
        url = self.config.kinetics.youtube.address.replace("{id}", checked_id(youtube_id))
        folder = self.folder / "video"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        options = [*ytdlp_options(self.config, self.folder), *self.secrets.options]
        code = self._run([*PROGRAM, str(os.getpid()), *options, "--", url], folder)
        log, video = self.secrets.redacted(_end(folder / "stderr")), _video(folder)
        if code == 0 and video is not None:
            return video
        _raise_for_all(log)
        raise self._failure(code, log, folder)

    def clear(self) -> None:
        """Remove the folder with the current video."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str], folder: Path) -> int:
        """Run a command and return its exit code. Output goes into files, since pipes may block."""
        seconds = self.config.kinetics.youtube.timeout_seconds
        with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                env=os.environ | {"PYTHONUTF8": "1"},
                start_new_session=True,
            )
            try:
                _write(process, self.secrets.configuration)
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise ItemError("timed_out", f"not finished after {seconds:g} s") from None
            finally:
                _kill_group(process)  # after a time-out or Ctrl-C, or its children

    def _failure(self, code: int, log: str, folder: Path) -> ItemError:
        """The error of a run without a file. It exits with 0 if the filter rejects the video."""
        if code < 0 and "ERROR:" not in log:
            return ItemError("extractor_failed", f"yt-dlp was killed by signal {-code}")
        if code != 0:
            failure = messages.failure_from_log(log, f"yt-dlp ended with code {code}")
            return _with_formats(failure, _facts(folder))
        facts, limit = _facts(folder), self.config.kinetics.youtube.max_seconds
        if facts.get("is_live") or facts.get("live_status") in LIVE_STATUSES:
            return ItemError("live", str(facts.get("live_status") or "is_live"))
        seconds = facts.get("duration") or 0
        if seconds > limit:
            detail = f"{seconds:g} s, kinetics.youtube.max_seconds is {limit:g}"
            return ItemError("too_long", detail)
        if "larger than max-filesize" in _end(folder / "stdout"):
            return ItemError("too_large", f"download.max_bytes is {self.config.download.max_bytes}")
        return messages.failure_from_log(log, "yt-dlp ended with code 0 and left no file")


def _write(process: subprocess.Popen[bytes], text: str) -> None:
    """Write a text, shorter than the buffer of a pipe, to the standard input, and close it."""
    assert process.stdin is not None, "a pipe"
    try:
        with process.stdin as stream:
            stream.write(text.encode())
    except BrokenPipeError:  # it has ended, and says why
        pass


def _with_formats(failure: ItemError, facts: dict[str, Any]) -> ItemError:
    """Whether there is no format within the limit, or YouTube told yt-dlp of no video format.

    Then it withholds them for want of a PO token or of JavaScript, which may pass.
    """
    formats = facts.get("formats")
    if failure.reason != "no_format" or "equested format" not in failure.detail or not formats:
        return failure
    sizes = [
        min(one["width"], one["height"])
        for one in formats
        if one.get("vcodec") != "none" and one.get("width") and one.get("height")
    ]
    if not sizes:
        why = "YouTube told of pictures or sound only; see download.youtube in config.yaml"
        return ItemError("extractor_failed", f"{failure.detail}; {why}")
    said = f"the smallest is {min(sizes)} pixels on its shorter side"
    return ItemError("no_format", f"{failure.detail}; {said}")


def _raise_for_all(log: str) -> None:
    """Raise an error for faults that concern all videos: a full disk, malformed cookies."""
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


def _facts(folder: Path) -> dict[str, Any]:
    """Properties of the video that yt-dlp wrote; empty if it wrote none."""
    facts: dict[str, Any] = {}
    try:
        for line in (folder / FACTS).read_text().splitlines():
            facts |= json.loads(line)
    except (OSError, ValueError, TypeError):
        pass
    return facts


def _video(folder: Path) -> Path | None:
    """Path of the finished file, if yt-dlp reports one and it exists."""
    name = _facts(folder).get("filepath")
    path = folder / Path(str(name)).name
    return path if name and path.is_file() and path.stat().st_size else None


def ytdlp_options(config: Config, folder: Path) -> list[str]:
    """The options of yt-dlp, for the folder of a Downloader."""
    settings, download = config.kinetics.youtube, config.download
    retries = str(download.retries)
    pause = f"exp={download.backoff_seconds:f}:{download.longest_wait_seconds:f}"
    live = " & ".join(f"live_status!=?{status}" for status in LIVE_STATUSES)
    return [
        *("--ignore-config", "--no-cache-dir", "--no-update", "--no-exec"),
        *access.open_options(download.youtube, folder),
        *("--no-playlist", "--default-search", "error", "--abort-on-error", "--xff", "never"),
        *("--no-quiet", "--no-progress", "--color", "never"),
        *("--output", "video.%(ext)s", "--force-overwrites", "--no-mtime"),
        *("--print-to-file", "pre_process:%(.{duration,live_status,is_live})j", FACTS),
        *("--print-to-file", f"pre_process:{_FORMATS}", FACTS),
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
    """Format selector: separate video and audio, else a combined format, else video only.

    `height` limits the shorter side, which is the width of a portrait video. Formats of unknown
    size are included.
    """
    portrait, landscape = f"[aspect_ratio<1][width<={height}]", f"[height<=?{height}]"
    return "/".join(f"bv*{size}+ba/b{size}/bv*{size}" for size in (portrait, landscape))


def _check(config: Config) -> None:
    """Raise UserError where the address is invalid, or yt-dlp too old; log what it lacks."""
    try:
        check_address(config.kinetics.youtube.address.replace("{id}", "0" * 11))
    except ItemError as error:
        raise UserError(
            f"config: kinetics.youtube.address: wanted an http or https address, {error.detail}"
        ) from error
    access.check_ytdlp()
    lacking = access.missing_javascript(config.download.youtube)
    if lacking is not None:
        logging.warning("%s", lacking)


def _provide_ffmpeg(folder: Path) -> None:
    """Link imageio-ffmpeg's ffmpeg into `folder`/bin if there is none on PATH.

    yt-dlp merges video and audio with the program named ffmpeg.
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
    """Copy the cookies for this run, since yt-dlp writes into its cookie file."""
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
