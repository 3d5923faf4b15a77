"""yolo: boxes equal ultralytics' own, for any batch and format; errors are one line."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from argparse import Namespace
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import REPO
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from support.detect import clip_of, people_in, results
from support.small_yolo import noise, write_model

from occludenet_build import config as cfg
from occludenet_build.config.people import Detect
from occludenet_build.core import tables, torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect import decode_ahead, inference
from occludenet_build.people.detect.command import make_jobs
from occludenet_build.people.detect.command import run as run_stage
from occludenet_build.people.detectors import exports
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.people.detectors.yolo import Yolo, letterbox

# Small models with random weights


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A YOLOv5u with two classes, of which the second is person; all boxes are people."""
    return write_model(
        tmp_path_factory.mktemp("yolo") / "small.pt", {0: "dog", 1: "person"}, PICTURES
    )


def exported(weights: Path, folder: Path, kind: str, **options) -> Path:
    """The model file of an export, in a folder of its own."""
    made = _export(weights, kind, tuple(options.items()))
    shutil.copytree(made.parent, folder / kind)
    return folder / kind / made.name


@functools.cache
def _export(weights: Path, kind: str, options: tuple) -> Path:
    for needed in {"onnx": ("onnx", "onnxruntime"), "openvino": ("openvino",)}[kind]:
        pytest.importorskip(needed)
    from ultralytics import YOLO

    copy = Path(tempfile.mkdtemp(dir=weights.parent)) / "small.pt"
    copy.write_bytes(weights.read_bytes())
    more = {"simplify": False} if kind == "onnx" else {}
    made = YOLO(str(copy)).export(format=kind, verbose=False, **more, **dict(options))
    copy.unlink()
    return exports.model_file(Path(made))


PICTURES = [noise(96, 128, 0), noise(96, 128, 1), noise(128, 72, 2), noise(50, 50, 3)]
SMALL = Detect(image_size=128, batch=3, score=0.2, low_score=0.1)


def people(settings: Detect) -> list:
    model = Yolo(settings, 1, "cpu")
    return [people_in(model, picture) for picture in PICTURES]


def assert_same(first, second, pixels: float) -> None:
    for (boxes, scores), (others, weights) in zip(first, second, strict=True):
        assert boxes.shape == others.shape and boxes.dtype == scores.dtype == np.float32
        assert np.abs(boxes - others).max(initial=0) <= pixels
        assert np.abs(scores - weights).max(initial=0) <= 1e-3


def of_ultralytics(settings: Detect) -> list:
    """The boxes of ultralytics' own predict for each picture."""
    model, person = torch_models.load_yolo(settings.weights or "", "detect")
    found = []
    for picture in PICTURES:
        (result,) = model.predict(
            np.ascontiguousarray(picture[..., ::-1]),
            imgsz=settings.image_size,
            conf=min(settings.low_score, settings.score),
            iou=settings.iou,
            classes=[person],
            device="cpu",
            verbose=False,
        )
        boxes = result.boxes.xyxy.numpy()
        there = geometry.area(boxes) > 0
        found.append((boxes[there], result.boxes.conf.numpy()[there]))
    return found


def test_the_boxes_are_those_of_ultralytics(small):
    settings = replace(SMALL, weights=str(small))
    ours = people(settings)
    assert sum(len(boxes) for boxes, _ in ours) > 20, "the picture says something"
    # other batches add up their sums in another order: float32 rounding, which processors differ in
    assert_same(ours, of_ultralytics(settings), 1e-2)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("onnx", {"imgsz": 128, "dynamic": True}),
        ("onnx", {"imgsz": 128, "batch": 2}),
        ("openvino", {"imgsz": 128, "dynamic": True}),
    ],
    ids=["onnx", "onnx of one size", "openvino"],
)
def test_an_export_gives_the_same_boxes(small, tmp_path, kind, options):
    weights = exported(small, tmp_path, kind, **options)
    model = Yolo(replace(SMALL, weights=str(weights)), 1, "cpu")
    native = Yolo(replace(SMALL, weights=str(small)), 1, "cpu")
    prepared = [model.prepare(PICTURES[k]) for k in (0, 1, 0)]
    assert prepared[0].shape == ((96, 128, 3) if "dynamic" in options else (128, 128, 3))
    ours, wanted = model.start(prepared)[0](), native.start(prepared)[0]()
    assert ours.shape == wanted.shape
    assert (ours[:, :4] - wanted[:, :4]).abs().max() < 0.02
    assert (ours[:, 4:] - wanted[:, 4:]).abs().max() < 1e-3


@pytest.mark.parametrize("threads", [1, 2])
def test_an_export_computes_with_the_threads_of_the_job(small, tmp_path, threads):
    weights = exported(small, tmp_path, "onnx", imgsz=64)
    settings = replace(SMALL, weights=str(weights))
    network = exports.load_export(weights, settings, threads, "cpu", None)
    options = network._library._session.get_session_options()
    assert options.intra_op_num_threads == threads


def test_an_export_of_one_size_says_that_image_size_is_of_no_effect(small, tmp_path, caplog):
    weights = exported(small, tmp_path, "onnx", imgsz=64)
    Yolo(replace(SMALL, weights=str(weights)), 1, "cpu")
    assert "takes 64x64 pixels; detect.image_size 128 is of no effect" in caplog.text


@pytest.mark.parametrize("size", [(640, 480), (426, 240), (1080, 1920), (33, 500), (1, 3000)])
@pytest.mark.parametrize("tight", [True, False])
def test_the_letterbox_is_that_of_ultralytics(size, tight):
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.ops import scale_boxes

    picture = noise(size[1], size[0])
    ours = letterbox(size, (640, 640), 32, tight)
    assert np.array_equal(ours.apply(picture), LetterBox(640, auto=tight, stride=32)(image=picture))
    boxes = np.array([[3, 5, 200, 300], [0, 0, 640, 640], [300, 310, 320, 330]], np.float32)
    theirs = scale_boxes(ours.shape, torch.from_numpy(boxes.copy()), size[::-1]).numpy()
    assert np.allclose(ours.boxes_to_picture(boxes), theirs, rtol=1e-6, atol=1e-3)


def test_end_to_end_models_need_no_overlap(small):
    model = Yolo(replace(SMALL, weights=str(small)), 1, "cpu")
    rows = [[10, 20, 50, 60, 0.9, 1], [11, 21, 50, 60, 0.8, 1], [0, 0, 9, 9, 0.9, 0], [0] * 6]
    raw = torch.tensor([rows], dtype=torch.float32)
    model.network.end2end = True
    ((boxes, scores),) = model.finish((lambda: raw, 1), [(128, 128)])
    assert boxes.tolist() == [[10, 20, 50, 60], [11, 21, 50, 60]]
    assert scores.tolist() == pytest.approx([0.9, 0.8])


# Errors


def error_of(weights: Path) -> str:
    with pytest.raises(UserError) as error:
        Yolo(Detect(weights=str(weights)), 1, "cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_model_without_people_is_one_line(tmp_path):
    weights = write_model(tmp_path / "dogs.pt", {0: "dog", 1: "cat"}, PICTURES)
    assert "wanted a model with the class 'person'" in error_of(weights)
    onnx = exported(weights, tmp_path, "onnx", imgsz=64)
    assert "wanted a model with the class 'person'" in error_of(onnx)


@pytest.mark.parametrize("kind", ["pt", "onnx", "openvino"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_file_is_one_line(small, tmp_path, kind, share):
    path = tmp_path / "cut.pt"
    path.write_bytes(small.read_bytes())
    if kind != "pt":
        path = exported(small, tmp_path, kind, imgsz=64)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "truncated or something else" in error_of(path)


def test_weights_of_the_yolov5_repository_are_refused(tmp_path):
    path = tmp_path / "yolov5n.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("yolov5n/data.pkl", b"\x80\x02cmodels.yolo\nDetectionModel\nq\x00.")
        archive.writestr("yolov5n/version", b"3\n")
    assert "anchor-based YOLOv5 checkpoint" in error_of(path)


def test_a_missing_library_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    line = "wanted onnxruntime, which is not installed; pip install 'occludenet-build[exports]'"
    assert error_of(path) == line


def test_an_onnx_without_metadata_is_one_line(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    shape = [1, 3, 64, 64]
    pictures, out = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [pictures], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "a.onnx")
    assert "export it with ultralytics" in error_of(tmp_path / "a.onnx")


def test_an_openvino_folder_resolves_to_its_file(small, tmp_path):
    xml = exported(small, tmp_path, "openvino", imgsz=64)
    folder = xml.parent
    assert exports.model_file(folder) == xml
    assert [p.suffix for p in exports.model_files(xml)] == [".xml", ".bin", ".yaml"]
    row = {"clip": "a", "path": "a", "sha256": "0", "width": 2, "height": 2, "frames": 1, "fps": 9}
    (before,) = make_jobs([row], Detect(weights=str(xml)))
    xml.with_suffix(".bin").write_bytes(b"other")
    (after,) = make_jobs([row], Detect(weights=str(xml)))
    assert before.key != after.key and before.weights_sha256 != after.weights_sha256
    (folder / "second.xml").write_bytes(b"")
    with pytest.raises(UserError, match="has 2; name the file"):
        exports.model_file(folder)


def test_the_command_line(small, make_clip, tmp_path):
    clips = [make_clip("a.mp4", 9), make_clip("b.mp4", 5, (64, 96))]
    facts = [clip_of(path) for path in clips]
    rows = [
        {"clip": c.name, "path": c.path, "sha256": sha256_file(c.path), "fps": c.fps}
        | {"width": c.width, "height": c.height, "frames": c.frames}
        for c in facts
    ]
    tables.write_table(pa.Table.from_pylist(rows), tmp_path / "index.parquet")
    settings = {"seed": 0, "detect": {"image_size": 64, "stride": 2, "device": "cpu"}}
    done = subprocess.run(
        [sys.executable, "-m", "occludenet_build", "detect", "--threads", "1"]
        + ["--videos", str(tmp_path / "index.parquet"), "--out", str(tmp_path / "a/0.parquet")]
        + ["--weights", str(small), "--settings", json.dumps(settings)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [row["frames"] for row in tables.read_rows(tmp_path / "a/0.parquet")] == [9, 5]
    # again in this process, to the byte
    again = Namespace(
        videos=tmp_path / "index.parquet",
        out=tmp_path / "b/0.parquet",
        weights=str(small),
        threads=1,
    )
    run_stage(again, cfg.load_part(settings))
    for name in ("0.parquet", "store/0/detail.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# The real clips and pictures


NAMES = [
    *("intel_asl_walk.mkv", "sam2_dog.mp4", "mmaction2_demo.mp4", "edge_rotated90.mov"),
    *("torchcodec_nasa_rotated.mp4", "mmpose_mpiinew.mp4", "paddlevideo_archery.avi"),
]
FIRST = 7
"""Frames of each: no multiple of the batch, so clips share batches."""


@pytest.fixture(scope="module")
def real(real_data) -> Detect:
    weights = real_data / "weights" / "yolov5nu_dequant.pt"
    return Detect(weights=str(weights), batch=4, image_size=320, device="cpu")


@pytest.fixture(scope="module")
def real_model(real):
    return inference.cached_model(real, 1)


def test_real_clips_in_batches_equal_one_by_one(real, real_model, real_data, monkeypatch):
    monkeypatch.setattr(decode_ahead, "rgb_frames", lambda path: islice(rgb_frames(path), FIRST))
    found = {}
    monkeypatch.setattr(
        inference, "rows_of", lambda clip, s, f, cuts: (found.setdefault(clip.name, f) and {}, None)
    )
    clips = [first_clip(real_data / "videos" / name) for name in NAMES]
    results(real_model, clips, real, monkeypatch)
    model, person = torch_models.load_yolo(real.weights, "detect")
    for clip in clips:
        pictures = [p[..., ::-1] for _, p in islice(rgb_frames(clip.path), FIRST)]
        options = {"imgsz": 320, "conf": real.low_score, "iou": real.iou, "classes": [person]}
        alone = model.predict(
            [np.ascontiguousarray(p) for p in pictures], device="cpu", verbose=False, **options
        )
        assert [f.frame for f in found[clip.name]] == list(range(clip.frames))
        for here, result in zip(found[clip.name], alone, strict=True):
            wanted = result.boxes.xyxy.numpy()
            assert here.boxes.shape == wanted.shape
            assert np.abs(here.boxes - wanted).max(initial=0) < 1e-3
            assert np.abs(here.scores - result.boxes.conf.numpy()).max(initial=0) < 1e-5


def first_clip(path: Path) -> IndexedClip:
    sizes = [picture.shape for _, picture in islice(rgb_frames(path), FIRST)]
    return IndexedClip(path.name, str(path), sizes[0][1], sizes[0][0], len(sizes), 25.0)


@pytest.mark.parametrize(
    ("name", "box"),
    [
        # read from the displayed pictures, as shares of width and height
        ("intel_asl_walk.mkv", (0.28, 0.15, 0.72, 1.0)),
        ("asl_walk_rot90.mp4", (0.28, 0.15, 0.72, 1.0)),
    ],
)
def test_the_person_is_found_upright(real_model, real_data, name, box):
    _, picture = next(rgb_frames(real_data / "videos" / name))
    boxes, scores = people_in(real_model, picture)
    height, width = picture.shape[:2]
    best = int(np.argmax(scores))
    assert scores[best] > 0.5
    wanted = np.array([box], np.float32) * np.array([width, height] * 2, np.float32)
    assert geometry.iou(wanted, boxes[best : best + 1])[0, 0] > 0.6
    assert np.array_equal(boxes, geometry.clipped(boxes, width, height))


def test_nobody_is_found_in_a_car_park(real, real_model, real_data):
    for _, picture in islice(rgb_frames(real_data / "videos" / "intel_car_detection.mp4"), 3):
        assert (people_in(real_model, picture)[1] < real.score).all()


def test_average_precision_on_real_pictures(real, real_data):
    """AP50 of the class person on the COCO pictures that lie beside the project."""
    model = inference.cached_model(replace(real, image_size=640, low_score=0.01, score=0.25), 1)
    truth = COCO(str(real_data / "coco" / "instances.json"))
    found = []
    for number, facts in truth.imgs.items():
        picture = cv2.imread(str(real_data / "coco" / "images" / facts["file_name"]))[..., ::-1]
        boxes, scores = people_in(model, np.ascontiguousarray(picture))
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            found.append({"image_id": number, "category_id": 1, "bbox": box, "score": score})
    scored = COCOeval(truth, truth.loadRes(found), "bbox")
    scored.params.catIds = [1]
    scored.evaluate(), scored.accumulate(), scored.summarize()
    assert scored.stats[1] > 0.75


def test_most_frames_of_real_clips_have_their_person(real, real_model, real_data, monkeypatch):
    clips = [clip_of(real_data / "videos" / name) for name in ("asl_walk_rot90.mp4",)]
    found = results(real_model, clips, replace(real, stride=4), monkeypatch)
    for clip in clips:
        row = found[clip.name].row
        assert row["status"] == "ok" and row["actor_frames"] > 0.9 * clip.frames
