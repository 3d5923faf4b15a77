"""leaks: clips that two splits have in common are found, and no others."""

from __future__ import annotations

import argparse
import json
import shutil
from fractions import Fraction

import cv2
import numpy as np
import pyarrow as pa
import pytest

from occludenet_build.config import Config, load_part
from occludenet_build.config.failures import Failures, OutageShares
from occludenet_build.config.occlusion import Leaks
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.media.imaging.perceptual_hash import differing_bits
from occludenet_build.media.video.sample import thumbnails_at
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.leaks import lists
from occludenet_build.occlusion.leaks.command import run as run_stage
from occludenet_build.occlusion.leaks.duplicates import HashedClip, find_duplicates
from occludenet_build.occlusion.leaks.hashes import RADIUS, SIDE, near_pairs, picture_hashes

FPS = 12


def scenery(seed, seconds=4.0):
    """Pictures uint8 (T, 72, 96, 3) of a scene with a moving object, by seed."""
    random = np.random.default_rng(seed)
    back = cv2.resize(random.integers(20, 235, (6, 8, 3)).astype(np.uint8), (96, 72),
                      interpolation=cv2.INTER_CUBIC)  # fmt: skip
    colour = tuple(int(c) for c in random.integers(0, 255, 3))
    speed, row = random.uniform(0.5, 1.5), int(random.integers(20, 50))
    for number in range(round(seconds * FPS)):
        picture = back.copy()
        cv2.circle(picture, (int(number * speed) % 110, row), 12, colour, -1)
        yield picture


def scaled(pictures, width, height):
    return (cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures)


def cropped(pictures, share):
    for p in pictures:
        top, left = round(share * p.shape[0]), round(share * p.shape[1])
        inside = p[top : p.shape[0] - top, left : p.shape[1] - left]
        yield cv2.resize(inside, p.shape[1::-1])


def barred(pictures):
    return (cv2.copyMakeBorder(p, 8, 8, 0, 0, cv2.BORDER_CONSTANT) for p in pictures)


COPIES = {
    "coded": lambda p: (p, {"options": {"crf": "38", "preset": "ultrafast"}}),
    "small": lambda p: (scaled(p, 64, 64), {}),
    "dark": lambda p: ((q // 2 + 10 for q in p), {}),
    "cropped": lambda p: (cropped(p, 0.04), {}),
    "barred": lambda p: (barred(p), {}),
    "shifted": lambda p: (list(p)[7:], {}),
    "format": lambda p: (p, {"codec": "mpeg4"}),
}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """Rows of select: originals in train, copies of them in test, other clips in val."""
    folder = tmp_path_factory.mktemp("chosen")
    rows = []

    def add(name, split, pictures, suffix=".mp4", **options):
        path = folder / f"{name}{suffix}"
        write_video(path, pictures, Fraction(FPS), **options)
        rows.append(row(name, split, path))

    for seed, (name, change) in enumerate(COPIES.items()):
        add(f"{name}_original", "train", scenery(seed))
        pictures, options = change(scenery(seed))
        add(f"{name}_copy", "test", pictures, ".avi" if name == "format" else ".mp4", **options)
    for seed in range(20, 28):
        add(f"other{seed}", "val", scenery(seed))
    add("black_a", "train", (np.zeros((48, 64, 3), np.uint8) for _ in range(24)))
    add("black_b", "test", (np.zeros((48, 64, 3), np.uint8) for _ in range(24)))
    (folder / "broken.mp4").write_bytes(b"no video at all")
    rows += [row("broken", "val", folder / "broken.mp4"), row("away", "val", folder / "away.mp4")]
    return rows


def row(name, split, path):
    return {"clip": name, "status": "ok", "reason": None, "path": str(path), "sha256": name,
            "split": split, "label": "a"}  # fmt: skip


def run(rows, out, settings, threads=1):
    tables.write_table(pa.Table.from_pylist(rows), out / "select.parquet")
    args = argparse.Namespace(
        clips=out / "select.parquet", out=out / "clips.parquet", threads=threads
    )
    # most tests have names of clips and no files
    failures = Failures(outage_share=OutageShares(leaks=1.0))
    run_stage(args, Config(leaks=settings, failures=failures))
    return tables.read_rows(out / "findings.parquet")


@pytest.fixture(scope="module")
def checked(chosen, tmp_path_factory):
    out = tmp_path_factory.mktemp("leaks")
    return out, run(chosen, out, Leaks(), threads=2)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_in_another_split_is_found(checked, name):
    _, found = checked
    pairs = {(r["clip"], r["other"]): r for r in found if r["check"] == "near_duplicate"}
    pair = pairs[f"{name}_original", f"{name}_copy"]
    assert (pair["split"], pair["other_split"]) == ("train", "test")
    assert pair["share"] >= 0.5 and pair["pictures"] >= 4
    if name == "shifted":  # the copy begins 7 / 12 s later
        assert pair["shift_seconds"] in (-0.5, -0.75)


def test_nothing_else_is_found_and_all_is_accounted_for(checked, chosen):
    out, found = checked
    assert len(found) == len(COPIES)
    rows = {r["clip"]: r for r in tables.read_rows(out / "clips.parquet")}
    assert len(rows) == len(chosen)
    assert {c: r["reason"] for c, r in rows.items() if r["reason"]} == {
        "broken": "not_a_video",
        "away": "missing",
    }
    assert rows["black_a"]["pictures"] == 0 and rows["black_a"]["plain_pictures"] > 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["near_duplicate"] == {"train-test": {"pairs": 7, "clips": 14}}
    assert summary["not_compared"] == {"missing": 1, "not_a_video": 1}
    assert (out / "findings.csv").read_text().count("\n") == len(found) + 1


def test_other_thresholds_hash_nothing_again(checked, chosen, monkeypatch, tmp_path):
    out = shutil.copytree(checked[0], tmp_path / "leaks")
    present = [r for r in chosen if r["clip"] not in ("away",)]
    monkeypatch.setattr("occludenet_build.occlusion.leaks.command.thumbnails_at", None)
    assert run(present, out, Leaks(distance=0, min_share=1.0)) == []
    assert len(run(present, out, Leaks())) == len(COPIES)


def test_one_youtube_video_in_two_splits(tmp_path):
    names = {"train": ["vGlsp8wOH-8_000085_000095", "AAAAAAAAAAA_000001_000011"],
             "val": ["vGlsp8wOH-8_000200_000210"],
             "test": ["BBBBBBBBBBB_000001_000011", "vGlsp8wOH-8_000085_000095-0a1b2c"]}  # fmt: skip
    rows = [row(n, split, tmp_path / n) for split, some in names.items() for n in some]
    found = run(rows, tmp_path, Leaks())
    assert {(r["clip"][:18], r["split"], r["other_split"]) for r in found} == {
        ("vGlsp8wOH-8_000085", "train", "val"),
        ("vGlsp8wOH-8_000085", "train", "test"),
        ("vGlsp8wOH-8_000200", "val", "test"),
    }
    assert {r["youtube_id"] for r in found} == {"vGlsp8wOH-8"}


K600 = """label,youtube_id,time_start,time_end,split
a,vGlsp8wOH-8,85,95,train
"b, c",BBBBBBBBBBB,7,17,train
a,AAAAAAAAAAA,1,11,val
"""


def test_other_lists(tmp_path):
    (tmp_path / "k600.csv").write_text(K600)
    (tmp_path / "k710_val.csv").write_text("k400/x/vGlsp8wOH-8_000085_000095.mp4,0\n")
    (tmp_path / "plain.txt").write_text("CCCCCCCCCCC_000001_000011 5\n")
    rows = [row("vGlsp8wOH-8_000085_000095", "test", "x"), row("own", "test", "x"),
            row("BBBBBBBBBBB_000001_000011", "val", "x"),
            row("AAAAAAAAAAA_000001_000011", "train", "x"),
            row("CCCCCCCCCCC_000001_000011", "test", "x")]  # fmt: skip
    given = tuple(str(tmp_path / n) for n in ("k600.csv", "k710_val.csv", "plain.txt"))
    found = run(rows, tmp_path, Leaks(lists=given))
    assert {(r["clip"][:3], r["other"].rsplit("/")[-1], r["other_split"], r["detail"][:4])
            for r in found} == {
        ("vGl", "k600.csv", "train", "the "),
        ("BBB", "k600.csv", "train", "anot"),
        ("AAA", "k600.csv", "val", "the "),
        ("CCC", "plain.txt", None, "the "),
    }  # fmt: skip
    counted = tables.read_rows(tmp_path / "lists.parquet")
    shared = {(r["list"].rsplit("/")[-1], r["list_split"], r["split"]): r for r in counted}
    assert shared["k710_val.csv", "val", "test"]["same_segment"] == 1
    assert shared["k600.csv", "train", "test"]["of"] == 3
    notes = json.loads((tmp_path / "summary.json").read_text())["lists"]
    assert ("k600.csv: 1 of 3 test clips have their video in its train split, 1 the same segment"
            in notes)  # fmt: skip
    with pytest.raises(UserError, match=r"leaks\.lists: wanted an existing path"):
        load_part({"leaks": {"lists": [given[0], str(tmp_path / "nowhere.csv")]}})
    (tmp_path / "empty.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="wanted a column youtube_id"):
        lists.read_list(tmp_path / "empty.csv")


def test_the_index_finds_what_comparing_all_finds():
    random = np.random.default_rng(5)
    filed = random.integers(0, 2**64, 3000, dtype=np.uint64)
    probes = filed[:200].copy()
    for number, bits in enumerate(random.integers(0, RADIUS + 4, 200)):
        for bit in random.choice(64, bits, replace=False):
            probes[number] ^= np.uint64(1 << int(bit))
    found = {pair for mine, theirs in near_pairs(filed, probes)
             for pair in zip(mine.tolist(), theirs.tolist(), strict=True)}  # fmt: skip
    bits = differing_bits(probes[:, None], filed[None, :])
    assert found == set(zip(*(axis.tolist() for axis in np.nonzero(bits <= RADIUS)), strict=True))
    assert len(found) > 100


def test_many_clips_are_not_compared_pair_by_pair():
    random = np.random.default_rng(7)

    def clip(number, split, hashes):
        both = np.stack([hashes, hashes ^ np.uint64(0xFFF00000)])
        return HashedClip(f"c{number}", split, np.arange(len(hashes)), both)

    drawn = random.integers(0, 2**64, (4000, 40), dtype=np.uint64)
    # a title card that very many clips begin with is no reason to pair them
    drawn[:400, :2] = 12345
    splits = ["train"] * 3000 + ["val"] * 500 + ["test"] * 500
    clips = [clip(n, s, h) for n, (s, h) in enumerate(zip(splits, drawn, strict=True))]
    clips[3999] = clip(3999, "test", np.roll(drawn[10], -5) ^ np.uint64(0b1011))
    (pair,) = find_duplicates(clips, Leaks())
    assert {pair.first.name, pair.second.name} == {"c10", "c3999"}


def test_glances_are_even_in_time_and_upright(make_clip):
    path = make_clip("a.mp4", frames=48)
    assert [k for k, _ in thumbnails_at(path, Fraction(4), SIDE)] == list(range(8))
    path = make_clip("b.mkv", frames=4, pts=[0, 900, 1000, 3000], time_base=Fraction(1, 1000))
    assert [k for k, _ in thumbnails_at(path, Fraction(2), SIDE)] == [0, 1, 2, 6]
    assert all(p.shape == (SIDE, SIDE) for _, p in thumbnails_at(path, Fraction(2), SIDE))


def test_a_plain_picture_has_no_hash():
    assert picture_hashes(np.full((SIDE, SIDE), 77, np.uint8)) is None
    grey = np.tile(np.arange(SIDE, dtype=np.uint8) * 4, (SIDE, 1))
    assert picture_hashes(grey) is not None
