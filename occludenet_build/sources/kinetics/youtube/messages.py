"""What yt-dlp says on its standard error, as a reason of core.errors.REASONS.

yt-dlp has one exit code for all failures, so the words decide. Most are YouTube's own, which yt-dlp
asks for in English. One message can hold several hints ("Video unavailable. This content isn't
available, try again later. The current session has been rate-limited"): the first rule that fits
has it, those that stop the whole work before those about one video, the vaguest last. What no
rule knows is extractor_failed, with the message: it is tried again, never taken for a video that is
gone. What exactly YouTube said of a video stands in the row's detail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from occludenet_build.core.errors import ItemError

Rules = Sequence[tuple[str, str]]
"""(reason, pattern), in the order in which they are tried, whatever the case."""

_SERVICE: Rules = (
    ("bot_check", r"not a bot|captcha|unusual traffic|likely being blocked|^please sign in\b"),
    ("too_many_requests", r"rate.limited|try again later|HTTP Error 429|too many requests"),
)
"""YouTube serves this address, or this account, nothing for now."""

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
"""What is clear of one video. The recording of a stream that is over is not one to come."""

_VAGUE: Rules = (
    # a client or a format that YouTube turns down, not the video
    (
        "extractor_failed",
        r"page needs to be reloaded|not available on this app|download video data: HTTP Error 403",
    ),
    ("no_format", r"requested format is not available|DRM protected"),
    (
        "unavailable",
        r"video (is |is currently )?(unavailable|not available)|(video|content) isn't available"
        r"|unavailable video|does(n't| not) exist",
    ),
)
"""What a warning before it may explain."""

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
    r"(formats (may be|have been) (missing|skipped)|JavaScript runtime|PO Token|challenge solving)"
)
"""Warnings that yt-dlp itself saw less than there is."""
_TAIL = (
    r"\s*([;.]? ?please report this issue|\(caused by|Use --cookies|See +https|Also see +https"
    r"|You might want to|It is recommended|For more information|Use --list-formats|Giving up after)"
)
"""Where the advice for people at a terminal begins."""
_LONGEST = 300


def failure_from_log(log: str, why: str = "yt-dlp ended without a word") -> ItemError:
    """The error that a log of yt-dlp tells of; `why` is the detail where it tells of none."""
    messages = _messages(log)
    said = [text for kind, text in messages if kind == "ERROR" and text]
    warnings = [text for kind, text in messages if kind == "WARNING"]
    if not said:
        return ItemError("extractor_failed", _last_line(log) or why)
    text = said[-1]
    vague = _first(text, _VAGUE)
    reason = _first(text, (*_SERVICE, *_VIDEO)) or (None if vague else _first(text, _NETWORK))
    if reason is None:
        reason, text = _explained(vague or "extractor_failed", text, warnings)
    return ItemError(reason, _short(text))


def _explained(reason: str, text: str, warnings: list[str]) -> tuple[str, str]:
    """(reason, message) with what the warnings say of their cause."""
    rules = (*_SERVICE, *_NETWORK) if reason == "extractor_failed" else _SERVICE
    for warning in warnings:
        cause = _first(warning, rules)
        if cause is not None:
            return cause, f"{_trimmed(text)} after: {warning}"
    lame = next((warning for warning in warnings if re.search(_INCOMPLETE, warning, re.I)), None)
    if lame is not None and reason == "no_format":
        return "extractor_failed", f"{_trimmed(text)} after: {lame}"
    return reason, text


def _first(text: str, rules: Rules) -> str | None:
    plain = text.replace("\u2019", "'")
    for reason, pattern in rules:
        if re.search(pattern, plain, re.I):
            return reason
    return None


def _messages(log: str) -> list[tuple[str, str]]:
    """(ERROR or WARNING, text) of each, without the extractor's name and the video's id."""
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
    """
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
    """Of a traceback: the exception."""
    lines = [line for line in log.splitlines() if line.strip() not in ("", "ERROR:")]
    return _short(lines[-1]) if lines else ""
