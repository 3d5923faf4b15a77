"""The formats with masks, as the programs of their benchmarks read and score them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_masks import DrawnBuild, Scene, export

from occludenet_build.dataset.export import davis, fiftyone, mots, youtube_vis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # pycocotools
]
SCENES = (
    Scene("walk", hidden=(5,), others={3: [[40, 4, 60, 30]]}),
    Scene("odd 1.5", width=65, height=47, occluder="suitcase"),
    Scene("turned", width=48, height=64, rotation=90, absent=()),
    Scene("late", absent=range(3)),
)
MODULES = {"youtube_vis": youtube_vis, "davis": davis, "mots": mots}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> DrawnBuild:
    return DrawnBuild(tmp_path_factory.mktemp("build"), SCENES)


def test_ground_truth_scored_against_itself_is_perfect(
    build: DrawnBuild, readers, tmp_path: Path
) -> None:
    tasks = []
    for format, module in MODULES.items():
        folder = export(module, build, tmp_path / format).folder / "D-50"
        for shift in (0, 8):
            work = tmp_path / f"{format}-{shift}"
            work.mkdir()
            place = {"folder": str(folder), "split": "test", "work": str(work)}
            tasks.append({"format": format, "shift": shift} | place)
    for task, scores in zip(tasks, readers("trackeval_masks", tasks), strict=True):
        if task["shift"]:
            assert max(scores.values()) < 0.6, (task, scores)
        else:
            assert list(scores.values()) == pytest.approx([1.0] * len(scores)), (task, scores)


def test_fiftyones_label_reader(build: DrawnBuild, readers, tmp_path: Path) -> None:
    made = export(fiftyone, build, tmp_path / "out")
    (found,) = readers("eta_labels", [{"folder": str(made.folder / "D-50/test")}])
    scenes = made.scenes("D-50", "test")
    assert len(found) == len(scenes)
    for scene, video in zip(scenes, found, strict=True):
        assert video["video"] == {
            "label": scene.label, "set": "D-50", "split": "test", "clip": scene.clip
        }  # fmt: skip
        _check_frames(scene, video["frames"])


def _check_frames(scene: Scene, frames: dict) -> None:
    shown = {str(n + 1) for n in range(scene.frames) if scene.whole(n) is not None}
    assert set(frames) == shown
    for number, objects in frames.items():
        frame = int(number) - 1
        by_name = {(one["name"], one["index"]): one for one in objects}
        actor = by_name["actor", 1]
        x1, y1, x2, y2 = scene.box(frame)
        corners = (x1 / scene.width, y1 / scene.height, x2 / scene.width, y2 / scene.height)
        assert actor["box"] == pytest.approx(corners)
        whole, visible = scene.whole(frame), scene.visible(frame)
        assert whole is not None
        hidden = 1 - visible.sum() / whole.sum()
        assert actor["attributes"]["actor_hidden"] == pytest.approx(hidden)
        assert by_name["whole", 1]["mask"] == [y2 - y1, x2 - x1, whole.sum()]
        assert (("visible", 1) in by_name) == visible.any()
        if visible.any():
            assert by_name["visible", 1]["mask"][2] == visible.sum()
        assert by_name["visible", 2]["label"] == scene.occluder
