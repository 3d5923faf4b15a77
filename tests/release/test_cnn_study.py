"""Published figures and class list of the CNN study."""

from collections import Counter

import pytest
from conftest import REPO
from torchvision.models import get_model_weights

from occludenet_build.release.class_lists import CLASS_LISTS, expanded
from occludenet_build.release.cnn_study import (
    KINETICS_400,
    mini_kinetics,
    mini_kinetics_run,
)


def test_the_study_is_whole():
    runs = mini_kinetics()
    assert len({(r.backbone, r.frames, r.temporal_stride) for r in runs}) == len(runs) == 96
    assert Counter(r.frames for r in runs) == dict.fromkeys((8, 16, 32, 64), 24)
    assert all(r.top1 < r.top5 < 100 for r in runs)
    for run in runs:
        first = run.frames == 8
        assert run.schedule == ("cosine" if first else "multisteps")
        assert run.epochs == 100 if first else run.epochs in (41, 43, 45)
        assert run.sync_batch_norm == (run.batch == 36)


# models.md's table, which was read by somebody else: 8, 16, 32, 64 frames
@pytest.mark.parametrize(("backbone", "stride", "top1"), [
    ("ibm_tsn_inception_v1", False, (70.4, 70.5, 70.4, 70.2)),
    ("ibm_tsn_resnet50", True, (66.9, 70.1, 72.9, 75.2)),
    ("ibm_s3d", False, (67.0, 69.7, 72.5, 74.7)),
    ("ibm_s3d_resnet18", True, (59.6, 63.3, 68.1, 71.1)),
    ("ibm_i3d", True, (62.4, 66.3, 71.1, 73.1)),
    ("ibm_i3d_resnet50", False, (73.3, 75.6, 77.2, 77.7)),
    ("ibm_tam_resnet18", True, (59.2, 62.6, 67.2, 70.0)),
])  # fmt: skip
def test_the_figures_are_the_published_ones(backbone, stride, top1):
    found = [mini_kinetics_run(backbone, frames, stride) for frames in (8, 16, 32, 64)]
    assert tuple(round(run.top1, 1) for run in found) == top1


def test_a_run_that_nobody_published():
    assert mini_kinetics_run("ibm_tam_resnet101", 8, False) is None
    assert set(KINETICS_400) - {r.backbone for r in mini_kinetics()} == {
        "ibm_i3d_resnet101",
        "ibm_tam_resnet101",
    }


def test_mini_kinetics_has_200_of_the_400_classes():
    names = CLASS_LISTS["mini_kinetics_200"].names
    every = get_model_weights("r3d_18").DEFAULT.meta["categories"]
    assert len(set(names)) == len(names) == 200 and list(names) == sorted(names)
    assert set(names) < set(every) and len(every) == 400
    assert names[0] == "air drumming" and names[-1] == "yoga"


def test_a_list_stands_for_its_classes():
    assert expanded(["zumba", "mini_kinetics_200"])[:2] == ("zumba", "air drumming")
    assert len(expanded(["zumba", "mini_kinetics_200", "yoga"])) == 201
    assert expanded([]) == ()


def test_the_page_has_the_figures_of_the_table():
    rows = (REPO / "docs/cnn_study.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in rows if line.startswith("| ibm_")]
    shown = {
        (name, frames, stride): figure
        for name, *halves in cells
        for stride, figures in zip((False, True), halves, strict=True)
        for frames, figure in zip((8, 16, 32, 64), figures.split(), strict=True)
    }
    runs = mini_kinetics()
    assert shown == {(r.backbone, r.frames, r.temporal_stride): f"{r.top1:.1f}" for r in runs}
