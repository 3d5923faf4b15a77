"""Settings of the networks of the stage models: each is checked as in the section it replaces."""

import json
from contextlib import nullcontext

import pytest

from occludenet_build import config as cfg
from occludenet_build.config.arms import require_clips
from occludenet_build.config.models import Member, Models, of_member
from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import replaced

FILES = {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}


def loaded(*members, **sections):
    return cfg.load(FILES | sections | {"models": {"members": list(members)}})


MISTAKES = [
    ({"train": {"batch": "x"}}, "models.members[0].train.batch: wanted a whole number, got 'x'"),
    ({"train": {"bach": 1}}, "unknown key models.members[0].train.bach: wanted one of"),
    ({"train": 3}, "models.members[0].train: wanted a mapping, got 3 (int)"),
    ({"train": {"optimizer": {"nam": 1}}}, "unknown key models.members[0].train.optimizer.nam"),
    ({"train": {"optimizer": "sgd"}}, "models.members[0].train.optimizer: wanted a mapping"),
    ({"train": {"weights": "no.pt"}}, "models.members[0].train.weights: wanted an existing path"),
    ({"evaluate": {"crops": 2}}, "models.members[0].evaluate.crops: wanted one of 1, 3"),
    ({"size": 3}, "unknown key models.members[0].size: wanted one of name, train, evaluate"),
    ({"train": {"size": 200, "short_side": 99}}, "models.members: a: train.size: wanted at most"),
    ({"train": {"scales": [0.1]}}, "models.members: a: train.scales: wanted some of composite"),
    ({"train": {"datasets": ["S"]}}, "a: train.datasets: wanted nothing, as members are trained"),
    (
        {"train": {"backbone": "scene3d"}, "evaluate": {"sampling": "published"}},
        "models.members: a: evaluate.sampling: wanted a backbone with a published protocol",
    ),
    ({"name": "()"}, "models.members: wanted names with letters or digits (a to z, 0 to 9)"),
    ({"name": "a\nb"}, "on one line of at most 60 characters, without space around them, got 'a"),
    ({"name": 61 * "a"}, "on one line of at most 60 characters"),
    ({"name": " a"}, "without space around them, got ' a'; change it"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_a_mistake_names_the_member_and_the_key(change, message):
    with pytest.raises(UserError) as caught:
        loaded({"name": "a"} | change)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [("a", "a"), ("R(2+1)D", "R 2+1 D"), ("TSN", "tsn")])
def test_two_members_need_folders_of_their_own(names):
    with pytest.raises(UserError, match="wanted names that differ in letters or digits"):
        loaded(*({"name": name} for name in names))


def test_a_member_replaces_what_it_names_and_keeps_the_rest(tmp_path):
    (tmp_path / "own.pt").write_text("weights")
    train = {"epochs": 7, "optimizer": {"name": "sgd", "accumulate": 2}, "datasets": ["D", "S"]}
    own = {"optimizer": {"accumulate": 4}, "weights": str(tmp_path / "own.pt")}
    member = {"name": "a", "train": own, "evaluate": {"views": 2}}
    config = loaded(member, train=train)
    one = of_member(config, config.section(Models).members[0])
    assert (one.train.optimizer.name, one.train.optimizer.accumulate) == ("sgd", 4)
    assert (one.train.epochs, one.train.datasets, one.evaluate.views) == (7, ("D",), 2)
    # settings come back from the text that the workflow gives its jobs
    text = cfg.canonical(cfg.stage_settings(config, "models"))
    again = cfg.load_part(json.loads(text))
    assert cfg.canonical(cfg.stage_settings(again, "models")) == text
    assert of_member(again, again.section(Models).members[0]).train.optimizer.accumulate == 4


def test_weights_of_another_network_or_another_file_are_not_inherited(tmp_path):
    for name in ("base.pt", "own.pt"):
        (tmp_path / name).write_text("weights")
    base, own = str(tmp_path / "base.pt"), str(tmp_path / "own.pt")
    config = loaded(train={"backbone": "x3d_s", "weights": base, "weights_sha256": 64 * "a"})

    def weights(**train):
        one = of_member(config, Member("a", train)).train
        return one.weights, one.weights_sha256

    assert weights() == weights(backbone="x3d_s") == (base, 64 * "a")
    assert weights(backbone="tiny3d") == (None, None)
    assert weights(weights=own) == (own, None)
    assert weights(backbone="tiny3d", weights=own, weights_sha256=64 * "b") == (own, 64 * "b")


@pytest.mark.parametrize(
    ("arms", "sections", "message"),
    [
        (
            ["car"],
            {"counterfactual": {"splits": ["test"]}},
            "train among them for the arm car, got",
        ),
        (["clean"], {"composite": {"clean_twin": False}}, "clean_twin: wanted true for the arm cl"),
        (["baseline"], {"counterfactual": {"splits": []}, "composite": {"clean_twin": False}}, ""),
    ],
)
def test_an_arm_needs_the_clips_that_it_is_trained_on(arms, sections, message):
    config = loaded({"name": "a (2+1)", "train": {"arms": arms}}, **sections)
    one = of_member(config, config.section(Models).members[0])
    with pytest.raises(UserError, match=message) if message else nullcontext():
        require_clips(one)


def test_replaced_checks_the_whole_section():
    with pytest.raises(UserError, match=r"train\.alpha: wanted more than 0 for the arm car"):
        replaced(Train(), {"alpha": 0.0})
