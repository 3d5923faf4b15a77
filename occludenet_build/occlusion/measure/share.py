"""The hidden share of one person in one frame, once it is known who is in front of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from occludenet_build.media.imaging import masks as rle
from occludenet_build.occlusion.measure.scene import Extent
from occludenet_build.occlusion.measure.whole import Seen, reach_of
from occludenet_build.people.maskers.interface import TrackKey

FLOOR = 0.015
"""Least standard error of a hidden share."""
_ERROR_PER_SECOND = 0.02
"""What a second between the shape and the frame adds to it."""
_CHANGED = 0.45
"""Part of a person's change that may be at the side that is hidden."""
_UNSTEADY = 2.0
"""Part of the changes of the masker's masks that is their error, while somebody is beside them."""
_CONTESTED = 0.8
"""Standard error of the owner of pixels that two masks claim."""
_BESIDE = 0.5
"""Share of a person that may be hidden unnoticed, per share of the rim at which somebody is."""
_TELLS = 0.03
"""Least share that is called hidden, if it is two standard errors; else it is not known."""
_BELONGS = 0.7
"""Least share of what is seen of a person that must be on the whole one."""

Ident = TrackKey | str
"""A person, or the name of an object."""


@dataclass(frozen=True)
class Hider:
    """Who or what hides a part of a person."""

    ident: Ident
    name: str
    """person, or the name of the object."""
    share: float
    """Share of the whole person that it hides, 0 to 1."""
    score: float
    """How sure the order is, 0 to 1."""
    kinds: tuple[str, ...]
    """The kinds of evidence for it, of order.KINDS."""
    mask: np.ndarray
    """bool (H, W): what is seen of the hider, working pixels."""


@dataclass(frozen=True)
class Sight:
    """One person in one frame; masks bool (H, W) at the working size."""

    share: float | None
    """Hidden share of the whole person in the picture, 0 to 1; None: not known."""
    error: float | None
    """Its standard error; None: not known."""
    visible: np.ndarray | None
    """What is seen of the person; None without a mask of them."""
    whole: np.ndarray | None
    """The whole person; None where not known."""
    hiders: tuple[Hider, ...] = ()
    """Everybody and everything that hides a part, the largest part first."""
    why: str | None = None
    """Why the share is not known: never_whole, order, uncertain."""


@dataclass
class State:
    """What is known of one person in one frame before the order is."""

    mask: np.ndarray
    """bool (H, W); empty where the person is lost."""
    extent: Extent | None
    price: dict[TrackKey, float] = field(default_factory=dict)
    """Another person -> by how much worse the whole person agrees with what is seen if that one
    cannot hide them, share of the area."""
    whole: list[bytes] = field(default_factory=list)
    """The whole person, the best guess first, RLE of the working size; empty: not known."""
    free: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """A person who may be hidden; masks bool (H, W) at the working size."""

    key: TrackKey
    states: Mapping[TrackKey, State]
    """Everybody in the frame."""
    whole: np.ndarray
    """The whole person."""
    fronts: Sequence[Hider]
    """Who and what is in front, with shares to be measured."""
    unknown: np.ndarray
    """Pixels of those of whom it is not known whether they are."""
    unsteady: float
    """By how much the masker's masks of the person change by themselves (whole.unsteadiness)."""
    change: float
    """Share of the shape by which the person changes in the time to its frame (amodal.changes)."""

    @property
    def state(self) -> State:
        """The person's own."""
        return self.states[self.key]

    @property
    def front(self) -> np.ndarray:
        """What is seen of everybody and everything in front: bool (H, W)."""
        return _union((hider.mask for hider in self.fronts), self.whole)

    @property
    def visible(self) -> np.ndarray:
        """What is seen of the person: bool (H, W)."""
        if not self.state.mask.any():
            return self.whole & ~self.front
        people = [h.ident for h in self.fronts if not isinstance(h.ident, str)]
        claimed = _union((self.states[key].mask for key in people), self.whole)
        others = (one.mask for key, one in self.states.items() if key != self.key)
        seen = (self.state.mask | (claimed & self.whole)) & ~self.front
        return seen & ~(_union(others, self.whole) & ~self.whole)


def sight_of(case: Case, max_error: float) -> Sight:
    """What is seen of a person, and the hidden share; max_error: its largest standard error."""
    state, whole, front, visible = case.state, case.whole, case.front, case.visible
    reach = reach_of(state.extent) if state.extent else 2
    hidden = _thick(whole & front & ~visible, reach)
    total = _count(hidden) + _open_part(whole, front, visible)
    if not total:
        return Sight(None, None, None, None, why="uncertain")
    share = _count(hidden) / total
    error = _error(case, front, visible, share, reach)
    hiders = _ranked(case.fronts, hidden, total)
    doubtful = _count(_thick(whole & case.unknown & ~front & ~visible, reach))
    if doubtful > max(error, FLOOR) * total:
        return Sight(None, None, or_none(visible), None, hiders, "order")
    doubtful_share = _TELLS <= share < 2 * error
    if doubtful_share or error > max_error or (not state.mask.any() and share < 0.5):
        return Sight(None, None, or_none(visible), None, hiders, "uncertain")
    seen = visible if state.mask.any() else np.zeros_like(visible)
    return Sight(share, error, seen, visible | hidden, hiders)


def belongs(seen: np.ndarray, whole: np.ndarray) -> bool:
    """Whether what is seen of a person, bool (H, W), can be a part of the whole one."""
    return _count(seen & whole) >= _BELONGS * _count(seen)


def _open_part(whole: np.ndarray, front: np.ndarray, visible: np.ndarray) -> int:
    """Pixels of a person that nobody hides. A masker may lose a leg: what is of the whole person
    and behind nobody is seen."""
    return max(_count(visible), _count(whole & ~front))


def _error(case: Case, front: np.ndarray, visible: np.ndarray, share: float, reach: int) -> float:
    """Standard error of a share: the spread of the shapes, the time to theirs, the masker's."""
    shares = [share]
    height, width = case.whole.shape
    for counts in case.state.whole[1:]:
        other = rle.decode(counts, height, width)
        hidden = _count(_thick(other & front & ~visible, reach))
        shares.append(hidden / max(1, hidden + _open_part(other, front, visible)))
    masker = _masker(case.unsteady, share)
    own, people = case.state.mask, (s.mask for k, s in case.states.items() if k != case.key)
    contested = _CONTESTED * _count(own & _union(people, own)) / max(1, _count(own))
    changed = case.change * _CHANGED
    age = FLOOR + _ERROR_PER_SECOND * case.state.seconds
    return float(np.sqrt(np.var(shares) + age**2 + masker**2 + changed**2 + contested**2))


def error_of_none(seen: Seen, unsteady: float) -> float:
    """Standard error of the share 0 of a person whom nobody is seen to hide."""
    if not seen.beside:
        return FLOOR
    return float(np.hypot(FLOOR + _BESIDE * seen.touched, _masker(unsteady, 0.0)))


def _masker(unsteady: float, share: float) -> float:
    """Standard error of a share that comes from the masker's masks."""
    return _UNSTEADY * unsteady * float(np.sqrt((share + 0.1) * (1.1 - share)))


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def _union(parts: Iterable[np.ndarray], like: np.ndarray) -> np.ndarray:
    total = np.zeros_like(like)
    for part in parts:
        total |= part
    return total


def or_none(mask: np.ndarray) -> np.ndarray | None:
    """A mask bool (H, W); None if it is empty."""
    return mask if mask.any() else None


def _thick(mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask bool (H, W) without what is thinner than about `reach` pixels."""
    size = 2 * max(1, reach // 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc).view(bool)


def _ranked(fronts: Sequence[Hider], hidden: np.ndarray, total: int) -> tuple[Hider, ...]:
    """The hiders with the share that each hides, the largest first; those of nothing are left
    out."""
    shares = [_count(hider.mask & hidden) / total for hider in fronts]
    found = [replace(h, share=s) for h, s in zip(fronts, shares, strict=True) if s > 0]
    return tuple(sorted(found, key=lambda hider: (-hider.share, str(hider.ident))))
