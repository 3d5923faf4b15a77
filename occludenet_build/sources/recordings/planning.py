"""From takes, files and offsets to the clips of a set: names, folders, splits, stretches.

Every view of a take has a row: its clips, or why there are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core import names
from occludenet_build.core.errors import ItemError
from occludenet_build.release.terms import split_path, view_path
from occludenet_build.sources.cut_clips import stretch_name
from occludenet_build.sources.recordings.files import FileFacts, file_id
from occludenet_build.sources.recordings.offsets import ViewTime, times_of, usable_views
from occludenet_build.sources.recordings.stretches import (
    Seen,
    Stretch,
    common_stretches,
    even_stretches,
    on_frames,
)
from occludenet_build.sources.recordings.takes import Take, View

Row = dict[str, Any]


@dataclass(frozen=True)
class PlannedClip:
    """A clip to cut, or a recording that gives none. Times in seconds."""

    clip: str
    one: RecordingSet
    take: Take
    view: View
    split: str
    source: FileFacts | None
    time: ViewTime | None
    stretch: Stretch | None
    """On the clock of the take; None: no clip."""
    findings: tuple[str, ...] = ()
    """Checks that it fails, as far as they are known before it is cut."""
    views: int = 1
    """Number of the take's usable views."""
    problem: ItemError | None = None
    """Why there is no clip."""

    @property
    def file(self) -> str:
        """Path of the clip, relative to the build folder."""
        folder, label = self.one.dataset_folder, self.take.label
        if self.one.layout == "views":
            return view_path(folder, self.split, label, self.view.number, self.clip)
        return split_path(folder, self.split, label, self.clip)

    @property
    def inside(self) -> Stretch | None:
        """Start and end in the recording, from its first frame."""
        if self.stretch is None or self.time is None:
            return None
        start, end = self.stretch
        return self.time.to_view(start), self.time.to_view(end)

    @property
    def cut(self) -> Stretch | None:
        """Start and end by which frames are chosen, in the recording.

        Of several views each begins with the frame nearest to the start, so half a frame earlier: a
        measured offset that is off by microseconds chooses the same frame.
        """
        if self.inside is None or self.source is None or self.views == 1:
            return self.inside
        early = self.source.frame_seconds / 2
        return self.inside[0] - early, self.inside[1] - early

    @property
    def is_whole(self) -> bool:
        """Whether the clip is the whole recording."""
        return self.source is not None and self.inside == (0, self.source.duration)


@dataclass(frozen=True)
class SetPlan:
    """What is known of a set before its clips are planned."""

    one: RecordingSet
    takes: Sequence[Take]
    splits: Mapping[str, str]
    """Key of a take -> split."""
    files: Mapping[str, Row]
    """Id of a recording -> its row of FILES."""
    facts: Mapping[tuple[str, str], FileFacts]
    """(take, view) -> its recording, of those that decode: `usable_files`."""
    offsets: Mapping[str, Row]
    """<set>/<take> -> its row of OFFSETS; takes of one view have none."""
    shortest: Fraction
    longest: Fraction

    def clips(self) -> Iterator[PlannedClip]:
        """The clips of all takes, in the order of takes, views and time."""
        views = {view.name for take in self.takes for view in take.views}
        size = self.one.size or _usual_size(self.facts.values())
        for take in self.takes:
            lacking = views - {view.name for view in usable_views(take, self.facts)}
            for clip in self._of_take(take):
                yield _with_findings(clip, bool(lacking), size)

    def _of_take(self, take: Take) -> Iterator[PlannedClip]:
        views = usable_views(take, self.facts)
        for view in take.views:
            if view not in views:
                row = self.files[file_id(take.set, view.file)]
                yield self._without(take, view, None, ItemError(row["reason"], row["detail"] or ""))
        if not views:
            return
        try:
            times = self._times(take, views)
            stretches = self._stretches(take, views, times)
        except ItemError as error:
            for view in views:
                yield self._without(take, view, self.facts[take.id, view.name], error)
            return
        for view in views:
            for stretch in stretches:
                about = (times[view.name], self.facts[take.id, view.name], stretch, len(views))
                yield self._clip(take, view, *about)

    def _times(self, take: Take, views: list[View]) -> dict[str, ViewTime]:
        """When each view recorded. Raises ItemError where that is not known."""
        if len(views) == 1:
            stated = views[0].offset
            method = None if stated is None else "table"
            return {views[0].name: ViewTime(stated or Fraction(0), method=method)}
        row = self.offsets[f"{take.set}/{take.id}"]
        if row["status"] != "ok":
            raise ItemError(row["reason"], row["detail"] or "")
        return times_of(row)

    def _stretches(
        self, take: Take, views: list[View], times: dict[str, ViewTime]
    ) -> list[Stretch]:
        """The stretches that become clips. Raises ItemError where there are none."""
        facts = [self.facts[take.id, view.name] for view in views]
        seen = [
            Seen(times[view.name], one.duration, view.parts)
            for view, one in zip(views, facts, strict=True)
        ]
        shared = common_stretches(seen)
        if not shared:
            raise ItemError(*_nothing_shared(seen))
        found = [
            piece for part in shared for piece in even_stretches(part, self.shortest, self.longest)
        ]
        if not found:
            most = max(end - start for start, end in shared)
            wanted = f"wanted at least {float(self.shortest):g}"
            raise ItemError("too_short", f"{float(most):.3f} s, {wanted}")
        if len(views) == 1:
            return found
        first, step = times[views[0].name].offset, facts[0].frame_seconds
        return [on_frames(piece, first, step) for piece in found]

    def _clip(
        self,
        take: Take,
        view: View,
        time: ViewTime,
        source: FileFacts,
        stretch: Stretch,
        views: int,
    ) -> PlannedClip:
        clip = stretch_name(self._stem(take, view), *stretch)
        split = self.splits[take.key]
        return PlannedClip(clip, self.one, take, view, split, source, time, stretch, views=views)

    def _without(
        self, take: Take, view: View, source: FileFacts | None, problem: ItemError
    ) -> PlannedClip:
        clip, split = self._stem(take, view), self.splits[take.key]
        return PlannedClip(clip, self.one, take, view, split, source, None, None, problem=problem)

    def _stem(self, take: Take, view: View) -> str:
        return f"{take.id}_view{view.number}" if view.name else take.id


def usable_files(
    set: str, takes: Sequence[Take], files: Mapping[str, Row]
) -> dict[tuple[str, str], FileFacts]:
    """(take, view) -> its recording, of those that decode. `files`: id -> row of FILES."""
    return {
        (take.id, view.name): FileFacts.of(row)
        for take in takes
        for view in take.views
        if (row := files[file_id(set, view.file)])["status"] == "ok"
    }


def with_unique_names(clips: Sequence[PlannedClip]) -> list[PlannedClip]:
    """The clips of all sets, with names of which no file system takes two for one."""
    origins = [(clip.one.name, clip.take.id, clip.view.name) for clip in clips]
    unique = names.disambiguate([clip.clip for clip in clips], origins)
    return [replace(clip, clip=name) for clip, name in zip(clips, unique, strict=True)]


def _nothing_shared(seen: list[Seen]) -> tuple[str, str]:
    """Reason and detail of a take without a stretch."""
    if len(seen) == 1:
        return "outside_video", "start_seconds is after the end of the recording"
    ends = ((one.time.offset, one.time.to_take(one.duration)) for one in seen)
    spans = (f"{float(start):.2f} to {float(end):.2f} s" for start, end in ends)
    return "no_common_time", f"the views recorded {', '.join(spans)}"


def _usual_size(facts: Iterable[FileFacts]) -> str:
    counts = Counter(f"{one.width}x{one.height}" for one in facts)
    return max(counts, key=lambda size: (counts[size], size), default="")


def _with_findings(clip: PlannedClip, lacks_view: bool, size: str) -> PlannedClip:
    """The clip with the checks that need the other recordings."""
    if clip.source is None or clip.problem is not None:
        return clip
    found = ["missing_view"] if lacks_view and clip.view.name else []
    if f"{clip.source.width}x{clip.source.height}" != size:
        found.append("other_resolution")
    return replace(clip, findings=tuple(found))
