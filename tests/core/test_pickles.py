"""Pickles that are read without running them, and the tubes that come in them."""

from __future__ import annotations

import codecs
import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from occludenet_build.core import pickles
from occludenet_build.core.errors import UserError
from occludenet_build.core.pickles import dump_arrays, load_arrays, parse_arrays
from occludenet_build.media.tubes import TubeTruth, read_tubes, tubes_of

# {'\xe9scalade': array([1, 2], '<f4')}, as Python 2.7 with numpy 1 writes it
PYTHON_2 = (
    b"\x80\x02}q\x00U\x08\xe9scaladeq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray"
    b"\nq\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02f4"
    b"q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb"
    b"\x89U\x08\x00\x00\x80?\x00\x00\x00@q\x0ftq\x10bs."
)


class _Runs:
    """What would run a command if it were loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


_DEEP: list[Any] = []
for _ in range(50):
    _DEEP = [_DEEP]
_LOOP: list[Any] = []
_LOOP.append(_LOOP)
HOSTILE = {
    "a command": pickle.dumps(_Runs(os.system, "exit 1")),
    "a builtin": pickle.dumps(_Runs(eval, "1")),
    "many bytes": pickle.dumps(_Runs(bytes, 10**12), protocol=2),
    "another codec": pickle.dumps(_Runs(codecs.encode, "x" * 9, "zlib_codec")),
    "objects": pickle.dumps(np.array([{}], object)),
    "records": pickle.dumps(np.zeros(1, [("a", "f4")])),
    "a matrix": pickle.dumps(np.matrix([[1]])),
    "a class": pickle.dumps(collections.OrderedDict(a=1)),
    "a type": pickle.dumps(np.dtype("f4")),
    "no data": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R.",
    "a name of numpy": b"cnumpy\nload\n.",
    "deep": pickle.dumps(_DEEP),
    "itself": pickle.dumps(_LOOP),
    "outside": b"\x80\x04\x8c\x01xQ.",
    "nothing": b"",
    "half": pickle.dumps([1, 2, 3])[:-4],
    "text": b"hello\n",
    # as copyreg writes slots: `__defaults__` of a function of ours
    "attributes": b"\x80\x02c_codecs\nencode\nN}U\x0c__defaults__U\x05rot13\x85s\x86b0K\x01.",
    "a broken dtype": b"\x80\x02cnumpy\ndtype\nU\x05(1,f4\x85R.",
    "a place far away": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(UserError, match="wanted a pickle of arrays") as caught:
        load_arrays(path)
    assert "\n" not in str(caught.value)
    assert pickles._encode.__defaults__ == ("latin1",)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load_arrays(tmp_path / "none.pkl")


def test_what_python_2_wrote() -> None:
    (item,) = parse_arrays(PYTHON_2).items()
    assert item[0] == "éscalade"
    assert item[1].dtype == np.float32 and item[1].tolist() == [1, 2]


def test_old_names_and_equal_bytes_for_equal_values() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    shared = dump_arrays({"a": [array, array], "b": ["x", "x"]})
    assert b"numpy._core" not in shared and b"numpy.core.multiarray" in shared
    text = "".join(["x"])
    assert shared == dump_arrays({"a": [array, array.copy()], "b": ["x", text + ""]})
    loaded = pickle.loads(shared, encoding="iso-8859-1")
    assert (loaded["a"][1] == array).all()


_ARRAYS = hnp.arrays(
    st.sampled_from(["<f4", ">f8", "u1", "<i8", ">i2", "?", "<U3", "S4", "<c8"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
_PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)


@settings(max_examples=40, deadline=None)
@given(array=_ARRAYS, fortran=st.booleans(), plain=_PLAIN, protocol=st.integers(0, 6))
def test_arrays_come_back(array: np.ndarray, fortran: bool, plain: Any, protocol: int) -> None:
    given_array = np.asfortranarray(array) if fortran else array
    value = {"a": [given_array], "b": (plain, {1})}
    content = dump_arrays(value) if protocol == 6 else pickle.dumps(value, protocol)
    back = parse_arrays(content)
    assert back["b"] == value["b"]
    assert back["a"][0].dtype == array.dtype
    np.testing.assert_array_equal(back["a"][0], array)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_as_plain_values(tmp_path_factory, data) -> None:
    content = bytearray(PYTHON_2)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(bytes(content))
    try:
        value = load_arrays(path)
    except UserError:
        return
    assert isinstance(
        value, dict | list | tuple | str | int | float | np.ndarray | type(None) | set
    )


def _truth(**changed: Any) -> TubeTruth:
    boxes = {n: np.array([n, 2, n + 8, 20]) for n in range(8)}
    values: dict[str, Any] = {
        "labels": ["run"],
        "train_videos": [["run/a"]],
        "test_videos": [[]],
        "nframes": {"run/a": 8},
        "resolution": {"run/a": (24, 32)},
        "gttubes": {"run/a": {0: tubes_of(boxes)}},
    }
    return TubeTruth(**(values | changed))


def test_tubes_come_back_with_half_open_boxes(tmp_path: Path) -> None:
    path = tmp_path / "x-GT.pkl"
    path.write_bytes(_truth().write())
    truth = read_tubes(path)
    assert truth.gttubes["run/a"][0][0][0].tolist() == [1, 0, 2, 7, 19]
    assert [(label, n, box.tolist()) for label, n, box in truth.boxes("run/a")][7] == (
        *(0, 7),
        [7, 2, 15, 20],
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": []}, "label ids below 0"),
        ({"nframes": {"run/a": 7}}, "frames from 1 to 7"),
        ({"nframes": {}}, "tubes"),
        ({"gttubes": {"run/a": {0: [np.zeros((3, 4))]}}}, "shape"),
        ({"gttubes": {}}, "tubes of every listed video"),
        ({"gttubes": [1]}, "tubes"),
        ({"train_videos": []}, "tubes"),
        ({"gttubes": {"run/a": {np.inf: []}}}, "tubes"),
    ],
)
def test_contradictions_in_tubes_are_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    path = tmp_path / "x-GT.pkl"
    path.write_bytes(
        dump_arrays({k: v for k, v in vars(_truth(**changed)).items() if k[:3] != "gt_"})
    )
    with pytest.raises(UserError, match=said) as caught:
        read_tubes(path)
    assert "\n" not in str(caught.value)


def test_another_pickle_is_no_tubes(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(dump_arrays([1]))
    with pytest.raises(UserError, match="the keys labels"):
        read_tubes(path)
