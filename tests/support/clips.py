"""A few clips with counterfactuals and the table of annotate, for tests of train and evaluate."""

import json
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.synth import write_video

LABELS = ("left", "right", "still")
FRAMES = 12


def pictures(label, seed, scale, erased):
    """Frames of a bright square that moves left, right or not: partly grey, or black if erased."""
    random = np.random.default_rng(seed)
    back = random.integers(60, 120, (24, 32, 3)).astype(np.uint8)
    for number in range(FRAMES):
        place = place_of(label, number)
        picture = back.copy()
        picture[8:16, place : place + 8] = 0 if erased else 230
        picture[8 : 8 + round(8 * scale), place : place + 8] = 128
        yield picture


def place_of(label, number):
    """The left side of the square, the actor, which is 8 px wide and high, from row 8 on."""
    return {"left": 22 - number, "right": 4 + number, "still": 12}[label]


def write_world(root, train=2, test=1):
    """Write clips of all labels, with `train` and `test` sources each, clean and at two scales."""
    rows = []
    for split, count in (("train", train), ("test", test)):
        for label in LABELS:
            for source in range(count):
                rows += [_row(root, split, label, source, scale) for scale in (0.0, 0.25, 0.75)]
    save_table(root, rows)
    save_frames(root, rows)
    (root / "annotate/labels.json").write_text(json.dumps({b: a for a, b in enumerate(LABELS)}))
    return rows


def save_table(root, rows):
    tables.write_table(pa.Table.from_pylist(rows), root / "annotate/clips.parquet")


def save_frames(root, rows, unmasked=()):
    """annotate/frames of the rows, with the columns that training and evaluation read.

    `unmasked`: files of clips without a mask of the actor.
    """
    path = root / "annotate/frames/000.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, FRAME_MASKS) as writer:
        for clip in dict.fromkeys(row["clip"] for row in rows):
            of_clip = [row for row in rows if row["clip"] == clip and row["scale"]]
            found = [_masks(row, number) for row in of_clip for number in range(row["frames"])]
            for row in (r for r in found if r.pop("file") in unmasked):
                row |= {"actor_rle": None, "visible_rle": None}
            if found:
                writer.write_table(pa.Table.from_pylist(found, FRAME_MASKS))


FRAME_MASKS = pa.schema(
    [("clip", pa.string()), ("set", pa.string()), ("frame", pa.int32())]
    + [(name, pa.int32()) for name in ("height", "width")]
    + [(name, pa.binary()) for name in ("actor_rle", "visible_rle", "occluder_rle")]
)


def _masks(row, number):
    actor, occluder = np.zeros((24, 32), bool), np.zeros((24, 32), bool)
    place = place_of(row["label"], number)
    actor[8:16, place : place + 8] = True
    occluder[8 : 8 + round(8 * row["scale"]), place : place + 8] = True
    masks = {"actor": actor, "visible": actor & ~occluder, "occluder": occluder}
    facts = {name: row[name] for name in ("clip", "set", "file")}
    coded = {f"{name}_rle": rle.encode(mask) for name, mask in masks.items()}
    return facts | coded | {"frame": number, "height": 24, "width": 32}


def _row(root, split, label, source, scale):
    name = f"{scale:.2f}_{split}-{label}-{source}.mp4"
    file, erased = f"clips/{name}", f"erased/{name}" if split == "train" and scale else None
    seed = 10 * source + len(split)
    write_video(root / file, pictures(label, seed, scale, False), Fraction(12))
    if erased:
        write_video(root / erased, pictures(label, seed, scale, True), Fraction(12))
    return {
        "clip": f"{split}-{label}-{source}",
        "set": f"D-{100 * scale:.0f}" if scale else "clean",
        "scale": scale,
        "split": split,
        "label": label,
        "file": file,
        "file_hash": sha256_file(root / file),
        "counterfactual": erased,
        "counterfactual_hash": sha256_file(root / erased) if erased else None,
        "frames": FRAMES,
        "degree": scale,
        "area_ratio": scale,
        "actor_hidden": scale or None,
        "duration_ratio": 1.0 if scale else 0.0,
    }
