"""Backbones: facts about the published networks, checkpoints of their forms, the selective scan."""

import json
import re
import zlib
from argparse import Namespace
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.parity import clip_of, facts, filled
from torch import nn
from torchvision.models import video

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import augment, checkpoint
from occludenet_build.recognition.backbones import registry, videomamba
from occludenet_build.recognition.backbones.registry import BACKBONES, build_backbone, input_of
from occludenet_build.recognition.backbones.resnet3d import ResNet3D
from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.backbones.uniformerv2 import UniFormerV2
from occludenet_build.recognition.backbones.videomae import VideoMAE, sine_table
from occludenet_build.recognition.backbones.videomamba import VideoMamba
from occludenet_build.recognition.backbones.weights import load_state, load_weights
from occludenet_build.recognition.backbones.x3d import X3D
from occludenet_build.recognition.optim import layer_depths
from occludenet_build.tools import manual


def of_size(name, frames, size):
    return lambda: BACKBONES[name].make(400, frames, size)


slow = pytest.mark.slow
FACTS = {
    # folder, outputs: backbone whose checkpoints these are, the network
    "x3d_s": ("x3d_s", of_size("x3d_s", 13, 160)),
    "mmaction_i3d_r50": ("i3d_r50", of_size("i3d_r50", 32, 112)),
    "mvitv2_s_slowfast": ("mvit_v2_s", of_size("mvit_v2_s", 16, 224)),
    "videomae_b16_official": ("videomae_b", of_size("videomae_b", 16, 224)),
    "uniformerv2_b16": ("uniformerv2_b16", of_size("uniformerv2_b16", 8, 224)),
    "videomamba_tiny_like": ("videomamba_t", lambda: VideoMamba(400, 4, 64, width=192, depth=4)),
    "videomamba_middle": ("videomamba_m", of_size("videomamba_m", 8, 224)),
}
LONG = {
    "mvitv2_s_slowfast",
    "videomae_b16_official",
    "uniformerv2_b16",
    "videomamba_middle",
}


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: on a busy machine waiting threads cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", FACTS)
def test_names_and_shapes_are_the_official_ones(name, parity):
    backbone, make = FACTS[name]
    with torch.device("meta"):
        wanted = {key: list(tensor.shape) for key, tensor in make().state_dict().items()}
    _, keys, _ = facts(parity, name)
    candidates = [
        {registry.renamed_key(key, names): shape for key, shape in keys.items()}
        for names in ((), *BACKBONES[backbone].formats)
    ]
    if name == "mvitv2_s_slowfast":  # a token of one axis in torchvision
        wanted["pos_encoding.class_token"] = [1, 1, 96]
    assert wanted in candidates
    if name != "mvitv2_s_slowfast":
        assert wanted == keys


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=slow) if name in LONG else name for name in FACTS]
)
def test_logits_are_the_official_ones(name, parity, recipe):
    meta, keys, wanted = facts(parity, name)
    given = filled(recipe, keys, meta["gain"])
    assert recipe.weights_crc(given) == meta["weights_crc32"]
    backbone, make = FACTS[name]
    model = make().eval()
    load_state(model, backbone, given, "the recipe")
    clip = clip_of(recipe, meta["inputs"][0])
    with torch.no_grad():
        logits = model(clip)
    assert (logits.double() - wanted).abs().max() < 1e-4


@slow
def test_x3d_in_float64_and_its_positions(parity, recipe):
    meta, keys, wanted = facts(parity, "x3d_s")
    model = X3D(400).eval()
    load_state(model, "x3d_s", filled(recipe, keys, meta["gain"]), "the recipe")
    clip = clip_of(recipe, meta["inputs"][0])
    wanted_probabilities = np.load(parity / "x3d_s/fixture.npz")["eval_output_prob_f64"]
    with torch.no_grad():
        positions = model.double().positions(clip.double())
    assert positions.shape == (2, 1, 400)
    assert (positions.mean(1) - wanted).abs().max() < 1e-9
    got = positions.softmax(2).mean(1).numpy()
    assert got == pytest.approx(wanted_probabilities, abs=1e-10)


def test_a_larger_clip_has_several_places_of_the_head():
    model = X3D(5, 4, 64, depth_factor=1.0).eval()
    assert model.positions(torch.zeros(1, 3, 5, 96, 64)).shape == (1, 2 * 2 * 1, 5)
    assert model.positions(torch.zeros(1, 3, 2, 32, 32)).shape == (1, 1, 5)


def test_every_backbone_takes_its_own_input():
    named = train_manual()
    for name, backbone in BACKBONES.items():
        seen = backbone.input
        assert seen.size <= seen.short_side, name
        with torch.device("meta"), torch.no_grad():
            model = backbone.make(5, seen.frames, seen.size).eval()
            logits = model(torch.zeros(2, 3, seen.frames, seen.size, seen.size))
        assert logits.shape == (2, 5), name
        heads = [key for key in model.state_dict() if key.startswith(backbone.head)]
        assert sorted(key.rsplit(".", 1)[-1] for key in heads) == ["bias", "weight"], name
        assert name in named, name


def train_manual():
    """The documentation of the settings of train."""
    return set(re.findall(r"\w+", manual.text().partition("\ntrain:\n")[2]))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("r3d_18", video.R3D_18_Weights),
        ("mc3_18", video.MC3_18_Weights),
        ("r2plus1d_18", video.R2Plus1D_18_Weights),
        ("s3d", video.S3D_Weights),
        ("mvit_v2_s", video.MViT_V2_S_Weights),
        ("swin3d_t", video.Swin3D_T_Weights),
    ],
)
def test_inputs_are_those_of_torchvisions_weights(name, weights):
    seen, theirs = BACKBONES[name].input, weights.KINETICS400_V1.transforms()
    assert [*seen.mean] == theirs.mean and [*seen.std] == theirs.std
    assert [seen.size] * 2 == theirs.crop_size and seen.short_side == theirs.resize_size[0]


@pytest.mark.parametrize(
    "name", ["x3d_s", "mmaction_i3d_r50", "mvitv2_s_slowfast", "videomae_b16_official"]
    + ["uniformerv2_b16", "videomamba_middle"],
)  # fmt: skip
def test_inputs_are_those_of_the_facts(name, parity):
    meta, _, _ = facts(parity, name)
    seen = BACKBONES[FACTS[name][0]].input
    scale = (
        255 if "255" in meta["norm"].get("range", "") and "/" not in meta["norm"]["range"] else 1
    )
    assert np.allclose(np.array(meta["norm"]["mean"]) / scale, seen.mean, atol=1e-6)
    assert np.allclose(np.array(meta["norm"]["std"]) / scale, seen.std, atol=1e-6)


def small_x3d():
    return X3D(5, 4, 32, depth_factor=1.0)


SMALL = {
    "x3d": small_x3d,
    # Torch 2.15's gradient of a bfloat16 convolution on the CPU is not finite where the kernel
    # reaches over more frames than there are: 3 of 4 here.
    "resnet3d": lambda: ResNet3D(
        5, 18, inflate=None, conv1_kernel=(3, 7, 7), conv1_stride_t=1, pool1_stride_t=1,
        with_pool2=False,
    ),
    "videomae": lambda: VideoMAE(5, 4, 32, width=48, depth=2, heads=3, drop_path=0.2),
    "uniformerv2": lambda: UniFormerV2(
        5, 32, patch=8, width=48, layers=3, heads=3, return_list=(1, 2), no_lmhra=False,
        double_lmhra=True, drop_path=0.2,
    ),
    "videomamba": lambda: VideoMamba(5, 4, 32, patch=8, width=32, depth=2, drop_path=0.2),
}  # fmt: skip


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", SMALL)
def test_forward_and_backward_are_finite(name, half):
    torch.manual_seed(0)
    model = SMALL[name]().train()
    clip = torch.randn(2, 3, 4, 32, 32)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model(clip)
    nn.functional.cross_entropy(logits.float(), torch.tensor([0, 3])).backward()
    assert torch.isfinite(logits).all() and logits.shape == (2, 5)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
    if half:
        with torch.no_grad():
            again = model.eval()(clip)
            with torch.autocast("cpu", torch.bfloat16):
                assert (model(clip) - again).abs().max() < 0.1 * again.abs().max() + 0.05


@pytest.mark.parametrize("name", SMALL)
def test_no_clip_of_a_batch_sees_another(name):
    torch.manual_seed(0)
    model = SMALL[name]().eval()
    clips = torch.randn(3, 3, 4, 32, 32)
    with torch.no_grad():
        alone = torch.cat([model(clip[None]) for clip in clips])
        assert (model(clips) - alone).abs().max() < 1e-5
        assert torch.equal(model(clips), model(clips))


def scanned(x, delta, A, B, C):
    """The recurrence as in the paper, in float64."""
    x, delta, A, B, C = (part.double() for part in (x, delta, A, B, C))
    state, seen = x.new_zeros((len(x), *A.shape)), []
    for t in range(x.shape[1]):
        step = delta[:, t, :, None]
        state = (step * A).exp() * state + step * B[:, t, None] * x[:, t, :, None]
        seen.append((state * C[:, t, None]).sum(2))
    return torch.stack(seen, 1)


def parts(length, states=4, channels=3, dtype=torch.float32, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shape = (2, length)
    return (
        torch.randn(*shape, channels, generator=draw, dtype=dtype),
        torch.rand(*shape, channels, generator=draw, dtype=dtype) * 3,
        -torch.rand(channels, states, generator=draw, dtype=dtype) * 8,
        torch.randn(*shape, states, generator=draw, dtype=dtype),
        torch.randn(*shape, states, generator=draw, dtype=dtype),
    )


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 200])
@pytest.mark.parametrize(("piece", "chunks"), [(None, None), (1, 1), (50, 7), (64, 64), (512, 16)])
def test_the_scan_is_the_recurrence(length, piece, chunks):
    given = parts(length)
    assert (videomamba.selective_scan(*given, piece, chunks) - scanned(*given)).abs().max() < 1e-4
    wide = parts(length, dtype=torch.float64)
    assert (videomamba.selective_scan(*wide, piece, chunks) - scanned(*wide)).abs().max() < 1e-12


def test_the_scan_does_not_overflow():
    """Factors that become 0 within a few steps, and steps of size 0."""
    x, delta, A, B, C = parts(300)
    for factor in (0.0, 1e-6, 100.0):
        seen = videomamba.selective_scan(x, delta * factor, A, B, C, 128, 8)
        assert torch.isfinite(seen).all()
        wanted = scanned(x, delta * factor, A, B, C)
        assert (seen - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize(("piece", "chunks"), [(4, 1), (5, 2)])
def test_the_gradient_of_the_scan(piece, chunks):
    given = [part.requires_grad_() for part in parts(11, 2, 2, torch.float64)]
    assert torch.autograd.gradcheck(
        lambda *these: videomamba.selective_scan(*these, piece, chunks), given
    )


def test_the_scan_is_wide_under_autocast():
    given = parts(200)
    with torch.autocast("cpu", torch.bfloat16):
        seen = videomamba.selective_scan(*given)
    assert seen.dtype == torch.float32 and (seen - scanned(*given)).abs().max() < 1e-4
    narrow = [part.bfloat16() for part in given]
    assert videomamba.selective_scan(*narrow).dtype == torch.bfloat16


def test_the_first_video_patch_sees_the_last():
    """Both directions: the class token comes first and must depend on all later tokens."""
    model = SMALL["videomamba"]().eval()
    clip = torch.zeros(1, 3, 4, 32, 32)
    other = clip.clone()
    other[:, :, -1, -8:, -8:] = 1
    with torch.no_grad():
        assert not torch.allclose(model(clip), model(other))


def test_the_sine_table():
    table = sine_table(6, 4)[0].double()
    places = torch.arange(6, dtype=torch.float64)
    columns = [places.sin(), places.cos(), (places / 100).sin(), (places / 100).cos()]
    assert (table - torch.stack(columns, 1)).abs().max() < 1e-7


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        lambda t: {"model": t, "epoch": 3, "args": Namespace(lr=0.1)},
        lambda t: {"model_state": t},
        lambda t: {"state_dict": t, "meta": {"epoch": 1}},
        lambda t: {"module": t},
        lambda t: {"state_dict": {f"module.{key}": value for key, value in t.items()}},
        lambda t: {f"module._orig_mod.{key}": value for key, value in t.items()},
        lambda t: {k: v for k, v in t.items() if not k.endswith("num_batches_tracked")},
    ],
    ids=["bare", "model", "model_state", "state_dict", "module", "prefix", "compiled", "old"],
)
def test_the_ways_a_checkpoint_is_wrapped(wrap, tmp_path):
    source, model = small_x3d(), small_x3d()
    torch.save(wrap(source.state_dict()), tmp_path / "w.pth")
    load_weights(model, "x3d_s", tmp_path / "w.pth")
    assert same(model, source)


def same(one, other, but="nothing"):
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[k], theirs[k]) for k in ours if not k.startswith(but))


def swapped(tensors, *pairs):
    """Names in which the second text of each pair is replaced by the first."""

    def name(key):
        for theirs, ours in pairs:
            key = key.replace(ours, theirs)
        return key

    return {name(key): tensor for key, tensor in tensors.items()}


def from_mmaction_x3d(tensors):
    named = {}
    for key, tensor in tensors.items():
        if key.startswith("s1."):
            key = key.replace("s1.pathway0_stem.conv_xy", "backbone.conv1_s.conv")
            key = key.replace("s1.pathway0_stem", "backbone.conv1_t")
        elif key.startswith("head."):
            key = key.replace("head.conv_5_bn", "backbone.conv5.bn")
            key = key.replace("head.conv_5", "backbone.conv5.conv")
            key = key.replace("head.lin_5", "cls_head.fc1")
            key = key.replace("head.projection", "cls_head.fc2")
            tensor = tensor.flatten(1) if "fc1" in key else tensor
        else:
            stage, block, rest = key.split(".", 2)
            for letter, number in zip("abc", "123", strict=True):
                rest = rest.replace(f"branch2.{letter}_bn", f"conv{number}.bn")
                rest = rest.replace(f"branch2.{letter}.", f"conv{number}.conv.")
            rest = rest.replace("branch1_bn", "downsample.bn")
            rest = rest.replace("branch1", "downsample.conv").replace("branch2.se", "se_module")
            key = f"backbone.layer{int(stage[1]) - 1}.{block.removeprefix('pathway0_res')}.{rest}"
        named[key] = tensor
    return named


def from_mmaction_videomae(tensors):
    heads = {k: t for k, t in tensors.items() if k.startswith("head.")}
    trunk = {f"backbone.{k}": t for k, t in tensors.items() if k not in heads}
    trunk = swapped(
        trunk, ("patch_embed.projection", "patch_embed.proj"), ("mlp.layers.0.0", "mlp.fc1"),
        ("mlp.layers.1", "mlp.fc2"),
    )  # fmt: skip
    table = {"backbone.pos_embed": sine_table(2 * 16, 48)}
    return trunk | table | swapped(heads, ("cls_head.fc_cls.", "head."))


def from_mmaction_uniformerv2(tensors):
    return swapped(
        tensors,
        ("backbone.transformer.norm.", "backbone.transformer.proj.0."),
        ("cls_head.fc_cls.", "backbone.transformer.proj.2."),
    )


def without_prefix(tensors):
    return {key.removeprefix("backbone."): tensor for key, tensor in tensors.items()}


def as_trunk(tensors):
    return {f"backbone.{key}": tensor for key, tensor in tensors.items()}


def videomae():
    return VideoMAE(5, 4, 64, width=48, depth=2, heads=3)


@pytest.mark.parametrize(
    ("name", "make", "theirs"),
    [
        ("x3d_s", small_x3d, from_mmaction_x3d),
        ("videomae_b", videomae, from_mmaction_videomae),
        ("uniformerv2_b16", SMALL["uniformerv2"], from_mmaction_uniformerv2),
        ("uniformerv2_b16", SMALL["uniformerv2"], without_prefix),
        ("videomamba_m", SMALL["videomamba"], as_trunk),
    ],
)
def test_checkpoints_with_other_names(name, make, theirs):
    source, model = make(), make()
    given = theirs(source.state_dict())
    assert given.keys() != source.state_dict().keys()
    load_state(model, name, given, "w.pth")
    assert same(model, source)


def test_the_maps_of_x3d_and_mvit_are_the_stated_ones(parity):
    stated = json.loads((parity / "mvitv2_s_slowfast/slowfast_to_torchvision.json").read_text())
    for theirs, ours in stated.items():
        assert registry.renamed_key(theirs, registry.MVIT_SLOWFAST) == ours
        mmaction = theirs.replace("patch_embed.proj.", "patch_embed.projection.")
        if mmaction.startswith("norm."):
            mmaction = mmaction.replace("norm.", "norm3.")
        mmaction = f"backbone.{mmaction}".replace("backbone.head.projection", "cls_head.fc_cls")
        assert registry.renamed_key(mmaction, registry.MVIT_MMACTION) == ours
    stated = json.loads((parity / "x3d_s/slowfast_to_pytorchvideo.json").read_text())
    for ours, theirs in stated.items():
        assert registry.renamed_key(theirs, registry.X3D_PYTORCHVIDEO) == ours
    with torch.device("meta"):
        bare = X3D(400, shortcut_norm=False).state_dict()
    left_out = {key for key in stated if key not in bare}
    assert {key.rsplit(".", 1)[0] for key in left_out} == {"s2.pathway0_res0.branch1_bn"}


def test_a_head_of_as_many_classes_is_kept(caplog):
    caplog.set_level("INFO")
    source, model = small_x3d(), small_x3d()
    load_state(model, "x3d_s", source.state_dict(), "w.pth")
    assert same(model, source) and not caplog.text


def test_a_head_of_other_classes_is_left_out_and_logged(caplog):
    caplog.set_level("INFO")
    source, model = X3D(400, 4, 32, depth_factor=1.0), small_x3d()
    before = model.head.projection.weight.clone()
    load_state(model, "x3d_s", source.state_dict(), "w.pth")
    assert (
        "w.pth: its head has 400 classes, wanted 5; the head starts with random weights"
        in caplog.text
    )
    assert same(model, source, but="head.projection")
    assert torch.equal(model.head.projection.weight, before)


@pytest.mark.parametrize(("theirs", "ours", "kept"), [(710, 400, True), (710, 53, False)])
def test_kinetics_710(theirs, ours, kept, caplog):
    caplog.set_level("INFO")
    source, model = (VideoMamba(n, 4, 32, width=32, depth=1) for n in (theirs, ours))
    load_state(model, "videomamba_m", source.state_dict(), "w.pth")
    assert torch.equal(model.head.weight, source.head.weight[:ours]) == kept
    assert ("first 400" in caplog.text) == kept
    assert same(model, source, but="head.")


def test_whose_kinetics_710_begins_with_kinetics_400(caplog):
    """VideoMAE v2 has the classes in another order, so its head is not cut."""
    caplog.set_level("INFO")
    source, model = (VideoMAE(n, 4, 32, width=48, depth=1, heads=3) for n in (710, 400))
    load_state(model, "videomae_b", source.state_dict(), "w.pth")
    assert (
        "its head has 710 classes, wanted 400; the head starts with random weights" in caplog.text
    )


def without(key):
    return lambda tensors: {k: t for k, t in tensors.items() if k != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("s1.pathway0_stem.bn.weight"), "1 missing: s1.pathway0_stem.bn.weight;"),
        (without("head.projection.bias"), "1 missing: head.projection.bias;"),
        (lambda t: t | {"more.weight": torch.zeros(1)}, "1 unexpected: more.weight;"),
        (
            lambda t: t | {"head.lin_5.weight": torch.zeros(8, 3, 1, 1, 1)},
            r"1 of another shape: head.lin_5.weight \(8 x 3 x 1 x 1 x 1, wanted 2048 x 432 x 1",
        ),
        (
            lambda t: t | {"head.projection.weight": torch.zeros(9, 7)},
            r"head.projection.weight \(9 x 7, wanted 5 x 2048\)",
        ),
        (
            lambda t: video.r3d_18(num_classes=5).state_dict(),
            r"\d\d+ missing: (\S+, ){4}\.\.\.; \d\d+ unexpected: (\S+, ){4}\.\.\.; change train.w",
        ),
    ],
)
def test_a_wrong_checkpoint_says_what_is_wrong(change, message, tmp_path):
    model = small_x3d()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    torch.save({"model_state": change(model.state_dict())}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=f"wanted a checkpoint of x3d_s, .*{message}"):
        load_weights(model, "x3d_s", tmp_path / "w.pth")
    assert all(torch.equal(before[k], t) for k, t in model.state_dict().items())


def test_the_wrong_size_of_a_network_is_no_other_head():
    small = VideoMAE(400, 4, 32, width=48, depth=2, heads=3)
    large = VideoMAE(5, 4, 32, width=96, depth=2, heads=3)
    with pytest.raises(UserError, match=r"of another shape: .*48"):
        load_state(large, "videomae_b", small.state_dict(), "w.pth")


def test_positions_of_videomamba_are_interpolated_as_its_authors_do():
    source = VideoMamba(5, 8, 64, width=32, depth=1)
    nn.init.normal_(source.temporal_pos_embedding)
    model = VideoMamba(5, 16, 96, width=32, depth=1)
    load_state(model, "videomamba_m", source.state_dict(), "w.pth")
    assert torch.equal(model.pos_embed[:, 0], source.pos_embed[:, 0])
    old = source.pos_embed[0, 1:].detach().T.reshape(1, 32, 4, 4)
    wanted = nn.functional.interpolate(old, (6, 6), mode="bicubic", align_corners=False)
    assert torch.allclose(model.pos_embed[0, 1:].T.reshape(1, 32, 6, 6), wanted)
    ends = model.temporal_pos_embedding[0, [0, -1]]
    assert torch.allclose(ends, source.temporal_pos_embedding[0, [0, -1]])
    assert same(model, source, but=("pos_embed", "temporal_pos_embedding"))


def test_positions_of_others_are_not():
    make = SMALL["uniformerv2"]
    source = UniFormerV2(5, 64, patch=8, width=48, layers=3, heads=3, return_list=(1, 2))
    model = UniFormerV2(5, 32, patch=8, width=48, layers=3, heads=3, return_list=(1, 2))
    with pytest.raises(UserError, match=r"positional_embedding \(65 x 48, wanted 17 x 48\)"):
        load_state(model, "uniformerv2_b16", source.state_dict(), "w.pth")
    longer = VideoMAE(5, 8, 64, width=48, depth=2, heads=3)  # its table is computed
    load_state(longer, "videomae_b", videomae().state_dict(), "w.pth")
    with pytest.raises(ValueError, match="wanted frames of 16 patches, got 64"):
        make()(torch.zeros(1, 3, 4, 64, 64))
    with pytest.raises(ValueError, match="wanted clips of 32 cubes, got 16"):
        videomae()(torch.zeros(1, 3, 2, 64, 64))
    with pytest.raises(ValueError, match="wanted clips of 4 x 16 patches, got 2 x 16"):
        SMALL["videomamba"]()(torch.zeros(1, 3, 2, 32, 32))


# The published code with local units (Something-Something), run once on these weights in float64:
# 32 px, patch 8, width 48, 4 layers, 3 heads, global blocks 1 to 3, 8 frames.
LOCAL_UNITS = (
    (0.07737103699841136, -0.018316184351227338, 0.03399137912435787, -0.27935055727092245,
     -1.1473210805356773),
    (0.06820606056720235, -0.027270760136375638, 0.031610213740559334, -0.28984800660157983,
     -1.1495860143933432),
)  # fmt: skip


def with_drawn_weights(model):
    tensors = model.state_dict()
    for key, tensor in tensors.items():
        drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(tensor.shape) * 0.2
        if key.endswith("running_var"):
            drawn = np.abs(drawn) + 0.5
        if tensor.is_floating_point():
            tensors[key] = torch.from_numpy(np.asarray(drawn)).to(tensor.dtype)
    model.load_state_dict(tensors)
    return model.double().eval()


def test_local_units_are_the_official_ones():
    model = with_drawn_weights(UniFormerV2(
        5, 32, patch=8, width=48, layers=4, heads=3, return_list=(1, 2, 3), no_lmhra=False,
        double_lmhra=True, temporal_downsample=True,
    ))  # fmt: skip
    clips = torch.from_numpy(np.random.RandomState(1).standard_normal((2, 3, 8, 32, 32)))
    with torch.no_grad():
        logits = model(clips)
        for block in model.backbone.transformer.resblocks:
            nn.init.zeros_(block.lmhra1.pos_embed[3].weight)
        assert (model(clips) - logits).abs().max() > 1e-3
    assert (logits - torch.tensor(LOCAL_UNITS)).abs().max() < 1e-6


def test_names_and_shapes_of_the_network_with_local_units():
    """Those of the official network of exp/sthv2/ssv2_b16_f16x224: 547 tensors."""
    with torch.device("meta"):
        model = BACKBONES["uniformerv2_b16_ssv2"].make(174, 16, 224)
    lines = [f"{key} {list(tensor.shape)}" for key, tensor in sorted(model.state_dict().items())]
    assert (len(lines), zlib.crc32("\n".join(lines).encode())) == (547, 3274713994)
    assert sum(parameter.numel() for parameter in model.parameters()) == 162_992_814


def test_a_frozen_uniformerv2_learns_its_global_blocks_alone():
    model = UniFormerV2(5, 32, patch=8, width=48, layers=3, heads=3, return_list=(2,), frozen=True)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    starts = {name.split(".")[2] for name in learning}
    assert starts == {"temporal_cls_token", "dpe", "dec", "proj"}


@pytest.mark.parametrize("name", BACKBONES)
def test_depths_go_from_stem_to_head(name):
    backbone = BACKBONES[name]
    with torch.device("meta"):
        model = backbone.make(5, backbone.input.frames, backbone.input.size)
    depths = layer_depths(model)
    assert list(depths) == [key for key, _ in model.named_parameters()]
    deepest = max(depths.values())
    assert set(depths.values()) == set(range(deepest + 1))
    assert {depths[key] for key in depths if key.startswith(backbone.head)} == {deepest}
    first = next(iter(model.state_dict()))
    assert depths[first] == 0


@pytest.mark.parametrize(
    ("name", "key", "wanted"),
    [
        ("videomae_b", "patch_embed.proj.weight", 0),
        ("videomae_b", "blocks.0.attn.q_bias", 1),
        ("videomae_b", "blocks.11.mlp.fc2.weight", 12),
        ("videomae_b", "fc_norm.weight", 13),
        ("uniformerv2_b16", "backbone.positional_embedding", 0),
        ("uniformerv2_b16", "backbone.transformer.resblocks.11.ln_1.weight", 12),
        ("uniformerv2_b16", "backbone.transformer.dec.0.ln_1.weight", 13),
        ("uniformerv2_b16", "backbone.transformer.temporal_cls_token", 13),
        ("videomamba_m", "temporal_pos_embedding", 0),
        ("videomamba_m", "layers.31.mixer.D_b", 32),
        ("videomamba_m", "norm_f.weight", 33),
        ("mvit_v2_s", "norm.weight", 17),
        ("x3d_s", "s2.pathway0_res0.branch1.weight", 1),
        ("i3d_r50", "backbone.layer4.2.conv3.bn.bias", 4),
        ("r3d_18", "stem.0.weight", 0),
    ],
)
def test_depths_as_the_recipes_count_them(name, key, wanted):
    seen = BACKBONES[name].input
    with torch.device("meta"):
        assert layer_depths(BACKBONES[name].make(5, seen.frames, seen.size))[key] == wanted


def test_what_the_settings_leave_open_is_the_backbones_own():
    own = BACKBONES["x3d_s"].input
    assert input_of(Train(backbone="x3d_s")) == own
    seen = input_of(Train(backbone="x3d_s", size=80, frames=4, stride=0))
    assert (seen.frames, seen.size, seen.short_side, seen.stride) == (4, 80, 91, 0)
    assert seen.mean == own.mean
    demo = input_of(Train(backbone="tiny3d", size=72, short_side=72))
    assert demo == Input(8, 72, 72, 0)
    with pytest.raises(UserError, match="wanted at least 160, the side of the crop, got 128"):
        input_of(Train(backbone="x3d_s", short_side=128))
    with pytest.raises(UserError, match="wanted one of tiny3d"):
        input_of(Train(backbone="r4d"))


def test_normalised_is_what_it_was_and_by_colour():
    clips = torch.randint(0, 256, (2, 3, 5, 4, 3), dtype=torch.uint8)
    plain = clips.permute(0, 4, 1, 2, 3).float().div_(255).sub_(0.45).div_(0.225)
    assert torch.equal(normalised(clips), plain)
    seen = BACKBONES["r3d_18"].input
    got = normalised(clips, seen.mean, seen.std)[1, 2, 0, 3, 1]
    wanted = (clips[1, 0, 3, 1, 2].item() / 255 - seen.mean[2]) / seen.std[2]
    assert got.item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("count", "stride"), [(100, 4), (29, 4), (28, 4), (5, 4), (1, 3)])
def test_dense_frames_keep_their_distance(count, stride):
    starts = set()
    for number in range(200):
        one = augment.draw_view(0, f"{number}.mp4", 0, count, 8, False, stride).frames
        assert all(0 <= frame < count for frame in one)
        starts.add(one[0])
        if count > 7 * stride:
            assert [b - a for a, b in pairwise(one)] == [stride] * 7
    assert starts <= set(range(augment.latest_start(count, 8, stride) + 1))
    assert count < 100 or len(starts) > 40


def test_dense_views_are_mmactions(parity):
    stated = json.loads((parity / "sampling.json").read_text())["mmaction2_SampleFrames_test"]
    for case in (case for case in stated["cases"] if case["target_fps"] is None):
        frames, stride, clips = case["T"], case["interval"], case["clips"]
        seen = augment.views(case["num_frames"], frames, clips, stride)
        assert [list(one) for one in seen] == case["indices"]


def test_a_trial_of_the_input_costs_nothing_and_draws_nothing(monkeypatch):
    torch.manual_seed(3)
    model = build_backbone("tiny3d", 3, 4, 16)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert same(BACKBONES["tiny3d"].make(3, 4, 16), model) and torch.equal(torch.rand(1), after)
    assert not model.training
    with pytest.raises(UserError, match="mvit_v2_s cannot take clips of 8 frames of 224 px"):
        build_backbone("mvit_v2_s", 3, 8, 224)


def test_a_checkpoint_with_a_command_line_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("evil",))

    torch.save({"model": {}, "args": Namespace(a=Evil())}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="does not read"):
        checkpoint.load(tmp_path / "evil.pth")
