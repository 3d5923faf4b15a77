"""How the other clip of a swap is drawn, and how backgrounds are compared."""

from __future__ import annotations

import numpy as np
import pytest

import occludenet_build.dataset.variants.pairs as pairs_of
from occludenet_build.config.variants import Variants
from occludenet_build.dataset.variants.pairs import draw_pairs
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


@pytest.mark.parametrize("source", ["abcdefghijk", "cam1"])
@pytest.mark.parametrize("pairing", ["same", "close", "far", "random"])
def test_the_same_video_is_no_other_scenery(source, pairing):
    """Neither of a YouTube video nor of a camera, whichever class the other clip has."""
    first, second = f"{source}_000001_000011", f"{source}_000020_000030"
    other = "a" if pairing == "same" else "b"
    rows = [row(first, "a", 0.0), row(second, other, 0.1), row("z", other, 5.0)]
    rows += [row(f"{source}_000040_000050", other, 9.0)]
    settings = Variants(sets=("swap", "scuba"), pairs=(pairing,), seeds=(1, 2, 3), near=1.0)
    pairs = drawn(rows, settings)
    behind = {name: one["background"] for (name, clip), one in pairs.items() if clip == first}
    assert len(behind) == (3 if pairing == "same" else 4) and set(behind.values()) == {"z"}


def test_pairs_of_many_clips_are_those_of_one_block(monkeypatch):
    generator = np.random.default_rng(4)
    values = np.round(generator.random((60, 5)), 4)
    rows = [
        row(f"c{number:02d}", "abc"[number % 3], 0.0) | {"descriptor": one.tolist()}
        for number, one in enumerate(values)
    ]
    whole = drawn(rows)
    monkeypatch.setattr(pairs_of, "_BLOCK", 7)
    assert drawn(rows) == whole
    for one in whole.values():
        apart = values[int(one["clip"][1:])] - values[int(one["background"][1:])]
        assert one["distance"] == pytest.approx(np.linalg.norm(apart))


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
