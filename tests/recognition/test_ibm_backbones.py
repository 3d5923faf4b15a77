"""The networks of the CNN study: published facts, the start from images, checkpoints, options."""

import json
import math
import re
from functools import cache, partial

import pytest
import torch
from support.parity import clip_of, facts, filled
from torch import nn
from torchvision.models import googlenet, resnet18, resnet34, resnet50, resnet101

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones import image_start
from occludenet_build.recognition.backbones.cnn_study import CNN_STUDY, RESNET3D_IBM
from occludenet_build.recognition.backbones.frames2d import as_frames
from occludenet_build.recognition.backbones.inception3d import Inception3D
from occludenet_build.recognition.backbones.registry import (
    build_backbone,
    options_of,
    renamed_key,
)
from occludenet_build.recognition.backbones.tam import TAM, TAMInception, TAMResNet
from occludenet_build.recognition.backbones.tsn import TSNInception, TSNResNet
from occludenet_build.recognition.backbones.weights import load_state, load_weights
from occludenet_build.recognition.optim import layer_depths

slow = pytest.mark.slow

NETWORKS = {"ibm_i3d_inception": "ibm_i3d", "ibm_tam_inception_v1_g2": "ibm_tam_inception_v1"}
"""Names here by folder of the facts, where they differ."""
FOLDERS = (
    *(f"ibm_{kind}_resnet{depth}" for kind in ("i3d", "s3d", "tsn", "tam") for depth in (18, 50)),
    *("ibm_i3d_inception", "ibm_s3d", "ibm_tsn_inception_v1"),
    *("ibm_tam_inception_v1", "ibm_tam_inception_v1_g2"),
)
VARIANTS = {"ibm_tam_inception_v1_g2": ("", "gain_1p2", "gain_1p2_with_t_stride", "with_t_stride")}
FACTS = [
    f"{folder}/{variant}".rstrip("/")
    for folder in FOLDERS
    for variant in VARIANTS.get(folder, ("", "with_t_stride"))
]
QUICK = {"ibm_tam_inception_v1_g2/gain_1p2_with_t_stride"}


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: on a busy machine waiting threads cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network_of(fact):
    folder = fact.partition("/")[0]
    return NETWORKS.get(folder, folder)


def official(name, tensors):
    """Tensors, or shapes, of a network by the names that IBM's repository gives them."""
    if "i3d_resnet" not in name:
        return tensors
    with torch.device("meta"):
        depth = int(name.removeprefix("ibm_i3d_resnet"))
        plain = {18: resnet18, 50: resnet50, 101: resnet101}[depth]().state_dict()
    return {key: tensors[renamed_key(key, RESNET3D_IBM)] for key in plain}


def shapes(tensors):
    return {key: list(tensor.shape) for key, tensor in tensors.items()}


@cache
def on_meta(name, classes=400, **options):
    with torch.device("meta"):
        return CNN_STUDY[name].make(classes, 8, 112, **options)


@pytest.mark.parametrize(
    "fact", [pytest.param(fact, marks=slow) if "/" in fact else fact for fact in FACTS]
)
def test_names_and_shapes_are_the_official_ones(fact, parity):
    meta, keys, _ = facts(parity, fact)
    name = network_of(fact)
    model = on_meta(name, temporal_stride=not meta["without_t_stride"])
    assert shapes(official(name, model.state_dict())) == keys
    assert len(model.state_dict()) == len(keys)
    assert sum(parameter.numel() for parameter in model.parameters()) == meta["params"]


@pytest.mark.parametrize(
    "fact", [fact if fact in QUICK else pytest.param(fact, marks=slow) for fact in FACTS]
)
def test_logits_are_the_official_ones(fact, parity, recipe):
    """Also from clips (N, 3, T, H, W) where they are published from (N, 3T, H, W)."""
    meta, keys, wanted = facts(parity, fact)
    given = filled(recipe, keys, meta["gain"])
    assert recipe.weights_crc(given) == meta["weights_crc32"]
    name, strided = network_of(fact), not meta["without_t_stride"]
    model = CNN_STUDY[name].make(400, 8, 112, temporal_stride=strided).eval()
    load_state(model, name, given, "the recipe")
    clip = clip_of(recipe, meta["inputs"][0])
    with torch.no_grad():
        logits = model(clip)
        if clip.ndim == 4:
            assert torch.equal(model(clip.unflatten(1, (-1, 3)).transpose(1, 2)), logits)
    # with a gain of sqrt(2) TAM's logits reach thousands, and are compared with their spread
    relative = fact in ("ibm_tam_inception_v1_g2", "ibm_tam_inception_v1_g2/with_t_stride")
    unit = meta["outputs"]["logits"]["std"] if relative else 1
    assert (logits.double() - wanted).abs().max() / unit < 1e-4


def test_the_temporal_stride_is_seen(parity):
    """The two variants of a fixture differ by more than the tolerance, so each proves its own."""
    for folder in FOLDERS:
        if folder == "ibm_tam_inception_v1":
            continue  # its logits differ least; those of g2 prove it
        _, _, plain = facts(parity, folder)
        _, _, strided = facts(parity, f"{folder}/with_t_stride")
        assert (plain - strided).abs().max() > 0.01, folder


@pytest.mark.parametrize(
    ("name", "new", "parameters"),  # the last in millions, where the facts say it
    [
        pytest.param("ibm_i3d_resnet101", 0, 86.03, marks=slow),
        pytest.param("ibm_s3d_resnet101", 33 * 6, None, marks=slow),
        pytest.param("ibm_tsn_resnet101", 0, None, marks=slow),
        ("ibm_tam_resnet101", 33 * 3, 43.41),
    ],
)
def test_depth_101_is_torchvisions_frame(name, new, parameters):
    """No fact is at hand; its names and shapes are torchvision's but for time and what is new."""
    model = on_meta(name)
    with torch.device("meta"):
        plain = shapes(resnet101(num_classes=400).state_dict())
    ours = shapes(official(name, model.state_dict()))
    extra = {key for key in ours if CNN_STUDY[name].images.lacks(key)}
    assert len(extra) == new and ours.keys() - extra == plain.keys()
    for key, shape in plain.items():
        over_time = len(ours[key]) == 5
        assert ours[key] == (shape[:2] + ours[key][2:3] + shape[2:] if over_time else shape), key
    kernels = {tuple(shape[2:]) for key, shape in ours.items() if len(shape) > 2}
    wanted = {
        "ibm_i3d_resnet101": {(3, 7, 7), (3, 3, 3), (1, 1, 1)},
        "ibm_s3d_resnet101": {(3, 7, 7), (1, 3, 3), (3, 1, 1), (1, 1, 1)},
    }
    assert kernels == wanted.get(name, {(7, 7), (3, 3), (1, 1)})
    if parameters is not None:
        stated = sum(parameter.numel() for parameter in model.parameters())
        assert round(stated / 1e6, 2) == parameters


SMALL = {
    "i3d": partial(Inception3D, split=False),
    "s3d": partial(Inception3D, split=True),
    "tsn": partial(TSNResNet, depth=18),
    "tam": partial(TAMResNet, depth=18),
    "tam_inception": TAMInception,
}


@pytest.mark.parametrize(
    ("name", "strided"),
    [
        pytest.param("s3d", True, marks=slow),
        pytest.param("tam", False, marks=slow),
        ("tam_inception", True),
    ],
)
def test_no_clip_of_a_batch_sees_another(name, strided):
    torch.manual_seed(0)
    model = SMALL[name](5, temporal_stride=strided).double().eval()
    nn.init.zeros_(model.fc.bias)  # the start of Inception lets little more than it through
    clips = torch.randn(2, 3, 8, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        alone = torch.cat([model(clip[None]) for clip in clips])
        both = model(clips)
    assert torch.allclose(both, alone, rtol=0, atol=1e-9 * float(both.abs().max()))
    assert (both[0] - both[1]).abs().max() > 1e-3 * both.abs().max()


@pytest.mark.parametrize(
    ("name", "strided", "sees"),
    [
        pytest.param("tsn", False, False, marks=slow),
        ("tsn", True, True),
        ("tam", False, True),
    ],
)
def test_who_sees_the_order_of_frames(name, strided, sees):
    torch.manual_seed(0)
    model = SMALL[name](5, temporal_stride=strided).eval()
    clips = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        logits, other = model(clips), model(clips[:, :, torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])])
    assert (not torch.allclose(logits, other, rtol=1e-3, atol=1e-3)) == sees


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ((1, 0, 0), [[0, 1, 2], [0, 4, 5]]),
        ((0, 1, 0), [[1, 2, 3], [4, 5, 6]]),
        ((0, 0, 1), [[2, 3, 0], [5, 6, 0]]),
        ((1, -2, 1), [[0, 0, 0], [0, 0, 0]]),
        ((1, 1, 1), [[3, 6, 5], [9, 15, 11]]),
    ],
)
def test_a_blend_is_of_the_frames_of_one_clip(weights, wanted):
    """Two clips of three frames, each of one number: previous, current and next frame."""
    tam = TAM(2)
    for part, weight in zip((tam.prev_se, tam.curr_se, tam.next_se), weights, strict=True):
        nn.init.constant_(part.fc1.weight, weight)
    frames = torch.arange(1.0, 7).view(6, 1, 1, 1).expand(6, 2, 2, 2)
    with torch.no_grad():
        blended = tam(frames, 3)
        alone = tam(frames[:2], 1)
    assert torch.equal(blended[:, 0, 0, 0].view(2, 3), torch.tensor(wanted).float())
    assert torch.equal(alone, frames[:2] * max(weights[1], 0))


@pytest.mark.parametrize("shape", [(2, 4, 8, 8, 8), (2, 8, 32, 32), (2, 3, 32)])
def test_another_shape_of_clips_is_refused(shape):
    with pytest.raises(ValueError, match=r"wanted clips \(N, 3, T, H, W\) or \(N, 3T, H, W\)"):
        as_frames(torch.zeros(shape))


def spread(model, key):
    return model.state_dict()[key].std().item()


@slow
def test_networks_start_as_theirs():
    torch.manual_seed(0)
    over_time = {"ibm_s3d": "conv3.conv_t", "ibm_s3d_resnet18": "layer2.0.conv1_t"}
    for name, part in over_time.items():
        model = build_backbone(name, 50, 8, 64)
        assert spread(model, "fc.weight") == pytest.approx(0.001, rel=0.03)
        assert not model.fc.bias.any()
        kernel = model.get_submodule(part).weight
        fan_out = kernel.shape[0] * kernel[0, 0].numel()
        assert kernel.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.03)
    tam = build_backbone("ibm_tam_resnet18", 50, 8, 64)
    assert spread(tam, "layer4.1.tam.prev_se.fc1.weight") == pytest.approx(
        math.sqrt(2 / 512), rel=0.1
    )
    assert tam.fc.weight.abs().max() <= 1 / math.sqrt(512)
    inception = build_backbone("ibm_tam_inception_v1", 50, 8, 64)
    weights = inception.tam5b.curr_se.fc1.weight
    assert weights.abs().max() <= 1 and weights.std().item() == pytest.approx(
        1 / math.sqrt(3), rel=0.1
    )


# the start from images


def images(name, parity):
    return json.loads((parity / "ibm_inflate/meta.json").read_text())["models"][name]


IMAGE_NETWORKS = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "googlenet": partial(googlenet, init_weights=False),
}


@pytest.mark.parametrize(
    "theirs",
    [
        *(pytest.param(n, marks=slow) for n in ("i3d_resnet18", "s3d_resnet18", "s3d_resnet50")),
        *(pytest.param("i3d", marks=slow), "s3d"),
    ],
)
def test_kernels_are_repeated_as_released(theirs, parity, recipe, caplog):
    caplog.set_level("INFO")
    stated, name = images(theirs, parity), f"ibm_{theirs}"
    with torch.device("meta"):
        plain = shapes(IMAGE_NETWORKS[stated["from"]]().state_dict())
    given = filled(recipe, plain, 1.0)
    model = CNN_STUDY[name].make(400, 8, 112)
    before = {key: tensor.clone() for key, tensor in official(name, model.state_dict()).items()}
    load_state(model, name, given, "images.pth", "repeated")
    after = official(name, model.state_dict())
    floats = {key for key in after if not key.endswith("num_batches_tracked")}
    left = set(stated["left_at_init"])
    assert floats - left == stated["initialised"].keys()
    for key, wanted in stated["initialised"].items():
        assert list(after[key].shape) == wanted["shape"], key
        assert recipe.crc(after[key].numpy()) == wanted["crc32"], key
    for key in left - {"fc.weight", "fc.bias"}:
        assert torch.equal(after[key], before[key]), key
    # the heads do not fit in the number of classes, and the start does not try them
    filled_count = (
        len(given) - len(stated["unused_2d"]) - sum("aux" in k and "num" in k for k in given)
    )
    assert f"images.pth: a 2-D network; filled {filled_count}: " in caplog.text
    assert "not used" in caplog.text and "kernels that are repeated: " in caplog.text


@pytest.mark.parametrize(
    ("name", "make"),
    [
        pytest.param("ibm_tsn_resnet18", resnet18, marks=slow),
        ("ibm_tam_resnet18", resnet18),
        pytest.param("ibm_tsn_inception_v1", IMAGE_NETWORKS["googlenet"], marks=slow),
        ("ibm_tam_inception_v1", IMAGE_NETWORKS["googlenet"]),
    ],
)
def test_two_dimensional_networks_start_from_images(name, make, caplog):
    caplog.set_level("INFO")
    # as torchvision's older files, without the counters of batch norm
    given = {k: t for k, t in make().state_dict().items() if not k.endswith("_tracked")}
    model = CNN_STUDY[name].make(5, 8, 32)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    load_state(model, name, given, "images.pth")
    new = {key for key in before if key.startswith("fc.") or CNN_STUDY[name].images.lacks(key)}
    for key, tensor in model.state_dict().items():
        kept = key in new or key not in given
        assert torch.equal(tensor, before[key] if kept else given[key]), key
    (line,) = [record.message for record in caplog.records]
    assert "divided by its length: 0;" in line and "not used" in line
    said = line.partition("left at their initialization ")[2]
    assert said.startswith(f"{len(new)}: ") and ("tam" in said) == ("tam" in name)
    assert ("aux*.fc*" in said) == ("inception" in name)


def calibrated(make, size):
    """A seeded 2-D network whose batch norm fits pictures, and such pictures."""
    torch.manual_seed(0)
    model, draw = make(), torch.Generator().manual_seed(1)
    pictures = torch.randn(24, 3, size, size, generator=draw)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model.train()(pictures)
    return model.eval(), pictures[:4]


def first_logits(model, clips, training):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        return model.train(training)(clips)


@slow
def test_what_the_division_does_to_the_first_logits():
    """A still clip gets nearly the answer of the 2-D network; not divided, it is millions of times
    as large, but not in training, where batch norm takes it away."""
    images, pictures = calibrated(partial(resnet18, num_classes=5), 48)
    still = pictures.unsqueeze(2).repeat(1, 1, 16, 1, 1)
    with torch.no_grad():
        plain = images(pictures)
    found = {}
    for inflation in image_start.INFLATIONS:
        model = CNN_STUDY["ibm_i3d_resnet18"].make(5, 16, 48)
        load_state(model, "ibm_i3d_resnet18", images.state_dict(), "images.pth", inflation)
        model.cls_head.fc_cls.load_state_dict(images.fc.state_dict())
        found[inflation] = [first_logits(model, still, training) for training in (False, True)]
    divided, repeated = found["divided"], found["repeated"]
    assert (divided[0] - plain).norm() < 0.5 * plain.norm()
    assert repeated[0].norm() > 1e5 * plain.norm()
    assert (repeated[1] - divided[1]).norm() < 1e-2 * divided[1].norm()


@slow
def test_the_head_of_i3d_resnet_starts_as_theirs_with_images():
    model = CNN_STUDY["ibm_i3d_resnet18"].make(50, 8, 32)
    load_state(model, "ibm_i3d_resnet18", resnet18().state_dict(), "images.pth")
    assert model.cls_head.fc_cls.weight.std().item() == pytest.approx(0.001, rel=0.03)


# checkpoints


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("ibm_i3d_resnet18", resnet34, r"\d+ unexpected: backbone.layer1.2.conv1.conv.weight"),
        ("ibm_s3d_resnet50", resnet18, r"\d+ missing: layer1.0.conv3.weight.*of another shape"),
        ("ibm_s3d_resnet18", resnet50, r"\d+ unexpected: .*; \d+ of another shape: layer1.0.conv1"),
        pytest.param(
            *("ibm_tam_resnet50", resnet101, r"\d+ unexpected: layer3.6.conv1.weight"), marks=slow
        ),
        ("ibm_tsn_resnet18", resnet34, r"\d+ unexpected: layer1.2.conv1.weight"),
        pytest.param(
            *("ibm_tsn_resnet101", resnet50, r"\d+ missing: layer3.6.conv1.weight"), marks=slow
        ),
        ("ibm_s3d", resnet18, r"\d+ missing: .*unexpected: "),
        ("ibm_tam_resnet18", IMAGE_NETWORKS["googlenet"], r"\d+ missing: .*unexpected: "),
    ],
)
def test_a_wrong_network_of_images_says_what_is_wrong(name, make, said):
    with torch.device("meta"):
        given, model = make().state_dict(), CNN_STUDY[name].make(5, 8, 64)
    with pytest.raises(UserError, match=f"wanted a checkpoint of {name}, w.pth is not one: {said}"):
        load_state(model, name, given, "w.pth")


def published(path, model, name):
    tensors = official(name, model.state_dict())
    wrapped = {f"module.{key}": tensor for key, tensor in tensors.items()}
    arch = f"kinetics400-rgb-{name}-f8-cosine-bs72-e75"
    values = {"epoch": 75, "arch": arch, "state_dict": wrapped, "best_top1": 70.1}
    torch.save(values | {"optimizer": {"state": {}, "param_groups": []}}, path)


@pytest.mark.parametrize(
    "name", ["ibm_s3d", *(pytest.param(f"ibm_{n}_resnet18", marks=slow) for n in ("tam", "i3d"))]
)
def test_their_checkpoints_load_strictly(name, tmp_path, caplog):
    caplog.set_level("INFO")
    torch.manual_seed(0)
    source, model = (CNN_STUDY[name].make(7, 8, 32) for _ in range(2))
    published(tmp_path / "model_best.pth.tar", source, name)
    load_weights(model, name, tmp_path / "model_best.pth.tar")
    ours = model.state_dict()
    assert all(torch.equal(tensor, ours[key]) for key, tensor in source.state_dict().items())
    assert not caplog.text
    broken = torch.load(tmp_path / "model_best.pth.tar", weights_only=True)
    gone = next(key for key in broken["state_dict"] if "layer2.0" in key or "4a" in key)
    broken["state_dict"]["module.more"] = broken["state_dict"].pop(gone)
    torch.save(broken, tmp_path / "broken.pth.tar")
    with pytest.raises(UserError, match=r"1 missing: \S+; 1 unexpected: more; change"):
        load_weights(model, name, tmp_path / "broken.pth.tar")


def test_a_trained_tsn_keeps_its_head():
    """Its names are those of a network of images: the head tells them apart."""
    source, model = (TSNResNet(7, 18) for _ in range(2))
    load_state(model, "ibm_tsn_resnet18", source.state_dict(), "w.pth")
    assert torch.equal(model.fc.weight, source.fc.weight)
    blended = TAMInception(7)
    load_state(blended, "ibm_tam_inception_v1", TSNInception(7).state_dict(), "w.pth")


@pytest.mark.parametrize(
    ("made", "wanted", "said"),
    [
        (1000, 1000, ""),
        (1000, 7, "w.pth: a 2-D network; filled 120: .*left at their initialization 2: fc;"),
        (5, 7, "w.pth: its head has 5 classes, wanted 7; the head starts with random weights"),
        (7, 7, ""),
    ],
)
def test_a_checkpoint_of_tsn_says_what_becomes_of_its_head(made, wanted, said, caplog):
    """1000 classes are read as ImageNet's where another number is wanted: the head is new in both
    cases, and a line says so."""
    caplog.set_level("INFO")
    with torch.device("meta"):
        given, model = TSNResNet(made, 18).state_dict(), TSNResNet(wanted, 18)
    load_state(model, "ibm_tsn_resnet18", given, "w.pth")
    assert re.search(said, caplog.text) if said else not caplog.text


# options


def test_the_temporal_stride_and_the_dropout_reach_the_networks():
    settings = Train(backbone="ibm_s3d", temporal_stride=True, dropout=0.25)
    assert options_of(settings) == {"temporal_stride": True, "dropout": 0.25}
    for name in ("ibm_s3d", "ibm_i3d_resnet18"):  # the facts have the strides of the others
        with torch.device("meta"):
            plain, changed = (
                CNN_STUDY[name].make(5, 8, 32),
                CNN_STUDY[name].make(5, 8, 32, temporal_stride=True, dropout=0.25),
            )
        rates = [
            {m.p for m in net.modules() if isinstance(m, nn.Dropout)} for net in (plain, changed)
        ]
        assert rates == [{0.5}, {0.25}], name
        depths = []
        for net in (plain, changed):
            layer = net.get_submodule(CNN_STUDY[name].layout.layer)
            layer.register_forward_hook(lambda _, __, output, d=depths: d.append(output.shape[2]))
            net.eval()(torch.zeros(1, 3, 16, 64, 64, device="meta"))
        assert depths == [15 if name == "ibm_s3d" else 16, 2], name


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbone": "r3d_18", "temporal_stride": True}, "train.temporal_stride: wanted false"),
        ({"backbone": "x3d_s", "inflation": "repeated"}, "train.inflation: wanted divided"),
        (
            {"backbone": "ibm_s3d", "inflation": "repeated", "probe": "linear"},
            "train.inflation: wanted divided with train.probe",
        ),
    ],
)
def test_options_of_other_networks_are_refused(settings, said):
    with pytest.raises(UserError, match=said):
        Train(**settings)


def test_a_network_without_the_option_refuses_it():
    with pytest.raises(UserError, match=r"temporal_stride: tiny3d does not have this option"):
        build_backbone("tiny3d", 3, 4, 16, temporal_stride=True)
    with pytest.raises(UserError, match="ibm_s3d cannot take clips of 1 frames of 32 px"):
        build_backbone("ibm_s3d", 3, 1, 32)


@pytest.mark.parametrize(
    ("name", "key", "wanted"),
    [
        ("ibm_s3d", "conv3.conv_t.weight", 0),
        ("ibm_s3d", "inception3b.branch2.1.conv_t.bias", 1),
        ("ibm_tam_inception_v1", "tam3.prev_se.fc1.weight", 0),
        ("ibm_tam_inception_v1", "tam4e.prev_se.fc1.weight", 2),
        ("ibm_tam_inception_v1", "inception5a.branch1.conv.weight", 3),
        ("ibm_tam_inception_v1", "fc.weight", 4),
        ("ibm_tam_resnet18", "layer3.1.tam.curr_se.fc1.weight", 3),
        ("ibm_s3d_resnet18", "bn1.weight", 0),
    ],
)
def test_depths_for_layer_decay(name, key, wanted):
    assert layer_depths(on_meta(name, 5))[key] == wanted
