"""What a route found of a clip: the form in which all routes answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from occludenet_build.kinetics.clip import Clip


@dataclass(frozen=True)
class Found:
    clip: Clip
    status: str
    """present, replaced, corrupt or missing."""
    reason: str | None = None
    """Why it is not there, from core.errors.REASONS; null if it is."""
    detail: str | None = None
    """What exactly."""
    origin: str | None = None
    """Archive, address or mirror that it comes from, or should; as `transfer.shown`."""
    path: Path | None = None
    """The file; null if missing."""
    bytes: int | None = None
    """Its size; null if missing."""

    @property
    def there(self) -> bool:
        return self.status in ("present", "replaced")
