"""Benchmark of the offsets between views: how many are right within one frame, and what is refused.

    python benchmarks/sync.py [--quick] [--pairs N] [--seed N] [--calibrate]

Pairs of recordings of one event by two microphones (demo/world/sound_pairs.py), with noise, echoes,
clipping, drifting clocks and with faults for which no offset is right. The rival is the usual way:
the largest value of the cross-correlation of the waveforms, which always answers. An offset is
right if it is off by less than a frame of 30 per second over all the time that both cover. Prints a
table by fault, a table of confidence against the share that is right, and as its last line JSON:

    share_within_one_frame    of the offsets that were returned
    share_refused             of the pairs that have a right offset
    wrong_returned            offsets that were returned and are wrong, of all pairs
    refused_where_none        share of the pairs without a right offset that were refused
    rival_share_within_one_frame   of the pairs that have a right offset
    by_condition              fault -> pairs, returned, right, rival_right
    seconds_per_hour          CPU seconds to compare two recordings of an hour; not with --quick

--calibrate: prints coefficients for `media.sync.confidence`, fitted to these
pairs without the cut ones.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import numpy as np
from scipy import optimize, signal

from occludenet_build.media.sync import confidence as certainty
from occludenet_build.media.sync.correlation import best_fit
from occludenet_build.media.sync.envelopes import SOUND_RATE, band_powers, sound_signal
from occludenet_build.media.sync.track import follow
from occludenet_build.media.sync.views import LEAST_OVERLAP, Offset, audible, compared
from occludenet_build.tools.project import find_demo

find_demo()  # demo.world is not part of the package

from demo.world.sound_pairs import FAULTS, Pair, pairs  # noqa: E402

FRAME = 1 / 30
EASY = ("drift 50 ppm", "drift 200 ppm")
"""Faults whose pairs are long: a quarter of them is drawn."""


@dataclass(frozen=True)
class Outcome:
    """What was found for one pair."""

    fault: str
    returned: bool
    right: bool
    """Whether the best offset is right, returned or not."""
    error: float
    confidence: float
    rival_right: bool
    terms: tuple[float, ...] | None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--pairs", type=int, default=60, help="per fault")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--calibrate", action="store_true")
    args = parser.parse_args()
    count = 8 if args.quick and not args.calibrate else args.pairs
    outcomes = list(tried(args.seed, count))
    if args.calibrate:
        calibrate(outcomes)
    result = summary(outcomes)
    if not args.quick:
        result["seconds_per_hour"] = an_hour()
    print(json.dumps(result))


def tried(seed: int, count: int):
    """Yield the outcome of each pair."""
    numbers: dict[str, int] = defaultdict(int)
    for fault, make in pairs(seed, count):
        numbers[fault] += 1
        if fault not in EASY or numbers[fault] <= max(2, count // 4):
            yield outcome(fault, make())


def outcome(fault: str, given: Pair) -> Outcome:
    """Compare a pair as the product does, and as the rival does."""
    sounds = given.reduced(SOUND_RATE)
    powers = [band_powers([sound]) for sound in sounds]
    signals = [audible(*power) for power in powers]
    solvable = FAULTS[fault].solvable
    error, terms, right = math.inf, None, False
    found = Offset(None, 0.0, 0.0, None, "silent")
    if signals[0] is not None and signals[1] is not None:
        found = compared(signals[0], signals[1], "sound")
        fit = best_fit(*signals, LEAST_OVERLAP)
        track = None if fit is None else follow(*signals, fit)
        if fit is not None and track is not None:
            error, terms = given.error(track.lag, track.drift), certainty.terms(fit, track)
            right = solvable and error < FRAME
    rival = given.error(loudest_lag(*sounds), 0.0)
    returned = found.seconds is not None
    return Outcome(fault, returned, right, error, found.confidence, rival < FRAME, terms)


def loudest_lag(first: np.ndarray, second: np.ndarray) -> float:
    """The rival: seconds of the largest cross-correlation of waveforms, float32 (N,), (M,)."""
    return (
        float(signal.correlate(first, second, method="fft").argmax() - len(second) + 1) / SOUND_RATE
    )


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    """Print the tables; return what the last line says."""
    columns = ("pairs", "returned", "right", "median ms", "p95 ms", "rival")
    print(f"{'fault':22}" + "".join(f"{name:>10}" for name in columns))
    conditions = {}
    for fault in FAULTS:
        of = [one for one in outcomes if one.fault == fault]
        kept = [one for one in of if one.returned]
        errors = [1000 * one.error for one in kept] or [math.nan]
        right, rival = sum(one.right for one in kept), sum(one.rival_right for one in of)
        rival = rival if FAULTS[fault].solvable else 0
        middle, high = np.quantile(errors, [0.5, 0.95])
        print(f"{fault:22}{len(of):10}{len(kept):10}{right:10}{middle:10.1f}{high:10.1f}{rival:10}")
        numbers = {"pairs": len(of), "returned": len(kept), "right": right, "rival_right": rival}
        conditions[fault] = numbers
    print(f"\n{'confidence':14}{'pairs':>6}{'right':>8}")
    for low, high in ((0, 0.05), (0.05, 0.5), (0.5, 0.95), (0.95, 0.99), (0.99, 1.01)):
        at = [one.right for one in outcomes if low <= one.confidence < high]
        if at:
            print(f"{low:4.2f} to {min(high, 1):4.2f}  {len(at):6}{np.mean(at):8.3f}")
    kept = [one for one in outcomes if one.returned]
    solvable = [one for one in outcomes if FAULTS[one.fault].solvable]
    none = [one for one in outcomes if not FAULTS[one.fault].solvable]
    return {
        "share_within_one_frame": round(float(np.mean([one.right for one in kept])), 4),
        "share_refused": round(float(np.mean([not one.returned for one in solvable])), 4),
        "wrong_returned": sum(not one.right for one in kept),
        "refused_where_none": round(float(np.mean([not one.returned for one in none])), 4),
        "rival_share_within_one_frame": round(float(np.mean([o.rival_right for o in solvable])), 4),
        "by_condition": conditions,
    }


def calibrate(outcomes: list[Outcome]) -> None:
    """Print the coefficients of a logistic regression of right on the terms."""
    # what the least values refuse in any case would bend the curve
    least = math.log(certainty.SOUND.least_ratio - 1 + 0.02)
    judged = [(one.terms, one.right) for one in outcomes if not FAULTS[one.fault].cut]
    used = [(terms, right) for terms, right in judged if terms is not None and terms[1] > least]
    x = np.array([[1.0, *terms] for terms, _ in used])
    y = np.array([right for _, right in used], float)

    def loss(weights: np.ndarray) -> float:
        logit = x @ weights
        # a little of ridge: without it, what separates well grows without limit
        return float(np.sum(np.logaddexp(0, logit) - y * logit) + 0.005 * np.sum(weights[1:] ** 2))

    # none of them can speak against an offset
    bounds = [(None, None), *[(0.0, None)] * (x.shape[1] - 1)]
    best = optimize.minimize(loss, np.zeros(x.shape[1]), method="L-BFGS-B", bounds=bounds).x
    names = ("bias", "score", "ratio", "agreement")
    print(", ".join(f"{name}={value:.2f}" for name, value in zip(names, best, strict=True)))


def an_hour() -> float:
    """CPU seconds to compare two recordings of an hour, from samples at 8 kHz."""
    random = np.random.default_rng(0)
    loud = np.repeat(random.uniform(0, 0.3, 3_650 * 20), SOUND_RATE // 20).astype(np.float32)

    def listen(first: int) -> np.ndarray:
        part = loud[first : first + 3_600 * SOUND_RATE]
        return part * random.standard_normal(len(part), dtype=np.float32)

    sounds = [listen(0), listen(7 * SOUND_RATE)]
    start = time.process_time()
    signals = [sound_signal(band_powers([sound])[0]) for sound in sounds]
    found = compared(*signals, "sound")
    seconds = time.process_time() - start
    assert found.seconds is not None and abs(found.seconds - 7) < FRAME
    return round(seconds, 1)


if __name__ == "__main__":
    main()
