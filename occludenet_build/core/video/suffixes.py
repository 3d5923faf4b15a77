"""What names of video files end with. Whether one is a video, `probe` tells."""

from __future__ import annotations

SUFFIXES = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".nut", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
