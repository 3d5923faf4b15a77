"""Credentials for gated addresses: from the address, the environment or netrc, the first that is
there.

    https://user:password@host/   of the address itself
    OCCLUDENET_TOKEN_<HOST>       a bearer token; <HOST> in capitals, `.` as `_` and `-` as `__`
    HF_TOKEN                      a bearer token for huggingface.co, hf.co, the host of HF_ENDPOINT
    $NETRC, else ~/.netrc         login and password

They go to the server of the requested address alone: same scheme, host and port (or from http to
https of one host). After a redirect to another host, only netrc's own entry for that host is sent.
requests would read netrc itself, without regard to the port; `RequestAuth` replaces that.

No function here puts a secret into a message.
"""

from __future__ import annotations

import functools
import logging
import netrc
import os
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from occludenet_build.core.errors import UserError

TOKEN = "OCCLUDENET_TOKEN_"
"""Begin of the names of environment variables with a token for a host."""
_HUGGINGFACE = ("huggingface.co", "hf.co")
_PORTS = {"http": 80, "https": 443}


class RequestAuth(AuthBase):
    """The Authorization header of one request, or none."""

    def __init__(self, header: str | None) -> None:
        self.header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header."""
        if self.header is not None:
            request.headers["Authorization"] = self.header
        return request


def auth_for(url: str, asked: str) -> RequestAuth:
    """The credentials of a request for `url`; `asked` is the address before all redirects.

    Raises UserError for a token that no header can hold.
    """
    if _same_server(asked, url):
        return RequestAuth(_of_address(asked) or _of_environment(url) or _of_netrc(url, True))
    if urlsplit(url).hostname == urlsplit(asked).hostname:
        return RequestAuth(None)
    return RequestAuth(_of_netrc(url, False))


def token_variable(host: str) -> str:
    """The environment variable with the token for a host, without port.

    Host names have no `_`, so two hosts never share a variable.

    >>> token_variable("data-1.example.org")
    'OCCLUDENET_TOKEN_DATA__1_EXAMPLE_ORG'
    """
    return TOKEN + host.upper().replace("-", "__").replace(".", "_").replace(":", "_")


def login_hint(response: requests.Response) -> str:
    """What to do after a refusal (HTTP 401 or 403), to append to its detail."""
    if "Authorization" in response.request.headers:
        return ", although credentials were sent"
    host = urlsplit(response.url or "").hostname
    if response.status_code != 401 or not host:
        return ""
    return f", no credentials were sent: set {token_variable(host)}, or an entry of ~/.netrc"


def _same_server(asked: str, url: str) -> bool:
    one, other = _server(asked), _server(url)
    upgraded = one == ("http", other[1], 80) and other == ("https", one[1], 443)
    return one == other or upgraded


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.hostname, parts.port or _PORTS.get(parts.scheme.lower())


def _of_address(url: str) -> str | None:
    login, password = requests.utils.get_auth_from_url(url)
    return _basic(login, password) if login or password else None


def _of_environment(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    variable = token_variable(host)
    if "_" not in host and os.environ.get(variable):
        return _bearer(variable)
    return _bearer("HF_TOKEN") if os.environ.get("HF_TOKEN") and _is_huggingface(url) else None


def _is_huggingface(url: str) -> bool:
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint and _same_server(endpoint, url):
        return True
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.hostname in _HUGGINGFACE


def _bearer(variable: str) -> str:
    token = os.environ[variable].strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(
            f"{variable}: wanted a token of printable ASCII characters without blanks, got another "
            "text; correct or unset the variable"
        )
    return f"Bearer {token}"


def _basic(login: str, password: str) -> str:
    return "Basic " + b64encode(f"{login}:{password}".encode()).decode()


def _of_netrc(url: str, or_default: bool) -> str | None:
    """Credentials of netrc; `or_default`: also those of its entry for all other hosts."""
    path, host = _netrc_path(), urlsplit(url).hostname
    entries = _netrc_entries(path, path.stat().st_mtime_ns) if path else {}
    entry = entries.get(host or "") or (entries.get("default") if or_default else None)
    return _basic(*entry) if entry else None


def _netrc_path() -> Path | None:
    named = os.environ.get("NETRC")
    candidates = (named,) if named else ("~/.netrc", "~/_netrc")
    for name in candidates:
        try:
            path = Path(name).expanduser()
        except RuntimeError:  # no home
            continue
        if path.is_file():
            return path
    return None


@functools.cache
def _netrc_entries(path: Path, stamp: int) -> dict[str, tuple[str, str]]:
    """Host -> (login, password). Its parser quotes tokens, so only the place is logged."""
    try:
        hosts = netrc.netrc(str(path)).hosts
    except netrc.NetrcParseError as error:
        logging.warning("%s, line %s: not in netrc's format, not used", path, error.lineno)
        return {}
    except (OSError, ValueError) as error:
        logging.warning("%s: cannot be read (%s), not used", path, type(error).__name__)
        return {}
    return {host: (entry[0] or entry[1], entry[2] or "") for host, entry in hosts.items()}
