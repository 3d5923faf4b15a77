"""Files of other programs: all formats give the same numbers; a hostile pickle runs nothing."""

import builtins
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.predictions.formats import read_scores
from occludenet_build.recognition.predictions.pickles import load_pickle

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]])
TRUTH = [0, 2, 1, 1]
FILES = ["a/1.mp4", "a/2, b.mp4", "3.mp4", "4.mp4"]


def of_mmaction_1_2(number, device_view):
    """An ActionDataSample as mmengine's DumpResults stores it: a view of the batch's tensor."""
    return {
        "gt_label": torch.LongTensor([TRUTH[number]]),
        "pred_label": device_view[number].argmax(0, keepdim=True),
        "pred_score": device_view[number],
        "num_classes": 3,
        "img_shape": (224, 224),
    }


def of_mmaction_1_0(number, device_view):
    return {
        "gt_labels": {"item": torch.LongTensor([TRUTH[number]])},
        "pred_scores": {"item": device_view[number]},
        "pred_labels": {"item": device_view[number].argmax(0, keepdim=True)},
        "num_classes": 3,
    }


def mmaction(form):
    tensor = torch.tensor(SCORES, dtype=torch.float32)
    return [form(number, tensor) for number in range(4)]


def slowfast():
    return [torch.tensor(30 * SCORES, dtype=torch.float32), torch.tensor(TRUTH)]


PICKLES = {
    "mmaction2 1.2": (lambda: mmaction(of_mmaction_1_2), TRUTH, 1),
    "mmaction2 1.0": (lambda: mmaction(of_mmaction_1_0), TRUTH, 1),
    "mmaction2 0.x": (lambda: list(SCORES.astype(np.float32)), None, 1),
    "PySlowFast": (slowfast, TRUTH, 30),
    "PySlowFast without a GPU": (lambda: [part.numpy() for part in slowfast()], TRUTH, 30),
    "an array": (lambda: SCORES.astype(np.float32), None, 1),
    "half a tensor": (lambda: torch.tensor(SCORES, dtype=torch.bfloat16), None, 1),
}


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", PICKLES)
def test_pickles_of_every_layout(tmp_path, name, protocol):
    make, truth, views = PICKLES[name]
    path = tmp_path / "dump.pkl"
    path.write_bytes(pickle.dumps(make(), protocol=protocol))
    got = read_scores(path)
    assert got.scores == pytest.approx(views * SCORES, abs=2e-3 if "half" in name else 1e-6)
    assert got.scores.dtype == np.float64
    assert got.truth == (truth or [None] * 4)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save(tmp_path, zipped):
    path = tmp_path / "dump.pth"
    torch.save(slowfast(), path, _use_new_zipfile_serialization=zipped)
    assert read_scores(path).truth == TRUTH


def test_numpy_of_before_version_2(tmp_path):
    """numpy 1 called its modules numpy.core."""
    content = pickle.dumps(list(SCORES), protocol=2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core" in content
    (tmp_path / "old.pkl").write_bytes(content)
    assert read_scores(tmp_path / "old.pkl").scores == pytest.approx(SCORES)


def test_a_list_without_labels_is_marked_by_mmaction(tmp_path):
    items = mmaction(of_mmaction_1_2)
    for item in items:
        item["gt_label"] = torch.LongTensor([-1])
        item["filename"] = f"data/{int(item['pred_label'])}.mp4"
    (tmp_path / "dump.pkl").write_bytes(pickle.dumps(items))
    got = read_scores(tmp_path / "dump.pkl")
    assert got.truth == [None] * 4 and got.files[1] == "data/2.mp4"


def test_arrays_of_numpy(tmp_path):
    np.save(tmp_path / "a.npy", SCORES)
    np.savez(tmp_path / "a.npz", SCORES)
    np.savez(tmp_path / "b.npz", scores=SCORES, labels=TRUTH, files=np.array(FILES))
    np.savez(tmp_path / "c.npz", scores=SCORES, labels=np.array(["x", "y", "y", "z"]))
    assert (read_scores(tmp_path / "a.npy").scores == SCORES).all()
    assert (read_scores(tmp_path / "a.npz").scores == SCORES).all()
    got = read_scores(tmp_path / "b.npz")
    assert (list(got.truth), got.files) == (TRUTH, FILES)
    assert read_scores(tmp_path / "c.npz").truth == ["x", "y", "y", "z"]


@pytest.mark.parametrize("label", [False, True])
def test_csv(tmp_path, label):
    rows = [["file", *(["label"] if label else []), "left", "up, down", "still"]]
    for file, scores in zip(FILES, SCORES, strict=True):
        rows.append([f'"{file}"', *(["still"] if label else []), *map(str, scores)])
    rows[0] = [f'"{cell}"' for cell in rows[0]]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    got = read_scores(tmp_path / "a.csv")
    assert (got.scores == SCORES).all() and got.labels == ("left", "up, down", "still")
    assert got.files == FILES and got.truth == ["still" if label else None] * 4


# ---------------------------------------------------------------- what is refused


class Calls:
    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def _hidden_in_a_storage(target):
    """torch's own function for the storage of a tensor would load this as any pickle."""
    inner = io.BytesIO()
    torch.save(Calls(os.system, f"touch {target}"), inner, _use_new_zipfile_serialization=False)
    return Calls(torch.storage._load_from_bytes, inner.getvalue())


HOSTILE = {
    "a command": lambda target: Calls(os.system, f"touch {target}"),
    "eval": lambda target: Calls(builtins.eval, f"open({str(target)!r}, 'w')"),
    "a file": lambda target: Calls(open, str(target), "w"),
    "in a dict": lambda target: [{"pred_score": Calls(os.system, f"touch {target}")}],
    "in an array": lambda target: np.array([Calls(os.system, f"touch {target}")], object),
    "in a storage": _hidden_in_a_storage,
    "torch.load": lambda target: Calls(torch.load, str(target)),
    "a class": lambda target: Path(str(target)),
    "getattr": lambda target: Calls(getattr, OrderedDict, "__init__"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_runs_nothing(tmp_path, name, protocol):
    target = tmp_path / "harm"
    (tmp_path / "dump.pkl").write_bytes(pickle.dumps(HOSTILE[name](target), protocol=protocol))
    with pytest.raises(UserError, match=r"dump\.pkl (would run|cannot be read)") as error:
        read_scores(tmp_path / "dump.pkl")
    assert not target.exists() and "\n" not in str(error.value)


def test_a_hostile_file_of_torch_runs_nothing(tmp_path):
    target = tmp_path / "harm"
    torch.save(Calls(os.system, f"touch {target}"), tmp_path / "dump.pth")
    with pytest.raises(UserError, match="cannot be read"):
        read_scores(tmp_path / "dump.pth")
    assert not target.exists()


def test_a_name_with_dots_reaches_nothing(tmp_path):
    """Protocol 4 resolves dotted names: collections OrderedDict.__init__.__globals__."""
    content = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93."
    (tmp_path / "dump.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"would run collections\.OrderedDict\.__init__"):
        load_pickle(tmp_path / "dump.pkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"no pickle", "cannot be read"),
        (pickle.dumps(list(SCORES))[:-20], "cannot be read"),
        (pickle.dumps({}), "wanted a list of predictions, got a dict"),
        (pickle.dumps([]), "wanted a list of predictions"),
        (pickle.dumps(["a"]), "wanted an array or a dict per clip, got str"),
        (pickle.dumps([{"pred_label": 1}]), "row 1: wanted one array pred_score, got keys"),
        (pickle.dumps([{"pred_score": {"rgb": SCORES[0], "pose": SCORES[0]}}]), "several heads"),
        (pickle.dumps([SCORES, SCORES]), r"one label for each of 4 clips, got \(4, 3\)"),
        (pickle.dumps([SCORES[0], SCORES[0][:2]]), "row 2: wanted a score per class"),
        (pickle.dumps([{"pred_score": SCORES}]), "average the views where you test"),
        (pickle.dumps([{"pred_score": SCORES[0], "gt_label": SCORES[0]}]), "wanted one label"),
        (pickle.dumps([np.array([1.0, np.nan])]), "row 1: wanted numbers, got nan"),
        (
            pickle.dumps([SCORES[0], np.array([1.0, 1e39, 0.0])]),
            "row 2: wanted numbers, got nan or",
        ),
        (pickle.dumps(np.zeros((0, 3))), "wanted scores of clips x classes"),
    ],
)
def test_pickles_that_are_refused(tmp_path, content, message):
    (tmp_path / "dump.pkl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_scores(tmp_path / "dump.pkl")


def test_other_files_that_are_refused(tmp_path):
    def refused(name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_scores(tmp_path / name)

    refused("a.json", b"[]", r"wanted predictions in \.pkl")
    refused("a.npy", b"no array", "cannot be read")
    stream = io.BytesIO()
    np.save(stream, np.array([Calls(os.system, "false")], object), allow_pickle=True)
    refused("b.npy", stream.getvalue(), "cannot be read")
    np.savez(tmp_path / "c.npz", one=SCORES, two=SCORES)
    refused("c.npz", (tmp_path / "c.npz").read_bytes(), "wanted an array called scores")
    np.savez(tmp_path / "d.npz", scores=SCORES, labels=TRUTH[:2])
    refused("d.npz", (tmp_path / "d.npz").read_bytes(), "wanted labels for 4 clips")
    refused("a.csv", b"name,left\nx,1\n", "wanted the header file,<class>")
    refused("b.csv", b"file,left\na.mp4,one\n", "wanted a number in each of 2 columns")
    refused("c.csv", b"file,left\na.mp4,1,2\n", "3 columns")
    refused("d.csv", b"file,left\n", "wanted scores of clips x classes")
    with zipfile.ZipFile(tmp_path / "e.pkl", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(UserError, match="cannot be read"):
        read_scores(tmp_path / "e.pkl")
