"""Table of published files: weights and annotations that a build may fetch by itself.

Defaults of the settings, `occludenet run` and the recipes take their addresses from here. Nothing
of it is distributed with this project, and each file has its publisher's licence. This module uses
the standard library only because the workflow imports it.

`digest` holds what the publisher states, in full or as the first hex digits, as `sha256:a79551df`:

- torchvision's file names end with the first 8 digits of the sha256 (torch.hub checks them);
- the names of the SAM checkpoints end with the first 6 digits of the md5;
- Hugging Face states the sha256 of each large file in a repository of the publisher;
- the server of COCO sends the md5 of a file as its ETag.

None: the publisher states no hash, and the first download is recorded (sources.acquire.recorded).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFile:
    """A file that its publisher offers at an address."""

    url: str
    bytes: int | None
    """Size; `about` says whether it is rounded. None: not stated."""
    digest: str | None
    """algorithm:hex digits, the whole hash or its first digits; None: no hash is stated."""
    licence: str
    what: str
    """Description for the user, one line."""
    source: str
    """The page that states the address, and another one if that states size and hash."""
    rounded: bool = False
    """Whether `bytes` is rounded."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str | None:
        """The whole sha256, 64 hex digits; None where the publisher states less."""
        algorithm, _, digits = (self.digest or "").partition(":")
        return digits if algorithm == "sha256" and len(digits) == 64 else None

    @property
    def size(self) -> str:
        """The size in words.

        >>> YOLO["yolov5su"].size, SAM["vit_b"].size
        ('about 19 MB', '375 MB')
        """
        if self.bytes is None:
            return "size not stated"
        return f"{'about ' if self.rounded else ''}{self.bytes / 1e6:.0f} MB"


_ULTRALYTICS = "AGPL-3.0"
"""Ultralytics also sells another licence."""
_ASSETS = "https://github.com/ultralytics/assets/releases/download/v8.3.0"
_YOLOV5_PAGE = "https://docs.ultralytics.com/models/yolov5/"
_YOLO11 = (
    "https://huggingface.co/Ultralytics/YOLO11/resolve/5df55ae8af79be2d62706f481e97fea7c17c4afc"
)
_YOLO11_PAGE = (
    "https://huggingface.co/Ultralytics/YOLO11/commit/5df55ae8af79be2d62706f481e97fea7c17c4afc"
)


def _yolov5(name: str, size: int) -> PublishedFile:
    return PublishedFile(
        f"{_ASSETS}/{name}.pt",
        size,
        None,
        _ULTRALYTICS,
        f"YOLOv5 person detector ({name}), trained on COCO",
        _YOLOV5_PAGE,
        rounded=True,
    )


YOLO = {
    # Sizes: two bytes per parameter of the publisher's table (2.6, 9.1 and 25.1 million), to 5 %.
    "yolov5nu": _yolov5("yolov5nu", 5_500_000),
    "yolov5su": _yolov5("yolov5su", 18_600_000),
    "yolov5mu": _yolov5("yolov5mu", 50_500_000),
}
"""Detectors of ultralytics, in the anchor-free form that its package loads."""

YOLO_SEG = {
    "yolo11n-seg": PublishedFile(
        f"{_YOLO11}/yolo11n-seg.pt",
        6_182_636,
        "sha256:55ed65c56c91713d23e8402371c6c49a6fd84f257f7dce452e8d70e41dcbe152",
        _ULTRALYTICS,
        "YOLO11 segmentation (yolo11n-seg), trained on COCO",
        _YOLO11_PAGE,
    ),
    "yolo11s-seg": PublishedFile(
        f"{_YOLO11}/yolo11s-seg.pt",
        20_669_228,
        "sha256:1caa81c0195412efa411b632bcfb8c184939dddb6ae41f6a80c41b211ff257c3",
        _ULTRALYTICS,
        "YOLO11 segmentation (yolo11s-seg), trained on COCO",
        _YOLO11_PAGE,
    ),
    "yolov8n-seg": PublishedFile(
        f"{_ASSETS}/yolov8n-seg.pt",
        7_000_000,
        None,
        _ULTRALYTICS,
        "YOLOv8 segmentation (yolov8n-seg), trained on COCO",
        "https://docs.ultralytics.com/models/yolov8/",
        rounded=True,
    ),
}
"""Segmentation models of ultralytics."""

_YOLO11_POSE = "ef787449d1fe015a77a27ca4d375ed0fde69495c"

YOLO_POSE = {
    "yolo11n-pose": PublishedFile(
        f"https://huggingface.co/Ultralytics/YOLO11/resolve/{_YOLO11_POSE}/yolo11n-pose.pt",
        6_255_593,
        "sha256:869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0",
        _ULTRALYTICS,
        "YOLO11 poses (yolo11n-pose), trained on COCO's keypoints",
        f"https://huggingface.co/Ultralytics/YOLO11/commit/{_YOLO11_POSE}",
    ),
}
"""Pose models of ultralytics."""

_PYTORCH = "https://download.pytorch.org/models"


def _torchvision(file: str, megabytes: float, about: str) -> PublishedFile:
    """`megabytes`: _file_size of torchvision's table, in MiB to three decimals."""
    return PublishedFile(
        f"{_PYTORCH}/{file}",
        round(megabytes * 2**20),
        f"sha256:{file.rpartition('-')[2].removesuffix('.pth')}",
        "BSD-3-Clause",
        f"torchvision person detector ({about}), trained on COCO",
        "https://docs.pytorch.org/vision/stable/models.html (torchvision's weights enums)",
        rounded=True,
    )


TORCHVISION = {
    "fasterrcnn_resnet50_fpn_v2": _torchvision(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 167.104, "Faster R-CNN ResNet-50 v2"
    ),
    "fasterrcnn_resnet50_fpn": _torchvision(
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 159.743, "Faster R-CNN ResNet-50"
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": _torchvision(
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", 74.239, "Faster R-CNN MobileNetV3"
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn": _torchvision(
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
        74.239,
        "Faster R-CNN MobileNetV3, 320 pixels",
    ),
    "retinanet_resnet50_fpn_v2": _torchvision(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 146.037, "RetinaNet ResNet-50 v2"
    ),
    "retinanet_resnet50_fpn": _torchvision(
        "retinanet_resnet50_fpn_coco-eeacb38b.pth", 130.267, "RetinaNet ResNet-50"
    ),
    "fcos_resnet50_fpn": _torchvision(
        "fcos_resnet50_fpn_coco-99b0c9b7.pth", 123.608, "FCOS ResNet-50"
    ),
    "ssd300_vgg16": _torchvision("ssd300_vgg16_coco-b556d3b4.pth", 135.988, "SSD300 VGG16"),
    "ssdlite320_mobilenet_v3_large": _torchvision(
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 13.418, "SSDLite MobileNetV3"
    ),
}
"""Detectors of torchvision by the name of the model, detect.torchvision_model."""

_META = "https://dl.fbaipublicfiles.com"


def _sam(model: str, md5: str, size: int) -> PublishedFile:
    return PublishedFile(
        f"{_META}/segment_anything/sam_{model}_{md5}.pth",
        size,
        f"md5:{md5}",
        "Apache-2.0",
        f"Segment Anything ({model})",
        "https://github.com/facebookresearch/segment-anything#model-checkpoints",
    )


def _sam2(model: str, megabytes: int) -> PublishedFile:
    return PublishedFile(
        f"{_META}/segment_anything_2/092824/sam2.1_hiera_{model}.pt",
        megabytes * 1_000_000,
        None,
        "Apache-2.0",
        f"Segment Anything 2.1 ({model})",
        "https://github.com/facebookresearch/sam2#download-checkpoints",
        rounded=True,
    )


SAM = {
    "vit_b": _sam("vit_b", "01ec64", 375_042_383),
    "vit_l": _sam("vit_l", "0b3195", 1_249_524_607),
    "vit_h": _sam("vit_h", "4b8939", 2_564_550_879),
}
"""Checkpoints of SAM by actor_masks.sam_model."""

MOBILE_SAM = PublishedFile(
    "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
    40_728_226,
    "sha256:6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    "Apache-2.0",
    "MobileSAM",
    "https://github.com/ChaoningZhang/MobileSAM; size and hash: the authors' demo, "
    "https://huggingface.co/spaces/dhkim2810/MobileSAM",
)

SAM2 = {
    # Sizes: four bytes per parameter of the publisher's table.
    "tiny": _sam2("tiny", 156),
    "small": _sam2("small", 184),
    "base_plus": _sam2("base_plus", 323),
    "large": _sam2("large", 898),
}
"""Checkpoints of SAM 2.1 by actor_masks.sam2_model; auto is not one."""

COCO_HOST = "http://images.cocodataset.org"
"""Server of COCO, with the scheme that cocodataset.org names."""
COCO_ANNOTATIONS = PublishedFile(
    f"{COCO_HOST}/annotations/annotations_trainval2017.zip",
    252_907_541,
    "md5:f4bbac642086de4f52a3fdda2de5fa2c",
    "CC-BY-4.0",
    "COCO 2017 annotations: instances_train2017.json and instances_val2017.json",
    "https://cocodataset.org/#download; md5: the server's ETag",
)
COCO_PHOTOS = {split: f"{COCO_HOST}/{split}/" for split in ("train2017", "val2017")}
"""Addresses to which the file names of the photos are appended, such as 000000000139.jpg."""
COCO_PHOTO_BYTES = 160_000
"""Average size of a photo: 18 GB for 118 thousand (train2017, cocodataset.org)."""
COCO_PHOTO_LICENCE = "each photo has its own Creative Commons licence, acquire/coco_images.parquet"

_RELEASE_COMMIT = "3e331b2"
RELEASE = (
    "https://raw.githubusercontent.com/The-Martyr/OccludeNet-Dataset/"
    f"{_RELEASE_COMMIT}/Annotations/OccludeNet-D/overall_annotations/"
)
"""Folder of OccludeNet's overall annotations, {split}_d.csv, at the commit of 2025-01-19. The
repository states two licences: its file LICENSE is MIT, the badge of its README is Apache 2.0."""
RELEASE_LICENCE = "MIT by the repository's LICENSE, Apache-2.0 by its README"

PUBLISHED: dict[str, PublishedFile] = {
    row.name: row
    for row in (
        *YOLO.values(), *YOLO_SEG.values(), *YOLO_POSE.values(), *TORCHVISION.values(),
        *SAM.values(), MOBILE_SAM,
        *SAM2.values(), COCO_ANNOTATIONS,
    )
}  # fmt: skip
"""All rows by the name of the file."""
BY_ADDRESS: dict[str, PublishedFile] = {row.url: row for row in PUBLISHED.values()}
"""All rows by address."""
