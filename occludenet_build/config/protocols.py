"""How the authors of each backbone test it: the views that they average, and their size.

A table with a row per published protocol, which `evaluate.sampling: published` takes. Frames per
view and their distance are those of the network, and stand in recognition.backbones. This module
uses the standard library only because the plan and the workflow import it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from occludenet_build.config.recognition import Evaluate
from occludenet_build.core.errors import UserError


@dataclass(frozen=True)
class Protocol:
    """A published way to test a network on Kinetics-400."""

    sampling: str
    """A name of recognition.sampling.SAMPLERS."""
    views: int
    crops: int
    size: int
    """Side of the crop, pixels."""
    short_side: int
    """The short side before the crop, pixels. With three crops these programs scale to the crop's
    size: the three cover the whole picture."""
    average: str
    """What is averaged over views and crops: softmax or logits."""
    source: str
    crop_places: str = "even"
    """A choice of evaluate.crop_places."""
    version: int = 1
    """Greater than 1 where earlier versions of this program had another protocol for the backbone;
    for those in BY_SAMPLING it is that of both."""


_SLOWFAST = "SlowFast, its configurations of X3D: TEST.NUM_ENSEMBLE_VIEWS 10, TEST_CROP_SIZE"
_TORCHVISION = "torchvision, the notes and transforms of its weights, and its reference script"
_IBM = "IBM action-recognition-pytorch, README: 10 x 3 at 256, dense, mean of logits"
_IBM_SPREAD = (
    "IBM action-recognition-pytorch, the validation of train.py: one uniform clip, centre crop, "
    "224 of int(224 / 0.875 + 0.5). That the results on its mini data sets were measured so is "
    "this project's reading; nothing says how"
)


def _x3d(size: int) -> Protocol:
    return Protocol("slowfast", 10, 3, size, size, "softmax", f"{_SLOWFAST} {size}")


def _torchvision(views: int, size: int, short_side: int) -> Protocol:
    return Protocol("torchvision", views, 1, size, short_side, "softmax", _TORCHVISION)


def _uniformerv2(views: int, source: str) -> Protocol:
    return Protocol("uniformerv2", views, 3, 224, 224, "softmax", source)


_RESNET = _torchvision(5, 112, 128)
_IBM_UNIFORM = Protocol("ibm", 1, 1, 224, 256, "logits", _IBM_SPREAD, "quarters")
_IBM_DENSE = Protocol("ibm", 10, 3, 256, 256, "logits", _IBM, "quarters")
_K400 = _uniformerv2(4, "UniFormerV2, run.sh of exp/k400: 4 x 3 at 224")
_VIDEOMAMBA = _uniformerv2(4, "VideoMamba, video_sm/exp/k400: test_num_segment 4, test_num_crop 3")
_VIDEOMAE = Protocol(
    "mmaction2", 5, 3, 224, 224, "softmax",
    "mmaction2, its configuration of VideoMAE (16 x 4, 5 clips, ThreeCrop 224), as in the paper",
)  # fmt: skip

# Version 1: the crops at even places, and the same 10 x 3 with spread frames.
_IBM_DENSE_AGAIN = dataclasses.replace(_IBM_DENSE, version=2)
_IBM_AGAIN = ("ibm_i3d_resnet18", "ibm_i3d_resnet50", "ibm_i3d_resnet101")
_IBM_RELEASED = (*_IBM_AGAIN, "ibm_tam_resnet50", "ibm_tam_resnet101")
"""Of those of depth 50 and 101 there are checkpoints of Kinetics-400, on dense clips."""
_IBM_MINI = (
    *("ibm_i3d", "ibm_s3d", "ibm_s3d_resnet18", "ibm_s3d_resnet50", "ibm_s3d_resnet101"),
    *("ibm_tsn_inception_v1", "ibm_tsn_resnet18", "ibm_tsn_resnet50", "ibm_tsn_resnet101"),
    *("ibm_tam_inception_v1", "ibm_tam_resnet18"),
)
IBM_STUDY = (*_IBM_RELEASED, *_IBM_MINI)
"""The networks of the CNN study in recognition.backbones (docs/cnn_study.md)."""

PROTOCOLS: dict[str, Protocol] = {
    **dict.fromkeys(("r3d_18", "mc3_18", "r2plus1d_18"), _RESNET),
    "s3d": _torchvision(1, 224, 256),
    "swin3d_t": _torchvision(12, 224, 256),
    "mvit_v2_s": Protocol(
        "slowfast_offset", 5, 1, 224, 256, "softmax",
        "SlowFast, MVITv2_S_16x4: 5 x 1, TEST_CROP_SIZE 224, USE_OFFSET_SAMPLING",
    ),
    **dict.fromkeys(("x3d_xs", "x3d_s", "x3d_s_pytorchvideo"), _x3d(182)),
    "x3d_m": _x3d(256),
    "x3d_l": _x3d(356),
    "i3d_r50": Protocol(
        "mmaction2", 10, 3, 256, 256, "softmax", "mmaction2, its I3D: 10 clips, ThreeCrop 256"
    ),
    **dict.fromkeys(_IBM_RELEASED, _IBM_DENSE),
    **dict.fromkeys(_IBM_AGAIN, _IBM_DENSE_AGAIN),
    **dict.fromkeys(_IBM_MINI, _IBM_UNIFORM),
    **dict.fromkeys(("uniformerv2_b16", "uniformerv2_l14"), _K400),
    "uniformerv2_b16_ssv2": _uniformerv2(1, "UniFormerV2, run.sh of exp/sthv2: 1 x 3 at 224"),
    **dict.fromkeys(("videomamba_t", "videomamba_s", "videomamba_m"), _VIDEOMAMBA),
    **dict.fromkeys(("videomae_s", "videomae_b", "videomae_l", "hf:videomae"), _VIDEOMAE),
    "hf:timesformer": Protocol(
        "mmaction2", 1, 3, 224, 224, "softmax", "TimeSformer's paper: 3 crops of the middle clip"
    ),
}  # fmt: skip
"""By backbone; hf:<model type> for networks of transformers. Those without a row have none, or none
that was found in writing. Of the networks in BY_SAMPLING the one of the backbone's own sampling."""

BY_SAMPLING: dict[str, tuple[Protocol, Protocol]] = dict.fromkeys(
    IBM_STUDY, (_IBM_UNIFORM, _IBM_DENSE)
)
"""By backbone: the protocol where the frames of a view are spread over the clip, and where they are
at a distance; of networks that were published with both."""


def with_protocol_or_own(settings: Evaluate, backbone: str, stride: int | None = None) -> Evaluate:
    """As `with_protocol`; the settings themselves where no protocol is known."""
    return with_protocol(settings, backbone, stride) if backbone in PROTOCOLS else settings


def check_protocol(settings: Evaluate, backbone: str) -> None:
    """Raises UserError where the settings ask for a protocol that the backbone does not have.

    With backbone hf it depends on the network, which is looked at when it is evaluated.
    """
    if backbone != "hf":
        with_protocol(settings, backbone)


def with_protocol(settings: Evaluate, backbone: str, stride: int | None = None) -> Evaluate:
    """The settings with those of the backbone's protocol, if they ask for the published one.

    `backbone`: a name of recognition.backbones, or hf:<model type>. `stride`: distance of the
    network's frames, 0: spread; None: that of the backbone's defaults. Raises UserError where none
    is known.
    """
    if settings.sampling != "published":
        return settings
    if backbone not in PROTOCOLS:
        raise UserError(
            f"evaluate.sampling: wanted a backbone with a published protocol, got {backbone}, of "
            "which none is known; set sampling, views, crops and average instead"
        )
    row = PROTOCOLS[backbone]
    if stride is not None and backbone in BY_SAMPLING:
        row = BY_SAMPLING[backbone][stride > 0]
    names = {field.name for field in dataclasses.fields(row)} - {"source", "version"}
    return dataclasses.replace(settings, **{name: getattr(row, name) for name in names})


def with_protocol_version(version: str, settings: Evaluate, backbone: str) -> str:
    """The version of evaluate's results, and that of the protocol where it takes a changed one.

    >>> published = Evaluate(sampling="published")
    >>> with_protocol_version("evaluate 1", published, "ibm_i3d_resnet50")
    'evaluate 1, protocol 2'
    >>> with_protocol_version("evaluate 1", published, "x3d_s")
    'evaluate 1'
    >>> with_protocol_version("evaluate 1", Evaluate(), "ibm_i3d_resnet50")
    'evaluate 1'
    """
    row = PROTOCOLS.get(backbone) if settings.sampling == "published" else None
    return version if row is None or row.version == 1 else f"{version}, protocol {row.version}"
