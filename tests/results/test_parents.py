"""Parent classes: Appendix G, and the user's own."""

from __future__ import annotations

import csv
import json

import pytest
from conftest import REFERENCE

from occludenet_build.core.errors import UserError
from occludenet_build.results.paper import parents, published

ORPHANS = [
    "bench pressing", "clean and jerk", "deadlifting", "doing aerobics", "exercising arm",
    "exercising with an exercise ball", "front raises", "lunge", "pull ups", "push up", "situp",
    "snatch weight lifting", "squat", "yoga",
]  # fmt: skip


@pytest.fixture(scope="module")
def kinetics() -> set[str]:
    """The names of Kinetics-400's classes, from the release's annotations."""
    path = REFERENCE / "annotations" / "val_d.csv"
    if not path.is_file():
        pytest.skip("the release's annotations are not on this machine (set OCCLUDENET_REFERENCE)")
    with open(path, newline="") as stream:
        return {row["action class"] for row in csv.DictReader(stream)}


def test_counts_of_appendix_g():
    found = parents.appendix_g()
    by_class = parents.parents_of(found)
    assert (
        len(found) == 38 and sum(map(len, published.printed_parents()["parents"].values())) == 443
    )
    assert sum(len(those) > 1 for those in by_class.values()) == 56
    assert len(by_class) == 386 and len(published.printed_parents()["orphans"]) == 400 - 386
    assert all(len(set(names)) == len(names) > 0 for names in found.values())


def test_every_class_is_kinetics_and_the_orphans_are_the_rest(kinetics):
    found = parents.appendix_g()
    assert len(kinetics) == 400 and set(parents.parents_of(found)) <= kinetics
    without = sorted(kinetics - set(parents.parents_of(found)))
    assert without == published.printed_parents()["orphans"] == ORPHANS


def test_what_is_printed_in_another_way_is_listed_with_its_reason(kinetics):
    noted = published.printed_parents()
    printed = {name for names in noted["parents"].values() for name in names}
    listed = {entry["printed"]: entry for entry in noted["renamed"]}
    assert printed - kinetics == set(listed)
    assert all(entry["reason"] for entry in listed.values())
    assert {entry["class"] for entry in listed.values()} - {None} <= kinetics - printed


@pytest.mark.parametrize(
    ("parent", "name"),
    [
        ("Martial Arts", "punching person (boxing)"),
        ("Heights", "trapezing"),
        ("Arts and Crafts", "decorating the christmas tree"),
        ("Garden + Plants", "decorating the christmas tree"),
        ("Snow + Ice", "snowboarding"),
        ("Mobility – Water", "swimming breast stroke"),
        ("Ball Sports", "passing American football (not in game)"),
    ],
)
def test_memberships(parent, name):
    assert name in parents.appendix_g()[parent]


def test_a_users_own_parents(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"Rest": ["sit", "lie"], "All": ["sit", "run"]}))
    found = parents.read_parents(str(path))
    assert found == {"Rest": ("sit", "lie"), "All": ("sit", "run")}
    assert parents.parents_of(found)["sit"] == ("Rest", "All")
    assert parents.read_parents(None) == parents.appendix_g()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "got list"),
        ("{}", "got dict"),
        ('{"A": []}', "got \\[\\] for 'A'"),
        ('{"A": "sit"}', "got sit for 'A'"),
        ('{"A": ["sit", 3]}', "got the class 3 under 'A'"),
        ('{"A": [" "]}', "got the class ' ' under 'A'"),
        ('{"A": ["sit", "run", "sit"]}', "got 'sit' twice under 'A'"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as said:
        parents.read_parents(str(path))
    assert "\n" not in str(said.value) and str(path) in str(said.value)
    with pytest.raises(UserError, match="cannot be read"):
        parents.read_parents(str(tmp_path / "none.json"))
