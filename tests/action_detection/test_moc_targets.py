"""Targets, input and losses: the published ones, and what they mean."""

import json
import math
import zlib
from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
import torch

from occludenet_build.action_detection import augment, clip, losses, targets
from occludenet_build.action_detection.augment import Augmentation, Colours
from occludenet_build.action_detection.clip import ClipTube

SYSTEMS = (pytest.param("moc", marks=pytest.mark.slow), "stado")
"""STADO's targets are MOC's and a mask."""
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
    tubes = {int(k): [np.array(t, float) for t in v] for k, v in video["tubes"].items()}
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


def test_flow_input_is_the_published_one(parity):
    meta = json.loads((parity / "moc_targets/meta.json").read_text())
    wanted, told = np.load(parity / "moc_targets/flow.npz"), meta["flow"]
    video = meta["videos"][told["video"]]
    numbers = clip.flow_numbers(told["frame"], meta["K"], told["ninput"], video["nframes"])
    assert max(numbers) == video["nframes"] and len(numbers) == 11
    flow = [picture(told["video"], number, video["resolution"], "flow") for number in numbers]
    for name, mirror in (("val", False), ("mirror", True)):
        seen = Augmentation(mirror).pictures(flow, flow=True)
        seen = clip.network_input(seen, told["ninput"], meta["size"])
        assert seen.shape == (7, 15, 288, 288)
        assert blocks(seen) == pytest.approx(wanted[f"{name}.input_blocks"], abs=1e-4)


def test_crops_are_the_published_ones(published):
    told = published[0]["crop_sampling"]
    tubes = [np.array(tube, np.float32) for tube in told["tubes"]]
    for case in told["seeds"]:
        found = augment.crops(Random(case["seed"]), tubes, tuple(told["image_hw"]))
        assert [box.tolist() for box in found] == case["boxes"]


@pytest.fixture(scope="module")
def batch(published):
    """The targets of the published losses, and theirs by name."""
    meta, wanted = published
    cases = [{"video": video, "frame": frame} for video, frame in meta["losses"]["batch"]]
    made_ones = [made(meta, case)[0] for case in cases]
    if "mgan" not in meta["losses"]["weights"]:
        made_ones = [replace(one, mgan=None) for one in made_ones]
    sums = [float(one.hm.double().sum()) for one in made_ones]
    assert sums == pytest.approx(wanted["batch.hm_sum"].tolist())
    return targets.Targets.stacked(made_ones), meta["losses"]["values"]


def published_outputs(wanted, dtype):
    """The outputs of the published losses."""

    def drawn(like, seed):
        values = np.random.RandomState(seed).standard_normal(tuple(like)).astype(np.float32)
        return torch.from_numpy(values).to(dtype)

    clips, _, *cells = wanted.hm.shape
    both = (clips, wanted.mov.shape[2], *cells)
    outputs = {
        "hm": drawn(wanted.hm.shape, 40) - 2,
        "mov": 3 * drawn(both, 41),
        "wh": 5 * drawn(both, 42) + 10,
    }
    if wanted.mgan is not None:
        outputs["mgan"] = drawn(wanted.mgan.shape, 43).sigmoid()
    return {name: one.requires_grad_() for name, one in outputs.items()}


@pytest.mark.parametrize("kind", ["batch.f32", "batch.f64", "no_objects.f32", "no_objects.f64"])
def test_losses_are_the_published_ones(kind, batch):
    wanted, told = batch[0], batch[1][kind]
    if kind.startswith("no"):
        values = {f.name: getattr(wanted, f.name) for f in fields(wanted)}
        wanted = replace(
            wanted, **{k: v if v is None else torch.zeros_like(v) for k, v in values.items()}
        )
    exact = kind.endswith("f64")
    outputs = published_outputs(wanted, torch.float64 if exact else torch.float32)
    got = losses.detection_losses(outputs, wanted, released=True)
    # The published number of objects + 1e-4 is float32, also between outputs of float64.
    close = {"rel": 5e-8 if exact else 1e-6, "abs": 1e-9}
    assert got.total.dtype == (torch.float64 if exact else torch.float32)
    assert got.total.item() == pytest.approx(told["loss"], **close)
    for name in outputs:
        assert getattr(got, name).item() == pytest.approx(told[f"loss_{name}"], **close), name
    got.total.backward()
    for name, one in outputs.items():
        gradient = one.grad.double()
        for how, value in (("grad_sum", gradient.sum()), ("grad_abs_sum", gradient.abs().sum())):
            wide = {"rel": 5e-8, "abs": 1e-9} if exact else {"rel": 1e-5, "abs": 1e-4}
            assert value.item() == pytest.approx(told[how][name], **wide), (how, name)


def test_radius_and_peak_are_the_published_ones(parity):
    meta = json.loads((parity / "moc_decode/meta.json").read_text())
    for height, width, radius in meta["radius"]:
        assert targets.gaussian_radius(height, width) == pytest.approx(radius)
    heat = np.zeros((12, 16), np.float32)
    targets.draw_gaussian(heat, (5, 6), 2)
    targets.draw_gaussian(heat, (15, 0), 3)
    assert heat == pytest.approx(np.load(parity / "moc_decode/fixture.npz")["gaussian"], abs=1e-7)


BOX = [[2.4, 3.6, 7.9, 9.2], [3.0, 3.0, 8.0, 9.0]]


def of_boxes(*tubes, cells=12, **options):
    found = [ClipTube(0, np.array(boxes, np.float32)) for boxes in tubes]
    return targets.make_targets(found, classes=1, frames=2, cells=cells, **options)


def test_targets_of_a_box_by_hand():
    seen = of_boxes(BOX, attention="box")
    assert seen.index.tolist() == [6 * 12 + 5] and seen.hm[0, 6, 5] == 1  # key frame 1
    assert seen.index_all.tolist() == [[6 * 12 + 5] * 4]
    assert seen.wh[0].tolist() == pytest.approx([5.5, 5.6, 5, 6], abs=1e-6)
    assert seen.mov[0].tolist() == pytest.approx([0.15, 0.4, 0.5, 0], abs=1e-6)
    rows, columns = np.nonzero(seen.mgan[0].numpy())
    assert {*rows} == {3, 4, 5, 6, 7, 8} and {*columns} == {2, 3, 4, 5, 6}


def test_the_released_mask_exchanges_x_and_y():
    """Rows x2..y2, columns x1..y1: nothing of a box wider than it is far from the top."""
    assert not of_boxes([[2, 3, 8, 6]] * 2, attention="released").mgan.any()
    rows, columns = np.nonzero(of_boxes([[1, 4, 6, 9]] * 2, attention="released").mgan[0].numpy())
    assert {*rows} == {6, 7, 8} and {*columns} == {1, 2, 3}


def test_the_mask_of_what_is_seen():
    visible = np.zeros((2, 12, 12), bool)
    visible[1, 4:6, 3] = True
    assert np.array_equal(of_boxes(BOX, attention="visible", visible=visible).mgan, visible)
    with pytest.raises(ValueError, match="wanted masks"):
        of_boxes(BOX, attention="visible")
    assert of_boxes(BOX).mgan is None


def test_boxes_over_the_edge():
    """A box that begins outside has a mask inside; a centre on the edge is in the last cell."""
    seen = of_boxes([[-3, -2, 4, 5]] * 2, [[10, 10, 14, 14]] * 2, attention="box")
    assert seen.mgan[0, :5, :4].all() and seen.mgan[0, 10:, 10:].all()
    assert seen.mgan[0].sum() == 5 * 4 + 2 * 2
    assert seen.index.tolist() == [1 * 12 + 0, 11 * 12 + 11]
    assert seen.mov[1].tolist() == [1, 1, 1, 1]


def test_clips_without_anybody():
    empty = of_boxes(attention="box")
    both = targets.Targets.stacked([empty, of_boxes(BOX, attention="box")])
    assert both.mask.tolist() == [[False], [True]] and both.wh.shape == (2, 1, 4)
    alone = targets.Targets.stacked([empty])
    assert not alone.mask.any() and alone.index_all.shape == (1, 1, 4)


def test_the_loss_does_not_depend_on_what_fills_up():
    """A clip with two objects beside one with one: the same as the sums of both."""
    first, second = of_boxes(BOX), of_boxes(BOX, [[1, 1, 3, 4]] * 2)
    torch.manual_seed(0)
    outputs = {"hm": torch.randn(2, 1, 12, 12), "mov": torch.randn(2, 4, 12, 12)}
    outputs["wh"] = torch.randn(2, 4, 12, 12)
    both = losses.detection_losses(outputs, targets.Targets.stacked([first, second]))
    parts = [
        losses.detection_losses({k: v[i : i + 1] for k, v in outputs.items()}, one)
        for i, one in enumerate(map(targets.Targets.stacked, ([first], [second])))
    ]
    for name in ("hm", "mov", "wh"):
        mean = (getattr(parts[0], name) + 2 * getattr(parts[1], name)) / 3
        assert getattr(both, name).item() == pytest.approx(mean.item(), rel=1e-4), name


def test_attention_in_one_of_outputs_and_targets_is_refused():
    one = targets.Targets.stacked([of_boxes(BOX)])
    outputs = published_outputs(one, torch.float32)
    with pytest.raises(ValueError, match="or in neither"):
        losses.detection_losses(outputs | {"mgan": torch.zeros(1, 2, 12, 12)}, one)


def test_the_released_loss_wants_the_opposite():
    wanted = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    wanted[..., 0] = True
    right, wrong = wanted.float(), 1 - wanted.float()
    assert losses.attention_loss(right, wanted) == 0 and losses.attention_loss(wrong, wanted) > 50
    released = losses.released_attention_loss
    assert released(right, wanted).item() == pytest.approx(math.log(1 + math.e), abs=1e-6)
    assert released(wrong, wanted).item() == pytest.approx(math.log(1 + 1 / math.e), abs=1e-6)


def test_tubes_of_a_clip():
    tube = np.array([[number, 1, 2, 3, number] for number in range(3, 9)], np.float32)
    assert clip.clip_tubes({4: [tube]}, 9, 2) == []
    ((label, boxes),) = clip.clip_tubes({4: [tube]}, 4, 3)
    assert label == 4 and boxes[:, 3].tolist() == [4, 5, 6]
    with pytest.raises(ValueError, match="wanted tubes in all 3 frames from 7 or in none, got one"):
        clip.clip_tubes({4: [tube]}, 7, 3)
