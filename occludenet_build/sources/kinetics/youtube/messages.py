"""Map the messages of yt-dlp on standard error to reasons of core.errors.REASONS.

yt-dlp has one exit code for all failures, so the text of the messages decides. Most texts are those
of YouTube, which yt-dlp requests in English. One message can match several rules ("Video
unavailable. This content isn't available, try again later. The current session has been
rate-limited"): the first matching rule applies. Rules about the service come first, then those
about one video, then vague ones. A message without a rule means extractor_failed, which is tried
again. The row's detail has the text of the message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from occludenet_build.core.errors import ItemError

Rules = Sequence[tuple[str, str]]
"""(reason, regular expression), in the order of application; case is ignored."""

_SERVICE: Rules = (
    (
        "bot_check",
        r"not a bot|captcha|unusual traffic|likely being blocked|^please sign in\b"
        r"|network administrator restrict|download API page: HTTP Error 403",
    ),
    ("too_many_requests", r"rate.limited|try again later|HTTP Error 429|too many requests"),
)
"""YouTube refuses service to this address or account for now."""

_VIDEO: Rules = (
    (
        "login_required",
        r"private video|video is private|(confirm|verify) your age|age.restricted|members.only"
        r"|(channel's|premium) members|join this channel|requires payment|to (buy|rent|purchase)"
        r"|for some (users|audiences)|only available to pa",
    ),
    (
        "unavailable",
        r"(account|channel) .*(terminated|closed|suspended)|closed their .*account|copyright"
        r"|(been|was) (removed|deleted)|no longer available|(privacy|trademark|legal) (claim|comp)"
        r"|in your (country|region)|from your location|geo.?restrict|country domain"
        r"|live stream recording is not available",
    ),
    (
        "live",
        r"live event|premieres? (in|will)|will begin|not currently live|processing this video"
        r"|live stream.*(start|offline)|^offline\b|stream is offline",
    ),
)
"""Unambiguous messages about one video."""

_VAGUE: Rules = (
    # YouTube rejects a client or a format, not the video.
    (
        "extractor_failed",
        r"page needs to be reloaded|not available on this app|download video data: HTTP Error 403"
        r"|^HTTP Error 403.*giving up|^HTTP Error 403: Forbidden$",
    ),
    ("no_format", r"requested format is not available|DRM protected"),
    (
        "unavailable",
        r"video (is |is currently )?(unavailable|not available)|(video|content) isn't available"
        r"|unavailable video|does(n't| not) exist",
    ),
)
"""Vague messages, whose cause a warning before them may state."""

_NETWORK: Rules = (
    ("bad_certificate", r"CERTIFICATE_VERIFY_FAILED|certificate (is not valid|has expired)"),
    ("not_found", r"HTTP Error 404"),
    ("gone", r"HTTP Error 410"),
    ("forbidden", r"HTTP Error (401|402|403|451)|only available for registered users"),
    ("server_error", r"HTTP Error 5\d\d"),
    ("timed_out", r"timed? ?out|HTTP Error 408"),
    (
        "connection_lost",
        r"connection (refused|reset|aborted|broken)|broken pipe|remote end closed|unable to connect"
        r"|failed to (resolve|establish)|name (or service|resolution)|getaddrinfo|no route to host"
        r"|network is unreachable|EOF occurred|bytes read|incomplete ?read|content too short"
        r"|expected \d+ bytes|did not get any data|file is empty|fragment.*not found",
    ),
    ("not_a_video", r"^unsupported url"),
    ("bad_url", r"is not a valid URL|incomplete youtube ID|no suitable extractor"),
)

_INCOMPLETE = (
    r"(formats (may be|have been) (missing|skipped)|JavaScript runtime|PO Token|challenge|nsig"
    r"|signature solving|remote component|experiment that applies|only images are available|\[pot:)"
)
"""Warnings that yt-dlp did not see all formats."""
_COOKIES_ENDED = "The provided YouTube account cookies are no longer valid"
_ACCOUNT = ("bot_check", "login_required")
_TAIL = (
    r"\s*([;.]? ?please report this issue|\(caused by|Use --cookies|See +https|Also see +https"
    r"|You might want to|It is recommended|For more information|Use --list-formats|Giving up after)"
)
"""Beginning of the advice for interactive users, which is cut off."""
_LONGEST = 300


def failure_from_log(log: str, why: str = "yt-dlp ended without a message") -> ItemError:
    """The error in a log of yt-dlp; `why` is the detail if the log has none."""
    messages = _messages(log)
    errors = [text for kind, text in messages if kind == "ERROR" and text]
    warnings = [text for kind, text in messages if kind == "WARNING"]
    if not errors:
        return ItemError("extractor_failed", _last_line(log) or why)
    text = errors[-1]
    vague = _first(text, _VAGUE)
    reason = _first(text, (*_SERVICE, *_VIDEO)) or (None if vague else _first(text, _NETWORK))
    if reason is None:
        reason, text = _explained(vague or "extractor_failed", text, warnings)
    elif reason in _ACCOUNT and any(_COOKIES_ENDED in warning for warning in warnings):
        text = f"{_trimmed(text)} after: {_COOKIES_ENDED}"
    return ItemError(reason, _short(text))


def _explained(reason: str, text: str, warnings: list[str]) -> tuple[str, str]:
    """(reason, message), with the cause that a warning states."""
    rules = (*_SERVICE, *_NETWORK) if reason == "extractor_failed" else _SERVICE
    for warning in warnings:
        cause = _first(warning, rules)
        if cause is not None:
            return cause, f"{_trimmed(text)} after: {warning}"
    incomplete = next(
        (warning for warning in warnings if re.search(_INCOMPLETE, warning, re.I)), None
    )
    if incomplete is not None and reason == "no_format":
        return "extractor_failed", f"{_trimmed(text)} after: {incomplete}"
    return reason, text


def _first(text: str, rules: Rules) -> str | None:
    plain = text.replace("\u2019", "'")
    for reason, pattern in rules:
        if re.search(pattern, plain, re.I):
            return reason
    return None


def _messages(log: str) -> list[tuple[str, str]]:
    """(ERROR or WARNING, text) of each message, without extractor name and video id."""
    found: list[tuple[str, list[str]]] = []
    for line in log.replace("\r", "").splitlines():
        begun = re.match(r"(ERROR|WARNING): *(.*)", line)
        if begun is not None:
            found.append((begun[1], [begun[2]]))
        elif line.startswith(("Traceback", "  File")):
            found.append(("TRACE", []))
        elif found:
            found[-1][1].append(line.strip())
    return [(kind, _unprefixed(" ".join(lines))) for kind, lines in found]


def _unprefixed(text: str) -> str:
    """Remove extractor name and video id from a message.

    >>> _unprefixed("[youtube] 3caPS4FHFF8: Private video")
    'Private video'
    """
    text = re.sub(r"^\s*\[[\w:+.-]+\] +(\S+: )?", "", text.strip())
    return re.sub(r"^Got error: ", "", text)


def _trimmed(text: str) -> str:
    return re.split(_TAIL, text, maxsplit=1, flags=re.I)[0].strip(" .;") or text.strip()


def _short(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in _trimmed(text))
    return " ".join(plain.split())[:_LONGEST]


def _last_line(log: str) -> str:
    """The last line of a log; for a traceback, the exception."""
    lines = [line for line in log.splitlines() if line.strip() not in ("", "ERROR:")]
    return _short(lines[-1]) if lines else ""
