"""How yt-dlp reaches YouTube: JavaScript runtimes, plug-ins, proxy, extractor arguments.

Since its release 2025.11.12, yt-dlp runs YouTube's JavaScript in an external runtime, by the
scripts of yt-dlp-ejs. Without these, YouTube gives few formats, often only number 18 (360p).

Proxy and extractor arguments may hold passwords and tokens. They are given to yt-dlp through its
standard input, as a configuration file: they are neither on a command line, which every user of the
machine can read, nor in a file. What yt-dlp prints is read without them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from occludenet_build.config.sources import YouTubeAccess
from occludenet_build.core.errors import UserError
from occludenet_build.sources.transfer.download import without_logins

KEY = "download.youtube"
LEAST_YTDLP = (2025, 11, 12)
"""First release of yt-dlp with external JavaScript runtimes."""


@dataclass(frozen=True)
class _Runtime:
    program: str
    ask: str
    """Option for which the program prints its version."""
    version: str
    """Regular expression of the version in that output."""
    least: tuple[int, ...]


_RUNTIMES = {
    "deno": _Runtime("deno", "--version", r"^deno (\d\S*)", (2, 3, 0)),
    "node": _Runtime("node", "--version", r"^v(\d\S*)", (22, 0, 0)),
    "quickjs": _Runtime("qjs", "--help", r"^QuickJS(?:-ng)? version (\d\S*)", (0,)),
    "bun": _Runtime("bun", "--version", r"^(\d\S*)", (1, 2, 11)),
}
"""Programs and least versions, from yt-dlp's guide to external JavaScript (wiki, EJS)."""


def check_ytdlp() -> None:
    """Raise UserError where the installed yt-dlp is older than LEAST_YTDLP."""
    try:
        installed = importlib.metadata.version("yt-dlp")
    except importlib.metadata.PackageNotFoundError:  # not installed with pip
        return
    if _numbers(installed) < LEAST_YTDLP:
        raise UserError(
            f"kinetics.route youtube: wanted yt-dlp {'.'.join(map(str, LEAST_YTDLP))} or newer, "
            f"got {installed}, to which YouTube gives no videos; pip install -U "
            "'occludenet-build[youtube]'"
        )


def missing_javascript(access: YouTubeAccess) -> str | None:
    """What yt-dlp lacks to run YouTube's JavaScript, in one line; None if it has a runtime.

    Raises UserError where a runtime is not at the path that the settings name.
    """
    faults = [_runtime_fault(text) for text in access.js_runtimes]
    has_scripts = importlib.util.find_spec("yt_dlp_ejs") is not None
    if None in faults and has_scripts:
        return None
    wanted = [fault for fault in faults if fault] if None not in faults else []
    if not faults:
        wanted = [f"{KEY}.js_runtimes names none"]
    if not has_scripts:
        wanted.append("the package yt-dlp-ejs is not installed")
    return (
        f"youtube: yt-dlp cannot run YouTube's JavaScript ({'; '.join(wanted)}), so YouTube gives "
        "few formats, or none; pip install 'occludenet-build[youtube]' installs deno and "
        f"yt-dlp-ejs, {KEY}.js_runtimes names another runtime"
    )


def _runtime_fault(text: str) -> str | None:
    """Why a runtime of the settings cannot be used; None if it can."""
    name, _, given = text.partition(":")
    runtime = _RUNTIMES[name]
    path = _program(runtime.program, given)
    if path is None:
        if given:
            raise UserError(f"{KEY}.js_runtimes: wanted the program of {name}, {given} is none")
        return f"the program {runtime.program} is not found"
    version = _version(path, runtime)
    if version is None:
        return f"{path} does not say its version"
    if _numbers(version) < runtime.least:
        return f"{name} is {version}, wanted {'.'.join(map(str, runtime.least))} or newer"
    return None


def _program(name: str, given: str) -> str | None:
    """Path of a program: the given one, beside Python's scripts, or on PATH."""
    if given:
        path = Path(given).expanduser()
        return shutil.which(str(path / name if path.is_dir() else path.absolute()))
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


def _version(path: str, runtime: _Runtime) -> str | None:
    try:
        said = subprocess.run(
            [path, runtime.ask], capture_output=True, text=True, errors="replace", timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(runtime.version, said.stdout + said.stderr, re.MULTILINE)
    return found[1] if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def open_options(access: YouTubeAccess, folder: Path) -> list[str]:
    """Options without secrets: runtimes and plug-ins. `folder`: for links to plug-ins.

    Raises UserError for a plug-in that is none.
    """
    options = ["--no-js-runtimes", "--no-plugin-dirs"]
    for text in access.js_runtimes:
        name, colon, given = text.partition(":")
        path = str(Path(given).expanduser().absolute()) if given else ""
        options += ["--js-runtimes", f"{name}{colon}{path}"]
    for place in dict.fromkeys(_plugin_folders(access, folder)):
        options += ["--plugin-dirs", place]
    return options


def _plugin_folders(access: YouTubeAccess, folder: Path) -> Iterator[str]:
    """Folders of plug-ins as yt-dlp wants them: it looks into what lies in them."""
    for number, given in enumerate(access.plugins):
        path = Path(given)
        if given == "default":
            yield given
        elif path.is_file() or (path / "yt_dlp_plugins").is_dir():
            link = folder / "plugins" / f"{number}-{path.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path.absolute())
            yield str(link.parent.resolve())
        elif any(_is_plugin(child) for child in path.iterdir()):
            yield str(path.absolute())
        else:
            raise UserError(
                f"{KEY}.plugins: wanted a folder or zip with plug-ins of yt-dlp (a folder "
                f"yt_dlp_plugins in it), {given} has none"
            )


def _is_plugin(path: Path) -> bool:
    return path.suffix in (".zip", ".egg", ".whl") or (path / "yt_dlp_plugins").is_dir()


class SecretOptions:
    """Options that may hold passwords and tokens, as a configuration for yt-dlp's standard input.

    Raises UserError for an environment variable that is not set.
    """

    def __init__(self, access: YouTubeAccess) -> None:
        self._secrets: set[str] = set()
        options = [] if access.proxy is None else ["--proxy", self._filled("proxy", access.proxy)]
        for text in access.extractor_args:
            filled = self._filled("extractor_args", text)
            self._secrets |= set(_tokens(filled))
            options += ["--extractor-args", filled]
        if access.proxy is not None:
            self._secrets |= set(_login(options[1]))
        self.configuration = shlex.join(options)

    @property
    def options(self) -> list[str]:
        """Options that make yt-dlp read the configuration."""
        return ["--config-locations", "-"] if self.configuration else []

    def redacted(self, text: str) -> str:
        """A text of yt-dlp without secrets, and without logins in addresses."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            for spelling in (secret, quote(secret, safe="")):
                text = text.replace(spelling, "***")
        return without_logins(text)

    def _filled(self, key: str, text: str) -> str:
        """The text with environment variables in place of ${NAME}; their values are secrets."""

        def value(found: re.Match[str]) -> str:
            if found[1] not in os.environ:
                raise UserError(
                    f"{KEY}.{key}: wanted the environment variable {found[1]}, it is not set"
                )
            self._secrets |= {part for part in _parts(os.environ[found[1]]) if len(part) > 3}
            return os.environ[found[1]]

        return re.sub(r"\$\{(\w+)\}", value, text)


def _parts(secret: str) -> set[str]:
    """A secret, and the login and password in it."""
    return {secret, *secret.split(":"), *map(unquote, secret.split(":"))}


def _login(proxy: str) -> set[str]:
    try:
        parts = urlsplit(proxy)
        found = {parts.username, parts.password}
    except ValueError:
        return set()
    known = {text for text in found if text and len(text) > 3}
    return known | {unquote(text) for text in known}


def _tokens(text: str) -> Iterator[str]:
    """Tokens in extractor arguments, such as `XXX` in `youtube:po_token=mweb.gvs+XXX,...`."""
    for found in re.finditer(r"\b(?:po_token|visitor_data|data_sync_id)=([^;]*)", text, re.I):
        for value in found[1].split(","):
            yield from (part for part in (value, value.partition("+")[2]) if len(part) > 3)
