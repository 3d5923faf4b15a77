"""torchvision's detectors: their weights, their input sizes, and the people that they detect."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.detect import clip_of, people_in, results

from occludenet_build.config.people import TORCHVISION_MODELS, Detect
from occludenet_build.core.errors import UserError
from occludenet_build.people.detect import inference
from occludenet_build.people.detectors import torchvision_models
from occludenet_build.people.detectors.torchvision_models import SIDES, Torchvision, build_network

LIGHT = "ssdlite320_mobilenet_v3_large"
"""The fastest one to build and run."""
SETTINGS = Detect(backend="torchvision", image_size=64, batch=2, torchvision_model=LIGHT)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random, in the form in which torchvision publishes them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("torchvision") / "light.pth"
    torch.save(build_network(SETTINGS).state_dict(), path)
    return path


class Stub(torch.nn.Module):
    """Returns fixed labels for every picture, and records its inputs."""

    def __init__(self, labels: list[int], seen: list) -> None:
        super().__init__()
        self.labels, self.seen = labels, seen

    def forward(self, pictures: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        self.seen += pictures
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        rows, columns = torch.nonzero(picture[0] > 0.7, as_tuple=True)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        count = len(self.labels)
        return {
            "boxes": torch.tensor(box).float().repeat(count, 1),
            "labels": torch.tensor(self.labels),
            "scores": torch.linspace(0.9, 0.5, count),
        }


@pytest.fixture
def stub(weights, monkeypatch):
    """stub(labels, **settings) -> the backend around a network that says that, what it has seen."""

    def made(labels: list[int], **settings) -> tuple[Torchvision, list]:
        seen: list = []
        monkeypatch.setattr(
            torchvision_models, "build_network", lambda settings: Stub(labels, seen)
        )
        monkeypatch.setattr(torchvision_models, "load_weights", lambda *_: None)
        return Torchvision(replace(SETTINGS, weights=str(weights), **settings), 1, "cpu"), seen

    return made


def drawn(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    picture = np.full((height, width, 3), 40, np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = 250
    return picture


@pytest.mark.parametrize("name", [LIGHT, "fasterrcnn_resnet50_fpn_v2"])
@pytest.mark.parametrize(("width", "height"), [(160, 120), (90, 200), (64, 64)])
def test_boxes_are_those_of_the_displayed_picture(stub, name, width, height):
    model, seen = stub([1], torchvision_model=name, image_size=128)
    box = (width // 4, height // 4, width // 2, height - 8)
    boxes, scores = people_in(model, drawn(width, height, box))
    shape = tuple(seen[0].shape[1:])
    assert shape == (320, 320) if name in SIDES else max(shape) == 128
    assert seen[0].min() >= 0 and seen[0].max() <= 1
    assert boxes.dtype == scores.dtype == np.float32
    assert np.abs(boxes[0] - box).max() <= 1.5 and scores.tolist() == pytest.approx([0.9])


def test_only_the_class_person_counts(stub):
    model, _ = stub([18, 1, 3, 1, 90])
    boxes, scores = people_in(model, drawn(80, 60, (10, 10, 30, 50)))
    assert len(boxes) == 2 and scores.tolist() == pytest.approx([0.8, 0.6])


def test_clips_go_through_it_together(stub, make_clip, monkeypatch):
    model, seen = stub([1])
    clips = [clip_of(make_clip("a.mp4", 5)), clip_of(make_clip("b.mp4", 4, (64, 96)))]
    found = results(model, clips, replace(SETTINGS, batch=3), monkeypatch)
    assert len(seen) == 9
    assert [found[c.name].row["actor_frames"] for c in clips] == [5, 4]
    assert found["a.mp4"].row["backend"] == "torchvision"


def test_weights_are_taken_as_they_are(weights):
    model = Torchvision(replace(SETTINGS, weights=str(weights)), 1, "cpu")
    tensors = torch.load(weights, weights_only=True)
    assert all(torch.equal(v, tensors[k]) for k, v in model.network.state_dict().items())
    boxes, scores = people_in(model, drawn(80, 60, (10, 10, 30, 50)))
    assert boxes.shape[1:] == (4,) and len(boxes) == len(scores)


@pytest.mark.parametrize("name", TORCHVISION_MODELS)
def test_every_named_model_is_built_without_a_download(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    settings = replace(SETTINGS, torchvision_model=name, score=0.3, low_score=0.2, iou=0.6)
    with torch.device("meta") if name != LIGHT else torch.device("cpu"):
        model = build_network(settings)
    head = getattr(model, "roi_heads", model)
    assert {"score_thresh", "nms_thresh"} <= set(vars(head))
    assert (head.score_thresh, head.nms_thresh) == (0.2, 0.6)
    assert (model.transform.fixed_size is not None) == (name in SIDES)
    if name not in SIDES:
        assert model.transform.min_size == (64,) and model.transform.max_size == 64


def without(tensors: dict, part: str) -> dict:
    return {k: v for k, v in tensors.items() if part not in k}


def test_weights_of_older_files_lack_counters(weights, tmp_path):
    tensors = without(torch.load(weights, weights_only=True), "num_batches_tracked")
    torch.save(tensors, tmp_path / "old.pth")
    model = Torchvision(replace(SETTINGS, weights=str(tmp_path / "old.pth")), 1, "cpu")
    loaded = model.network.state_dict()
    assert 0 < len(tensors) < len(loaded)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_the_first_resnets_divide_by_the_plain_deviation():
    for name, epsilon in (("fasterrcnn_resnet50_fpn", 0.0), ("fcos_resnet50_fpn", 1e-5)):
        settings = replace(SETTINGS, torchvision_model=name)
        model = build_network(settings)
        torchvision_models.load_weights(model, model.state_dict(), Path("w.pth"), name)
        norms = {m.eps for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)}
        assert norms == {epsilon}


def wrong(kind: str, tensors: dict, path: Path) -> None:
    if kind == "missing keys":
        tensors = without(tensors, "head.regression_head")
    elif kind == "unexpected keys":
        tensors = tensors | {"roi_heads.a.weight": torch.zeros(1)}
    elif kind == "other classes":
        name = next(k for k in tensors if "classification_head" in k and k.endswith("1.weight"))
        tensors = tensors | {name: torch.zeros(4, 4, 1, 1)}
    if kind == "a list":
        torch.save([1, 2], path)
    elif kind == "code":
        torch.save({"a": torch.nn.Linear(1, 1)}, path)
    else:
        torch.save(tensors, path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:5000])


WRONG = {
    "missing keys": "lacks .* keys \\(.*head.regression_head.* and has none in excess",
    "unexpected keys": "lacks none and has roi_heads.a.weight in excess",
    "other classes": "for 91 classes",
    "a list": "holds something else",
    "code": "does not load",
    "truncated": "does not load",
}


@pytest.mark.parametrize(("kind", "said"), WRONG.items(), ids=WRONG.keys())
def test_a_wrong_file_is_one_line(weights, tmp_path, kind, said):
    path = tmp_path / "wrong.pth"
    wrong(kind, torch.load(weights, weights_only=True), path)
    with pytest.raises(UserError, match=said) as error:
        Torchvision(replace(SETTINGS, weights=str(path)), 1, "cpu")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_weights_of_another_model_say_which(weights):
    with pytest.raises(UserError, match=r"detect\.torchvision_model") as error:
        settings = replace(SETTINGS, torchvision_model="ssd300_vgg16", weights=str(weights))
        Torchvision(settings, 1, "cpu")
    assert "\n" not in str(error.value) and "wanted weights of ssd300_vgg16" in str(error.value)


def test_missing_weights_are_one_line(caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(UserError, match="torchvision: wanted a weights file"):
        inference.cached_model(replace(SETTINGS, device="cpu"), 1)
