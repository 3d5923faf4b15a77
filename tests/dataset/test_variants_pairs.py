"""How the other clip of a swap is drawn, and how backgrounds are compared."""

from __future__ import annotations

import numpy as np
import pytest

from occludenet_build.config.variants import Variants
from occludenet_build.dataset.variants.pairs import draw_pairs, video_of
from occludenet_build.dataset.variants.plates import descriptor_of


def row(clip: str, label: str, at: float, status: str = "ok") -> dict:
    place = {"shard": "000", "key": f"key-{clip}", "status": status}
    return {
        "clip": clip,
        "label": label,
        "descriptor": [at, 0.0] if status == "ok" else None,
    } | place


LINE = [row(f"c{number:02d}", "ab"[number % 2], float(number)) for number in range(40)]
SETTINGS = Variants(sets=("swap",), pairs=("random", "close", "far", "same"), near=0.1)


def drawn(rows, settings=SETTINGS, seed=0) -> dict[tuple[str, str], dict]:
    return {(one["set"], one["clip"]): one for one in draw_pairs(rows, settings, seed)}


def test_each_pairing_draws_from_its_own_candidates():
    pairs = drawn([*LINE, row("bad", "b", 0.0, "skipped")])
    assert len(pairs) == 40 * 4 * 3
    for (name, clip), one in pairs.items():
        other, apart = one["background"], abs(int(clip[1:]) - int(one["background"][1:]))
        assert other != clip and one["distance"] == pytest.approx(apart)
        assert (one["background_label"] == one["label"]) == name.startswith("swap-same")
        others = sorted(abs(int(clip[1:]) - n) for n in range(40) if n % 2 != int(clip[1:]) % 2)
        if name.startswith("swap-close"):
            assert apart <= others[1] and one["rank"] < 2
        if name.startswith("swap-far"):
            assert apart >= others[-2] and one["rank"] >= 18


def test_draws_are_a_function_of_the_seeds():
    assert drawn(LINE) == drawn(LINE[::-1])
    assert drawn(LINE) != drawn(LINE, seed=1)
    one, two = (
        [p["background"] for (s, _), p in drawn(LINE).items() if s == f"swap-random-{n}"]
        for n in (1, 2)
    )
    assert one != two
    chosen = {p["background"] for (s, _), p in drawn(LINE).items() if s.startswith("swap-random")}
    assert len(chosen) > 30, "all clips are drawn, not a few"


def test_a_clip_without_a_partner_has_no_pair():
    alone = [row("x", "a", 0.0), row("y", "a", 1.0)]
    assert {name for name, _ in drawn(alone)} == {"swap-same-1", "swap-same-2", "swap-same-3"}
    assert drawn([]) == {} and drawn(LINE, Variants()) == {}


def test_the_same_video_is_no_other_scenery():
    first, second = "abcdefghijk_000001_000011", "abcdefghijk_000020_000030"
    assert video_of(first) == video_of(second) == "abcdefghijk" and video_of("x") == "x"
    rows = [row(first, "a", 0.0), row(second, "a", 0.1), row("z", "a", 5.0)]
    pairs = drawn(rows, Variants(sets=("swap",), pairs=("same",), seeds=(1,)))
    assert pairs["swap-same-1", first]["background"] == "z"


def scene(colour, stripes: int = 0, turned: bool = False) -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    wave = 40 * np.sin(2 * np.pi * (y if turned else x) * stripes / 160)
    return np.clip(np.add(colour, wave[..., None]), 0, 255).astype(np.uint8)


def test_backgrounds_differ_by_colour_and_texture():
    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.linalg.norm(descriptor_of(one) - descriptor_of(other)))

    grass, lawn, sea = (60, 140, 60), (70, 130, 60), (60, 90, 200)
    assert apart(scene(grass), scene(grass)) == 0
    assert apart(scene(grass), scene(lawn)) < apart(scene(grass), scene(sea)) / 3
    upright, lying = scene(grass, 12), scene(grass, 12, turned=True)
    assert apart(upright, lying) > 3 * apart(upright, scene(lawn, 12))
    assert descriptor_of(scene(grass)).shape == (4 * 4 * 11,)
    assert np.linalg.norm(descriptor_of(upright)) < 2
