"""occluders: cut the wanted objects out of COCO's photos, keep where each comes from.

Reads   acquire/coco.json {"images": folder, "instances": JSON, "instances_sha256": ...}, or
        --images and --instances by hand: COCO instances (polygons or run lengths) and photos
Writes  <out folder>/occluders.parquet   a row per instance of a wanted category, SCHEMA below
        <out folder>/png/<category>/<name>.png   RGBA, straight alpha 0 or 255, tight to the mask
        <out folder>/summary.json        counts per category and split, and what ended up empty

A cut-out is named as in the release: <coco image>_<pixels>_<percent>.png, dogs
<pixels>_dog_<coco image>_<percent>.png; pixels is the mask's size, percent its share of the PNG.
A second cut-out of the same name gets _2. The split hangs on the photo: two objects of one photo
never stand in two splits. Annotations are on the stored pixels, so an EXIF orientation is ignored.
Files in png/ that carry such a name and are not in the table are removed.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

SCHEMA = pa.schema(
    [
        column("occluder", "string", "file name, its id; null if there is no cut-out"),
        column("category", "string", "COCO category name"),
        column("status", "string", "ok, skipped (not wanted or not usable) or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("detail", "string", "what exactly happened; null if ok"),
        column("split", "string", "the only split that may use it; null if not ok"),
        column("file", "string", "PNG relative to the table's folder; null if not ok"),
        column("width", "int32", "width of the PNG, pixels"),
        column("height", "int32", "height of the PNG, pixels"),
        column("pixels", "int32", "pixels of the mask"),
        column("pixel_ratio", "float64", "opaque pixels of the PNG, percent"),
        column("coco_image", "int64", "id of the photo"),
        column("coco_annotation", "int64", "id of the annotation"),
        column("licence", "string", "licence of the photo as COCO states it"),
        column("licence_url", "string", "address of the licence"),
        column("origin_url", "string", "where the photo comes from: Flickr, else COCO"),
        column("sha256", "string", "of the PNG file"),
    ]
)

RELEASE = {"backpack": 153, "handbag": 118, "suitcase": 888, "dog": 1629}
"""Cut-outs in the bank of the release."""
