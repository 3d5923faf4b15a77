"""Sound of a recorded take at each camera: steps, claps and speech-like noise in a room.

A sound is made at a place and a moment. Each microphone hears it later and weaker, by its distance,
with the echoes of the room, its own noise and its own sample rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import signal

RATE = 48_000
"""Samples per second in which sound is made."""
SPEED = 343.0
"""Of sound, metres per second."""


@dataclass(frozen=True)
class Noise:
    """A sound, `samples` float64 (N,) at RATE, made at `seconds` at a place in metres."""

    seconds: float
    place: tuple[float, float]
    samples: np.ndarray


def step(random: np.random.Generator) -> np.ndarray:
    """A footfall or a bouncing ball: float64 (N,)."""
    t = np.arange(round(0.12 * RATE)) / RATE
    body = np.sin(2 * np.pi * random.uniform(90, 170) * t) * np.exp(-t * random.uniform(45, 70))
    rub = random.standard_normal(len(t)) * np.exp(-t * random.uniform(90, 160))
    return random.uniform(0.5, 1.0) * (0.5 * body + 0.25 * rub)


def clap(random: np.random.Generator) -> np.ndarray:
    """A clap of hands: float64 (N,)."""
    t = np.arange(round(0.06 * RATE)) / RATE
    burst = random.standard_normal(len(t)) * np.exp(-t * random.uniform(110, 180))
    band = signal.butter(2, (700, 6000), "bandpass", fs=RATE, output="sos")
    return 1.6 * signal.sosfilt(band, burst)


def speech(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Syllables of a voice with formants, without words: float64 (N,)."""
    count = round(seconds * RATE)
    t = np.arange(count) / RATE
    pitch = random.uniform(95, 210) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.4, 0.9) * t))
    voice = signal.sawtooth(2 * np.pi * np.cumsum(pitch) / RATE)
    voice += 0.25 * random.standard_normal(count)
    loud, at = np.zeros(count), 0.0
    while at < seconds:
        long = random.uniform(0.09, 0.26)
        a, b = round(at * RATE), min(round((at + long) * RATE), count)
        loud[a:b] = random.uniform(0.3, 1.0) * np.hanning(b - a)
        at += long + random.uniform(*((0.25, 0.6) if random.random() < 0.15 else (0, 0.06)))
    shaped = np.zeros(count)
    for low, high in ((300, 900), (1000, 2400), (2500, 3600)):
        band = signal.butter(2, (low, high), "bandpass", fs=RATE, output="sos")
        shaped += random.uniform(0.4, 1.0) * signal.sosfilt(band, voice)
    return 0.5 * shaped * loud


def heard(
    noises: list[Noise],
    seconds: float,
    microphone: np.ndarray,
    random: np.random.Generator,
    *,
    reverb: float = 0.35,
    noise: float = 0.004,
) -> np.ndarray:
    """What a microphone hears from time 0 for `seconds`: float64 (N,) at RATE, within [-1, 1].

    `microphone`: place, float64 (2,), metres. `reverb`: seconds in which echoes fall by 60 dB, 0
    for none. `noise`: standard deviation of its own noise.
    """
    count = round(seconds * RATE)
    dry = np.zeros(count)
    for one in noises:
        away = max(math.dist(one.place, microphone[:2]), 0.5)
        at = round((one.seconds + away / SPEED) * RATE)
        piece = one.samples[max(-at, 0) : max(count - at, 0)] / away
        dry[max(at, 0) : max(at, 0) + len(piece)] += piece
    wet = signal.fftconvolve(dry, _echoes(random, reverb))[:count] if reverb else dry
    wet = wet * 0.6 / max(float(np.abs(wet).max()), 1e-6)
    return np.clip(wet + noise * random.standard_normal(count), -1, 1)


def _echoes(random: np.random.Generator, reverb: float) -> np.ndarray:
    """Impulse response of a room: the direct sound, some early echoes, and a decaying tail."""
    t = np.arange(round(reverb * RATE)) / RATE
    tail = 0.03 * random.standard_normal(len(t)) * 10 ** (-3 * t / reverb) * (t > 0.012)
    tail[0] = 1.0
    for _ in range(6):
        tail[round(random.uniform(0.004, 0.03) * RATE)] += random.uniform(-0.4, 0.5)
    return tail


def recorded(sound: np.ndarray, start: float, seconds: float, rate: int) -> np.ndarray:
    """A part of a sound, float64 (N,) at RATE, as a recorder stores it: float32 (M,) at `rate`."""
    first = round(start * RATE)
    part = sound[first : first + round(seconds * RATE)]
    ratio = Fraction(rate, RATE)
    resampled = signal.resample_poly(part, ratio.numerator, ratio.denominator)
    return np.clip(resampled, -1, 1).astype(np.float32)
