"""Who hides whom in every frame of a clip, and how much of them.

A person whom nothing nearer touches hides nothing (whole.py). For the others the whole person is
placed (amodal.py) and the order of each pair found (order.py). Then, with T the whole person, M
their mask, and F the pixels of everybody and everything in front of them,

    hidden  = T & F, without what is thinner than the error of contours
    visible = M without F, and without what others' masks cover outside T
    share   = hidden / (hidden + visible)

F takes of a person in front what their mask covers inside the whole of them, so that a masker that
masks both people where they overlap does no harm. The share is not known where T is not, where the
order of an overlap that matters is not, or where it is less certain than asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from occludenet_build.media.imaging import masks as rle
from occludenet_build.occlusion.measure import colours, order
from occludenet_build.occlusion.measure.amodal import Placed, changes, place
from occludenet_build.occlusion.measure.order import Evidence, Verdict
from occludenet_build.occlusion.measure.scene import Extent, Scene, Thing, grown
from occludenet_build.occlusion.measure.share import (
    Case,
    Hider,
    Ident,
    Sight,
    State,
    belongs,
    error_of_none,
    or_none,
    sight_of,
)
from occludenet_build.occlusion.measure.whole import (
    Figures,
    Seen,
    above_feet,
    around,
    look,
    reach_of,
    unsteadiness,
)
from occludenet_build.people.maskers.interface import TrackKey

_LOST = 1.0
"""Longest time for which a person without a box is still looked for, seconds: one whom something
nearer touched in the frames before and after."""
_ALIKE = 0.75
"""Least ratio of the heights of a person before and after they are lost."""
_STEP, _SPEED = 0.5, 1.2
"""What they may move in between, in heights: at once, and per second."""
_INSIDE = 0.7
"""Share of an object inside a person's mask from which it is before them: of what is behind them,
no segment would be left."""
_UNPLACED = 60
"""Zone for which ground contact counts where one of the two cannot be placed, working pixels."""
_LEAST_ZONE = 12
"""Least zone that two share, working pixels."""


class Hiding:
    """The measurement of one clip: `prepare`, `watch` one pass over the video, then `sights`."""

    def __init__(self, scene: Scene, longest: float, max_error: float) -> None:
        """longest: seconds to a whole frame; max_error: largest standard error of a share."""
        self.scene, self._longest, self._max_error = scene, longest, max_error
        self.figures: Figures = {}
        self._seen: dict[tuple[TrackKey, int], Seen] = {}
        self._wholes: dict[tuple[TrackKey, int], tuple[list[bytes], float, dict]] = {}
        self._evidence: dict[tuple[TrackKey, Ident], dict[int, Evidence]] = {}
        self._verdicts: dict[tuple[TrackKey, Ident], dict[int, Verdict]] = {}
        self._unsteady: dict[TrackKey, float] = {}
        self._changes: dict[TrackKey, list[tuple[float, float]]] = {}
        self.times: list[tuple[int, float]] = []
        """(pts, seconds) of each frame."""

    def measure(self, path: Path) -> None:
        """Find the order of everybody, with one pass over the video.

        Raises ItemError where the video does not decode.
        """
        self.figures, self._seen = look(self.scene)
        self._unsteady = {key: unsteadiness(self._seen, key) for key in self.scene.masks}
        shape, fps = self.scene.shape, self.scene.fps
        self._changes = {k: changes(own, fps, shape) for k, own in self.figures.items()}
        zones: list[colours.Zone] = []
        for frame in range(self.scene.frames):
            zones += self._compare(frame)
        watched = colours.watch(path, self.scene, self.figures, zones)
        self.times = watched.times
        for (frame, first, second), value in watched.colour.items():
            seen = self._evidence[first, second]
            seen[frame] = replace(seen[frame], colour=value)
        for pair, seen in self._evidence.items():
            unsteady = max(self._unsteady.get(k, 0.0) for k in pair if not isinstance(k, str))
            self._verdicts[pair] = order.verdicts(seen, fps, unsteady)

    # --- what is known of each person -------------------------------------------------------------

    def _states(self, frame: int) -> dict[TrackKey, State]:
        """Everybody with a mask in the frame, and who is lost between two frames close by."""
        states = {}
        for key in sorted(self.scene.masks):
            mask, seen = self.scene.mask(key, frame), self._seen.get((key, frame))
            if mask is not None and seen is not None:
                states[key] = State(mask, seen.extent, free=seen.free)
            elif self._is_lost(key, frame):
                states[key] = State(np.zeros(self.scene.shape, bool), None)
        for key, state in states.items():
            if state.free:
                state.whole = [rle.encode(state.mask)]
            else:
                state.whole, state.seconds, state.price = self._placed(key, frame, states)
                state.extent = state.extent or self._extent(state)
        return {key: state for key, state in states.items() if state.extent is not None}

    def _is_lost(self, key: TrackKey, frame: int) -> bool:
        numbers = self._numbers(key)
        at = int(np.searchsorted(numbers, frame))
        if at == 0 or at == len(numbers):
            return False
        ends = int(numbers[at - 1]), int(numbers[at])
        # who vanishes in the open was lost by the detector, and is hidden by nobody
        vanished = all(not self._seen[key, end].free for end in ends if (key, end) in self._seen)
        seconds = (ends[1] - ends[0]) / self.scene.fps
        return vanished and seconds <= _LOST and self._is_one(key, ends, seconds)

    def _is_one(self, key: TrackKey, ends: tuple[int, int], seconds: float) -> bool:
        """Whether who comes out can be who went in: a tracker may take another person for them."""
        seen = [self._seen[key, end].extent for end in ends if (key, end) in self._seen]
        whole = [f.extent for f in around(self.figures[key], ends)]
        if len(seen) < 2 or len(whole) < 2:
            return False
        tall = max(extent.height for extent in whole)
        middles = [np.array([e.x1 + e.x2, e.y1 + e.y2]) / 2 for e in seen]
        moved = float(np.linalg.norm(middles[1] - middles[0]))
        alike = min(e.height for e in whole) >= _ALIKE * tall
        return alike and moved <= (_STEP + _SPEED * seconds) * tall

    def _reach_back(self, key: TrackKey, frame: int) -> Iterator[bool]:
        longest = self._longest * self.scene.fps
        return (abs(figure.frame - frame) <= longest for figure in self.figures[key])

    def _numbers(self, key: TrackKey) -> np.ndarray:
        return np.array(sorted(self.scene.masks[key]))

    def _placed(
        self, key: TrackKey, frame: int, states: dict[TrackKey, State]
    ) -> tuple[list[bytes], float, dict[TrackKey, float]]:
        """The whole person, RLE, the time to the frame that it rests on, and the prices."""
        if (key, frame) not in self._wholes:
            near = self._near(key, states)
            people, things = np.zeros(self.scene.shape, bool), np.zeros(self.scene.shape, bool)
            for other in states:
                people |= states[other].mask if other != key else False
            for thing in self.scene.things(frame):
                things |= thing.mask
            own, extent = states[key].mask, states[key].extent
            reach = reach_of(extent) if extent else 2
            found = self._fitted(key, frame, own & ~people, grown(things | people, reach))
            if found and not belongs(own & ~people, grown(found.masks[0], reach)):
                found = None
            price = {}
            for other in near if found else ():
                # what only the other's mask covers can hide nothing if the other is behind
                behind = states[other].mask & ~own
                rest = grown(things | (people & ~states[other].mask), reach)
                rest |= (grown(people, reach) | own) & ~behind
                forced = self._fitted(key, frame, own & ~people, rest)
                if found and forced:
                    price[other] = max(0.0, found.agreement - forced.agreement)
            coded = [rle.encode(mask) for mask in found.masks] if found else []
            self._wholes[key, frame] = coded, found.seconds if found else 0.0, price
        return self._wholes[key, frame]

    def _near(self, key: TrackKey, states: dict[TrackKey, State]) -> list[TrackKey]:
        own = states[key].extent
        others = [(k, s.extent) for k, s in states.items() if k != key and s.mask.any()]
        return [k for k, e in others if own is not None and e is not None and e.near(own, 2)]

    def _fitted(
        self, key: TrackKey, frame: int, own: np.ndarray, hiding: np.ndarray
    ) -> Placed | None:
        figures, fps = self.figures[key], self.scene.fps
        return place(figures, frame, fps, own, hiding, self._longest)

    def _extent(self, state: State) -> Extent | None:
        return Extent.of(self._decoded(state.whole[0])) if state.whole else None

    def _decoded(self, counts: bytes) -> np.ndarray:
        return rle.decode(counts, *self.scene.shape)

    # --- evidence ---------------------------------------------------------------------------------

    def _compare(self, frame: int) -> Iterator[colours.Zone]:
        """Note the evidence of a frame; yields the zones whose colours are to be looked at."""
        states = self._states(frame)
        wholes = {key: self._decoded(s.whole[0]) for key, s in states.items() if s.whole}
        static = [thing for thing in self.scene.things(frame) if thing.static]
        keys = sorted(states)
        for at, first in enumerate(keys):
            for second in keys[at + 1 :]:
                if not (states[first].free and states[second].free):
                    yield from self._compare_two(frame, first, second, states, wholes)
            if not states[first].free:
                for thing in static:
                    self._compare_thing(frame, first, thing, states[first], wholes)

    def _compare_two(
        self,
        frame: int,
        first: TrackKey,
        second: TrackKey,
        states: dict[TrackKey, State],
        wholes: dict[TrackKey, np.ndarray],
    ) -> Iterator[colours.Zone]:
        one, two = (Extent.of(wholes[k]) if k in wholes else None for k in (first, second))
        if not (states[first].mask.any() and states[second].mask.any()):
            self._note(frame, first, second, Evidence(None, None, None, 0))
            return  # where a person without a mask stands is a guess, and no evidence
        ends = one or states[first].extent, two or states[second].extent
        if ends[0] is None or ends[1] is None or not ends[0].near(ends[1], reach_of(ends[0])):
            return
        contact = order.contact_evidence(ends[0], ends[1])
        if one is None or two is None:
            self._note(frame, first, second, Evidence(contact, None, None, _UNPLACED))
            return
        zone = wholes[first] & wholes[second]
        pixels = int(np.count_nonzero(zone))
        if pixels < _LEAST_ZONE:
            return
        claimed = np.count_nonzero(zone & states[first].mask & states[second].mask)
        prices = self._price(states, first, second), self._price(states, second, first)
        shown = order.mask_evidence(*prices, claimed / pixels)
        self._note(frame, first, second, Evidence(contact, shown, None, pixels))
        flat = np.flatnonzero(zone).astype(np.int32)
        yield colours.Zone(frame, flat, first, second, (one, two))

    @staticmethod
    def _price(states: dict[TrackKey, State], key: TrackKey, other: TrackKey) -> float | None:
        """The price of `key` before `other`: 0 for one whom nobody touches; None if not known."""
        return 0.0 if states[key].free else states[key].price.get(other)

    def _compare_thing(
        self,
        frame: int,
        key: TrackKey,
        thing: Thing,
        state: State,
        wholes: dict[TrackKey, np.ndarray],
    ) -> None:
        if key not in wholes:
            return
        zone = wholes[key] & thing.mask
        pixels = int(np.count_nonzero(zone))
        own = Extent.of(wholes[key])
        if pixels < _LEAST_ZONE or own is None:
            return
        before = np.zeros_like(thing.mask)
        before[:, own.x1 : own.x2] = thing.mask[:, own.x1 : own.x2]
        stands = Extent.of(before)
        contact = order.contact_evidence(own, stands) if stands is not None else None
        shown = 1 - 2 * np.count_nonzero(zone & state.mask) / pixels
        self._note(frame, key, thing.name, Evidence(contact, float(shown), None, pixels))

    def _note(self, frame: int, first: TrackKey, second: Ident, evidence: Evidence) -> None:
        self._evidence.setdefault((first, second), {})[frame] = evidence

    def verdict(self, frame: int, own: TrackKey, other: Ident) -> Verdict | None:
        """The order of two in a frame; score above 0: `other` is in front of `own`."""
        found = self._verdicts.get((own, other), {}).get(frame)
        if found is None and not isinstance(other, str):
            turned = self._verdicts.get((other, own), {}).get(frame)
            found = Verdict(-turned.score, turned.kinds) if turned else None
        return found

    # --- what is hidden ---------------------------------------------------------------------------

    def sights(self, frame: int) -> dict[TrackKey, Sight]:
        """Every person of a frame."""
        states = self._states(frame)
        wholes = {key: self._decoded(s.whole[0]) for key, s in states.items() if s.whole}
        return {key: self._sight(frame, key, states, wholes) for key in states}

    def _sight(
        self,
        frame: int,
        key: TrackKey,
        states: dict[TrackKey, State],
        wholes: dict[TrackKey, np.ndarray],
    ) -> Sight:
        state = states[key]
        if (key, frame) in self._seen and self._seen[key, frame].unclear:
            return Sight(None, None, or_none(state.mask), None, why="uncertain")
        if state.free:
            error = error_of_none(self._seen[key, frame], self._unsteady.get(key, 0.0))
            return Sight(0.0, error, state.mask, state.mask)
        if key not in wholes:
            # a shape that does not fit is that of somebody else, or of another moment
            near = any(self._reach_back(key, frame))
            why = "uncertain" if near else "never_whole"
            return Sight(None, None, or_none(state.mask), None, why=why)
        fronts, unknown = self._fronts(frame, key, states, wholes)
        unsteady = self._unsteady.get(key, 0.0)
        seconds, shares = np.array(self._changes[key]).T
        change = float(np.interp(state.seconds, seconds, shares))
        case = Case(key, states, wholes[key], fronts, unknown, unsteady, change)
        return sight_of(case, self._max_error)

    def _fronts(
        self,
        frame: int,
        key: TrackKey,
        states: dict[TrackKey, State],
        wholes: dict[TrackKey, np.ndarray],
    ) -> tuple[list[Hider], np.ndarray]:
        """Whoever and whatever is in front of a person, and the pixels of whom that is not known.

        Share and mask of a hider are set, its share of the person is not.
        """
        own, fronts = states[key].mask, []
        unknown = np.zeros(self.scene.shape, bool)
        for other, state in states.items():
            found = self.verdict(frame, key, other) if other != key else None
            if found is None or found.front < 0:
                continue
            if found.front == 0:
                unknown |= state.mask
                continue
            mask = state.mask
            if other in wholes and not state.free and state.extent is not None:
                mask = mask & grown(wholes[other], reach_of(state.extent))
            fronts.append(Hider(other, "person", 0.0, abs(found.score), found.kinds, mask))
        body = Extent.of(wholes[key])
        for seen in self.scene.things(frame):
            thing = replace(seen, mask=above_feet(seen, body)) if body else seen
            found = self._thing_verdict(frame, key, thing, own, wholes[key])
            if found is not None and found.front > 0:
                fronts.append(
                    Hider(thing.name, thing.name, 0.0, abs(found.score), found.kinds, thing.mask)
                )
            elif found is not None and found.front == 0:
                unknown |= thing.mask
        return fronts, unknown

    def _thing_verdict(
        self, frame: int, key: TrackKey, thing: Thing, own: np.ndarray, whole: np.ndarray
    ) -> Verdict | None:
        if thing.static:
            return self.verdict(frame, key, thing.name)
        zone = whole & thing.mask
        pixels = np.count_nonzero(zone)
        if pixels < _LEAST_ZONE or not own.any():
            return None  # where a person without a box is, is too uncertain to blame an object
        area = np.count_nonzero(thing.mask)
        if np.count_nonzero(own & thing.mask) > _INSIDE * area and 2 * area < np.count_nonzero(own):
            return Verdict(1.0, ("mask",))
        return Verdict(float(1 - 2 * np.count_nonzero(zone & own) / pixels), ("mask",))
