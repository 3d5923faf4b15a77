"""A clip of Kinetics: which stretch of which YouTube video, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

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
        """
        >>> Clip("3caPS4FHFF8", 36, 46, "val", "abseiling").name
        '3caPS4FHFF8_000036_000046'
        """
        return clip_name(self.youtube_id, self.start, self.end)

    @property
    def file(self) -> str:
        """Where it is put, below the folder of the videos."""
        return f"{self.split}/{self.label.replace('/', '_')}/{self.name}.mp4"
