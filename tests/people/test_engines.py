"""Engines: how one is chosen, that it is part of every key, and boxes and masks near torch's."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REAL_DATA
from support.detect import people_in
from support.small_yolo import noise, write_model
from support.workflow import SETTINGS, Build

from occludenet_build import config as cfg
from occludenet_build.config.people import ActorMasks, Detect
from occludenet_build.core import engines, extras
from occludenet_build.core.engines import Engine
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import key_values
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.actor_masks.command import key_of
from occludenet_build.people.detect.command import make_jobs
from occludenet_build.sources.acquire.command import run as run_acquire
from occludenet_build.sources.weights import with_exported_model

torch = pytest.importorskip("torch")

ROW = {"clip": "a", "path": "a.mp4", "width": 64, "height": 48, "frames": 3, "fps": 25.0}
ROW |= {"sha256": "00", "boxes_hash": "b"}
BF16, F32 = Engine("openvino", "bf16"), Engine("openvino", "f32")

# Without the packages


def choose(monkeypatch, wanted, device="cpu", bf16=True, there=("openvino", "onnx", "onnxruntime")):
    monkeypatch.setattr(engines.torch_models, "resolve_device", lambda name: device)
    monkeypatch.setattr(engines, "has_bf16", lambda: bf16)
    for module in (engines, extras):
        monkeypatch.setattr(module, "find_spec", lambda name: name if name in there else None)
    return engines.choose(wanted, device, ("openvino", "onnx"))


@pytest.mark.parametrize(
    ("wanted", "machine", "chosen", "why"),
    [
        ("auto", {}, BF16, "computes in bfloat16"),
        ("auto", {"bf16": False}, None, "does not compute in bfloat16"),
        ("auto", {"device": "cuda:0"}, None, "on cuda:0"),
        ("auto", {"there": ()}, None, "pip install 'occludenet-build[exports]'"),
        ("openvino", {"bf16": False}, F32, "as set"),
        ("openvino", {"device": "cuda:0"}, BF16, "as set"),
        ("onnx", {}, Engine("onnx", "f32"), "as set"),
    ],
)
def test_the_engine_of_a_machine(monkeypatch, wanted, machine, chosen, why):
    found, said = choose(monkeypatch, wanted, **machine)
    assert found == chosen and why in said


@pytest.mark.parametrize(
    ("wanted", "machine", "line"),
    [
        ("openvino", {"there": ()}, r"wanted openvino .*pip install 'occludenet-build\[exports\]'"),
        ("onnx", {"there": ("onnx",)}, r"wanted onnxruntime .*\[exports\]"),
    ],
)
def test_an_engine_that_the_machine_lacks_is_one_line(monkeypatch, wanted, machine, line):
    with pytest.raises(UserError, match=line):
        choose(monkeypatch, wanted, **machine)


@pytest.mark.parametrize("section", [Detect(), ActorMasks()])
def test_existing_settings_have_their_old_keys(section):
    assert "engine" not in key_values(section)
    assert key_values(replace(section, engine="auto"))["engine"] == "auto"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"backend": "motion", "engine": "openvino"}, "detect.engine: wanted one of torch, auto"),
        ({"weights": "a.onnx", "engine": "onnx"}, "which is an export already"),
    ],
)
def test_an_engine_that_does_not_fit_is_one_line(tmp_path, values, line):
    (tmp_path / "a.onnx").touch()
    with pytest.raises(UserError, match=line):
        cfg.load({"detect": values}, tmp_path, require_files=False)


def written(folder: Path, engine: Engine, content: bytes = b"1") -> Path:
    """A note of acquire and an export of one byte."""
    weights = folder / "a.pt"
    weights.write_bytes(b"weights")
    out = folder / "note.json"

    def write(made: Path) -> None:
        (made / "model.xml").write_bytes(content)

    model = engines.export(engine, sha256_file(weights), folder / "detect", write)
    note = {"path": str(weights), "sha256": sha256_file(weights)}
    out.write_text(json.dumps(note | {"engine": engines.facts_of(model, "as set", out)}))
    return out


def keys(folder: Path, settings: Detect) -> tuple[str, str]:
    """Of a clip in detect and in actor_masks, with the same weights and engine."""
    (job,) = make_jobs([ROW], replace(settings, weights=str(folder / "a.pt")))
    masks = ActorMasks(backend="yolo-seg", engine=settings.engine)
    return job.key, key_of(ROW, masks, job.weights_sha256)


def test_the_engine_is_part_of_the_key_but_not_where_it_is(tmp_path):
    found = {}
    for name, engine in {"a": BF16, "b": BF16, "c": F32}.items():
        (tmp_path / name).mkdir()
        note = written(tmp_path / name, engine, name.encode())
        settings = with_exported_model(Detect(engine="auto"), str(note), "detect")
        found[name] = keys(tmp_path / name, settings)
    found["torch"] = keys(tmp_path / "a", Detect())
    assert found["a"] == found["b"]
    assert len({found["a"], found["c"], found["torch"]}) == 3
    assert engines.backend_text("yolo", settings.engine) == "yolo, openvino f32"


def test_torch_chosen_by_auto_keeps_all_results(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"weights")
    note = tmp_path / "note.json"
    facts = engines.facts_of(None, "on cuda:0", note)
    note.write_text(json.dumps({"path": "a.pt", "sha256": "", "engine": facts}))
    settings = with_exported_model(Detect(engine="auto"), str(note), "detect")
    assert keys(tmp_path, settings) == keys(tmp_path, Detect())


def test_a_backend_without_engines_runs_with_auto(tmp_path):
    settings = Detect(engine="auto", backend="motion")
    assert with_exported_model(settings, None, "detect").engine == "torch"


def test_an_export_is_made_once_and_never_seen_in_part(tmp_path):
    calls = []

    def write(folder: Path) -> None:
        calls.append(folder)
        (folder / "model.xml").write_bytes(b"1")
        assert len(list(tmp_path.glob("[12]f-*"))) == len(calls) - 1

    first = engines.export(F32, "1f", tmp_path, write)
    assert engines.export(F32, "1f", tmp_path, write) == first and len(calls) == 1
    assert engines.export(F32, "2f", tmp_path, write) != first and len(calls) == 2
    with pytest.raises(ZeroDivisionError):
        engines.export(BF16, "1f", tmp_path, lambda folder: 1 / 0)
    assert not list(tmp_path.glob("*1f*bf16*"))


def test_an_export_that_changed_or_a_missing_note_is_one_line(tmp_path):
    note = written(tmp_path, BF16)
    settings = with_exported_model(Detect(engine="auto"), str(note), "detect")
    Path(settings.engine).write_bytes(b"2")
    with pytest.raises(UserError, match=r"missing or has changed; .*-R acquire_engine"):
        with_exported_model(Detect(engine="auto"), str(note), "detect")
    with pytest.raises(UserError, match="wanted the note of an export as --weights"):
        list(make_jobs([ROW], Detect(engine="auto", weights=str(tmp_path / "a.pt"))))


# With OpenVINO


PICTURES = [noise(96, 128, 0), noise(96, 128, 1), noise(128, 72, 2)]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A YOLOv5u with random weights for which there are people."""
    pytest.importorskip("ultralytics")
    folder = tmp_path_factory.mktemp("engines")
    return write_model(folder / "small.pt", {0: "dog", 1: "person"}, PICTURES)


def acquired(weights: Path, folder: Path, settings: dict, stage: str = "detect") -> Path:
    """The note that `acquire engine` writes."""
    out = folder / "note.json"
    args = Namespace(what="engine", stage=stage, source=str(weights), out=[out], offline=False)
    run_acquire(args, cfg.load_part({stage: settings | {"device": "cpu"}}))
    return out


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_people_are_those_of_torch(small, tmp_path, monkeypatch, name):
    for module in extras.ENGINES[name]:
        pytest.importorskip(module)
    from occludenet_build.people.detectors.yolo import Yolo

    # in float32: what bfloat16 makes of random weights says nothing about real ones
    monkeypatch.setattr(engines, "has_bf16", lambda: False)
    note = acquired(small, tmp_path, {"engine": name})
    facts = json.loads(note.read_text())["engine"]
    assert facts["name"] == name and facts["made_with"][name]
    plain = Detect(image_size=128, score=0.2, low_score=0.2, device="cpu", weights=str(small))
    wanted = Yolo(plain, 1, "cpu")
    settings = with_exported_model(replace(plain, engine=name), str(note), "detect")
    found = Yolo(settings, 1, "cpu")
    for picture in PICTURES:
        assert (found.prepare(picture) == wanted.prepare(picture)).all()
        # before NMS, for which a last digit decides between boxes of one score
        ours, torchs = (model.start([model.prepare(picture)])[0]() for model in (found, wanted))
        assert ours.shape == torchs.shape and ours.dtype == torch.float32
        assert (ours - torchs)[:, :4].abs().max() < 0.05
        assert (ours - torchs)[:, 4:].abs().max() < 0.001
        assert len(people_in(found, picture)[0])


def test_neither_threads_nor_batches_change_a_bit(small, tmp_path):
    """In the precision of this machine; two batches are under way at once."""
    pytest.importorskip("openvino")
    note = acquired(small, tmp_path, {"engine": "openvino"})
    facts = json.loads(note.read_text())["engine"]
    pictures = np.stack([noise(96, 128, seed) for seed in range(11)])
    found = []
    for threads, length in ((1, 11), (2, 11), (2, 3), (3, 1)):
        model = tmp_path / facts["model"]
        network = engines.openvino_batches(model, threads, facts["precision"], True)
        parts = [pictures[at : at + length] for at in range(0, len(pictures), length)]
        found.append(np.concatenate([get() for get in [network.start(part) for part in parts]]))
    assert found[0].std() > 0
    for other in found[1:]:
        assert (other == found[0]).all()


def test_a_cpu_without_bfloat16_refuses_a_build_that_uses_it(small, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(engines, "has_bf16", lambda: False)
    note = acquired(small, tmp_path, {"engine": "openvino"})
    model = tmp_path / json.loads(note.read_text())["engine"]["model"]
    for load in (engines.OpenVino, partial(engines.OpenVinoBatches, pictures=True)):
        with pytest.raises(UserError, match="wanted a CPU that computes in bfloat16"):
            load(model, 1, "bf16")


def test_a_replaced_module_has_its_outputs(tmp_path):
    """As the image encoder of SAM."""
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GELU())
    values = torch.rand(1, 3, 8, 8)
    model = engines.export(
        F32, "1f", tmp_path, lambda folder: engines.write_module(module, (1, 3, 8, 8), folder)
    )
    network = engines.load(str(model), 1)
    assert network is not None and engines.device_of("auto", str(model)) == "cpu"
    (found,) = network.on_tensors(values)
    with torch.inference_mode():
        assert torch.allclose(found, module(values), atol=1e-5)


@pytest.fixture
def photos() -> list[np.ndarray]:
    """Real photos, uint8 (H, W, 3) RGB."""
    pytest.importorskip("openvino")
    paths = sorted((REAL_DATA / "coco/images").glob("*.jpg"))
    if not paths:
        pytest.skip("the real photos are not on this machine (set OCCLUDENET_TEST_DATA)")
    return [np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]) for path in paths]


def real(name: str) -> Path:
    if not (REAL_DATA / "weights" / name).exists():
        pytest.skip("the real weights are not on this machine (set OCCLUDENET_TEST_DATA)")
    return REAL_DATA / "weights" / name


@pytest.mark.slow
def test_sure_people_of_real_weights_are_those_of_torch(photos, tmp_path):
    """In the precision of this machine."""
    from occludenet_build.people.detectors.yolo import Yolo

    weights = real("yolov5nu_dequant.pt")
    note = acquired(weights, tmp_path, {"engine": "openvino"})
    plain = Detect(device="cpu", weights=str(weights))
    settings = with_exported_model(replace(plain, engine="openvino"), str(note), "detect")
    wanted, found = Yolo(plain, 1, "cpu"), Yolo(settings, 1, "cpu")
    overlaps = []
    for photo in photos:
        boxes, scores = people_in(wanted, photo)
        ours, _ = people_in(found, photo)
        if (scores > 0.5).any():
            overlaps += geometry.iou(boxes[scores > 0.5], ours).max(axis=1).tolist()
    assert len(overlaps) > 20 and np.mean(overlaps) > 0.97 and min(overlaps) > 0.8


@pytest.mark.slow
def test_masks_of_yolo_seg_are_those_of_torch(photos, tmp_path):
    from occludenet_build.people.maskers.yolo_seg import YoloSeg

    weights = real("yolov8n-seg_dequant.pt")
    note = acquired(weights, tmp_path, {"backend": "yolo-seg", "engine": "openvino"}, "actor_masks")
    plain = ActorMasks(backend="yolo-seg", device="cpu", weights=str(weights))
    settings = with_exported_model(replace(plain, engine="openvino"), str(note), "actor_masks")
    wanted, found = YoloSeg(plain, 1), YoloSeg(settings, 1)
    overlaps = []
    for photo in photos:
        (torchs,), (ours,) = (one._predict([photo], [0]) for one in (wanted, found))
        sure = [row for row, score in enumerate(torchs.boxes.conf) if score > 0.5]
        for row in sure:
            box = torchs.boxes.xyxy[row][None].numpy()
            other = ours.masks.data[int(geometry.iou(box, ours.boxes.xyxy.numpy()).argmax())]
            mask = torchs.masks.data[row]
            overlaps.append(float((mask * other).sum() / torch.maximum(mask, other).sum()))
    assert len(overlaps) > 20 and np.mean(overlaps) > 0.97


# In the workflow


@pytest.mark.slow
def test_the_workflow_exports_before_the_shards_and_by_default_never(tmp_path):
    (tmp_path / "world/videos/x").mkdir(parents=True)
    (tmp_path / "world/videos/x/a.mp4").write_bytes(b"a")
    (tmp_path / "w.pt").write_bytes(b"weights")
    target = "build/detect/000.parquet"
    plain = {"backend": "yolo", "weights": str(tmp_path / "w.pt")}
    acquire = {"videos": "world/videos"}
    build = Build(tmp_path, None, SETTINGS | {"acquire": acquire, "detect": plain})
    assert "acquire_engine" not in build.planned(target)
    build = build.where(build.settings | {"detect": plain | {"engine": "auto"}})
    planned = build.planned(target)
    assert planned["acquire_engine"] == planned["acquire_weights"] == planned["detect_shard"] == 1
    note = "build/acquire/engines/detect.json"
    assert build.planned(note) == {"acquire_weights": 1, "acquire_engine": 1}
