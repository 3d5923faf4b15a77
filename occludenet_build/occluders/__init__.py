"""occluders: cut the wanted objects out of COCO's photos, keep where each comes from.

Reads   acquire/coco.json {"images": folder, "instances": JSON, "instances_sha256": ...}, or
        --images and --instances by hand: COCO instances (polygons or run lengths) and photos;
        occluders.own: a folder of RGBA PNGs, <category>/<name>.png
Writes  <out folder>/occluders.parquet   a row per instance of a wanted category, SCHEMA below
        <out folder>/png/<category>/<name>.png   RGBA at the photo's own resolution, straight alpha
        <out folder>/sheets/<category>.jpg   a contact sheet of what was kept
        <out folder>/summary.json        counts per category and split, and what ended up empty

An instance is kept if it is no crowd, has min_pixels, and passes the gates: on its mask (border,
holes, largest_part, thickness) before its photo is opened, on its picture (blur) after, and on all
cut-outs together (near_duplicate). Photos that hold nothing to keep are not opened.

A cut-out is named and cropped as in the release: <coco image>_<pixels>_<percent>.png, dogs
<pixels>_dog_<coco image>_<percent>.png; pixels is the mask's size, percent its share of the crop,
COCO's stated box cut off to whole numbers. A second cut-out of the same name gets _2. Own pictures
are own_<name>_<hash>.png. The split depends on the photo: two objects of one photo never stand in
two splits. Annotations are on the stored pixels, so an EXIF orientation is ignored. Files in png/
that carry such a name and are not in the table are removed.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

SCHEMA = pa.schema(
    [
        column("occluder", "string", "file name, its id; null if there is no cut-out"),
        column("category", "string", "COCO category name, or the own picture's folder"),
        column("status", "string", "ok, skipped (not wanted or not usable) or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("detail", "string", "what exactly happened; null if ok"),
        column("split", "string", "the only split that may use it; null if not ok"),
        column("file", "string", "PNG relative to the table's folder; null if not ok"),
        column("width", "int32", "width of the PNG, pixels"),
        column("height", "int32", "height of the PNG, pixels"),
        column("pixels", "int32", "pixels of the mask as annotated, before any refinement"),
        column(
            "pixel_ratio", "float64", "pixels of the PNG with alpha of one half or more, percent"
        ),
        column("border", "float64", "share of the mask's outline on the photo's border"),
        column("holes", "float64", "share of the filled mask that is holes"),
        column("largest_part", "float64", "share of the mask in its largest connected piece"),
        column("thickness", "float64", "width of the widest circle inside over the mask's root"),
        column("blur", "float64", "spread of the edges over the mask's root; null: no edge inside"),
        column("refined", "float64", "overlap (IoU) with the polygon; null if that was kept"),
        column("perceptual_hash", "string", "hex, what the cut-out shows; null if not cut out"),
        column("origin", "string", "coco or own"),
        column("source", "string", "file name as COCO states it, or in the folder of own pictures"),
        column("coco_image", "int64", "id of the photo; null if own"),
        column("coco_annotation", "int64", "id of the annotation; null if own"),
        column("licence", "string", "licence of the photo as COCO states it"),
        column("licence_url", "string", "address of the licence"),
        column("origin_url", "string", "where the photo comes from: Flickr, else COCO"),
        column("sha256", "string", "of the PNG file"),
    ]
)

RELEASE = {"backpack": 153, "handbag": 118, "suitcase": 888, "dog": 1629}
"""Cut-outs in the bank of the release."""
