"""Settings: an error is one line that names the key; equal settings serialize to equal strings."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
import yaml
from conftest import REPO

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.stages import STAGES
from occludenet_build.tools import manual


@pytest.fixture
def base(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "instances.json").write_text("{}")
    return {
        "acquire": {
            "videos": str(tmp_path / "videos"),
            "coco_images": str(tmp_path / "videos"),
            "coco_instances": str(tmp_path / "instances.json"),
        },
        "detect": {"backend": "motion"},
        "actor_masks": {"backend": "grabcut"},
    }


MISTAKES = [
    ({"composit": {}}, "unknown key composit"),
    ({"leftover": {}}, "unknown key leftover: wanted its new name, residual_actor"),
    ({"composite": {"sclaes": [0.5]}}, "unknown key composite.sclaes"),
    ({"composite": {"scales": 0.5}}, "composite.scales: wanted a list, got 0.5"),
    ({"composite": {"scales": []}}, "composite.scales: wanted"),
    ({"composite": {"scales": [0.5, 0.5]}}, "composite.scales: wanted different values"),
    ({"composite": {"scales": ["0.5"]}}, "composite.scales: wanted a number, got '0.5' (str)"),
    ({"composite": {"crf": 99}}, "composite.crf: wanted a value between 0 and 51, got 99"),
    ({"composite": {"crf": True}}, "composite.crf: wanted a number"),
    ({"composite": {"crf": float("nan")}}, "composite.crf: wanted a value"),
    ({"composite": "fast"}, "composite: wanted a mapping, got 'fast'"),
    ({"detect": '{"score":0.7}'}, "detect: wanted a mapping"),
    ({"detect": {"batch": 1.5}}, "detect.batch: wanted a whole number, got 1.5"),
    ({"detect": {"batch": True}}, "detect.batch: wanted a whole number, got True"),
    ({"detect": {"backend": "file"}}, "detect.boxes: wanted a file for detect.backend file"),
    ({"actor_masks": {"backend": "sam2"}}, "actor_masks.weights: wanted a file for actor_masks.b"),
    ({"download": {"mirror": "host/all"}}, "download.mirror: wanted an http or https address"),
    ({"detect": {"backend": "magic"}}, "detect.backend: wanted one of yolo, torchvision"),
    ({"detect": {"weights": "no/such.pt"}}, "detect.weights: wanted an existing path"),
    ({"acquire": {"split": {"train": 0.9}}}, "acquire.split: wanted shares that sum to 1"),
    ({"select": {"quota": {"test": 0}}}, "select.quota.test: wanted a value at least 1, got 0"),
    (
        {"train": {"size": 200, "short_side": 128}},
        "train.size: wanted at most train.short_side, 128, got 200",
    ),
    ({"seed": -1}, "seed: wanted a value at least 0"),
    ({"composite": {"window": {"start": 0.5, "end": 0.5}}}, "composite.window: wanted a start bef"),
    ({"composite": {"scale_mode": "target", "scales": [0.5, 1.5]}}, "wanted shares of at most 1"),
    ({"train": {"scales": [0.33]}}, "train.scales: wanted some of composite.scales"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_key(base, change, message):
    for key, value in change.items():
        base[key] = base.get(key, {}) | value if isinstance(value, dict) else value
    with pytest.raises(UserError) as caught:
        cfg.load(base)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_order_and_written_out_defaults_make_no_difference(base):
    plain = cfg.load(base)
    verbose = copy.deepcopy(base)
    verbose["composite"] = {"preset": "veryfast", "crf": 21, "scales": [0.25, 0.5, 0.75]}
    shuffled = dict(reversed(list(verbose.items())))
    for stage in ("composite", "annotate", "train"):
        expected = cfg.canonical(cfg.stage_settings(plain, stage))
        assert cfg.canonical(cfg.stage_settings(cfg.load(shuffled), stage)) == expected


def test_a_setting_reaches_its_stage_and_those_that_borrow_it_only(base):
    changed = copy.deepcopy(base) | {"composite": {"crf": 30}}
    before, after = cfg.load(base), cfg.load(changed)
    differ = {
        stage
        for stage in STAGES
        if cfg.stage_settings(before, stage) != cfg.stage_settings(after, stage)
    }
    borrowers = {stage.name for stage in STAGES.values() if "composite" in stage.borrows}
    assert differ == {"composite"} | borrowers


def test_swapping_two_values_changes_the_string(base):
    one = base | {"occluders": {"split": {"train": 0.5, "val": 0.3, "test": 0.2}}}
    two = base | {"occluders": {"split": {"train": 0.5, "val": 0.2, "test": 0.3}}}
    strings = [cfg.canonical(cfg.stage_settings(cfg.load(c), "occluders")) for c in (one, two)]
    assert strings[0] != strings[1]


def test_the_manual_lists_every_setting_with_its_default():
    text = manual.text()
    assert (REPO / "config.yaml").read_text() == text, "python -m occludenet_build manual"
    assert yaml.load(text, yaml.CSafeLoader) == as_yaml(cfg.Config())


def test_defaults_have_the_type_of_their_field():
    """A default 21 and a written 21.0 would serialize differently."""
    for section in [cfg.Config, *(type(v) for v in vars(cfg.Config()).values())]:
        for spec in dataclasses.fields(section) if dataclasses.is_dataclass(section) else ():
            value = getattr(section(), spec.name)
            if spec.type == "float":
                assert isinstance(value, float), (section, spec.name)


def as_yaml(value):
    if dataclasses.is_dataclass(value):
        return {f.name: as_yaml(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value


def test_one_stage_refuses_what_the_whole_configuration_refuses():
    with pytest.raises(UserError, match=r"detect\.score"):
        cfg.load_part({"detect": {"score": 2}})


@pytest.mark.parametrize("change", [{}, {"steps": [4]}, {"schedule": "cosine"}, {"name": "adamw"}])
def test_a_section_within_a_section_keeps_the_defaults_it_has_there(change):
    """Also through the text that a rule passes on, which leaves out what has its default."""
    wanted = {"name": "adam", "schedule": "steps", "steps": (6, 8)}
    wanted |= {key: tuple(one) if isinstance(one, list) else one for key, one in change.items()}
    config = cfg.load_part({"moc": {"optimizer": change}})
    text = cfg.canonical(cfg.stage_settings(config, "moc"))
    for found in (config, cfg.load_part(json.loads(text))):
        optimizer = vars(found.moc.optimizer)
        assert {key: optimizer[key] for key in wanted} == wanted
