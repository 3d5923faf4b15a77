"""Dumps of predictions that do not parse: one line, whatever the library raises."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.predictions.formats import read_scores

S = np.random.default_rng(0).random((3, 4))


def pickled(value):
    return lambda path: path.write_bytes(pickle.dumps(value))


def savez(**arrays):
    return lambda path: np.savez(path, **arrays)


def renamed(**arrays):
    def make(path: Path) -> None:
        np.savez(path.with_suffix(".x.npz"), **arrays)
        os.replace(path.with_suffix(".x.npz"), path)

    return make


def damaged(change):
    """A large .npz, of which `change(bytes)` remains."""

    def make(path: Path) -> None:
        np.savez_compressed(path, scores=np.random.default_rng(0).random((200, 300)))
        path.write_bytes(change(path.read_bytes()))

    return make


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


CASES = {
    "objects.npz": (savez(scores=np.array([{}, 1], object)), "scores cannot be read"),
    "files.npz": (savez(scores=S, files=np.array([None, "a", "b"], object)), "files cannot be"),
    "text.npz": (savez(scores=np.array([["a", "b"]])), "wanted scores as numbers"),
    "scalar.npz": (savez(scores=np.float64(3)), "does not parse"),
    "nan_labels.npz": (savez(scores=S, labels=np.array([np.nan, 1, 2])), "does not parse"),
    "empty.npz": (savez(), "got none"),
    "cut.npz": (damaged(lambda content: content[:1000]), "does not parse"),
    "flipped.npz": (damaged(flipped), "scores cannot be read"),
    "single.npz": (lambda path: path.write_bytes(npy_bytes()), "call it .npy"),
    "several.npy": (renamed(scores=S), "wanted scores as numbers"),
    "objects.npy": (lambda path: np.save(path, np.array([{}], object)), "cannot be read"),
    "complex.npy": (lambda path: np.save(path, S + 1j), "complex128"),
    "records.npy": (lambda path: np.save(path, np.zeros(3, [("a", float)])), "numbers"),
    "ragged.pkl": (pickled([np.array([[1, 2], [3]], object), S]), "does not parse"),
    "text.pkl": (pickled(np.array(["a"])), "does not parse"),
    "labels.pkl": (pickled([S, np.array(["a", "b", "c"])]), "does not parse"),
    "text_label.pkl": (pickled([{"pred_score": S[0], "gt_label": np.array("x")}]), "parse"),
    "empty.csv": (lambda path: path.write_bytes(b""), "wanted the header"),
    "folder.npz": (lambda path: path.mkdir(), "cannot be read"),
    "missing.npz": (lambda path: None, "cannot be read"),
}


def npy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, S)
    return stream.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_parse_is_one_line_that_names_the_file(tmp_path, name):
    make, said = CASES[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(UserError) as caught:
        read_scores(path)
    line = str(caught.value)
    assert said in line and name in line and "\n" not in line


def test_what_parses_still_does(tmp_path):
    labels = np.array([0, -1, 2])
    np.savez(tmp_path / "a.npz", scores=S.astype(np.float16), labels=labels, files=list("abc"))
    found = read_scores(tmp_path / "a.npz")
    assert found.scores.dtype == np.float64 and found.scores.shape == (3, 4)
    assert list(found.truth) == [0, None, 2] and found.files == ["a", "b", "c"]
    np.savez(tmp_path / "one.npz", S)
    assert np.array_equal(read_scores(tmp_path / "one.npz").scores, S)
