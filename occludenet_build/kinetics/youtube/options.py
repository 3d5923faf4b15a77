"""What yt-dlp is told, and what it needs at hand: ffmpeg and a copy of the cookies.

It reads no configuration, plug-ins or cache; names of files are fixed; no id can be an option,
since addresses stand behind `--`. JavaScript of YouTube's is run by deno alone, which keeps it in a
sandbox, and only where deno and yt-dlp-ejs are installed: yt-dlp's own defaults.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.transfer.download import refuse

FACTS = "facts.json"
"""Where yt-dlp notes, a JSON object a line, what the video is and where the file stands."""
NOT_OVER = ("is_live", "is_upcoming", "post_live")
"""Values of live_status for what is no video yet."""


def options(config: Config, folder: Path) -> list[str]:
    """All but the address, for a Downloader's folder."""
    settings, download = config.kinetics.youtube, config.download
    retries = str(download.retries)
    pause = f"exp={download.backoff_seconds:f}:{download.longest_wait_seconds:f}"
    live = " & ".join(f"live_status!=?{status}" for status in NOT_OVER)
    return [
        *("--ignore-config", "--no-plugin-dirs", "--no-cache-dir", "--no-update", "--no-exec"),
        *("--no-playlist", "--default-search", "error", "--abort-on-error", "--xff", "never"),
        *("--no-quiet", "--no-progress", "--color", "never"),
        *("--output", "video.%(ext)s", "--force-overwrites", "--no-mtime"),
        *("--print-to-file", "pre_process:%(.{duration,live_status,is_live})j", FACTS),
        *("--print-to-file", "after_move:%(.{filepath})j", FACTS),
        *("--match-filters", f"!is_live & {live} & duration<=?{settings.max_seconds:f}"),
        *("--max-filesize", str(download.max_bytes)),
        *("--format", formats(settings.height)),
        *("--format-sort", "res,vcodec:h264,acodec:aac,ext:mp4:m4a"),
        *("--merge-output-format", "mp4/mkv"),
        *("--abort-on-unavailable-fragments", "--socket-timeout", f"{download.timeout_seconds:f}"),
        *("--retries", retries, "--fragment-retries", retries, "--extractor-retries", retries),
        *("--retry-sleep", pause, "--retry-sleep", f"fragment:{pause}"),
        *("--retry-sleep", f"extractor:{pause}"),
        *_named("--ffmpeg-location", folder / "bin"),
        *_named("--cookies", folder / "cookies.txt"),
    ]


def _named(option: str, path: Path) -> list[str]:
    return [option, str(path.resolve())] if path.exists() else []


def formats(height: int) -> str:
    """What is fetched, best first: pictures and sound apart, both in one, pictures alone.

    `height` is of the shorter side: an upright video's is its width. A size that is not known is
    no reason to leave a format out.
    """
    upright, lying = f"[aspect_ratio<1][width<={height}]", f"[height<=?{height}]"
    return "/".join(f"bv*{size}+ba/b{size}/bv*{size}" for size in (upright, lying))


def check(config: Config) -> None:
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


def provide_ffmpeg(folder: Path) -> None:
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


def copy_cookies(config: Config, folder: Path) -> None:
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
