"""Checkpoints: official ones, wrong ones, and the starts from other tasks."""

import pytest
import torch

from occludenet_build.action_detection.network import ActionDetector
from occludenet_build.action_detection.weights import load_start, load_weights
from occludenet_build.core.errors import UserError


def detector(classes=3, frames=2, value=0.0, backbone="resnet_18", **options):
    """A network whose weights are all `value`: quickly made."""
    with torch.device("meta"):
        model = ActionDetector(backbone, classes, frames, **options)
    model = model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.fill_(value)
    return model


@pytest.fixture(scope="module")
def other():
    """MOC of other classes, whose weights are in the files."""
    model = detector(classes=5, value=1.0)
    torch.nn.init.normal_(model.backbone.conv1.weight)
    return model


def saved(path, tensors, prefix="module."):
    """A file as the official program writes it."""
    tensors = {prefix + name: tensor for name, tensor in tensors.items()}
    torch.save({"epoch": 12, "best": 0.5, "state_dict": tensors, "optimizer": {"state": {}}}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A file of MOC with resnet_18, 3 classes, K = 2."""
    return saved(tmp_path_factory.mktemp("moc") / "model.pth", detector().state_dict())


def same(first, second, names):
    first, second = first.state_dict(), second.state_dict()
    assert names
    return all(torch.equal(first[name], second[name]) for name in names)


@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.slow), "module."])
def test_an_official_checkpoint(prefix, tmp_path):
    written, read = detector(value=1.0), detector()
    load_weights(read, saved(tmp_path / "model.pth", written.state_dict(), prefix))
    assert same(read, written, [*written.state_dict()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention": True}, "6 missing: branch.mgan.0.weight"),
        ({"classes": 4}, "2 of another shape: branch.hm.2.weight .3 x 256 x 1 x 1, wanted 4 x"),
        ({"frames": 3}, "4 of another shape: branch.hm.0.weight"),
        (
            {"inputs": 5},
            "1 of another shape: backbone.conv1.weight .64 x 3 x 7 x 7, wanted 64 x 15",
        ),
        (
            {"backbone": "dla_34"},
            "MOC with dla_34, 3 classes, K = 2, 3 channels.*missing.*unexpected",
        ),
    ],
)
def test_a_wrong_checkpoint_says_which_tensors(change, message, checkpoint):
    with torch.device("meta"):
        model = ActionDetector(**{"backbone": "resnet_18", "classes": 3, "frames": 2} | change)
    with pytest.raises(UserError, match=message):
        load_weights(model, checkpoint)


def test_an_unexpected_head_is_named(tmp_path):
    path = saved(tmp_path / "stado.pth", detector(attention=True).state_dict())
    with pytest.raises(UserError, match=r"6 unexpected: branch\.mgan"):
        load_weights(detector(), path)


def as_centernet(model):
    """The names that CenterNet gives the same parts; its heads of COCO's 80 classes."""
    tensors = {"hm.0.weight": torch.zeros(64, 64, 3, 3), "hm.2.weight": torch.zeros(80, 64, 1, 1)}
    tensors |= {"reg.2.bias": torch.zeros(2)}
    for name, tensor in model.state_dict().items():
        if name.startswith(("backbone.", "branch.wh.")):
            short = name.removeprefix("backbone.").removeprefix("branch.")
            tensors[short.removeprefix("deconv_layer.")] = tensor
    return tensors


@pytest.mark.parametrize("attention", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_start_from_coco(attention, other, tmp_path):
    path = saved(tmp_path / "coco.pth", as_centernet(other))
    model, untouched = detector(attention=attention), detector(attention=attention)
    random = load_start(model, path, "coco")
    heads = {"hm", "mov"} | ({"mgan"} if attention else set())
    assert {name.split(".")[1] for name in random} == heads
    assert same(model, untouched, random)
    assert same(
        model, other, [n for n in other.state_dict() if n.startswith(("backbone", "branch.wh"))]
    )


def test_a_start_from_coco_for_flow_has_the_mean_of_the_channels(other, tmp_path):
    model = detector(inputs=5)
    load_start(model, saved(tmp_path / "coco.pth", as_centernet(other)), "coco")
    kernel = model.backbone.conv1.weight
    assert kernel.shape == (64, 15, 7, 7)
    wanted = other.backbone.conv1.weight.mean(1)
    assert all(torch.equal(kernel[:, channel], wanted) for channel in range(15))


def test_a_start_from_torchvision(other, tmp_path):
    trunk = {k: v for k, v in other.backbone.state_dict().items() if "deconv" not in k}
    trunk |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(trunk, tmp_path / "resnet18.pth")
    model = detector()
    random = load_start(model, tmp_path / "resnet18.pth", "imagenet")
    assert all(name.startswith(("branch.", "backbone.deconv_layer.")) for name in random)
    assert same(model, other, [f"backbone.{name}" for name in trunk if name[:2] != "fc"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["authors", "timm"])
def test_a_start_from_dla_of_imagenet(kind, tmp_path):
    written, model = (detector(backbone="dla_34", value=value) for value in (1.0, 0.0))
    trunk = written.backbone.base.state_dict() | {"fc.weight": torch.zeros(1000, 512, 1, 1)}
    if kind == "timm":  # has no projections that nothing sees
        trunk = {k: v for k, v in trunk.items() if not k.startswith(("level3.pr", "level4.pr"))}
    torch.save(trunk, tmp_path / "dla34.pth")
    random = load_start(model, tmp_path / "dla34.pth", "imagenet")
    assert all(
        name.startswith(("branch.", "backbone.dla_up.", "backbone.ida_up.")) for name in random
    )
    assert same(model, written, [f"backbone.base.{name}" for name in trunk if name[:2] != "fc"])


def test_a_start_of_jhmdb_from_ucf(other, tmp_path):
    path = saved(tmp_path / "ucf.pth", other.state_dict())
    model, untouched = detector(), detector()
    random = load_start(model, path, "ucf")
    assert {name.split(".")[1] for name in random} == {"hm", "mov"}
    assert same(model, untouched, random)
    assert same(model, other, [name for name in other.state_dict() if name not in random])


@pytest.mark.parametrize("kind", ["coco", "imagenet", "ucf"])
def test_a_start_from_something_else_is_refused(kind, tmp_path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "odd": torch.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(
        UserError, match=f"weights of {kind} for MOC with resnet_18.*missing.*unexpected.*odd"
    ):
        load_start(detector(), tmp_path / "x.pth", kind)


def test_a_start_without_its_last_layers_is_refused(other, tmp_path):
    tensors = {k: v for k, v in as_centernet(other).items() if not k.startswith("wh.")}
    with pytest.raises(UserError, match=r"4 missing: branch\.wh\.0\.weight"):
        load_start(detector(), saved(tmp_path / "x.pth", tensors), "coco")
