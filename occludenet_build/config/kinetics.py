"""Settings of Kinetics-400: where its clips come from."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting

_CVDF = "https://s3.amazonaws.com/kinetics/400"
"""Where the Common Visual Data Foundation keeps Kinetics-400."""


@dataclass(frozen=True)
class YouTube:
    """How videos are fetched from YouTube."""

    address: str = setting("https://www.youtube.com/watch?v={id}")
    """Address of a video; {id} is its id."""
    height: int = setting(360, low=144, high=4320)
    """Largest height that is fetched, pixels of the shorter side."""
    max_seconds: float = setting(3600.0, low=1)
    """Longest video that is fetched for its ten seconds."""
    sleep_seconds: float = setting(8.0, low=0, high=3600)
    """Least pause from the end of one video to the next; up to half of it is added by chance.
    YouTube serves about 300 videos an hour to who has not logged in."""
    timeout_seconds: float = setting(900.0, low=1)
    """Longest time that one video may take."""
    cookies: str | None = setting(None, path=True)
    """Cookie file in Netscape's format, for videos that ask for a login."""
    crf: float = setting(17.0, low=0, high=51)
    """Quality of the cut clip, x264's constant rate factor: it must be encoded to begin exactly."""
    give_up_after: int = setting(10, low=1)
    """So many refusals of all service in a row (429, "not a bot") stop the build."""

    def __post_init__(self) -> None:
        if "{id}" not in self.address:
            raise UserError(
                "config: kinetics.youtube.address: wanted a text that holds {id}, "
                f"got {self.address!r}"
            )


@dataclass(frozen=True)
class Kinetics:
    route: str = setting("none", choices=("none", "archives", "youtube", "mirror"))
    """none: your own videos, acquire.videos; archives: the frozen tar files; youtube: through
    yt-dlp; mirror: a copy on disk, in any layout."""
    annotations: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/annotations/{split}.csv" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """The official CSV files (label,youtube_id,time_start,time_end,split): files or addresses."""
    archives: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/{split}/k400_{split}_path.txt" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """route archives: tar or zip files, or lists (.txt) of them with a line each; files or
    addresses. An archive named for a split that is not wanted is not fetched."""
    replacements: tuple[str, ...] = setting(
        (f"{_CVDF}/replacement_for_corrupted_k400.tgz",), path=True, url=True, empty=True
    )
    """The same, for what replaces corrupt clips of `archives`."""
    keep_archives: bool = setting(False)
    """Keep an archive after it was unpacked: twice the disk space."""
    mirror: str | None = setting(None, path=True)
    """route mirror: its folder. The clips stay where they are."""
    splits: tuple[str, ...] = setting(("train", "val", "test"), choices=("train", "val", "test"))
    """Splits that are wanted."""
    classes: tuple[str, ...] = setting((), empty=True)
    """Classes that are wanted, by name; empty: all."""
    per_class: int | None = setting(None, low=1)
    """Clips of a class and split that are wanted at most, the first in the order of the draw, which
    is that of index: 2 x select.quota is what a whole build searches. null: all."""
    youtube: YouTube = setting(YouTube())

    def __post_init__(self) -> None:
        if self.route == "mirror" and self.mirror is None:
            raise UserError(
                "config: kinetics.mirror: wanted a folder for kinetics.route mirror, got nothing; "
                "set it"
            )
