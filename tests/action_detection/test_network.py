"""The networks of MOC and STADO: the official parameters and outputs, and what the parts mean."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import deform_conv2d

from occludenet_build.action_detection.clip import ClipTube as Tube
from occludenet_build.action_detection.deformable import DeformableConv, fill_bilinear, sampled
from occludenet_build.action_detection.losses import detection_losses
from occludenet_build.action_detection.network import BACKBONES, ActionDetector
from occludenet_build.action_detection.targets import Targets, make_targets

slow = pytest.mark.slow
FIXTURES = ("moc_resnet_18_k7", "moc_dla_34_k7", "stado_dla_34_k7")


@pytest.fixture(scope="module")
def recipe(parity):
    found = importlib.util.spec_from_file_location("recipe", parity / "recipe.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: on a busy machine waiting threads cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def official(parity, name):
    """The facts, and a network of them without weights."""
    meta, keys = (
        json.loads((parity / name / f"{file}.json").read_text()) for file in ("meta", "keys")
    )
    heads = meta["branch_info"]
    with torch.device("meta"):
        model = ActionDetector(meta["arch"], heads["hm"], meta["K"], attention="mgan" in heads)
    return meta, keys, model.eval()


@pytest.mark.parametrize("name", FIXTURES)
def test_parameters_are_the_official_ones(name, parity):
    meta, keys, model = official(parity, name)
    shapes = [(key, list(tensor.shape)) for key, tensor in model.state_dict().items()]
    assert shapes == [*keys.items()]  # in order: optimizers number them
    assert sum(one.numel() for one in model.parameters()) == meta["params"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=slow) for name in FIXTURES])
def test_outputs_are_the_official_ones(name, parity, recipe):
    meta, _, model = official(parity, name)
    model = model.to_empty(device="cpu")
    given = recipe.filled(model.state_dict(), meta["gain"])
    assert recipe.weights_crc(given) == meta["weights_crc32"]
    model.load_state_dict(given)
    pictures = recipe.make_video(*meta["inputs"][0]["shape"])
    assert recipe.crc(pictures.numpy()) == meta["inputs"][0]["crc32"]
    wanted = np.load(parity / name / "fixture.npz")
    with torch.no_grad():
        outputs = model([*pictures.unbind(2)])
    assert {f"{key}_f64" for key in outputs} == {k for k in wanted if k.endswith("f64")}
    for key, value in outputs.items():
        assert np.abs(value.double().numpy() - wanted[f"{key}_f64"]).max() < 1e-4, key


@slow
@pytest.mark.parametrize(
    ("backbone", "frames", "attention"),
    [("dla_34", 5, False), ("resnet_34", 1, True), ("resnet_50", 3, False)],
)
def test_shapes(backbone, frames, attention):
    """Of flow, K other than 7, deeper ResNets, pictures that are not square."""
    with torch.device("meta"):
        model = ActionDetector(backbone, 6, frames, inputs=5, attention=attention)
        outputs = model(torch.zeros(frames, 2, 15, 64, 96))
    wanted = {"hm": 6, "mov": 2 * frames, "wh": 2 * frames}
    wanted |= {"mgan": frames} if attention else {}
    shapes = {key: tuple(one.shape) for key, one in outputs.items()}
    assert shapes == {key: (2, channels, 16, 24) for key, channels in wanted.items()}


@slow
def test_every_backbone_has_64_features():
    for name, backbone in BACKBONES.items():
        with torch.device("meta"), torch.no_grad():
            assert backbone(3).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8), name


@pytest.fixture(scope="module")
def small():
    """STADO with 3 classes and 2 frames."""
    torch.manual_seed(0)
    return ActionDetector("resnet_18", 3, 2, attention=True, head_width=16).eval()


def test_another_number_of_pictures_is_refused(small):
    with pytest.raises(ValueError, match="wanted 2 pictures, got 3"):
        small([torch.zeros(1, 3, 32, 32)] * 3)


def test_features_of_a_picture_can_be_used_again(small):
    pictures = torch.randn(2, 1, 3, 64, 64)
    with torch.no_grad():
        outputs = small(pictures)
        again = small.branch([small.backbone(one) for one in pictures])
    assert all(torch.equal(outputs[key], again[key]) for key in outputs)


def test_full_attention_is_moc_and_none_is_blind(small):
    plain = ActionDetector("resnet_18", 3, 2, head_width=16).eval()
    plain.load_state_dict(small.state_dict(), strict=False)
    pictures, last = torch.randn(2, 1, 3, 64, 64), small.branch.mgan[-2]
    for bias, factor in ((100.0, 1), (-100.0, 0)):
        before = last.bias.detach().clone()
        with torch.no_grad():
            last.bias.fill_(bias)
            outputs, features = small(pictures), [plain.backbone(one) for one in pictures]
            wanted = plain.branch([factor * one for one in features])
            last.bias.copy_(before)
        assert all(torch.allclose(outputs[key], wanted[key], atol=1e-6) for key in wanted)
        assert torch.allclose(outputs["mgan"], torch.tensor(float(factor)))


def test_a_new_network_expects_nothing_anywhere(small):
    assert small.branch.hm[-1].bias.tolist() == pytest.approx([-2.19] * 3)
    for head in (small.branch.mov, small.branch.wh, small.branch.mgan):
        assert not any(one.bias.any() for one in head if isinstance(one, nn.Conv2d))


def test_a_new_deformable_convolution_is_half_a_plain_one():
    """Offsets 0, weights 1/2; then offsets of one cell, which move the picture."""
    layer, x = DeformableConv(3, 4), torch.randn(2, 3, 9, 7)
    with torch.no_grad():
        plain = nn.functional.conv2d(x, layer.weight, padding=1)
        assert torch.allclose(layer(x), plain / 2, atol=1e-6)
        layer.conv_offset_mask.bias[0:18:2] = 1.0  # y of all taps, then weights of 1
        layer.conv_offset_mask.bias[18:] = 100.0
        assert torch.allclose(layer(x)[:, :, 1:-2], plain[:, :, 2:-1], atol=1e-5)


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (1, 1)])
def test_training_on_a_cpu_computes_what_torchvision_does(size):
    """Outputs and gradients, with taps far outside the map."""
    torch.manual_seed(0)
    shapes = ((2, 3, *size), (2, 18, *size), (4, 3, 3, 3), (4,), (2, 9, *size))
    given = [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]
    ours, theirs = sampled(*given), deform_conv2d(*given[:4], padding=1, mask=given[4])
    assert torch.allclose(ours, theirs, atol=1e-12)
    grads = (torch.autograd.grad(one.square().sum(), given) for one in (ours, theirs))
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_is_bilinear_at_first(factor):
    layer = nn.ConvTranspose2d(1, 1, 2 * factor, factor, factor // 2, bias=False)
    fill_bilinear(layer)
    x = torch.randn(1, 1, 6, 5)
    wanted = nn.functional.interpolate(x, scale_factor=factor, mode="bilinear")
    inner = (
        ...,
        slice(factor, -factor),
        slice(factor, -factor),
    )  # it has zeros, not edges, outside
    with torch.no_grad():
        assert torch.allclose(layer(x)[inner], wanted[inner], atol=1e-6)


@slow
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("backbone", ["resnet_18", "dla_34"])
def test_all_that_can_learn_gets_a_gradient(backbone, half):
    torch.manual_seed(0)
    model = ActionDetector(backbone, 2, 2, attention=True, head_width=16).train()
    tube = Tube(1, np.array([[2, 3, 9, 12], [3, 3, 10, 12]], np.float32))
    one = make_targets([tube], classes=2, frames=2, cells=8, attention="box")
    wanted = Targets.stacked([one, one])
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = model(torch.randn(2, 2, 3, 32, 32))
        total = detection_losses(outputs, wanted).total
    assert total.dtype == torch.float32
    total.backward()
    for name, one in model.named_parameters():
        if one.requires_grad:
            assert one.grad is not None and torch.isfinite(one.grad).all(), name
        else:
            assert ".level3.project." in name or ".level4.project." in name
