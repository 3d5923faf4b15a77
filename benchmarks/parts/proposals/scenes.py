"""The scenes of the benchmark: who walks, stands or sits where, and what stands before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parts.proposals.camera import Camera, Thing, draw_camera, ground, make
from parts.proposals.people import Person

SECONDS = 40
KINDS = ("open", "rest", "group", "before", "wall", "desk", "car", "shrub", "pillar")
"""In the first four nobody is hidden by something static."""


@dataclass(frozen=True)
class Scene:
    """A scene: everything that `drawing` needs."""

    name: str
    kind: str
    camera: Camera
    empty: np.ndarray
    things: list[Thing]
    people: list[Person]


def draw_scene(kind: str, seed: int) -> Scene:
    """A scene of a kind."""
    random = np.random.default_rng([KINDS.index(kind), seed])
    camera = draw_camera(random)
    empty = ground(camera, random)
    people = _passers(camera, random)
    things: list[Thing] = []
    if kind in ("rest", "group", "before"):
        people += _in_the_open(kind, camera, random)
        number = 2 if kind == "before" else 1
        things += [_far(camera, random) for _ in range(number)]
    elif kind != "open":
        front = float(random.uniform(5.0, 8.0))
        x = float(random.uniform(-0.8, 0.8))
        things = [make(kind, camera, x, front, random), _far(camera, random)]
        people = [_kept_off(person, front) for person in people]
        people += _behind(kind, things[0], x, front, random)
    return Scene(f"{kind}-{seed}", kind, camera, empty, things, people)


def _tall(random: np.random.Generator) -> float:
    """Height of a person, metres; one of ten is a child."""
    return float(random.uniform(1.1, 1.4) if random.random() < 0.1 else random.normal(1.70, 0.08))


def _passers(camera: Camera, random: np.random.Generator) -> list[Person]:
    """People who cross the picture, at several depths."""
    made = []
    for _ in range(int(random.integers(4, 8))):
        near, far = float(random.uniform(5.5, 14)), float(random.uniform(5.5, 14))
        reach = 5 if random.random() < 0.5 else -5
        begin = float(random.uniform(0, SECONDS - 9))
        way = ((-reach, near), (reach, far))
        speed = float(random.uniform(0.9, 1.5))
        made.append(Person(int(random.integers(10)), _tall(random), begin, begin + 9, way, speed))
    return made


def _kept_off(person: Person, front: float) -> Person:
    """A passer who walks clear of the thing at `front`: well before or well behind it."""
    way = tuple((x, z if z < front - 0.3 else z + 3.5) for x, z in person.way)
    if (way[0][1] < front) != (way[-1][1] < front):
        way = ((way[0][0], way[0][1]), (way[-1][0], way[0][1]))
    return Person(person.look, person.height, person.begin, person.end, way, person.speed)


def _far(camera: Camera, random: np.random.Generator) -> Thing:
    """A thing behind everybody."""
    kind = str(random.choice(["wall", "car", "desk", "shrub"]))
    return make(kind, camera, float(random.uniform(-4, 4)), float(random.uniform(17, 20)), random)


def _in_the_open(kind: str, camera: Camera, random: np.random.Generator) -> list[Person]:
    """Somebody who stays: sitting, crouching, in a group, or before a far thing."""
    z, x = float(random.uniform(6, 10)), float(random.uniform(-1.5, 1.5))
    look = int(random.integers(10))
    if kind == "rest":
        pose = str(random.choice(["sit", "crouch", "stand"]))
        return [Person(look, _tall(random), 2, SECONDS - 1, ((x, z),), 0, pose),
                Person(look + 1, _tall(random), 8, 26, ((x + 1, z + 2),), 0, "sit")]  # fmt: skip
    if kind == "group":
        return [
            Person(look + n, _tall(random), 3, 30, ((x + 0.35 * n, z + 0.5 * n), (x + 1.5, z + n)),
                   0.5) for n in range(3)
        ]  # fmt: skip
    return [Person(look, _tall(random), 2, 34, ((x - 1, z), (x + 2, z + 2)), 0.7)]


def _behind(
    kind: str, thing: Thing, x: float, front: float, random: np.random.Generator
) -> list[Person]:
    """One or two people behind a thing, for 14 to 25 s; some come from the open."""
    deep = {"desk": 0.9, "car": 1.9, "wall": 0.5}.get(kind, 0.5)
    made = []
    for number in range(int(random.integers(1, 3))):
        z = front + deep + float(random.uniform(0, 0.8)) + 0.6 * number
        begin = float(random.uniform(1, 10))
        end = begin + float(random.uniform(14, 25))
        reach = {"desk": 0.6, "pillar": 0.15}.get(kind, 1.4)
        inside = ((x - reach, z), (x + reach, z))
        still = kind == "pillar" or random.random() < 0.3
        pose = "sit" if kind == "desk" and random.random() < 0.3 else "stand" if still else "walk"
        if kind == "pillar":
            inside = ((x + float(random.uniform(-0.3, 0.3)), z),)
        elif pose == "walk" and random.random() < 0.5:
            inside = ((-4.5, z), *inside)
        look = int(random.integers(10))
        made.append(Person(look, _tall(random), begin, end, inside, random.uniform(0.4, 1.0), pose))
    return made
