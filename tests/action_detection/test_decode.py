"""Decoding of MOC's heads: the fixtures, and clips whose centres, movements and sizes are known."""

import numpy as np
import pytest
import torch

from occludenet_build.action_detection.decode import (
    decode,
    fused,
    probabilities,
    to_tubelets,
    with_mirrored,
)

K, CELLS = 3, (18, 20)


@pytest.fixture(scope="module")
def cases(parity):
    """Every fixture of the kind: further ones may lie beside it."""
    return [np.load(path / "fixture.npz") for path in sorted(parity.glob("moc_decode*"))]


def test_the_official_detections(cases):
    for case in cases:
        heads = {name: torch.from_numpy(case[name]) for name in ("hm", "wh", "mov")}
        wanted = case["detections"]
        assert np.abs(decode(heads, wanted.shape[1]).numpy() - wanted).max() < 1e-5


def drawn(centres: np.ndarray, size: np.ndarray) -> dict[str, torch.Tensor]:
    """The heads of one clip that say exactly this: centres and sizes (K, 2), in cells.

    The heat map as logits, with its peak in the cell of the key centre; movements at the key cell,
    sizes where each centre is.
    """
    heads = {
        "hm": torch.full((1, 2, *CELLS), -9.0),
        "mov": torch.zeros(1, 2 * K, *CELLS),
        "wh": torch.zeros(1, 2 * K, *CELLS),
    }
    x, y = centres[K // 2].astype(int)
    heads["hm"][0, 1, y, x] = 3.0
    for k, (across, down) in enumerate(centres):
        heads["mov"][0, 2 * k : 2 * k + 2, y, x] = torch.tensor([across - x, down - y])
        at = int(down), int(across)
        heads["wh"][0, 2 * k : 2 * k + 2, *at] = torch.from_numpy(size[k])
    return heads


CENTRES = np.array([[4.2, 6.9], [6.5, 7.25], [9.75, 8.5]], np.float32)
SIZE = np.array([[4, 6], [5, 6], [3, 7]], np.float32)
BOXES = np.hstack([CENTRES - SIZE / 2, CENTRES + SIZE / 2])


def test_boxes_are_where_the_centres_moved_to():
    found = decode(probabilities(drawn(CENTRES, SIZE)), 5)[0]
    assert found.shape == (5, 4 * K + 2)
    assert np.allclose(found[0, :-2].reshape(K, 4), BOXES, atol=1e-5)
    assert found[0, -1] == 1 and found[0, -2] == pytest.approx(1 / (1 + np.exp(-3)))
    assert (found[1:, -2] < 0.01).all()


def test_more_detections_than_cells_are_wanted_and_those_there_are_come():
    assert decode(probabilities(drawn(CENTRES, SIZE)), 10_000).shape[1] == CELLS[0] * CELLS[1]


def mirrored(centres: np.ndarray, size: np.ndarray) -> dict[str, torch.Tensor]:
    """What a perfect network says of the mirrored clip: a centre c is at W - c."""
    return drawn(np.hstack([CELLS[1] - centres[:, :1], centres[:, 1:]]), size)


def test_the_flip_test_of_a_perfect_network_changes_nothing():
    plain = probabilities(drawn(CENTRES, SIZE))
    both = with_mirrored(plain, probabilities(mirrored(CENTRES, SIZE)))
    key = (0, slice(None), 7, 6)
    assert torch.allclose(both["mov"][key], plain["mov"][key], atol=1e-5)
    found = decode(both, 1)[0, 0, :-2].reshape(K, 4)
    assert np.allclose(found, BOXES, atol=1e-5)


def test_the_flip_test_evens_out_what_depends_on_the_side():
    plain, other = probabilities(drawn(CENTRES, SIZE)), probabilities(mirrored(CENTRES, SIZE))
    for heads in (plain, other):  # a network that sees everything half a cell too far right
        heads["mov"][:, 0::2] += 0.5
    moved = decode(with_mirrored(plain, other), 1)[0, 0, :-2].reshape(K, 4)
    assert np.allclose(moved, BOXES, atol=1e-5)
    released = with_mirrored(plain, other, released=True)
    assert torch.equal(released["mov"], plain["mov"])
    assert torch.allclose(released["hm"], plain["hm"])


def test_streams_are_weighted():
    rgb, flow = ({name: torch.full((1, 2), v) for name in ("hm", "mov", "wh")} for v in (1.0, 0.0))
    assert {k: v[0, 0].item() for k, v in fused(rgb, flow, hm=0.4).items()} == pytest.approx(
        {"hm": 0.4, "mov": 0.8, "wh": 0.8}
    )


def test_boxes_in_pixels_stay_in_the_picture():
    rows = np.array([[1, 2, 3, 4, -5, 0, 30, 17.9, 0, 0, 20, 18, 0.5, 1]], np.float32)
    found = to_tubelets(torch.from_numpy(rows), 7, CELLS, (90, 200))
    assert found.boxes[0].tolist() == [
        [10, 10, 30, 20],
        [0, 0, 199, pytest.approx(89, abs=0.6)],
        [0, 0, 199, 89],
    ]
    assert (found.start.tolist(), found.label.tolist()) == ([7], [1])
    assert found.score.tolist() == [0.5] and found.boxes.dtype == np.float32
