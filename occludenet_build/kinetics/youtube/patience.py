"""How long to wait before the next video, and when to stop asking.

Between the end of one video and the start of the next: youtube.sleep_seconds and up to half of it
by chance. (What is counted by yt-dlp's authors, about 300 videos an hour without a login, is about
one in 12 s.) Where YouTube refuses all service, the wait doubles with each refusal, up to
download.longest_wait_seconds.

A third of Kinetics is gone for good. That is an answer, not a failure: download.failure_budget is
not for it. Two things stop the build: youtube.give_up_after refusals of all service in a row, and
download.give_up_after videos in a row that fail for what should pass, as when the network is down
or YouTube has changed and this yt-dlp understands no page any more.
"""

from __future__ import annotations

import random
import time

from occludenet_build.config import Config
from occludenet_build.core.errors import TRANSIENT, ItemError, UserError

REFUSED = ("too_many_requests", "bot_check")
"""Reasons that are not of the video: YouTube serves this address nothing for now."""


class Patience:
    def __init__(self, config: Config) -> None:
        self._youtube, self._download = config.kinetics.youtube, config.download
        self._refusals = self._failures = 0
        self._next_start = 0.0
        self._last = ""

    def wait(self) -> None:
        """Until the next video may be asked for."""
        time.sleep(max(0.0, self._next_start - time.monotonic()))

    def ended(self, error: ItemError | None) -> None:
        """A video was asked for, and this came of it. The pause begins."""
        refused = error is not None and error.reason in REFUSED
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
        """Raises UserError when it makes no sense to go on."""
        if self._refusals >= self._youtube.give_up_after:
            raise UserError(
                f"youtube: {self._refusals} refusals of service in a row, the last {self._last}. "
                "What is finished is kept: start again in an hour or later, from another address, "
                "with a larger kinetics.youtube.sleep_seconds, or with kinetics.youtube.cookies"
            )
        if self._failures >= self._download.give_up_after:
            raise UserError(
                f"youtube: the last {self._failures} videos failed, the last {self._last}. What is "
                "finished is kept: is the network up, and yt-dlp the newest? Start again then"
            )
