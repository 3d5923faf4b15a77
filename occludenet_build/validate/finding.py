"""One thing that a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A row of FINDINGS without the name of its check."""

    severity: str
    split: str | None
    """None: about all splits."""
    subject: str
    sources: int = 0
    clips: int = 0
    detail: str = ""
