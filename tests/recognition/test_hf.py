"""Networks of transformers: small random ones of four families, saved by the library itself."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from support.clips import LABELS, write_world
from support.train import changed, curve, run

from occludenet_build.config import load
from occludenet_build.config.recognition import Evaluate
from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones import hf
from occludenet_build.recognition.backbones.registry import input_of
from occludenet_build.recognition.backbones.spec import normalised
from occludenet_build.recognition.cam import grad_cam
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.optim import layer_depths
from occludenet_build.recognition.predict import TrainedNetwork, predict_clips
from occludenet_build.sources.acquire.recorded import FileRequest, describe_local_file
from occludenet_build.sources.hub import local_path, sha256_of

transformers = pytest.importorskip("transformers")

SHAPE = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
}  # fmt: skip
WORDS = ("right", "still", "LEFT", "other")


def configs():
    size = {"image_size": 32, "num_frames": 4}
    decoder = {f"decoder_{key}": value for key, value in SHAPE.items()}
    yield transformers.VideoMAEConfig(**SHAPE, **decoder, **size, patch_size=8, tubelet_size=2)
    yield transformers.TimesformerConfig(**SHAPE, **size, patch_size=8)
    yield transformers.VivitConfig(**SHAPE, **size, tubelet_size=[2, 8, 8])
    yield transformers.VJEPA2Config(
        **SHAPE, patch_size=8, crop_size=32, frames_per_clip=4, num_pooler_layers=1,
        pred_hidden_size=24, pred_num_attention_heads=2, pred_num_hidden_layers=1,
    )  # fmt: skip


FAMILIES = ("videomae", "timesformer", "vivit", "vjepa2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Family -> a folder that the library wrote."""
    root = tmp_path_factory.mktemp("hf")
    torch.manual_seed(0)
    for config in configs():
        config.id2label = dict(enumerate(WORDS))
        config.label2id = {word: number for number, word in enumerate(WORDS)}
        model = transformers.AutoModelForVideoClassification.from_config(config)
        for parameter in model.parameters():  # its own start gives logits of almost zero
            torch.nn.init.normal_(parameter, std=0.2)
        folder = root / config.model_type
        model.save_pretrained(folder)
        sizes = {"crop_size": {"height": 32, "width": 32}}
        sizes |= {} if config.model_type == "vjepa2" else {"size": {"shortest_edge": 40}}
        processor_of(config.model_type)(**sizes).save_pretrained(folder)
    return root


def processor_of(family):
    names = {"videomae": "VideoMAE", "timesformer": "Timesformer", "vivit": "Vivit"}
    return getattr(transformers, f"{names.get(family, 'VJEPA2')}VideoProcessor")


def settings(folders, family, **changes):
    own = {"backbone": "hf", "weights": str(folders / family)}
    return changed(
        **own | {"size": None, "short_side": None, "frames": None, "stride": 0} | changes
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_librarys_own_on_its_own_pixels(folders, family):
    """The library's processor and model beside ours, for a clip of the processor's crop."""
    source = str(folders / family)
    clip = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    processor = transformers.AutoVideoProcessor.from_pretrained(source)
    theirs = transformers.AutoModelForVideoClassification.from_pretrained(source).eval()
    pixels = processor(videos=[clip], return_tensors="pt", do_resize=False)
    seen = hf.input_of_folder(source)
    ours = hf.load(source, WORDS, seen.frames, seen.size)
    x = normalised(torch.from_numpy(clip)[None], seen.mean, seen.std)
    assert (x.transpose(1, 2) - next(iter(pixels.values()))).abs().max() < 1e-5
    with torch.no_grad():
        wanted, got = theirs(**pixels).logits, ours(x)
    assert (got - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert wanted.std() > 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_the_input_is_the_processors(folders, family):
    seen = input_of(Train(backbone="hf", weights=str(folders / family)))
    own_short_side = {"vjepa2": 36}.get(family, 40)
    assert (seen.frames, seen.size, seen.short_side) == (4, 32, own_short_side)
    assert seen.stride == hf.STRIDES.get(family, 0)
    wanted = {"vivit": (1.5 / 2, 0.5 / 2), "videomae": (0.5, 0.5)}.get(family, (0.485, 0.229))
    assert (seen.mean[0], seen.std[0]) == pytest.approx(wanted, abs=1e-5)


def test_the_head_is_kept_by_name_or_replaced(folders, caplog):
    caplog.set_level("INFO")
    source = str(folders / "videomae")
    theirs = transformers.AutoModelForVideoClassification.from_pretrained(source)
    ours = hf.load(source, ("left", "Right"), 4, 32)
    assert torch.equal(ours.model.classifier.weight, theirs.classifier.weight[[2, 0]])
    assert torch.equal(ours.model.classifier.bias, theirs.classifier.bias[[2, 0]])
    assert "knows all 2 classes" in caplog.text
    other = hf.load(source, ("left", "jumping"), 4, 32)
    assert other.model.classifier.weight.shape == (2, 24)
    assert "knows 1 of 2 classes; the head starts with random weights" in caplog.text
    assert json.loads(other.description())["id2label"] == {"0": "left", "1": "jumping"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_needs_no_folder(folders, family):
    network = hf.load(str(folders / family), LABELS, 4, 32)
    again = hf.rebuilt(network.description(), 4, 32)
    again.load_state_dict(network.state_dict())
    clip = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(clip), again(clip))
    with pytest.raises(ValueError, match=r"wanted frames of 32 px, got 40 x 40"):
        network(torch.zeros(1, 3, 4, 40, 40))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_learns_and_has_its_depth(folders, family):
    network = hf.load(str(folders / family), LABELS, 4, 32).train()
    network(torch.randn(2, 3, 4, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    depths = layer_depths(network)
    assert set(depths.values()) == {0, 1, 2, 3}
    assert {d for name, d in depths.items() if name.startswith(hf.HEAD)} == {3}
    assert {d for name, d in depths.items() if "embeddings" in name} == {0}


@pytest.mark.parametrize("family", FAMILIES)
def test_class_activation_maps(folders, family):
    network = hf.load(str(folders / family), LABELS, 4, 32)
    clips = torch.randn(2, 3, 4, 32, 32)
    maps, logits = grad_cam(network, hf.layout_of(network), clips)
    assert maps.shape == (2, 4, 32, 32) and (maps > 0).any()
    with torch.no_grad():
        assert (network(clips) - logits).abs().max() < 1e-5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


@pytest.mark.parametrize("family", ["videomae", "vjepa2"])
def test_car_and_evaluation(world, folders, tmp_path, family):
    """Train CAR, take the folder away, evaluate."""
    own = tmp_path / "weights"
    shutil.copytree(folders / family, own)
    one = settings(tmp_path, "weights", epochs=2)
    values, text = run(world, tmp_path / "car-0.pt", settings=one)
    assert values["input"]["size"] == 32 and values["backbone"] == "hf"
    assert all(row["kl"] > 0 for row in curve(text))
    shutil.rmtree(own)
    hf.input_of_folder.cache_clear()
    network = TrainedNetwork.read(tmp_path / "car-0.pt")
    assert network.family == f"hf:{family}" and network.labels == [*LABELS]
    clips = read_clips(world / "annotate/clips.parquet", "test")
    tested = Evaluate(views=2, workers=0, device="cpu")
    results = dict(predict_clips(network, clips, world, tested))
    assert len(results) == 9
    with pytest.raises(UserError, match=r"evaluate.size: hf:.* cannot take frames of 48 px"):
        list(predict_clips(network, clips, world, dataclasses.replace(tested, size=48)))


def test_a_published_classifier_answers_by_its_own_labels(world, folders):
    network = TrainedNetwork.read(folders / "vivit")
    assert network.labels == [*WORDS] and network.about(Evaluate()).name == "vivit + published"
    clips = read_clips(world / "annotate/clips.parquet", "test")[:2]
    tested = Evaluate(views=1, workers=0, device="cpu", sampling="mmaction2")
    assert all(len(p.logits) == 4 for _, p in predict_clips(network, clips, world, tested))


def write_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_is_wrong_is_one_line(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"wanted a folder with a video classifier .* AutoConfig"):
        hf.input_of_folder(str(tmp_path / "empty"))
    source = tmp_path / "nameless"
    shutil.copytree(folders / "videomae", source)
    (source / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"AutoModelForVideoClassification says"):
        hf.load(str(source), LABELS, 4, 32)
    with pytest.raises(UserError, match=r"vivit cannot take clips of 8 frames of 32 px"):
        hf.load(str(folders / "vivit"), LABELS, 8, 32)
    with pytest.raises(UserError, match=r"train.weights: wanted a folder with a network of transf"):
        Train(backbone="hf")
    with pytest.raises(UserError, match=r"names of networks need train.backbone hf"):
        load({"train": {"backbone": "x3d_s", "weights": "owner/name"}}, require_files=False)
    with pytest.raises(UserError, match=r"fetch it where there is a network with `hf download own"):
        local_path("owner/name", "train.weights")


def test_names_of_the_local_cache_and_hashes_of_folders(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / ("0" * 40)
    shutil.copytree(folders / "videomae", snapshot)
    (tmp_path / "models--owner--name" / "refs").mkdir()
    (tmp_path / "models--owner--name" / "refs" / "main").write_text("0" * 40)
    note = describe_local_file(FileRequest("owner/name", None, "train.weights"))
    assert note["path"] == str(snapshot) and note["sha256"] == sha256_of(folders / "videomae")
    assert note["bytes"] == sum(f.stat().st_size for f in snapshot.iterdir())
    write_config(snapshot, initializer_range=0.03)
    assert sha256_of(snapshot) != note["sha256"] and len(sha256_of(snapshot)) == 64
    with pytest.raises(UserError, match=r"wanted a file, got"):
        describe_local_file(FileRequest(str(snapshot), None, "detect.weights"))
