"""IntegralAction: the network, its losses, its weights."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models import resnet18

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.integralaction import merge, render
from occludenet_build.recognition.integralaction.losses import loss_terms
from occludenet_build.recognition.integralaction.network import (
    LEARNING,
    MODES,
    Aggregator,
    IntegralAction,
)
from occludenet_build.recognition.integralaction.shift import ShiftedResNet, shift

copies_nothing = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
FIXTURES = ("rgb_only", "pose_only", "rgb_pose", "rgb_pose_pff4")


@pytest.fixture(scope="module")
def recipe(parity):
    found = importlib.util.spec_from_file_location("recipe", parity / "recipe.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def facts(parity, name):
    folder = parity / f"integralaction_{name}"
    meta, keys = (json.loads((folder / f"{one}.json").read_text()) for one in ("meta", "keys"))
    return meta, keys, np.load(folder / "fixture.npz")


def of_facts(meta):
    """The network that a fixture is of."""
    config = meta["config"]
    mode = meta["mode"].replace("+", "_")
    return IntegralAction(
        config["class_num"], mode, config["pose_frame_factor"], depth=config["img_resnet_type"]
    )


@pytest.mark.parametrize("name", FIXTURES)
def test_names_and_shapes_are_the_official_ones_in_their_order(name, parity):
    meta, keys, _ = facts(parity, name)
    with torch.device("meta"):
        ours = of_facts(meta)
    assert [(key, list(t.shape)) for key, t in ours.state_dict().items()] == [*keys.items()]
    assert sum(parameter.numel() for parameter in ours.parameters()) == meta["params"]
    assert meta["config"]["skeleton"] == [list(limb) for limb in render.LIMBS]


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXTURES)
def test_logits_and_gate_are_the_official_ones(name, parity, recipe):
    meta, _, wanted = facts(parity, name)
    model = of_facts(meta).eval()
    filled = recipe.filled(model.state_dict(), meta["gain"])
    assert recipe.weights_crc(filled) == meta["weights_crc32"]
    assert merge.load_state(model, filled, "the recipe") == ()
    video = (recipe.make_video(2, 8, 3, 224, 224, 0) * 0.1 + 0.5).clamp(0, 1)
    drawn, (_, frames, *_) = np.random.RandomState(1), meta["inputs"][1]["shape"]
    places = (drawn.rand(2, frames, 5, 18, 2) * 56).astype(np.float32)
    scores = drawn.rand(2, frames, 5, 18).astype(np.float32)
    given_crcs = [recipe.crc(one) for one in (video.numpy(), places, scores)]
    assert given_crcs == [one["crc32"] for one in meta["inputs"]]
    with torch.no_grad():
        maps = render.pictures(torch.from_numpy(places), torch.from_numpy(scores))
        logits, gate = model(video.transpose(1, 2), maps)
    assert np.abs(logits.numpy() - wanted["logits_f64"]).max() < 1e-5
    probabilities = logits.softmax(1).numpy()
    assert np.abs(probabilities - wanted["action_prob_f64"]).max() < 1e-6
    if gate is not None:
        assert np.abs(gate.mean((1, 2)).numpy() - wanted["pose_gate_mean_f64"]).max() < 1e-6
    assert (gate is None) == ("pose_gate_mean_f64" not in wanted)


def small(frames=3, factor=1):
    """Inputs of two clips."""
    poses = torch.rand(2, render.CHANNELS, (frames - 1) * factor + 1, 8, 8)
    return torch.rand(2, 3, frames, 32, 32), poses


def needed(mode, video, poses):
    return (video if mode != "pose_only" else None), (poses if mode != "rgb_only" else None)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_what_learns_is_what_gets_a_gradient(mode, factor):
    """Processes that share a training wait for a gradient of each parameter that learns."""
    with torch.device("meta"):
        model = IntegralAction(5, mode, factor).train()
        logits, gate = model(*needed(mode, *small(factor=factor)))
        loss_terms(logits, torch.zeros(2, dtype=torch.int64), gate).each.mean().backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name, p in model.named_parameters() if p.grad is not None} == learning
    assert {name.split(".")[0] for name in learning} == set(LEARNING[mode])
    reaches_over_time = any("pose_temporal_conv" in name for name in learning)
    assert reaches_over_time == (mode == "rgb_pose" and factor == 2)
    assert logits.shape == (2, 5) and (gate is None) == (mode != "rgb_pose")


def means(model):
    return [(name, one) for name, one in model.named_buffers() if name.endswith("running_mean")]


def test_statistics_of_frozen_parts_move_as_released_only():
    model = IntegralAction(5, "rgb_pose")
    for frozen in (True, False):
        model.frozen_statistics = frozen
        before = {name: mean.clone() for name, mean in means(model)}
        logits, _ = model.train()(*small())
        moved = {n.split(".")[0] for n, mean in means(model) if not torch.equal(mean, before[n])}
        streams = set() if frozen else {"img_backbone", "pose2feat", "pose_backbone"}
        assert moved == {"aggregator", *streams}
        assert torch.isfinite(logits).all()
    assert not model.eval().img_backbone.training and not model.aggregator.training


@pytest.mark.parametrize(("dropout", "varies"), [(0.5, True), (0, False)])
def test_dropout_is_applied_in_training_only_and_never_as_released(dropout, varies):
    with torch.device("meta"):
        model = IntegralAction(5, "rgb_pose", dropout=dropout)
    model.classifier.to_empty(device="cpu")
    torch.nn.init.normal_(model.classifier.fc[0].weight)
    features = torch.rand(4, 3, 512)
    for training in (True, False):
        model.train(training)
        one, other = model.classifier(features), model.classifier(features)
        assert torch.equal(one, other) != (varies and training)


def test_the_gate_is_the_share_of_the_pose_and_sees_the_pose_alone():
    part = Aggregator(24, 16, 2).eval()
    rgb, pose = torch.rand(2, 3, 24), torch.rand(2, 5, 24)
    mixed, gate = part(rgb, pose)
    assert mixed.shape == gate.shape == (2, 3, 16) and 0 < gate.min() < gate.max() < 1
    assert torch.equal(part(rgb.flip(0), pose)[1], gate)
    assert not torch.equal(part(rgb, pose.flip(0))[1], gate)
    torch.nn.init.zeros_(part.pose_gate_fc[0].weight)
    for opened, unseen in ((100.0, (rgb.flip(0), pose)), (-100.0, (rgb, pose.flip(0)))):
        torch.nn.init.constant_(part.pose_gate_fc[0].bias, opened)
        assert torch.allclose(part(*unseen)[0], part(rgb, pose)[0], atol=1e-6)
        assert not torch.allclose(part(rgb.flip(0), pose.flip(0))[0], part(rgb, pose)[0])


def test_wrong_inputs_are_told():
    with pytest.raises(UserError, match=r"wanted one of the modes rgb_only, .*, got 'both'"):
        IntegralAction(5, "both")
    with pytest.raises(UserError, match="wanted a frame factor of at least 1, got 0"):
        IntegralAction(5, "rgb_pose", 0)
    with torch.device("meta"):
        model, (video, poses) = IntegralAction(5, "rgb_pose", 2), small()
        with pytest.raises(ValueError, match="wanted poses of 5 frames, got 3"):
            model(video, poses)
        with pytest.raises(ValueError, match="wants pictures of poses"):
            model(video)
        with pytest.raises(ValueError, match="wants a video"):
            model(None, poses)


@given(
    clips=st.integers(1, 3), frames=st.integers(1, 5), channels=st.integers(4, 9),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_shift_moves_a_quarter_from_each_neighbour(clips, frames, channels, seed):
    x = np.random.default_rng(seed).random((clips, frames, channels, 2, 1))
    quarter, padded = channels // 4, np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    wanted = x.copy()
    wanted[:, :, :quarter] = padded[:, :-2, :quarter]
    wanted[:, :, quarter : 2 * quarter] = padded[:, 2:, quarter : 2 * quarter]
    got = shift(torch.from_numpy(x).flatten(0, 1), frames)
    assert np.array_equal(got.unflatten(0, (clips, frames)).numpy(), wanted)


def test_a_backbone_is_torchvisions_where_nothing_is_shifted(monkeypatch):
    ours, theirs = ShiftedResNet(18).eval(), resnet18().eval()
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(3, 3, 32, 32)
    shifted = ours(x, 3).mean((2, 3))
    monkeypatch.setattr(f"{ShiftedResNet.__module__}.shift", lambda x, frames: x)
    assert torch.allclose(ours(x, 3).mean((2, 3)), theirs(x), atol=1e-6)
    assert not torch.allclose(shifted, theirs(x), atol=1e-3)


def test_losses_are_torchs():
    logits, gate = torch.randn(3, 7), torch.rand(3, 4, 512)
    labels = torch.tensor([1, 0, 6])
    terms = loss_terms(logits, labels, gate, gate_weight=5)
    pull = F.binary_cross_entropy(gate, torch.ones_like(gate))
    wanted = F.cross_entropy(logits, labels) + 5 * pull
    assert torch.allclose(terms.each.mean(), wanted)
    assert torch.allclose(terms.gate.mean(), pull)
    assert torch.allclose(loss_terms(logits, labels, gate).each.mean(), wanted - 3.5 * pull)
    alone = loss_terms(logits, labels)
    assert torch.equal(alone.each, terms.ce) and not alone.gate.any()
    closed = loss_terms(logits, labels, torch.zeros_like(gate))
    assert closed.gate.tolist() == [100, 100, 100]


def alike(state, value):
    """Tensors of the same names and shapes that take no room: each is one number."""
    return {key: torch.tensor(value).to(t.dtype).expand(t.shape) for key, t in state.items()}


@pytest.fixture(scope="module")
def tensors():
    """Tensors by mode, of networks of 5 classes that have seen batches in their own stream."""
    found = {}
    for number, mode in enumerate(("rgb_only", "pose_only")):
        with torch.device("meta"):
            state = IntegralAction(5, mode).state_dict()
        own = ("img_backbone",) if mode == "rgb_only" else ("pose2feat", "pose_backbone")
        counts = [k for k in state if k.startswith(own) and k.endswith("num_batches_tracked")]
        found[mode] = alike(state, 0.25 + number) | {key: torch.tensor(9) for key in counts}
        unseen = [k for k in state if not k.startswith(own) and k.endswith("num_batches_tracked")]
        found[mode] |= {key: torch.tensor(0) for key in unseen}
    return found


@pytest.fixture(scope="module")
def empty():
    """A network without numbers: what fits is checked, nothing is copied."""
    with torch.device("meta"):
        return IntegralAction(5, "rgb_pose")


def test_the_merge_is_both_streams_and_nothing_else(tensors, tmp_path):
    rgb, pose = tensors["rgb_only"], tensors["pose_only"]
    wrapped = {f"module.{key}": tensor for key, tensor in rgb.items()}
    torch.save({"epoch": 29, "network": wrapped, "optimizer": {"state": {}}}, tmp_path / "rgb.pth")
    torch.save({"model": pose}, tmp_path / "pose.pth")
    model = IntegralAction(5, "rgb_pose")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    merge.load_merge(model, tmp_path / "rgb.pth", tmp_path / "pose.pth")
    sources = {"img_backbone": rgb, "pose_backbone": pose, "pose2feat": pose}
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, sources.get(key.split(".")[0], before)[key]), key


def without(*starts):
    return lambda given: {k: t for k, t in given.items() if not k.startswith(starts)}


MORE = {"img_backbone.layer5.weight": torch.zeros(1)}


@pytest.mark.parametrize(
    ("mode", "change", "message"),
    [
        ("rgb_only", without("img_backbone.conv1"), "1 missing: img_backbone.conv1.weight;"),
        ("rgb_only", lambda t: t | MORE, "1 unexpected: img_backbone.layer5.weight;"),
        ("rgb_only", lambda t: t | {"head.bias": torch.zeros(2)}, "1 unexpected: head.bias;"),
        ("rgb_only", lambda t: {}, "100 missing: img_backbone.conv1.weight, "),
        ("pose_only", without("pose2feat"), "6 missing: pose2feat.conv.0.weight, "),
        (
            "pose_only",
            lambda t: t | {"pose2feat.conv.0.weight": torch.zeros(64, 73, 3, 3)},
            r"pose2feat.conv.0.weight \(64 x 73 x 3 x 3, wanted 64 x 52 x 3 x 3\)",
        ),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_told(mode, change, message, tensors, empty):
    given = tensors | {mode: change(tensors[mode])}
    with pytest.raises(UserError, match=f"wanted a checkpoint of IntegralAction's {mode}, .*is not "
                       f"one: .*{message}"):  # fmt: skip
        merge.merged(empty, given["rgb_only"], given["pose_only"])


@copies_nothing
def test_files_in_each_others_place_are_told(tensors, empty):
    rgb, pose = tensors["rgb_only"], tensors["pose_only"]
    with pytest.raises(UserError, match=r"rgb_only, a\.pth was trained as pose_only"):
        merge.merged(empty, pose, rgb, ("a.pth", "b.pth"))
    with pytest.raises(UserError, match=r"pose_only, b\.pth was trained as rgb_only"):
        merge.merged(empty, rgb, rgb, ("a.pth", "b.pth"))
    with pytest.raises(UserError, match=r"pose_only, a\.pth was trained as rgb_only"):
        merge.load_state(empty, rgb, "a.pth")


@copies_nothing
def test_what_a_file_may_lack(tensors, caplog):
    caplog.set_level("INFO")
    with torch.device("meta"):
        models = {mode: IntegralAction(5, mode) for mode in MODES}
        other = IntegralAction(7, "rgb_only")
    merged = merge.merged(models["rgb_pose"], tensors["rgb_only"], tensors["pose_only"])
    assert merge.load_state(models["rgb_pose"], merged, "m") == ("aggregator", "classifier")
    assert "m: it has no aggregator and no classifier, which starts at random" in caplog.text
    lean = without("pose", "aggregator")(tensors["rgb_only"])
    assert merge.load_state(models["rgb_only"], lean, "lean") == ()
    assert merge.load_state(other, lean, "lean") == ("classifier",)
    assert "lean: its classifier has 5 classes, wanted 7" in caplog.text
    with pytest.raises(UserError, match="for pose_only, lean is not one: 1"):
        merge.load_state(models["pose_only"], lean, "lean")


def test_both_backbones_start_from_imagenet(tmp_path):
    with torch.device("meta"):
        theirs = resnet18().state_dict()
    theirs = {key: alike({key: t}, n)[key] for n, (key, t) in enumerate(theirs.items(), 1)}
    torch.save(theirs, tmp_path / "resnet18.pth")
    model = IntegralAction(5, "rgb_only")
    before = model.pose2feat.conv[0].weight.clone()
    merge.load_imagenet(model, tmp_path / "resnet18.pth")
    for backbone in (model.img_backbone, model.pose_backbone):
        state = backbone.state_dict()
        for key, tensor in theirs.items():
            assert key.startswith("fc.") or torch.equal(state[key], tensor), key
    assert torch.equal(model.pose2feat.conv[0].weight, before)
    with pytest.raises(UserError, match=r"torchvision's ResNet .*, x is not one: 10 missing"):
        merge.load_imagenet_state(model, without("layer4.1")(theirs), "x")
