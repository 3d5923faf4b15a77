"""Targets, input and losses: the published ones, and what they mean."""

import json
import zlib

import numpy as np
import pytest

from occludenet_build.action_detection import clip, targets
from occludenet_build.action_detection.augment import Augmentation, Colours

SYSTEMS = ("moc", "stado")
CASES = ("val0", "val1", "train0", "train1", "train2", "train3", "train4", "train5")


@pytest.fixture(scope="module", params=SYSTEMS)
def published(request, parity):
    folder = parity / f"{request.param}_targets"
    return json.loads((folder / "meta.json").read_text()), np.load(folder / "fixture.npz")


def picture(video, number, size, kind="rgb"):
    """A picture as the fixtures describe it, BGR."""
    seed = zlib.crc32(f"{video}/{number}/{kind}".encode())
    height, width = size
    values = np.random.RandomState(seed).randint(0, 256, (height // 8, width // 8, 3), np.uint8)
    return values.repeat(8, 0).repeat(8, 1).astype(np.float32)


def augmentation(case):
    colours = case.get("distort")
    return Augmentation(
        mirror=bool(case.get("mirror", 0)),
        colours=colours
        and Colours(**colours | {"contrast_second": bool(colours["contrast_second"])}),
        expand=case.get("expand"),
        crop=case.get("crop") and tuple(case["crop"]),
    )


def made(meta, case, kind="released"):
    """The targets of a case, and its input."""
    video = meta["videos"][case["video"]]
    tubes = {int(k): [np.array(t, np.float32) for t in v] for k, v in video["tubes"].items()}
    size, frames, change = tuple(video["resolution"]), meta["K"], augmentation(case)
    numbers = range(case["frame"], case["frame"] + frames)
    seen = change.pictures([picture(case["video"], number, size) for number in numbers])
    found = change.tubes(clip.clip_tubes(tubes, case["frame"], frames), size)
    cells = meta["size"] // meta["down_ratio"]
    found = clip.resized_boxes(found, seen[0].shape[:2], cells)
    result = targets.make_targets(
        found, classes=len(meta["labels"]), frames=frames, cells=cells, attention=kind
    )
    return result, clip.network_input(seen, meta["ninput"], meta["size"])


def blocks(seen):
    """Means over a 6x6 grid, as the fixtures hold the input."""
    side = seen.shape[-1] // 6
    return seen.unflatten(3, (6, side)).unflatten(2, (6, side)).mean((3, 5)).numpy()


@pytest.mark.parametrize("tag", CASES)
def test_targets_and_input_are_the_published_ones(tag, published):
    meta, wanted = published
    (case,) = [case for case in meta["cases"] if case["tag"] == tag]
    result, seen = made(meta, case)
    assert blocks(seen) == pytest.approx(wanted[f"{tag}.input_blocks"], abs=1e-4)
    assert result.hm.numpy() == pytest.approx(wanted[f"{tag}.hm"], abs=1e-6)
    count = len(result.mask)
    assert count == wanted[f"{tag}.mask"].sum()
    for name in ("wh", "mov"):
        assert getattr(result, name).numpy() == pytest.approx(
            wanted[f"{tag}.{name}"][:count], abs=1e-4
        )
    for name in ("index", "index_all"):
        assert np.array_equal(getattr(result, name), wanted[f"{tag}.{name}"][:count])
    if f"{tag}.mgan" in wanted:
        assert np.array_equal(result.mgan, wanted[f"{tag}.mgan"])
