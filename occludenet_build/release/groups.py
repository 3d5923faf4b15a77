"""Groups of clips that are not independent, by their names.

The three views of a performance (OccludeNet-M), the stretches of a surveillance video
(OccludeNet-S) and the clips of a YouTube video (Kinetics) show the same people in the same place. A
clip's group is one of these, the first that applies:

    source   the part before start and end in a name <source>_<start>_<end>: the id of a YouTube
             video (Kinetics, OccludeNet-D), the video of a stretch that `segments` cut (S), the
             take that `recordings` cut, without its view (I, M)
    footage  the video in a name of UCF-Crime, <Class><3 digits>_x264
    views    the name and its folder without the view: Armed/Armed_view2/07 is Armed/Armed/07 (M)
    itself   the clip, if nothing of this applies

Where a rule sees a group that is none, an interval is too wide, not too narrow. Standard library
only.
"""

from __future__ import annotations

import re
from functools import cache

_TIME = r"\d{6,}(?:\.\d{3})?"
_STRETCH = re.compile(
    rf"(?P<source>.+)_(?P<start>{_TIME})_(?P<end>{_TIME})(?:-[0-9a-f]{{6}})?", re.ASCII
)
"""A clip of Kinetics or of segments; six hex digits distinguish equal names."""
_LONGEST = 3600
"""Seconds of a stretch. In VID_20240101_123456, as telephones name recordings, the numbers are a
date and a time of day."""
_FOOTAGE = re.compile(r"[A-Za-z][A-Za-z_]*\d{3}_x264", re.ASCII)
_TAKE_VIEW = re.compile(r"(?<=.)_view\d+$", re.ASCII)
"""The view at the end of a source: only the word `view`, since a surveillance video's cam1 is no
view of one performance."""
_VIEW = re.compile(r"(?:^|[_ -])(?:view|camera|cam)[_ -]?(?:\d+|val)(?=$|[_. -])", re.I | re.ASCII)


@cache
def derived_group(clip: str) -> str:
    """The group of a clip by its name.

    `clip`: the source clip, without suffix; a path where two files have the same name.

    >>> derived_group("3caPS4FHFF8_000036_000046"), derived_group("Abuse001_x264_000012_000021")
    ('3caPS4FHFF8', 'Abuse001_x264')
    >>> derived_group("Fall_P01_1_view2_000000_000008")
    'Fall_P01_1'
    >>> derived_group("Armed/Armed_view1/07"), derived_group("Armed/Armed_view_val/07")
    ('Armed/Armed/07', 'Armed/Armed/07')
    >>> derived_group("interview_1"), derived_group("clip07")
    ('interview_1', 'clip07')
    >>> derived_group("VID_20240101_123456"), derived_group("PXL_20210101_123456789")
    ('VID_20240101_123456', 'PXL_20210101_123456789')
    """
    name = clip.rpartition("/")[2]
    stretch = _STRETCH.fullmatch(name)
    if stretch and 0 < float(stretch["end"]) - float(stretch["start"]) <= _LONGEST:
        return _TAKE_VIEW.sub("", stretch["source"])
    if footage := _FOOTAGE.match(name):
        return footage[0]
    return "/".join(_VIEW.sub("", part) for part in clip.split("/")) or clip
