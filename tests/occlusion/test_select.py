"""index and select: candidates, chosen clips, and their independence of other clips."""

from __future__ import annotations

from collections import Counter

import pytest
from support.select import bank, choose, indexed

from occludenet_build import config as cfg
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.core.ledger import mark_duplicates

CLIPS = [(f"c{n}", ("train", "val", "test")[n % 3], f"class{n % 2}") for n in range(240)]
SMALL = cfg.load_part({"select": {"shards": 4, "quota": {"train": 8, "val": 3, "test": 4}}})


def test_quotas_are_shared_by_the_types(tmp_path):
    rows = choose(tmp_path, indexed(CLIPS, SMALL), bank(), SMALL)
    chosen = [r for r in rows.values() if r["status"] == "ok"]
    cells = Counter((r["split"], r["label"], r["category"]) for r in chosen)
    assert max(n for (s, *_), n in cells.items() if s == "train") == 4
    assert max(n for (s, *_), n in cells.items() if s == "val") == 2  # 3 over 2 types
    assert {r["reason"] for r in rows.values()} == {None, "quota"}


def test_candidates_are_bounded_by_the_quota():
    rows = indexed(CLIPS, SMALL)
    counts = Counter((r["split"], r["label"]) for r in rows if r["candidate"])
    assert set(counts.values()) == {16, 6, 8}


def test_a_clip_without_an_actor_is_replaced_and_never_chosen(tmp_path):
    rows = indexed(CLIPS, SMALL)
    first = choose(tmp_path, rows, bank(), SMALL)
    victim = next(c for c, r in first.items() if r["status"] == "ok" and r["split"] == "train")
    second = choose(tmp_path, rows, bank(), SMALL, {victim: 0})
    assert second[victim]["reason"] == "no_actor"
    gained = [c for c, r in second.items() if r["status"] == "ok" and first[c]["status"] != "ok"]
    assert len(gained) == 1
    assert second[gained[0]]["category"] == first[victim]["category"]


def test_too_few_actor_frames(tmp_path):
    config = cfg.load_part({"select": {"min_actor_share": 0.5}})
    rows = choose(tmp_path, indexed(CLIPS[:9], config), bank(), config, {"c0": 24, "c1": 25})
    assert rows["c0"]["reason"] == "too_few_actor_frames"
    assert rows["c1"]["status"] == "ok"


def test_another_video_moves_nobody_while_quotas_are_open(tmp_path):
    config = cfg.load_part({})
    before = choose(tmp_path, indexed(CLIPS[:30], config), bank(), config)
    shards = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "shards").iterdir()}
    after = choose(
        tmp_path, indexed([*CLIPS[:30], ("new", "train", "class0")], config), bank(), config
    )
    assert {c: after[c] for c in before} == before
    rewritten = {
        p.stem for p in (tmp_path / "shards").iterdir() if p.stat().st_mtime_ns != shards[p.name]
    }
    assert rewritten == {seeds.shard_of("new", config.select.shards)}


def test_occluders_stay_in_their_split(tmp_path):
    rows = choose(tmp_path, indexed(CLIPS, SMALL), bank(), SMALL)
    for row in rows.values():
        if row["status"] == "ok":
            assert row["split"] in row["occluder"]


def test_a_split_without_occluders_is_said(tmp_path):
    only_train = [row for row in bank() if row["split"] == "train"]
    rows = choose(tmp_path, indexed(CLIPS, SMALL), only_train, SMALL)
    assert {r["reason"] for r in rows.values() if r["split"] == "test"} == {"no_occluder"}


def several(number):
    return cfg.load_part({"select": {"occluders_per_clip": number}})


def others(row):
    columns = (row["other_occluders"], row["other_files"], row["other_sha256"])
    return list(zip(*columns, strict=True))


def test_one_occluder_is_the_default_and_has_no_others(tmp_path):
    rows = choose(tmp_path, indexed(CLIPS, SMALL), bank(), SMALL)
    assert {len(others(row)) for row in rows.values()} == {0}


@pytest.mark.parametrize(("number", "each", "got"), [(2, 5, 2), (4, 5, 4), (5, 5, 5), (16, 3, 3)])
def test_several_occluders_are_different_ones_of_one_type_and_split(tmp_path, number, each, got):
    config, occluders = several(number), bank(each=each)
    facts = {row["occluder"]: row for row in occluders}
    one = choose(tmp_path, indexed(CLIPS[:60], config), occluders, several(1))
    many = choose(tmp_path, indexed(CLIPS[:60], config), occluders, config)
    for clip, row in many.items():
        assert row["occluder"] == one[clip]["occluder"]
        names = [row["occluder"], *row["other_occluders"]]
        assert len(set(names)) == len(names) == got
        kinds = {(facts[name]["category"], facts[name]["split"]) for name in names}
        assert kinds == {(row["category"], row["split"])}
        rows = [facts[name] for name in row["other_occluders"]]
        assert others(row) == [(r["occluder"], r["file"], r["sha256"]) for r in rows]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_occluders_of_another_type_move_no_further_ones(tmp_path, number):
    config = several(number)
    rows, occluders = indexed(CLIPS[:60], config), bank(each=4)
    before = choose(tmp_path, rows, occluders, config)
    more = [row for row in bank(each=9) if row["category"] == "dog"]
    backpacks = [row for row in occluders if row["category"] == "backpack"]
    after = choose(tmp_path, rows, backpacks + more, config)
    unmoved = [clip for clip, row in before.items() if row["category"] == "backpack"]
    assert unmoved and all(after[clip] == before[clip] for clip in unmoved)


def test_more_occluders_per_clip_keep_the_ones_there_were(tmp_path):
    rows, occluders = indexed(CLIPS[:60], several(1)), bank(each=6)
    two = choose(tmp_path, rows, occluders, several(2))
    four = choose(tmp_path, rows, occluders, several(4))
    assert all(others(four[clip])[:1] == others(row) for clip, row in two.items())


def test_nothing_to_choose_is_one_clear_error(tmp_path):
    rows = indexed(CLIPS[:6], SMALL)
    with pytest.raises(UserError, match="wanted at least one clip with an actor"):
        choose(tmp_path, rows, bank(), SMALL, {row["clip"]: 0 for row in rows})


def test_the_same_bytes_in_two_files_are_used_once():
    rows = [{"clip": name, "status": "ok", "sha256": "same"} for name in ("b", "a")]
    mark_duplicates(rows)
    assert [(r["clip"], r["status"]) for r in rows] == [("b", "skipped"), ("a", "ok")]
