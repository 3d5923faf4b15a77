"""occluders: cuts objects out of COCO's photos and records the origin of each cut-out.

Reads   acquire/coco.json {"images": folder, "instances": JSON, "instances_sha256": ...}, or
        --images and --instances: photos, and COCO instances (polygons or run lengths)
        occluders.own: a folder of the user's RGBA PNGs, <category>/<name>.png
Writes  <out folder>/occluders.parquet   a row per instance of a wanted category, SCHEMA below
        <out folder>/png/<category>/<name>.png   RGBA at the photo's resolution, straight alpha
        <out folder>/sheets/<category>.jpg   a contact sheet of the cut-outs
        <out folder>/summary.json        counts per category and split, and empty categories
        <out folder>/refused.csv         why, if there is no cut-out at all (the stage then fails)

An instance is kept if it is not a crowd, has min_pixels, and passes the gates: on its mask (border,
holes, largest_part, thickness) before its photo is opened, on its picture (blur) afterwards, and on
all cut-outs together (near_duplicate). Photos without an instance to keep are not opened.

Names and crops are those of the release: <coco image>_<pixels>_<percent>.png, for dogs
<pixels>_dog_<coco image>_<percent>.png; pixels is the size of the mask, percent its share of the
crop, and the crop is COCO's stated box truncated to integers. A second cut-out of the same name
gets _2. The user's own cut-outs are own_<name>_<hash>.png. The split depends on the photo, so two
objects of one photo are always in the same split. Annotations refer to the stored pixels, so an
EXIF orientation is ignored. Photos with more than 8 bits are scaled
(media.imaging.image_io.rgb_of); file names from other machines, such as C:/x/y.png or with
backslashes, are found by their last part. Whatever is wrong with one photo or one annotation is its
row. Files in png/ with a name like those above that are not in the table are removed.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

SCHEMA = pa.schema(
    [
        column("occluder", "string", "file name, which is the id; null without a cut-out"),
        column("category", "string", "COCO category, or folder of the user's picture"),
        column("status", "string", "ok, skipped (not wanted or not usable) or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("detail", "string", "details of the reason; null if ok"),
        column("split", "string", "the only split that uses it; null if not ok"),
        column("file", "string", "the PNG, relative to the table's folder; null if not ok"),
        column("width", "int32", "width of the PNG, pixels"),
        column("height", "int32", "height of the PNG, pixels"),
        column("pixels", "int32", "pixels of the annotated mask, before refinement"),
        column(
            "pixel_ratio", "float64", "pixels of the PNG with alpha of one half or more, percent"
        ),
        column("border", "float64", "share of the mask's outline on the photo's border"),
        column("holes", "float64", "share of holes in the filled mask"),
        column("largest_part", "float64", "share of the largest connected part in the mask"),
        column(
            "thickness",
            "float64",
            "diameter of the largest inscribed circle / square root of the mask's pixels",
        ),
        column(
            "blur",
            "float64",
            "spread of the edges / square root of the mask's pixels; null without an edge",
        ),
        column(
            "refined",
            "float64",
            "IoU of the refined mask with the polygon; null if the polygon was used",
        ),
        column("perceptual_hash", "string", "hex; null without a cut-out"),
        column("origin", "string", "coco or own"),
        column("source", "string", "file name in COCO, or in the folder of the user's pictures"),
        column("coco_image", "int64", "id of the photo; null if own"),
        column("coco_annotation", "int64", "id of the annotation; null if own"),
        column("licence", "string", "licence of the photo, from COCO"),
        column("licence_url", "string", "address of the licence"),
        column("origin_url", "string", "address of the photo: Flickr, else COCO"),
        column("sha256", "string", "of the PNG file"),
    ]
)

RELEASE = {"backpack": 153, "handbag": 118, "suitcase": 888, "dog": 1629}
"""Category -> number of cut-outs in the bank of the release."""
