"""Splits of recordings: nobody and no take is in two of them, whatever the table."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.core.errors import UserError
from occludenet_build.sources.recordings.splits import assign_splits
from occludenet_build.sources.recordings.takes import Take, connected

SHARES = {"train": 0.8, "val": 0.05, "test": 0.15}


def take(id, people, label="Walk", session="", split=None, of="I"):
    return Take(of, id, label, tuple(people), id, session, split, ())


def crowd(people, classes=("Walk", "Fall"), takes=1):
    return [
        take(f"{label}-{person}-{number}", [f"P{person:03d}"], label)
        for label in classes
        for person in range(people)
        for number in range(takes)
    ]


def people_by_split(takes, splits):
    found = defaultdict(set)
    for one in takes:
        for person in one.people:
            found[person].add(splits[one.key])
    return found


tables = st.lists(
    st.tuples(
        st.lists(st.integers(0, 25), min_size=1, max_size=3, unique=True),
        st.sampled_from(["Walk", "Fall", "Armed"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_nobody_is_in_two_splits_and_the_order_does_not_matter(rows, seed, shuffler):
    takes = [take(str(n), map(str, who), label) for n, (who, label) in enumerate(rows)]
    if len(connected(takes, ["subject"])) == 1:
        with pytest.raises(UserError, match="takes that all share people"):
            assign_splits(takes, SHARES, seed, ["subject"])
        return
    splits = assign_splits(takes, SHARES, seed, ["subject"])
    assert all(len(found) == 1 for found in people_by_split(takes, splits).values())
    assert splits.keys() == {one.key for one in takes}
    mixed = list(takes)
    shuffler.shuffle(mixed)
    assert assign_splits(mixed, SHARES, seed, ["subject"]) == splits
    groups = connected(takes, ["subject"])
    if len(groups) >= 3:
        assert set(splits.values()) == {"train", "val", "test"}


@pytest.mark.parametrize(("people", "within"), [(20, 0.03), (60, 0.02), (200, 0.01)])
def test_shares_are_reached_in_every_class(people, within):
    takes = crowd(people)
    splits = assign_splits(takes, SHARES, 7, ["subject"])
    for label in ("Walk", "Fall"):
        counts = Counter(splits[one.key] for one in takes if one.label == label)
        for split, share in SHARES.items():
            assert abs(counts[split] / people - share) <= within


def test_another_seed_gives_other_splits_and_another_order_the_same():
    takes = crowd(20)
    found = [assign_splits(takes, SHARES, seed, ["subject"]) for seed in range(4)]
    assert len({tuple(sorted(one.items())) for one in found}) == 4
    random.Random(1).shuffle(takes)
    assert assign_splits(takes, SHARES, 2, ["subject"]) == found[2]


def test_a_person_of_two_sets_is_in_one_split_and_each_set_has_its_shares():
    takes = [take(str(n), [f"P{n}"]) for n in range(40)]
    takes += [take(str(n), [f"P{n}"], of="M") for n in range(20, 60)]
    splits = assign_splits(takes, SHARES, 3, ["subject"])
    assert all(splits[f"I/{n}"] == splits[f"M/{n}"] for n in range(20, 40))
    for of in ("I", "M"):
        counts = Counter(split for key, split in splits.items() if key[0] == of)
        assert counts == {"train": 32, "val": 2, "test": 6}
    alone = [take("0", ["P1"], of="M"), take("1", ["P1"], of="M")]
    with pytest.raises(UserError, match="sets, M: wanted takes that can be divided"):
        assign_splits([*takes[:40], *alone], SHARES, 3, ["subject"])


def test_people_are_connected_through_others():
    takes = [take("1", "ab"), take("2", "bc"), take("3", "cd"), take("4", "e")]
    assert [[one.id for one in group] for group in connected(takes, ["subject"])] == [
        ["1", "2", "3"],
        ["4"],
    ]
    day = [take("1", "a", session="x"), take("2", "b", session="x"), take("3", "a", session="y")]
    assert len(connected(day, ["subject"])) == 2
    assert len(connected(day, ["subject", "session"])) == 1
    assert len(connected(day, [])) == 3


def test_one_person_cannot_be_divided_but_takes_can():
    takes = [take(str(n), ["P1"]) for n in range(20)]
    with pytest.raises(UserError, match=r"recordings\.together: \[\] to divide by take"):
        assign_splits(takes, SHARES, 0, ["subject"])
    counts = Counter(assign_splits(takes, SHARES, 0, []).values())
    assert counts == {"train": 16, "val": 1, "test": 3}
    only = {"train": 1.0, "val": 0.0, "test": 0.0}
    assert set(assign_splits(takes, only, 0, ["subject"]).values()) == {"train"}


def test_stated_splits_stay_and_contradictions_are_told():
    takes = [take(str(n), [f"P{n}"], split="val" if n < 2 else None) for n in range(20)]
    splits = assign_splits(takes, SHARES, 0, ["subject"])
    assert splits["I/0"] == splits["I/1"] == "val"
    assert Counter(splits.values()) == {"train": 15, "val": 2, "test": 3}
    # whoever is seen with somebody of a stated split follows
    takes.append(take("20", ["P0", "P20"]))
    assert assign_splits(takes, SHARES, 0, ["subject"])["I/20"] == "val"
    takes.append(take("21", ["P1"], split="test"))
    with pytest.raises(
        UserError, match="got val for I/1 and test for I/21, which are connected by P1"
    ):
        assign_splits(takes, SHARES, 0, ["subject"])
