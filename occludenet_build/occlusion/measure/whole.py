"""The frames in which a person is seen whole, from which is told what of them is hidden in others.

A mask is whole if nobody and nothing that may be nearer touches it. Nearer may be whose lower edge
is below the person's own (less a tolerance), or not in the picture. A mask that shares pixels with
another person's is not whole either: a masker without knowledge of people, such as grabcut, masks
both of them. A bed or a board under somebody's feet does not touch them there. A whole mask spans
its box from top to bottom, and its area is like that of the person's other whole masks. The left,
right and upper edge of the picture cut nobody who is whole; the lower one may, and then the person
is whole as far as the picture shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from occludenet_build.occlusion.measure.scene import Extent, Scene, Thing, grown
from occludenet_build.people.maskers.interface import TrackKey

_TOUCH = 0.05
"""Share of a mask's rim that something nearer may occupy."""
_SHARED = 0.02
"""Share of a mask that may lie on another person's."""
_LEVEL = 0.2
"""Tolerance of a lower edge, share of the person's height: feet are hidden or lifted."""
_FILLS = 0.85
"""Least share of the height of the box that a whole mask spans: a masker may lose a leg."""
_WIDE = 0.7
"""The same of the width."""
_LEAST_AREA = 60
"""Least area of a mask that is used, working pixels."""
_UNUSUAL = 0.75
"""A whole mask whose area is below this share of, or above its inverse times, the median of the
person's own around that time is not trusted."""
_AROUND = 15
"""Whole frames of which that median is taken."""


@dataclass(frozen=True)
class Figure:
    """A person seen whole in one frame; working pixels."""

    frame: int
    mask: np.ndarray
    """bool (H, W): the mask inside its extent."""
    x: float
    """Column of the centre of the mask."""
    y: float
    """Row of the centre of the mask."""
    extent: Extent

    @property
    def area(self) -> int:
        """Area, working pixels."""
        return int(np.count_nonzero(self.mask))

    @staticmethod
    def of(frame: int, mask: np.ndarray, extent: Extent) -> Figure:
        """The figure of a mask bool (H, W) of the whole picture."""
        cut = mask[extent.y1 : extent.y2, extent.x1 : extent.x2]
        rows, columns = np.nonzero(cut)
        x, y = float(columns.mean() + extent.x1), float(rows.mean() + extent.y1)
        return Figure(frame, np.ascontiguousarray(cut), x, y, extent)


@dataclass(frozen=True)
class Seen:
    """A person's mask in one frame and what touches it."""

    extent: Extent
    area: int
    """Area, working pixels."""
    whole: bool
    """Whether nothing that may be nearer touches it, nor an edge of the picture but the lower."""
    free: bool
    """Whether nothing that may be nearer touches it."""
    touched: float = 0.0
    """Share of its rim at which another person is, nearer or not."""
    beside: bool = False
    """Whether another person's box touches its own."""
    unclear: bool = False
    """Whether somebody without a mask, who may be nearer, is at it, or it does not fill its box,
    and somebody else's box is there."""


SUPPORTS = frozenset(
    {"bed", "couch", "bench", "chair", "skateboard", "surfboard", "snowboard", "skis"}
)
"""Objects of COCO on which people stand: they touch feet without hiding them."""
_FEET, _TAPER = 0.12, 0.7
"""The feet, share of the height from below; and the largest width there, share of the median width,
at which a mask ends in feet and is not cut by an edge."""

Figures = dict[TrackKey, list[Figure]]
"""Person -> the frames in which they are seen whole, ascending."""


def look(scene: Scene) -> tuple[Figures, dict[tuple[TrackKey, int], Seen]]:
    """The figures of all people, and what each of their masks touches, by (person, frame)."""
    figures: Figures = {key: [] for key in scene.masks}
    seen: dict[tuple[TrackKey, int], Seen] = {}
    for frame in range(scene.frames):
        for key, state, mask in _frame(scene, frame):
            seen[key, frame] = state
            if state.whole and (key, frame) not in scene.filled:
                figures[key].append(Figure.of(frame, mask, state.extent))
    return {key: _usual(found) for key, found in figures.items()}, seen


def _frame(scene: Scene, frame: int) -> list[tuple[TrackKey, Seen, np.ndarray]]:
    people = []
    for key in scene.people_in(frame):
        mask = scene.mask(key, frame)
        extent = Extent.of(mask) if mask is not None else None
        if mask is not None and extent is not None:
            people.append((key, mask, extent))
    things = [(thing, Extent.of(thing.mask)) for thing in scene.things(frame)]
    unmasked = _unmasked(scene, frame)
    states = []
    for key, mask, extent in people:
        beside = [(m, e) for other, m, e in people if other != key]
        stands = _ends_in_feet(mask, extent)
        others = [
            (above_feet(t, extent) if stands else t.mask, e) for t, e in things if e is not None
        ]
        free, touched = _freedom(mask, extent, beside, others)
        fills, area = _fills_box(scene, key, frame, extent), int(np.count_nonzero(mask))
        lost = not fills and _boxes_touch(scene, key, frame)
        unclear = lost or any(e.near(extent, 0) and may_be_nearer(e, extent) for e in unmasked)
        near = lost or any(e.near(extent, reach_of(extent)) for _, e in beside)
        whole = free and fills and area >= _LEAST_AREA and not (extent.cut_beside or unclear)
        states.append((key, Seen(extent, area, whole, free, touched, near, unclear), mask))
    return states


def _unmasked(scene: Scene, frame: int) -> list[Extent]:
    """The boxes of the people of a frame in whom the masker found nothing, working pixels."""
    boxes = [b[frame] for k, b in scene.boxes.items() if frame in b and frame not in scene.masks[k]]
    found = []
    for box in boxes:
        x1, y1, x2, y2 = (round(float(v) * scene.scale) for v in box)
        found.append(Extent(x1, y1, x2, y2, y2 >= scene.shape[0] - 1, False))
    return found


def _ends_in_feet(mask: np.ndarray, extent: Extent) -> bool:
    """Whether a mask bool (H, W) is narrower at its lower end than it is in the middle."""
    widths = np.count_nonzero(mask[extent.y1 : extent.y2], axis=1)
    low = max(1, round(0.05 * extent.height))
    return float(widths[-low:].mean()) < _TAPER * float(np.median(widths))


def above_feet(thing: Thing, person: Extent) -> np.ndarray:
    """The mask of an object without the part at a person's feet, if people stand on such objects:
    bool (H, W)."""
    if thing.static or thing.name not in SUPPORTS:
        return thing.mask
    mask = thing.mask.copy()
    mask[round(person.y2 - _FEET * person.height) :] = False
    return mask


def _boxes_touch(scene: Scene, key: TrackKey, frame: int) -> bool:
    """Whether another person's box overlaps a person's own."""
    own = scene.boxes[key].get(frame)
    others = (b[frame] for k, b in scene.boxes.items() if k != key and frame in b)
    return own is not None and any(
        min(own[2], o[2]) > max(own[0], o[0]) and min(own[3], o[3]) > max(own[1], o[1])
        for o in others
    )


def _fills_box(scene: Scene, key: TrackKey, frame: int, extent: Extent) -> bool:
    """Whether a mask spans height and width of its box, as far as that lies in the picture."""
    box = scene.boxes[key].get(frame)
    if box is None:
        return False
    x1, y1 = np.maximum(box[:2], 0).tolist()
    x2, y2 = np.minimum(box[2:], scene.size[::-1]).tolist()
    tall = extent.height >= _FILLS * (y2 - y1) * scene.scale
    return bool(tall and extent.x2 - extent.x1 >= _WIDE * (x2 - x1) * scene.scale)


def _freedom(
    mask: np.ndarray,
    extent: Extent,
    people: list[tuple[np.ndarray, Extent]],
    things: list[tuple[np.ndarray, Extent]],
) -> tuple[bool, float]:
    """Whether nothing that may be nearer touches a mask, and the share of its rim at which another
    person is."""
    reach = reach_of(extent)
    area = extent.crop(reach + 1, mask.shape)
    inside = mask[area]
    rim = grown(inside, reach) & ~inside
    nearer = np.zeros_like(inside)
    for other, at in (*people, *things):
        if may_be_nearer(at, extent) and at.near(extent, reach):
            nearer |= other[area]
    shared = np.zeros_like(inside)
    for other, at in people:
        if at.near(extent, reach):
            shared |= other[area]
    length = max(1, int(np.count_nonzero(rim)))
    touched = np.count_nonzero(rim & nearer) > _TOUCH * length
    mixed = np.count_nonzero(inside & shared) > _SHARED * np.count_nonzero(inside)
    return not touched and not bool(mixed), float(np.count_nonzero(rim & shared) / length)


def reach_of(extent: Extent) -> int:
    """Distance at which two masks touch, working pixels: maskers leave a gap between them."""
    return max(2, round(0.02 * extent.height))


def may_be_nearer(other: Extent, own: Extent) -> bool:
    """Whether something may be nearer to the camera than a person, by where the two end below."""
    return other.cut_below or other.y2 > own.y2 - _LEVEL * own.height


def unsteadiness(seen: Mapping[tuple[TrackKey, int], Seen], key: TrackKey) -> float:
    """By how much a person's area changes from one frame to the next while nobody touches them.

    Root mean square of the logarithm of the ratio, 0 without such frames. The body changes by a few
    percent; a masker that loses limbs by far more.
    """
    areas = {n: s.area for (k, n), s in seen.items() if k == key and s.free and s.area}
    steps = [np.log(area / areas[n - 1]) for n, area in areas.items() if n - 1 in areas]
    return float(np.sqrt(np.mean(np.square(steps)))) if steps else 0.0


def around(figures: list[Figure], ends: tuple[int, int]) -> list[Figure]:
    """The last figure up to the first of two frames and the first from the second one on."""
    before = [figure for figure in figures if figure.frame <= ends[0]][-1:]
    return before + [figure for figure in figures if figure.frame >= ends[1]][:1]


def _usual(figures: list[Figure]) -> list[Figure]:
    """The figures whose area is like that of the person's others around that time."""
    areas = np.array([figure.area for figure in figures], float)
    kept = []
    for at, figure in enumerate(figures):
        low = max(0, min(at - _AROUND // 2, len(figures) - _AROUND))
        median = float(np.median(areas[low : low + _AROUND]))
        if _UNUSUAL * median <= figure.area <= median / _UNUSUAL:
            kept.append(figure)
    return kept
