"""A clip of Kinetics: which stretch of which YouTube video, its name, and what was found of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from occludenet_build.release.terms import clip_name

NO_LABEL = "unlabelled"


@dataclass(frozen=True)
class Clip:
    """A row of the official lists."""

    youtube_id: str
    """11 characters of A-Z a-z 0-9 _ -"""
    start: int
    """Seconds."""
    end: int
    """Seconds."""
    split: str
    label: str = NO_LABEL
    """Class name."""

    @property
    def name(self) -> str:
        """Id and file name.

        >>> Clip("3caPS4FHFF8", 36, 46, "val", "abseiling").name
        '3caPS4FHFF8_000036_000046'
        """
        return clip_name(self.youtube_id, self.start, self.end)

    @property
    def file(self) -> str:
        """Where it is put, below the folder of the videos."""
        return f"{self.split}/{self.label.replace('/', '_')}/{self.name}.mp4"


@dataclass(frozen=True)
class Found:
    """What a route found of a clip: the form in which all routes answer."""

    clip: Clip
    status: str
    """present, replaced, corrupt or missing."""
    reason: str | None = None
    """Why it is not there, from core.errors.REASONS; null if it is."""
    detail: str | None = None
    """What exactly."""
    origin: str | None = None
    """Archive, address or mirror that it comes from, or should; without passwords and queries."""
    path: Path | None = None
    """The file; null if missing."""
    bytes: int | None = None
    """Its size; null if missing."""

    @property
    def there(self) -> bool:
        """Whether a sound file of it is."""
        return self.status in ("present", "replaced")
