"""Motions in space of the recorded classes: a stance at a time, and the way over the floor.

The classes are those of OccludeNet-I (7) and -M (12), as the release spells its folders. Angles are
in degrees: `swing` from straight down to the front of the body, `spread` from straight down
outwards. Lengths are in metres, or relative to the stature where stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Limb = tuple[float, float, float, float]
"""(swing, spread) of the upper part, (swing, spread) of the lower part; each from straight down."""


@dataclass(frozen=True)
class Stance:
    """A body at one moment."""

    left_arm: Limb
    right_arm: Limb
    left_leg: Limb
    right_leg: Limb
    lean: float = 0.0
    """Angle of the torso from upright to the front, degrees."""
    hop: float = 0.0
    """Height of the lower foot above the floor, relative to the stature."""
    turn: float = 0.0
    """Angle of the body from its way, to the left, degrees."""


def _sin(turns: float) -> float:
    return math.sin(2 * math.pi * turns)


def _pulse(turns: float, begin: float, end: float) -> float:
    """0 outside of (begin, end) of a cycle, and 1 in its middle; smooth."""
    share = (turns % 1 - begin) / (end - begin)
    return math.sin(math.pi * share) ** 2 if 0 < share < 1 else 0.0


def _plateau(turns: float, rise: float, fall: float, soft: float = 0.08) -> float:
    """1 between `rise` and `fall` of a cycle, 0 outside, with slopes of `soft` cycles."""
    at = turns % 1
    up, down = (at - rise) / soft, (fall - at) / soft
    share = min(max(min(up, down), 0.0), 1.0)
    return share * share * (3 - 2 * share)


LEG: Limb = (2.0, 4.0, -2.0, 3.0)


def _stepping(turns: float, stride: float, bend: float) -> tuple[Limb, Limb]:
    """Left and right leg of a gait: two steps per cycle; the feet land at 0.25 and 0.75."""

    def leg(phase: float) -> Limb:
        thigh = stride * _sin(phase)
        lifted = max(0.0, math.cos(2 * math.pi * phase)) ** 1.5
        return thigh, 3.0, thigh - 6 - bend * lifted, 2.0

    return leg(turns), leg(turns + 0.5)


def _swinging(turns: float, swing: float, elbow: float) -> tuple[Limb, Limb]:
    def arm(phase: float) -> Limb:
        upper = swing * _sin(phase)
        return upper, 8.0, upper + elbow, 2.0

    return arm(turns + 0.5), arm(turns)


def walk(turns: float) -> Stance:
    """A walk; one cycle is two steps."""
    return Stance(*_swinging(turns, 24, 18), *_stepping(turns, 26, 38), lean=3)


def run(turns: float) -> Stance:
    """A run: high knees, bent elbows, both feet off the floor between the steps."""
    hop = 0.05 * abs(math.cos(2 * math.pi * turns))
    return Stance(*_swinging(turns, 48, 85), *_stepping(turns, 46, 88), lean=13, hop=hop)


def wander(turns: float) -> Stance:
    """Slow small steps, the head and trunk looking around."""
    arms = _swinging(turns, 10, 14)
    return Stance(*arms, *_stepping(turns, 15, 24), lean=5, turn=38 * _sin(turns / 5))


def armed(turns: float) -> Stance:
    """A long gun at the shoulder, turning to both sides with bent knees."""
    aim = 84 + 5 * _sin(turns)
    left, right = _stepping(turns, 9, 16)
    knees = [(14.0 + leg[0], 7.0, -16.0 + leg[0], 4.0) for leg in (left, right)]
    arms: tuple[Limb, Limb] = (aim, -14, aim + 6, -16), (aim - 30, 22, aim + 14, -30)
    return Stance(*arms, knees[0], knees[1], lean=9, turn=55 * _sin(turns / 3))


def dribble(turns: float) -> Stance:
    """The right hand pushes a ball to the floor, once per cycle."""
    push = 28 * _sin(turns)
    legs = _stepping(turns / 2, 17, 30)
    return Stance((24, 28, 58, 4), (16, 14, 62 + push, 4), *legs, lean=20)


def shot(turns: float) -> Stance:
    """Knees bend, then a jump with both arms over the head, once per cycle."""
    down, up = _pulse(turns, 0.05, 0.45), _plateau(turns, 0.36, 0.78, 0.1)
    leg = (2 + 52 * down, 6.0, -2 - 40 * down, 4.0)
    arm = (40 + 128 * up, 14.0, 105 + 70 * up, -8.0)
    return Stance(arm, arm, leg, leg, lean=4 + 16 * down, hop=0.14 * _pulse(turns, 0.4, 0.72))


def ride(turns: float) -> Stance:
    """Seated on a bicycle: the feet go round half a cycle apart."""

    def pedal(phase: float) -> Limb:
        thigh = 62 + 22 * _sin(phase)
        return thigh, 5.0, thigh - 72 - 18 * math.cos(2 * math.pi * phase), 2.0

    arm = (58.0, 12.0, 72.0, 2.0)
    return Stance(arm, arm, pedal(turns), pedal(turns + 0.5), lean=30, hop=0.09)


def affix(turns: float) -> Stance:
    """Both hands smooth a sheet on a board at head height."""
    wipe, reach = 22 * _sin(turns), 12 * _sin(turns / 2)
    left = (118 + reach, 12 + wipe, 128 + reach, wipe)
    right = (132 - reach, 12 - wipe, 142 - reach, -wipe)
    return Stance(left, right, LEG, LEG, lean=4, turn=6 * _sin(turns / 4))


def leaflets(turns: float) -> Stance:
    """The right arm offers a sheet and comes back, the left holds the pile."""
    offer = _pulse(turns, 0.1, 0.8)
    right = (14 + 62 * offer, 14 - 6 * offer, 72 + 14 * offer, 4)
    return Stance((18, 12, 88, -20), right, LEG, LEG, lean=4 + 8 * offer, turn=60 * _sin(turns / 4))


def fall(turns: float) -> Stance:
    """Two steps, a fall to the front, lying, getting up: once per cycle."""
    lying = _plateau(turns, 0.3, 0.82, 0.12)
    left, right = _stepping(turns * 4, 24 * (1 - lying), 34 * (1 - lying))
    down = 76 * lying
    legs = [(a - down, b, c - down - 8 * lying, d) for a, b, c, d in (left, right)]
    reach = (8 + 150 * _pulse(turns, 0.26, 0.5) + 60 * lying, 16 + 20 * lying, 22 + 88 * lying, 10)
    return Stance(reach, reach, legs[0], legs[1], lean=4 + 82 * lying)


def steal(turns: float) -> Stance:
    """Bent and on bent knees: looks round, reaches out, and pulls the arm to the chest."""
    reach, look = _pulse(turns, 0.2, 0.55), 46 * _pulse(turns, 0.55, 1.0) * _sin(turns * 3)
    legs = (34.0, 8.0, -30.0, 5.0), (22.0, 8.0, -34.0, 5.0)
    right = (24 + 66 * reach, 16, 104 - 16 * reach, -16 + 14 * reach)
    return Stance((22, 14, 78, -24), right, *legs, lean=34, turn=look)


def throw(turns: float) -> Stance:
    """The right arm goes far back and over the head to the front, with a step."""
    back, forth = _plateau(turns, 0.08, 0.42, 0.14), _pulse(turns, 0.36, 0.64)
    right = (10 - 74 * back + 168 * forth, 20 + 30 * back, 30 - 30 * back + 150 * forth, 8)
    left = (10 + 54 * back, 14, 26 + 50 * back, 4)
    legs = (4 + 26 * forth, 5.0, 12 * forth, 3.0), (-4 - 22 * forth, 5.0, -10 - 20 * forth, 3.0)
    return Stance(left, right, *legs, lean=16 * forth - 12 * back, turn=-24 * back)


@dataclass(frozen=True)
class Motion:
    """A class: how the body moves, and how it goes over the floor."""

    stance: Callable[[float], Stance]
    cycles_per_second: float
    metres_per_second: float = 0.0
    prop: str = ""
    """What the actor has: gun, ball, bike, sheet; empty for nothing."""
    steps: tuple[float, ...] = ()
    """Where in a cycle a foot or a ball is heard."""
    outdoor: bool = False


_FEET = (0.25, 0.75)
MOTIONS: dict[str, Motion] = {
    "Affix_Poster": Motion(affix, 0.9, prop="sheet", steps=(0.5,)),
    "Armed": Motion(armed, 0.6, 0.25, prop="gun", steps=_FEET),
    "Basketball_Dribble": Motion(dribble, 1.5, 0.5, prop="ball", steps=(0.75,)),
    "Basketball_Shot": Motion(shot, 0.5, prop="ball", steps=(0.72,)),
    "Bike_Ride": Motion(ride, 0.8, 1.9, prop="bike"),
    "Distribute_Leaflets": Motion(leaflets, 0.6, prop="sheet", steps=(0.8,)),
    "Fall": Motion(fall, 0.24, 0.15, steps=(0.06, 0.19, 0.42)),
    "Indoor_Run": Motion(run, 1.4, 2.2, steps=_FEET),
    "Outdoor_Run": Motion(run, 1.4, 2.2, steps=_FEET, outdoor=True),
    "Steal": Motion(steal, 0.42, steps=(0.4,)),
    "Throw_Things": Motion(throw, 0.45, prop="ball", steps=(0.5, 0.95)),
    "Walk": Motion(walk, 0.9, 1.0, steps=_FEET),
    "Wander": Motion(wander, 0.6, 0.35, steps=_FEET),
}
"""Class, as the release spells its folders -> motion."""
CLASSES_I = (
    *("Affix_Poster", "Armed", "Basketball_Dribble", "Basketball_Shot"),
    *("Bike_Ride", "Indoor_Run", "Walk"),
)
CLASSES_M = tuple(name for name in MOTIONS if name != "Affix_Poster")


@dataclass(frozen=True)
class Way:
    """An ellipse over the floor, and a direction; metres and radians."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    tilt: float
    phase: float
    speed: float
    """Metres per second, on average; 0 stands at the centre."""

    def at(self, seconds: float) -> tuple[np.ndarray, float]:
        """Where the hips are, float64 (2,), metres, and the direction of the way, radians."""
        if not self.speed:
            return np.array(self.centre), self.tilt
        mean = math.hypot(*self.radii) / math.sqrt(2)
        angle = self.phase + self.speed * seconds / mean
        a, b = self.radii
        along, across = a * math.cos(angle), b * math.sin(angle)
        toward = math.atan2(b * math.cos(angle), -a * math.sin(angle))
        cosine, sine = math.cos(self.tilt), math.sin(self.tilt)
        place = (along * cosine - across * sine, along * sine + across * cosine)
        return np.array(self.centre) + place, toward + self.tilt
