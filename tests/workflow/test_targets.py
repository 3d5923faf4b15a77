"""Targets ask only for what they need."""

from __future__ import annotations

import pytest
from support.workflow import Build

SEGMENTS = {"videos": "videos", "table": "cut.csv"}
NOTHING_SET = [
    {"detect": {"backend": "file"}},
    {"detect": {"backend": "torchvision"}},
    {"actor_masks": {"backend": "sam"}},
    {},
]


def planned(folder, settings: dict, target: str, ok: bool = True) -> str:
    (folder / "videos").mkdir(exist_ok=True)
    (folder / "cut.csv").write_text(
        "video,start_seconds,end_seconds,class,split\na.mp4,0,8.5,abuse,train\n"
    )
    return Build(folder, None, settings).run("-n", target, ok=ok)


@pytest.mark.parametrize("others", NOTHING_SET, ids=str)
def test_segments_needs_its_own_table_only(tmp_path, others):
    text = planned(tmp_path, others | {"segments": SEGMENTS}, "segments")
    assert "acquire_weights" not in text and "rule segments" in text


def test_proposals_needs_no_weights_of_masks(tmp_path):
    """Not even where the settings name some that are away, as those of the README do."""
    settings = {"segments": {"videos": "videos"}, "actor_masks": {"weights": "away.pth"}}
    text = planned(tmp_path, settings, "proposals")
    assert "stage=detect" in text and "stage=actor_masks" not in text and "rule proposals" in text
    text = planned(tmp_path, settings | {"acquire": {"videos": "videos"}}, "all", ok=False)
    assert "config: actor_masks.weights: wanted an existing path" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("target", ["detect", "proposals", "all"])
def test_what_runs_the_detector_needs_its_files(tmp_path, target):
    settings = {"detect": {"backend": "file"}, "segments": SEGMENTS}
    settings["acquire"] = {"videos": "videos"}
    text = planned(tmp_path, settings, target, ok=False)
    assert "config: detect.boxes: wanted a file" in text and "Traceback" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ({}, set()),
        ({"variants": {"sets": ["human"]}}, {"variants_plates", "variants_make", "variants"}),
        ({"outside": {"folder": "videos"}}, {"outside_shard"}),
    ],
    ids=str,
)
def test_derived_sets_and_clips_of_other_programs_are_asked_for_by_their_settings(
    tmp_path, settings, rules
):
    text = planned(tmp_path, {"acquire": {"videos": "videos"}} | settings, "all")
    named = {"variants_plates", "variants_make", "variants", "outside_shard"}
    assert {name for name in named if f"rule {name}:" in text} == rules
