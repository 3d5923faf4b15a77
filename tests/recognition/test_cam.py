"""Class activation maps: the formula, the layer of every backbone, and a known signal."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import video

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.cnn_study import CNN_STUDY
from occludenet_build.recognition.backbones.registry import BACKBONES
from occludenet_build.recognition.backbones.spec import FeatureLayout
from occludenet_build.recognition.backbones.uniformerv2 import UniFormerV2
from occludenet_build.recognition.backbones.videomae import VideoMAE
from occludenet_build.recognition.backbones.videomamba import VideoMamba
from occludenet_build.recognition.cam import grad_cam, layer_features

VOLUME = FeatureLayout("features")


class Plain(nn.Module):
    """Convolutions, the mean over all positions, a linear layer."""

    def __init__(self, classes, width=8):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(3, width, 5, stride=(1, 4, 4), padding=2), nn.ReLU(),
            nn.Conv3d(width, width, 3, stride=(1, 2, 2), padding=1), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.features(x).mean(dim=(2, 3, 4)))


class Channels(nn.Module):
    """Its features are red and green of the clip; red raises class 0 and lowers class 1."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv3d(3, 2, 1, bias=False)
        self.head = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[:2].reshape(2, 3, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 2.0], [0.0, 0.0]]))

    def forward(self, x):
        return self.head(self.features(x).mean(dim=(2, 3, 4)))


def red_and_green():
    clip = torch.zeros(1, 3, 2, 4, 4)
    clip[0, 0, 0, :2, :2] = 1.0
    clip[0, 1, 1, 2:, 2:] = 0.5
    return clip


@pytest.mark.parametrize(
    ("target", "expected"),
    # the weight of a channel is the mean gradient, 1 / 32 of the head's; what speaks against the
    # class is cut off; no weight: nothing
    [(0, lambda clip: clip[:, 0]), (1, lambda clip: 2 * clip[:, 1]), (2, None)],
)
def test_a_map_worked_out_by_hand(target, expected):
    clip = red_and_green()
    maps, logits = grad_cam(Channels().eval(), VOLUME, clip, torch.tensor([target]))
    wanted = torch.zeros_like(maps) if expected is None else expected(clip) / 32
    assert torch.allclose(maps, wanted, atol=1e-8)
    assert logits[0].tolist() == pytest.approx([4 / 32, 0.0, 0.0])


def test_equals_the_formula_and_what_is_explained_by_default_is_the_largest_logit():
    torch.manual_seed(0)
    model, clips = Plain(5).eval(), torch.randn(3, 3, 4, 32, 32)
    features = model.features(clips)
    logits = model.head(features.mean(dim=(2, 3, 4)))
    (gradient,) = torch.autograd.grad(logits.amax(dim=1).sum(), features)
    coarse = F.relu((gradient.mean(dim=(2, 3, 4), keepdim=True) * features).sum(dim=1))
    # upsampled cell by cell: a cell's own value stands in its middle
    maps, given = grad_cam(model, VOLUME, clips)
    assert coarse.shape[1:] == (4, 4, 4) and maps.shape == (3, 4, 32, 32)
    assert torch.allclose(given, logits, atol=1e-6)
    middle = F.avg_pool2d(maps[:, :, 3:29, 3:29], 2, stride=8)
    assert torch.allclose(middle, coarse, rtol=0.15, atol=0.1 * float(coarse.detach().max()))
    assert coarse.max() > 0
    labelled, _ = grad_cam(model, VOLUME, clips, logits.argmax(dim=1))
    assert torch.equal(maps, labelled)


def test_maps_over_time_lie_where_the_frames_are():
    """With 4 frames per position, the value of a position is that of its own frames."""

    class Late(Channels):
        def forward(self, x):
            return super().forward(F.avg_pool3d(x, (4, 1, 1)))

    clip = torch.zeros(1, 3, 8, 4, 4)
    clip[0, 0, 4:] = 1.0
    maps, _ = grad_cam(Late().eval(), VOLUME, clip, torch.tensor([0]))
    over_time = maps[0].mean(dim=(1, 2))
    assert over_time[:2].max() == 0 and torch.all(over_time[6:] == over_time.max())
    assert torch.all(over_time.diff() >= 0)


GRIDS = {
    "tiny3d": (8, 7, 7), "scene3d": (8, 7, 7),
    "r3d_18": (2, 7, 7), "mc3_18": (16, 7, 7), "r2plus1d_18": (2, 7, 7),
    "s3d": (16, 7, 7), "mvit_v2_s": (8, 7, 7), "swin3d_t": (16, 7, 7), "x3d_xs": (4, 5, 5),
    "x3d_s": (13, 5, 5), "x3d_m": (16, 7, 7), "x3d_l": (16, 10, 10),
    "x3d_s_pytorchvideo": (13, 5, 5), "i3d_r50": (4, 7, 7), "ibm_i3d_resnet18": (32, 7, 7),
    "ibm_i3d_resnet50": (32, 7, 7), "ibm_i3d_resnet101": (32, 7, 7),
    **dict.fromkeys([name for name in CNN_STUDY if "i3d_resnet" not in name], (8, 7, 7)),
    "ibm_s3d": (7, 7, 7), "ibm_tam_resnet50": (32, 7, 7), "ibm_tam_resnet101": (32, 7, 7),
    "uniformerv2_b16": (8, 14, 14), "uniformerv2_b16_ssv2": (8, 14, 14),
    "uniformerv2_l14": (8, 16, 16), "videomamba_t": (8, 14, 14),
    "videomamba_s": (8, 14, 14), "videomamba_m": (8, 14, 14), "videomae_s": (8, 14, 14),
    "videomae_b": (8, 14, 14), "videomae_l": (8, 14, 14),
}  # fmt: skip


DEEP = [name for name in CNN_STUDY if name.endswith(("50", "101"))]
"""Their stages are those of depth 18, with more blocks."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in BACKBONES],
)
def test_every_backbone_states_a_layer_with_places(name):
    """On the meta device with the default input: the layer exists, and its output has this grid."""
    backbone, shapes = BACKBONES[name], []
    seen = backbone.input
    with torch.device("meta"), torch.no_grad():
        model = backbone.make(3, seen.frames, seen.size).eval()
        with layer_features(model, backbone.layout, seen.frames) as volume:
            volume.register_forward_hook(lambda _, __, output: shapes.append(output.shape))
            logits = model(torch.zeros(2, 3, seen.frames, seen.size, seen.size))
    (shape,) = shapes
    assert (shape[0], *shape[2:]) == (2, *GRIDS[name]) and logits.shape == (2, 3)


def small_mvit(classes, size=64):
    """mvit_v2_s' blocks, three of them."""
    three, once = [3, 3, 3], [1, 1, 1]
    blocks = [
        video.mvit.MSBlockConfig(1, 24, 24, three, three, once, [1, 2, 2]),
        video.mvit.MSBlockConfig(2, 24, 48, three, three, [1, 2, 2], once),
        video.mvit.MSBlockConfig(2, 48, 48, three, three, once, once),
    ]
    return video.mvit.MViT(
        (size, size), 4, blocks, residual_pool=True, residual_with_cls_embed=False,
        rel_pos_embed=True, proj_after_attn=True, num_classes=classes,
    )  # fmt: skip


def small_swin(classes):
    return video.SwinTransformer3d([2, 4, 4], 24, [1, 1], [2, 2], [2, 4, 4], num_classes=classes)


def small_uniformer(classes, size=64):
    return UniFormerV2(
        classes, size, width=48, layers=3, heads=2, return_list=(1, 2), mlp_dropout=0.0,
        cls_dropout=0.0,
    )  # fmt: skip


def of(name, layer=None):
    layout = BACKBONES[name].layout
    return layout if layer is None else dataclasses.replace(layout, layer=layer)


SMALL = {
    "mvit": (small_mvit, of("mvit_v2_s", "blocks.2.norm1")),
    "swin": (small_swin, of("swin3d_t")),
    "uniformer": (small_uniformer, of("uniformerv2_b16", "backbone.transformer.resblocks.1")),
    "videomae": (lambda n: VideoMAE(n, 4, 64, width=48, depth=3, heads=3), of("videomae_b")),
    "videomamba": (
        lambda n: VideoMamba(n, 4, 64, width=32, depth=3), of("videomamba_m", "layers.2.norm")
    ),
    "r3d": (lambda n: BACKBONES["r3d_18"].make(n, 4, 64), of("r3d_18")),
    "x3d": (lambda n: BACKBONES["x3d_xs"].make(n, 4, 64), of("x3d_xs")),
    "i3d": (lambda n: BACKBONES["ibm_i3d_resnet18"].make(n, 4, 64), of("ibm_i3d_resnet18")),
    "ibm_s3d": (lambda n: BACKBONES["ibm_s3d"].make(n, 4, 64), of("ibm_s3d")),
    "ibm_tsn": (lambda n: BACKBONES["ibm_tsn_resnet18"].make(n, 4, 64), of("ibm_tsn_resnet18")),
    "ibm_tam": (
        lambda n: BACKBONES["ibm_tam_inception_v1"].make(n, 4, 64, temporal_stride=True),
        of("ibm_tam_inception_v1"),
    ),
    "tiny3d": (lambda n: BACKBONES["tiny3d"].make(n, 4, 64), of("tiny3d")),
}  # fmt: skip
"""Every family with random weights, small; 4 frames of 64 px."""
REACH = {"mvit": 1, "swin": 0, "uniformer": 0, "videomae": 0, "videomamba": 0}
"""How far a change may spread in networks of tokens, since MViT's pooling overlaps."""


def volumes(model, layout, clips):
    seen_there = []
    with torch.no_grad(), layer_features(model, layout, clips.shape[2]) as seen:
        seen.register_forward_hook(lambda _, __, output: seen_there.append(output))
        logits = model(clips)
    return seen_there[0], logits


@pytest.mark.parametrize("name", REACH)
@pytest.mark.parametrize("place", [(-1, -1, 0), (0, 0, -1), (-1, 0, -1)])
def test_tokens_are_put_where_they_come_from(name, place):
    """A change at one position of the clip changes that position most, so no axis is swapped."""
    torch.manual_seed(0)
    make, layout = SMALL[name]
    model, clips = make(3).eval(), 0.1 * torch.randn(1, 3, 4, 64, 64).repeat(2, 1, 1, 1, 1)
    grid = volumes(model, layout, clips)[0].shape[2:]
    at = tuple(position % count for position, count in zip(place, grid, strict=True))
    steps = [side // count for side, count in zip((4, 64, 64), grid, strict=True)]
    there = tuple(slice(a * s, (a + 1) * s) for a, s in zip(at, steps, strict=True))
    clips[(1, slice(None), *there)] += 3 * torch.randn(3, *steps)
    volume, _ = volumes(model, layout, clips)
    change = (volume[1] - volume[0]).abs().sum(dim=0)
    found = [int(i) for i in torch.unravel_index(change.argmax(), change.shape)]
    assert max(abs(a - b) for a, b in zip(found, at, strict=True)) <= REACH[name], (found, at)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name.startswith("ibm_") else name
        for name in SMALL
    ],
)
def test_a_map_of_every_family(name):
    """The output of the network does not change, and all positions influence the logits."""
    torch.manual_seed(0)
    make, layout = SMALL[name]
    model, clips = make(3).eval(), torch.randn(2, 3, 4, 64, 64)
    with torch.no_grad():
        plain = model(clips)
    maps, logits = grad_cam(model, layout, clips.repeat(3, 1, 1, 1, 1), torch.arange(6) // 2)
    assert torch.allclose(logits, plain.repeat(3, 1), atol=1e-5)
    assert maps.shape == (6, 4, 64, 64) and maps.dtype == torch.float32
    assert torch.isfinite(maps).all() and maps.min() >= 0 and maps.max() > 0
    one, _ = grad_cam(model, layout, clips[1:], torch.tensor([2]))
    assert torch.allclose(one[0], maps[5], rtol=1e-3, atol=1e-4 * float(maps.max()))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_map_of_a_network_of_frames_is_of_each_frame():
    """TSN answers per frame: the map of a clip's frame is that of the frame alone."""
    torch.manual_seed(0)
    make, layout = SMALL["ibm_tsn"]
    model, clips = make(3).eval(), torch.randn(2, 3, 4, 64, 64)
    maps, _ = grad_cam(model, layout, clips, torch.tensor([1, 2]))
    alone, _ = grad_cam(model, layout, clips[1:, :, 2:3], torch.tensor([2]))
    assert torch.allclose(maps[1, 2] * 4, alone[0, 0], rtol=1e-3, atol=1e-5 * alone.max().item())


SIZE, SIDE = 96, 24


def planted(count, random):
    """Clips of 4 frames; in every second a bright square, in all of them a striped one elsewhere.

    Returns clips, labels, and where the squares are, (N, T, H, W) each.
    """
    clips = torch.randn(count, 3, 1, SIZE, SIZE, generator=random).mul(0.5).repeat(1, 1, 4, 1, 1)
    bright, striped = torch.zeros(2, count, 4, SIZE, SIZE)
    labels = torch.arange(count) % 2
    stripes = 3.0 - 6 * (torch.arange(SIDE)[:, None] // 4 % 2).expand(SIDE, SIDE)
    for clip in range(count):
        halves = torch.randperm(2, generator=random).tolist()
        squares = ((torch.full((SIDE, SIDE), 3.0), bright), (stripes, striped))
        for half, (square, where) in zip(halves, squares, strict=True):
            row = 48 * half + int(torch.randint(0, 24, (1,), generator=random))
            column = int(torch.randint(0, 48, (1,), generator=random))
            if where is bright and not labels[clip]:
                continue
            for frame in range(4):
                left = column + 8 * frame
                place = slice(row, row + SIDE), slice(left, left + SIDE)
                clips[(clip, slice(None), frame, *place)] = square
                where[(clip, frame, *place)] = 1
    return clips, labels, bright, striped


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        pytest.param(lambda: Plain(2), VOLUME, id="convolutions"),
        pytest.param(
            lambda: VideoMAE(2, 4, SIZE, width=48, depth=2, heads=3), of("videomae_b"), id="mean"
        ),
        pytest.param(lambda: small_uniformer(2, SIZE), SMALL["uniformer"][1], id="class token"),
    ],
)
def test_the_planted_signal_is_found(make, layout):
    """After training on clips with a bright square, the map lies on it and not on the stripes."""
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    model = make().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(30):
        clips, labels, *_ = planted(12, random)
        optimizer.zero_grad()
        F.cross_entropy(model(clips), labels).backward()
        optimizer.step()
    clips, labels, bright, striped = planted(24, random)
    maps, logits = grad_cam(model.eval(), layout, clips, labels)
    assert (logits.argmax(dim=1) == labels).float().mean() > 0.9
    there = labels == 1
    mass = maps[there] / maps[there].sum(dim=(1, 2, 3), keepdim=True)
    focus = [
        float(((mass * where[there]).sum(dim=(1, 2, 3)) / where[there].mean(dim=(1, 2, 3))).mean())
        for where in (bright, striped)
    ]
    assert focus[0] > 3 and focus[0] > 2 * focus[1], focus


@pytest.mark.parametrize(
    ("layer", "said"),
    [("nowhere", "got 'nowhere'"), ("fc", "gives (1, 3)"), ("avgpool.1", "got 'avgpool.1'")],
)
def test_a_layer_without_places_is_refused(layer, said):
    model = BACKBONES["r3d_18"].make(3, 4, 64).eval()
    with pytest.raises(UserError, match=r"attention\.layer: wanted a module") as caught:
        grad_cam(model, of("r3d_18", layer), torch.zeros(1, 3, 4, 64, 64))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("layer", ["head", "blocks.2", "norm"])
def test_tokens_that_do_not_fill_a_grid_are_refused(layer):
    model, layout = small_mvit(3).eval(), of("mvit_v2_s", layer)
    if layer == "norm":  # it has the grid, but nothing in it reaches the class token any more
        maps, _ = grad_cam(model, layout, torch.randn(1, 3, 4, 64, 64))
        assert not maps.any()
        return
    with pytest.raises(UserError, match=r"attention\.layer: wanted a module"):
        grad_cam(model, layout, torch.zeros(1, 3, 4, 64, 64))
