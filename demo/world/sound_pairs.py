"""Pairs of sound recordings of one event, with a known offset and with faults of known kind.

For the tests and the benchmark of `media.sync`. In some pairs no offset is right: another take's
sound, a sound that repeats itself exactly, silence, a recording that was cut in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import signal

from demo.world.microphones import RATE, Noise, clap, heard, recorded, speech, step
from occludenet_build.core.seeds import rng


@dataclass(frozen=True)
class Fault:
    """How the recordings of a pair differ from good ones."""

    snr: float | None = None
    """Decibels of the sound above white noise of each recorder; None: a quiet recorder."""
    reverb: float = 0.35
    """Seconds in which echoes fall by 60 dB."""
    gain: float = 1.0
    """Factor before the samples are clipped to half of their range."""
    drift: float = 0.0
    """How fast the clock of the second recorder is, seconds per second."""
    seconds: float = 6.5
    """Duration of the shorter recording; the other is up to 1.5 s longer."""
    voices: bool = True
    repeats: bool = False
    """Whether one step repeats itself exactly, and nothing else is heard."""
    unrelated: bool = False
    silent: bool = False
    """Whether the second recording is silent."""
    cut: float = 0.0
    """Seconds that are missing in the middle of the second recording."""

    @property
    def solvable(self) -> bool:
        """Whether one offset is right."""
        return not (self.repeats or self.unrelated or self.silent or self.cut or self.seconds < 3)


FAULTS: dict[str, Fault] = {
    "clean": Fault(),
    "noise 20 dB": Fault(snr=20),
    "noise 10 dB": Fault(snr=10),
    "noise 0 dB": Fault(snr=0),
    "noise -10 dB": Fault(snr=-10),
    "noise -20 dB": Fault(snr=-20),
    "clipped": Fault(gain=20.0),
    "quiet": Fault(gain=0.02),
    "reverberant 1.2 s": Fault(reverb=1.2),
    "reverberant 2.5 s": Fault(reverb=2.5),
    "steps only": Fault(voices=False),
    "drift 50 ppm": Fault(drift=50e-6, seconds=120.0),
    "drift 200 ppm": Fault(drift=200e-6, seconds=120.0),
    "repeating": Fault(repeats=True),
    "another take": Fault(unrelated=True),
    "another take, steps": Fault(unrelated=True, voices=False),
    "another take, noise": Fault(unrelated=True, snr=0),
    "one silent": Fault(silent=True),
    "too short": Fault(seconds=1.4),
    "cut in between": Fault(cut=1.5, seconds=9.0),
}


@dataclass(frozen=True)
class Pair:
    """Two recordings: samples, float32 (N,), in [-1, 1], and their rates."""

    first: np.ndarray
    second: np.ndarray
    rates: tuple[int, int]
    offset: float
    """Time in the first's clock at which the second begins, seconds."""
    drift: float
    """Seconds of the first's clock per second of the second's, minus 1."""

    def reduced(self, rate: int) -> tuple[np.ndarray, np.ndarray]:
        """Both recordings at one rate: float32 (N,), (M,)."""
        both = zip((self.first, self.second), self.rates, strict=True)
        first, second = (signal.resample_poly(x, rate, r).astype(np.float32) for x, r in both)
        return first, second

    def error(self, seconds: float, drift: float) -> float:
        """Largest error of an offset over the time that both cover, seconds."""
        begin, end = max(0.0, -self.offset), len(self.second) / self.rates[1]
        end = min(end, len(self.first) / self.rates[0] - self.offset)
        return max(abs(seconds - self.offset + (drift - self.drift) * t) for t in (begin, end))


def pair(seed: int, name: str, fault: Fault, rates: tuple[int, int] = (48_000, 16_000)) -> Pair:
    """A pair, determined by its arguments."""
    random = rng(seed, "sound pair", name)
    length = fault.seconds + 4.5
    event = _event(random, length, fault)
    other = _event(random, length, fault) if fault.unrelated else event
    starts = random.uniform(0, 2, 2)
    lengths = fault.seconds + random.uniform(0, 1.5, 2)
    first = _record(
        random, event, 0, starts[0], lengths[0], rates[0], replace(fault, drift=0, cut=0)
    )
    second = _record(random, other, 1, starts[1], lengths[1], rates[1], fault)
    second = second * 0 if fault.silent else second
    return Pair(first, second, rates, float(starts[1] - starts[0]), 1 / (1 + fault.drift) - 1)


def pairs(seed: int, count: int, names: tuple[str, ...] = tuple(FAULTS)):
    """Yield (name of the fault, function that makes a pair), `count` for each fault."""
    for name in names:
        for number in range(count):
            yield name, partial(pair, seed + number, name, FAULTS[name])


def _event(random: np.random.Generator, length: float, fault: Fault) -> list[Noise]:
    if fault.repeats:
        period, sound = random.uniform(0.4, 0.9), step(random)
        return [Noise(t, (0.0, 0.0), sound) for t in np.arange(0, length, period)]
    noises = []
    at = random.uniform(0, 0.6)
    while at < length:
        noises.append(Noise(at, _place(random), step(random)))
        at += random.uniform(0.35, 0.65)
    if not fault.voices:
        return noises
    for at in random.uniform(0, length, 1 + int(length / 5)):
        noises.append(Noise(float(at), _place(random), clap(random)))
    at = 0.0
    while at < length:
        long = random.uniform(1.5, 4)
        noises.append(Noise(at, _place(random), speech(random, long)))
        at += long + random.uniform(0.3, 3)
    return noises


def _place(random: np.random.Generator) -> tuple[float, float]:
    x, y = random.uniform(-1.2, 1.2, 2)
    return float(x), float(y)


def _record(
    random: np.random.Generator,
    event: list[Noise],
    side: int,
    start: float,
    seconds: float,
    rate: int,
    fault: Fault,
) -> np.ndarray:
    angle = 2 * np.pi * side / 3
    microphone = 4.8 * np.array([np.cos(angle), np.sin(angle)])
    length = start + seconds + fault.cut + 0.2
    sound = heard(event, length, microphone, random, reverb=fault.reverb, noise=0.0005)
    if fault.drift:  # a fast clock counts more seconds than pass
        passed = start + np.arange(round(seconds * RATE)) / RATE / (1 + fault.drift)
        sound, start = np.interp(passed, np.arange(len(sound)) / RATE, sound), 0.0
    samples = recorded(sound, start, seconds + fault.cut, rate)
    if fault.cut:
        half = len(samples) // 2
        samples = np.delete(samples, np.s_[half : half + round(fault.cut * rate)])
    if fault.snr is not None:
        loud = float(np.sqrt(np.mean(np.square(samples))))
        samples = samples + loud * 10 ** (-fault.snr / 20) * random.standard_normal(len(samples))
    return (np.clip(samples * fault.gain, -0.5, 0.5)).astype(np.float32)
