"""A recorded take: three people in a furnished room, seen and heard by cameras around it.

The actor performs a class, two others walk about and hide them at times, and furniture stands
before the cameras. Each camera starts at another moment and has its own frame rate; its microphone
has its own place. What hides whom is known for every frame of every view.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from demo.world import microphones, props, room
from demo.world.body import Body, Layer, joints_of
from demo.world.cameras import Camera, ring
from demo.world.figure import over
from demo.world.microphones import Noise
from demo.world.motions import MOTIONS, Motion, Way
from demo.world.wardrobe import draw_look
from occludenet_build.core.seeds import rng, uniform, uniform_integer

LEAD = 1.6
"""Seconds of the take before the first camera may start, and after the last one ends."""
RATES = (Fraction(25), Fraction(30000, 1001), Fraction(24))
SOUND_RATES = (48_000, 44_100, 16_000)
PEOPLE = ("actor", "other1", "other2")
NEAR = 0.5
"""Least distance of two people, metres, where a way allows it."""


@dataclass(frozen=True)
class View:
    """How one camera records a take."""

    name: str
    camera: Camera
    start: float
    """When it starts, seconds of the take."""
    fps: Fraction
    frames: int
    sound_rate: int
    infrared: bool

    @property
    def seconds(self) -> float:
        """Duration of the recording."""
        return float(self.frames / self.fps)


@dataclass(frozen=True)
class Person:
    """Someone in the room."""

    name: str
    body: Body
    way: Way
    motion: Motion
    phase: float
    tempo: float
    swells: tuple[tuple[float, float, float], ...]
    """(strength, Hz, phase) of changes of the pace: nobody moves like a clock."""

    def paced(self, seconds: float) -> float:
        """Time as the motion runs: it is faster and slower, but never goes back."""
        return seconds + sum(
            strength * math.sin(2 * math.pi * (often * seconds + phase)) / (2 * math.pi * often)
            for strength, often, phase in self.swells
        )

    def place(self, seconds: float) -> tuple[np.ndarray, float]:
        """Where the hips are over the floor, float64 (2,), metres, and the direction, radians."""
        return self.way.at(self.paced(seconds))

    def turns(self, seconds: float) -> float:
        """Cycles of the motion after `seconds` of the take."""
        return self.phase + self.tempo * self.motion.cycles_per_second * self.paced(seconds)

    def joints(self, seconds: float) -> tuple[dict[str, np.ndarray], float]:
        """Joints, float64 (3,), metres, and the direction of the way, radians."""
        place, heading = self.place(seconds)
        stance = self.motion.stance(self.turns(seconds))
        return joints_of(stance, self.body.stature, place, heading), heading


@dataclass(frozen=True)
class Seen:
    """A frame and what is true of it."""

    picture: np.ndarray
    """RGB, uint8 (H, W, 3)."""
    top: np.ndarray
    """Number of what is seen in each pixel, in `names`; -1: the room. int16 (H, W)."""
    names: list[str]
    whole: dict[str, np.ndarray]
    """Person -> all of them that is within the picture, hidden or not: bool (H, W)."""
    joints: dict[str, dict[str, np.ndarray]]
    """Person -> joint -> float64 (3,), metres."""


@dataclass
class Take:
    """A performance and its recordings, determined by seed, class, subject and number."""

    seed: int
    label: str
    subject: str
    number: str
    width: int = 320
    height: int = 180
    seconds: float = 7.0
    """Duration of the shortest recording."""
    views: int = 3
    rates: tuple[Fraction, ...] = RATES
    others: int = 2
    """People besides the actor: 0, 1 or 2."""
    people: list[Person] = field(init=False)
    boxes: list[room.Box] = field(init=False)
    cameras: list[Camera] = field(init=False)
    recordings: list[View] = field(init=False)

    def __post_init__(self) -> None:
        random = self._random("take")
        motion = MOTIONS[self.label]
        self.cameras = ring(random, self.width, self.height, self.views)
        board = self.cameras[0].azimuth + math.pi + random.uniform(-0.8, 0.8)
        with_board = self.label == "Affix_Poster"
        self.boxes = room.furnish(random, self.cameras, board if with_board else None)
        self._room = room.Room(self._random("room"), motion.outdoor)
        self.recordings = [self._view(random, k) for k in range(self.views)]
        self.people = [self._actor(random, motion, board)]
        self.people += [self._other(random, name) for name in PEOPLE[1 : 1 + self.others]]

    def _random(self, *purpose: str) -> np.random.Generator:
        return rng(self.seed, "recordings", self.label, self.subject, self.number, *purpose)

    @property
    def length(self) -> float:
        """Seconds of the take, from before the first start to after the last end."""
        return max(view.start + view.seconds for view in self.recordings) + LEAD

    def _view(self, random: np.random.Generator, number: int) -> View:
        fps = self.rates[number % len(self.rates)]
        frames = math.ceil((self.seconds + random.uniform(0, 0.6)) * fps)
        start = LEAD + round(float(random.uniform(0, 1.4)), 4)
        rate = SOUND_RATES[number % len(SOUND_RATES)]
        infrared = self.views > 1 and number == self.views - 1
        return View(f"view{number + 1}", self.cameras[number], start, fps, frames, rate, infrared)

    def _actor(self, random: np.random.Generator, motion: Motion, board: float) -> Person:
        """The subject has the same look in all takes."""
        look = draw_look(rng(self.seed, "recordings", "look", self.subject))
        stature = 1.6 + 0.25 * uniform(self.seed, "recordings", "stature", self.subject)
        slow = motion.metres_per_second * random.uniform(0.85, 1.15)
        tilt = board if motion.prop == "sheet" else random.uniform(0, 2 * math.pi)
        radii = (random.uniform(0.75, 1.0), random.uniform(0.5, 0.75))
        way = Way((0.0, 0.0), radii, tilt, random.uniform(0, 2 * math.pi), slow)
        tempo = random.uniform(0.9, 1.12)
        body, phase = Body(look, stature), random.uniform(0, 1)
        return Person("actor", body, way, motion, phase, tempo, _swells(random, 0.14))

    def _other(self, random: np.random.Generator, name: str) -> Person:
        """Someone who walks about: of some ways, the one that comes nearest to no one."""
        motion = MOTIONS["Walk" if random.random() < 0.6 else "Wander"]
        ways = []
        for _ in range(24):
            radii = (random.uniform(0.9, 1.35), random.uniform(0.7, 1.2))
            speed = motion.metres_per_second * random.uniform(0.7, 1.2) * random.choice([-1, 1])
            centre = (random.uniform(-0.15, 0.15), random.uniform(-0.15, 0.15))
            ways.append(
                Way(centre, radii, random.uniform(0, math.pi), random.uniform(0, 6.28), speed)
            )
        way = max(ways, key=lambda way: min(self._room_between(way), NEAR))
        look, stature = draw_look(self._random("look", name)), random.uniform(1.58, 1.88)
        phase, tempo = random.uniform(0, 1), random.uniform(0.9, 1.1)
        body, swells = Body(look, stature), _swells(random, 0.4)
        return Person(name, body, _forwards(way), motion, phase, tempo, swells)

    def _room_between(self, way: Way) -> float:
        """Least distance of a way from the people so far, metres."""
        times = np.arange(0, self.seconds + 2 * LEAD + 2, 0.2)
        return min(
            float(np.linalg.norm(way.at(t)[0] - person.place(t)[0]))
            for person in self.people
            for t in times
        )

    def sound(self) -> list[Noise]:
        """All that is heard: steps and bounces, claps, and two who speak."""
        random = self._random("sound")
        noises = []
        for person in self.people:
            for seconds in _beats(person, self.length):
                place = tuple(person.place(seconds)[0].tolist())
                noises.append(Noise(seconds, place, microphones.step(random)))
        middle = self.length / 2
        for _ in range(int(random.integers(2, 5))):
            at = middle + random.uniform(-1, 1) * max(middle - LEAD - 1.2, 0.2)
            place = tuple(self.people[min(1, self.others)].place(at)[0].tolist())
            noises.append(Noise(at, place, microphones.clap(random)))
        for person in self.people[1:]:
            at, long = random.uniform(0, max(self.length - 4, 1)), random.uniform(2.5, 5.0)
            place = tuple(person.place(at)[0].tolist())
            noises.append(Noise(at, place, microphones.speech(random, long)))
        return noises

    def recorded(self, view: View, noises: list[Noise]) -> np.ndarray:
        """Sound of a recording: float32 (N,), or (N, 2) for the second view, at its rate."""
        seed = uniform_integer(self.seed, self.label, self.subject, self.number, view.name, "room")
        channels = []
        for aside in (0.0, 0.12)[: 2 if view.name == "view2" else 1]:
            random = np.random.default_rng(seed)
            place = view.camera.place[:2] + aside
            heard = microphones.heard(noises, self.length, place, random)
            channels.append(microphones.recorded(heard, view.start, view.seconds, view.sound_rate))
        return channels[0] if len(channels) == 1 else np.stack(channels, axis=1)

    def furniture(self, view: View) -> dict[str, np.ndarray]:
        """Piece of furniture in a view -> its mask: bool (H, W)."""
        drawn = {
            box.name: room.box_layer(box, view.camera, self._random("masks")) for box in self.boxes
        }
        return {name: _mask(layer, view.camera) for name, layer in drawn.items() if layer}

    def frames(self, view: View) -> Iterator[Seen]:
        """The frames of a recording."""
        random = self._random("film", view.name)
        back = self._room.seen_by(view.camera)
        still = [(box, room.box_layer(box, view.camera, random)) for box in self.boxes]
        film = _Film(view, random)
        for number in range(view.frames):
            seconds = view.start + float(number / view.fps)
            yield self._frame(view.camera, back, still, film, seconds)

    def _frame(self, camera: Camera, back, still, film: _Film, seconds: float) -> Seen:
        joints, layers, whole = {}, [], {}
        for person in self.people:
            points, _ = person.joints(seconds)
            joints[person.name] = points
            drawn = person.body.draw(points, camera)
            if drawn is not None:
                layers.append((self._depth(camera, points["hips"]), person.name, drawn))
                whole[person.name] = _mask(drawn, camera)
        layers += self._props(camera, joints["actor"], seconds)
        for box, drawn in still:
            if drawn is not None:
                layers.append((self._depth(camera, np.array([*box.place, 0.6])), box.name, drawn))
        picture = back.astype(np.uint8)
        names: list[str] = []
        top = np.full(picture.shape[:2], -1, np.int16)
        for _, name, (rgba, left, upper) in sorted(layers, key=lambda layer: -layer[0]):
            here = np.s_[upper : upper + rgba.shape[0], left : left + rgba.shape[1]]
            over(picture[here], rgba)
            top[here][rgba[..., 3] > 127] = len(names)
            names.append(name)
        return Seen(film.expose(picture), top, names, whole, joints)

    @staticmethod
    def _depth(camera: Camera, point: np.ndarray) -> float:
        return float((point - camera.place)[:2] @ camera.axes[2][:2])

    def _props(self, camera: Camera, joints, seconds: float) -> list[tuple[float, str, Layer]]:
        actor = self.people[0]
        heading, turns = actor.place(seconds)[1], actor.turns(seconds)
        kind = actor.motion.prop
        drawn, at = None, (joints["left_hand"] + joints["right_hand"]) / 2
        if kind == "ball":
            at = props.ball_place(self.label, turns, joints, heading)
            drawn = props.ball_layer(camera, at)
        elif kind == "gun":
            drawn = props.gun_layer(camera, joints)
        elif kind == "sheet":
            drawn = props.sheet_layer(
                camera, joints, 0.55 if self.label == "Affix_Poster" else 0.24
            )
        elif kind == "bike":
            at = joints["hips"]
            drawn = props.bike_layer(camera, joints, heading)
        behind = 0.02 if kind == "bike" else 0.0
        return [] if drawn is None else [(self._depth(camera, at) + behind, kind, drawn)]


def _mask(drawn: Layer, camera: Camera) -> np.ndarray:
    rgba, left, upper = drawn
    mask = np.zeros((camera.height, camera.width), bool)
    mask[upper : upper + rgba.shape[0], left : left + rgba.shape[1]] = rgba[..., 3] > 127
    return mask


def _forwards(way: Way) -> Way:
    """The same way, with its direction where it goes."""
    if way.speed >= 0:
        return way
    flipped = (way.radii[0], -way.radii[1])
    return Way(way.centre, flipped, way.tilt, -way.phase, -way.speed)


def _beats(person: Person, length: float) -> Iterator[float]:
    """The moments at which a motion is heard."""
    times = np.arange(0, length, 0.005)
    turns = np.array([person.turns(float(t)) for t in times])
    for cycle in range(math.floor(turns[0]), math.ceil(turns[-1]) + 1):
        for share in person.motion.steps:
            if turns[0] <= cycle + share < turns[-1]:
                yield float(np.interp(cycle + share, turns, times))


def _swells(random: np.random.Generator, strength: float) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (
            strength * random.uniform(0.8, 1.2),
            often * random.uniform(0.8, 1.25),
            random.uniform(0, 1),
        )
        for often in (0.13, 0.31)
    )


class _Film:
    """Noise of a sensor, and for near infrared its contrast and the light of its own lamp."""

    def __init__(self, view: View, random: np.random.Generator) -> None:
        height, width = view.camera.height, view.camera.width
        self._random, self._infrared = random, view.infrared
        strength = 5.0 if view.infrared else 2.0
        depth = () if view.infrared else (3,)
        grain = random.standard_normal((height + 32, width + 64, *depth)) * strength
        self._grain = np.round(grain).astype(np.int16)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        self._lamp = (1.1 - 0.4 * (x**2 + y**2)).astype(np.float32)

    def expose(self, picture: np.ndarray) -> np.ndarray:
        """The picture, uint8 (H, W, 3), as the camera stores it; grey for near infrared."""
        height, width = picture.shape[:2]
        upper, left = int(self._random.integers(33)), int(self._random.integers(65))
        grain = self._grain[upper : upper + height, left : left + width]
        if not self._infrared:
            return np.clip(picture + grain, 0, 255).astype(np.uint8)
        light = picture @ np.array([0.75, -0.1, 0.35], np.float32)
        grey = 255 * np.sqrt(np.clip(light / 255, 0, 1)) * self._lamp * 0.9 + grain
        return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
