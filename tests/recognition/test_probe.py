"""Probes on frozen backbones: features on disk, CAR on them, resuming, evaluation."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from support.clips import LABELS, write_world
from support.train import changed, curve, run, same
from test_hf import FAMILIES, folders, settings  # noqa: F401

from occludenet_build.config.recognition import Evaluate
from occludenet_build.config.training import Augment
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import probe_features
from occludenet_build.recognition.backbones.registry import BACKBONES
from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.backbones.uniformerv2 import UniFormerV2
from occludenet_build.recognition.cam import grad_cam
from occludenet_build.recognition.clip_table import read_clips
from occludenet_build.recognition.distributed import ALONE
from occludenet_build.recognition.predict import TrainedNetwork, predict_clips
from occludenet_build.recognition.probe import Probe, ProbedNetwork, features_of, within
from occludenet_build.recognition.training_clips import ClipPair

SMALL = changed(probe="attentive", probe_views=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


def feature_files(folder):
    return sorted(folder.glob("store/*/features/*/*.npy"))


@pytest.mark.parametrize("kind", ["linear", "attentive"])
def test_car_on_features_and_its_checkpoint(world, tmp_path, kind):
    values, text = run(world, tmp_path / "car-0.pt", settings=changed(SMALL, probe=kind))
    assert all(row["kl"] > 0 for row in curve(text))
    files = feature_files(tmp_path)
    shapes = {np.load(file).shape for file in files}
    assert len(files) == 12 and len(shapes) == 1
    (shape,) = shapes
    assert shape[:2] == (2, 2) and (shape[2] == 1) == (kind == "linear")
    network = TrainedNetwork.read(tmp_path / "car-0.pt")
    assert isinstance(network.model, ProbedNetwork) and network.model.probe.kind == kind
    assert values["probe"] == {"kind": kind, "width": shape[3]}
    clips = read_clips(world / "annotate/clips.parquet", "test")
    tested = Evaluate(views=2, workers=0, device="cpu")
    assert len(dict(predict_clips(network, clips, world, tested))) == 9


def test_the_backbone_stays_as_it_was(world, tmp_path):
    """Two trainings of other probes have the backbone of the seed, to the bit."""
    first, _ = run(world, tmp_path / "car-0.pt", settings=SMALL)
    other, _ = run(world, tmp_path / "baseline-0.pt", arm="baseline", settings=SMALL)
    started = {key: tensor for key, tensor in first["model"].items() if key.startswith("backbone.")}
    assert started and all(torch.equal(other["model"][key], t) for key, t in started.items())
    assert not torch.equal(
        first["model"]["probe.linear.weight"], other["model"]["probe.linear.weight"]
    )


def test_what_is_trained_is_what_is_evaluated(world, tmp_path):
    """The features on disk are those that the network computes from the same pictures."""
    run(world, tmp_path / "baseline-0.pt", arm="baseline", settings=SMALL)
    network = TrainedNetwork.read(tmp_path / "baseline-0.pt")
    seen = []

    class Kept(probe_features.FrozenBackbone):
        def features(self, clips):
            found = super().features(clips)
            seen.append((clips, found))
            return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("occludenet_build.recognition.probed.FrozenBackbone", Kept)
        run(world, tmp_path / "again/baseline-0.pt", arm="baseline", settings=SMALL)
    pictures, features = seen[-1]
    pixels = normalised(pictures, network.input.mean, network.input.std)
    probe, backbone = network.model.probe, network.model.backbone
    with torch.no_grad():
        whole, alone = network.model(pixels), probe(features.float())
        inner = features_of(backbone, BACKBONES["tiny3d"].layout, pixels)
    assert (whole - alone).abs().max() < 1e-3 and torch.equal(inner.half(), features)


def test_an_interrupted_training_computes_what_is_missing(world, tmp_path, monkeypatch):
    whole = run(world, tmp_path / "a/car-0.pt", settings=SMALL)
    save, done = np.save, []

    def save_and_stop(*given):
        done.append(1)
        if len(done) == 5:
            raise KeyboardInterrupt
        save(*given)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(world, tmp_path / "b/car-0.pt", settings=SMALL)
    files = feature_files(tmp_path / "b")
    assert len(files) == 4
    before = {file: file.stat().st_mtime_ns for file in files}
    files[0].write_bytes(files[0].read_bytes()[:200])  # as on a disk that was full
    again = run(world, tmp_path / "b/car-0.pt", settings=SMALL)
    assert same(again[0], whole[0]) and again[1] == whole[1]
    assert len(feature_files(tmp_path / "b")) == 12
    kept = [file for file in files[1:] if file.stat().st_mtime_ns == before[file]]
    assert kept == files[1:]


def test_settings_of_the_probe_keep_the_features_others_remove_them(world, tmp_path):
    out = tmp_path / "car-0.pt"
    run(world, out, settings=SMALL)
    before = {file: file.stat().st_mtime_ns for file in feature_files(tmp_path)}
    run(world, out, settings=changed(SMALL, learning_rate=0.02, epochs=2, causal_term="ce_y"))
    assert {file: file.stat().st_mtime_ns for file in feature_files(tmp_path)} == before
    run(world, out, settings=changed(SMALL, augment=Augment(flip=False)))
    now = feature_files(tmp_path)
    assert len(now) == 12 and not set(now) & set(before)


def test_a_clip_that_cannot_be_read_is_counted_in_every_epoch(world, tmp_path, caplog):
    rows = write_world(tmp_path, test=0)
    broken = next(row for row in rows if row["scale"] == 0.25)
    (tmp_path / broken["file"]).write_bytes(b"no video")
    _, text = run(tmp_path, tmp_path / "out/baseline-0.pt", arm="baseline", settings=SMALL)
    assert sum(row["skipped"] for row in curve(text)) == SMALL.epochs
    assert f"skipped {broken['file']}" in caplog.text


def test_what_is_refused(world, tmp_path):
    out = tmp_path / "car-0.pt"
    with pytest.raises(UserError, match=r"train.probe_gib: wanted at most 0 GiB .* got 0\.0"):
        run(world, out, settings=changed(SMALL, probe_gib=0.0))
    with pytest.raises(UserError, match=r"train.probe: wanted none with the arm fame"):
        run(world, tmp_path / "fame-0.pt", arm="fame", settings=SMALL)
    with pytest.raises(UserError, match=r"augment.mixup: wanted 0 with train.probe"):
        changed(SMALL, augment=Augment(mixup=0.8))


def test_features_that_are_not_finite_name_the_clip():
    class Huge(torch.nn.Module):
        def features(self, x):
            return x.flatten(2).transpose(1, 2) * 1e6

    backbone = probe_features.FrozenBackbone(
        Huge(), None, Input(2, 4, 4, 0), "attentive", "fp32", "cpu"
    )
    view = ClipPair(torch.full((2, 4, 4, 3), 255, dtype=torch.uint8), None, 0, "a.mp4")

    class Made:
        views = 1

        def shape(self, features):
            return 1, 1, *features

    clips, shape = {(0, 0): view}, (32, 3)
    done = probe_features._compute(backbone, clips, Made(), [0], shape, batch=4, workers=0)
    assert done.infinite == ["a.mp4"] and not done.unread
    with pytest.raises(UserError, match=r"the features of a.mp4 are not finite"):
        probe_features._check_finite(done.infinite, ALONE)


@pytest.mark.parametrize(("name", "wanted"), [("r3d_18", (16, 512)), ("swin3d_t", (8, 768))])
def test_features_have_the_positions_of_the_layer(name, wanted):
    torch.manual_seed(0)
    model = BACKBONES[name].make(3, 4, 32).eval()
    layout = BACKBONES[name].layout
    with torch.no_grad():
        found = features_of(model, layout, torch.randn(2, 3, 4, 64, 64))
    assert found.shape == (2, *wanted)


def test_frame_tokens_are_of_their_clip():
    model = UniFormerV2(3, 32, patch=8, width=48, layers=3, heads=3, return_list=(1, 2)).eval()
    layout = dataclasses.replace(
        BACKBONES["uniformerv2_b16"].layout, layer="backbone.transformer.resblocks.1"
    )
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        both = features_of(model, layout, clips)
        alone = features_of(model, layout, clips[1:])
    assert both.shape == (2, 4 * 17, 48) and torch.allclose(both[1:], alone, atol=1e-5)


def marked(count, draw):
    """Features whose class stands in one of 20, at a random place, and their classes."""
    labels = torch.randint(0, 2, (count,), generator=draw)
    features = torch.randn(count, 20, 16, generator=draw)
    places = torch.arange(count), torch.randint(0, 20, (count,), generator=draw)
    features[*places, 0], features[*places, 1] = 8.0, 4.0 * (2 * labels - 1).float()
    return features, labels


def test_an_attentive_probe_finds_the_feature_that_counts():
    right = {}
    for kind in ("linear", "attentive"):
        torch.manual_seed(0)
        draw, probe = torch.Generator().manual_seed(0), Probe(kind, 16, 2)
        optimizer = torch.optim.Adam(probe.parameters(), 1e-2)
        for _ in range(150):
            features, labels = marked(128, draw)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(probe(features), labels).backward()
            optimizer.step()
        features, labels = marked(1000, draw)
        right[kind] = float((probe(features).argmax(1) == labels).float().mean())
    assert right["attentive"] > 0.97 > right["linear"] + 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_a_probe_of_a_network_of_transformers(world, folders, tmp_path, family, caplog):  # noqa: F811
    caplog.set_level(logging.INFO)
    one = settings(folders, family, probe="attentive", probe_views=1, epochs=1)
    values, _ = run(world, tmp_path / "car-0.pt", settings=one)
    assert values["probe"]["width"] == 24 and "random weights; set train.weights" not in caplog.text
    network = TrainedNetwork.read(tmp_path / "car-0.pt")
    assert network.labels == [*LABELS]
    clips = torch.randn(2, 3, 4, 32, 32)
    maps, logits = grad_cam(network.model, network.layout(), clips)
    with torch.no_grad():
        assert (network.model(clips) - logits).abs().max() < 1e-5
    assert maps.shape == (2, 4, 32, 32) and (maps > 0).any()


def test_the_map_of_a_probed_network_is_the_backbones(world, tmp_path):
    run(world, tmp_path / "baseline-0.pt", arm="baseline", settings=SMALL)
    network = TrainedNetwork.read(tmp_path / "baseline-0.pt")
    assert network.layout() == within(BACKBONES["tiny3d"].layout)
    maps, _ = grad_cam(network.model, network.layout(), torch.randn(1, 3, 4, 16, 16))
    assert maps.shape == (1, 4, 16, 16)
