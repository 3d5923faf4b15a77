"""Readers of the prediction files of other programs.

.pkl .pickle .pt .pth
    mmaction2 1.x, --dump       a dict per clip: pred_score, gt_label (1.2 on), or
                                pred_scores.item, gt_labels.item (1.0 and 1.1)
    mmaction2 0.x, --out        an array of scores per clip
    PySlowFast, SAVE_RESULTS_PATH    [scores (N, K), labels (N,)], softmax summed over views
    an array or tensor (N, K)
.npy    scores (N, K)
.npz    scores, and optionally labels (N,) and files (N,)
.csv    file, optionally label, and a column per class, which the header names
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.predictions.pickles import load_pickle


@dataclass(frozen=True)
class Scores:
    """The rows of a file, one per clip."""

    scores: np.ndarray
    """(N, K) float64."""
    truth: Sequence[int | str | None]
    """Label of each row as in the file: its number in the label map, its name, or None."""
    files: Sequence[str] | None = None
    """Clip of each row; None where the file does not say."""
    labels: tuple[str, ...] | None = None
    """Class names in the order of the scores; None where the file does not say."""


def read_scores(path: Path | str) -> Scores:
    """Read a file in one of the formats of READERS.

    Raises UserError for another format, for a file that does not parse, for rows of different
    length, and for a score that is not a finite float32.
    """
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise UserError(
            f"wanted predictions in {', '.join(READERS)}, .parquet or .jsonl, got {path}; save "
            "them as .npy"
        )
    found = _parsed(reader, Path(path))
    if found.scores.ndim != 2 or not found.scores.size:
        raise UserError(f"{path}: wanted scores of clips x classes, got {found.scores.shape}")
    # the table has float32, in which 1e39 is infinite
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(found.scores.astype(np.float32)).all(axis=1))
    if len(bad):
        raise UserError(
            f"{path}, row {bad[0] + 1}: wanted numbers, got nan or infinite; {len(bad)} rows are so"
        )
    return found


def _parsed(reader: Callable[[Path], Scores], path: Path) -> Scores:
    """Call a reader; whatever it raises at a damaged or foreign file becomes one line."""
    try:
        return reader(path)
    except UserError:
        raise
    except Exception as error:  # zip, zlib, pickle, numpy and csv raise anything
        raise UserError(
            f"{path}: wanted a table of scores, clips x classes, it does not parse: "
            f"{type(error).__name__}: {first_line(error)}; save the scores as .npy, float"
        ) from error


def _pickled(path: Path) -> Scores:
    value = load_pickle(path)
    if _is_array(value):
        return _unlabelled(_array(value))
    if not isinstance(value, (list, tuple)) or not value:
        raise UserError(f"{path}: wanted a list of predictions, got a {type(value).__name__}")
    if all(isinstance(item, dict) for item in value):
        return _of_mmaction(value, path)
    if not all(_is_array(item) for item in value):
        raise UserError(f"{path}: wanted an array or a dict per clip, got {_kinds(value)}")
    arrays = [_array(item) for item in value]
    if len(arrays) == 2 and arrays[0].ndim == 2:
        return _of_slowfast(arrays[0], arrays[1], path)
    return _unlabelled(_stacked(arrays, path))


def _of_mmaction(items: Sequence[dict[str, Any]], path: Path) -> Scores:
    names = [item.get("filename") for item in items]
    return Scores(
        _stacked([_field(item, "pred_score", path, row) for row, item in enumerate(items)], path),
        [_label(item, path, row) for row, item in enumerate(items)],
        None if None in names else [str(name) for name in names],
    )


def _field(item: dict[str, Any], name: str, path: Path, row: int) -> np.ndarray:
    value = item.get(name)
    if value is None and isinstance(item.get(f"{name}s"), dict):
        value = item[f"{name}s"].get("item")
    if not _is_array(value):
        keys = list(value) if isinstance(value, dict) else list(item)
        raise UserError(
            f"{path}, row {row + 1}: wanted one array {name}, got keys {keys}; a dump of several "
            "heads has no single score per class"
        )
    return _array(value)


def _label(item: dict[str, Any], path: Path, row: int) -> int | None:
    if "gt_label" not in item and "gt_labels" not in item:
        return None
    label = _field(item, "gt_label", path, row)
    if label.size != 1:
        raise UserError(f"{path}, row {row + 1}: wanted one label, got {label.size}")
    return _label_number(label.reshape(())[()])


def _of_slowfast(scores: np.ndarray, labels: np.ndarray, path: Path) -> Scores:
    if labels.shape != scores.shape[:1]:
        raise UserError(
            f"{path}: wanted one label for each of {len(scores)} clips, got {labels.shape}"
        )
    # the row and the label of a clip that was not seen are zeros
    seen = np.asarray(scores.any(axis=1))
    pairs = zip(labels, seen, strict=True)
    return Scores(scores, [_label_number(label) if is_seen else None for label, is_seen in pairs])


def _label_number(label: Any) -> int | None:
    """The number as an int; None for -1, which mmaction2 writes where its list has no label."""
    return None if label < 0 else int(label)


def _unlabelled(scores: np.ndarray) -> Scores:
    return Scores(scores, [None] * len(scores))


def _is_array(value: Any) -> bool:
    """Whether it is a numpy array or a torch tensor; torch is not imported for this."""
    return isinstance(value, np.ndarray) or hasattr(value, "detach")


def _array(value: Any) -> np.ndarray:
    return np.asarray(value if isinstance(value, np.ndarray) else value.detach().double(), float)


def _kinds(value: Sequence[Any]) -> str:
    return ", ".join(sorted({type(item).__name__ for item in value}))


def _stacked(rows: Sequence[np.ndarray], path: Path) -> np.ndarray:
    for number, row in enumerate(rows, 1):
        if row.shape != rows[0].shape or row.ndim != 1:
            raise UserError(
                f"{path}, row {number}: wanted a score per class, got the shape {row.shape}; "
                "average the views where you test"
            )
    return np.stack(rows)


def _npy(path: Path) -> Scores:
    return _unlabelled(_numbers_of(_of_numpy(path), path))


def _npz(path: Path) -> Scores:
    found = _of_numpy(path)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: wanted an .npz of several arrays, got one array; call it .npy")
    with found:
        parts = {name: _member(found, name, path) for name in found.files}
    if "scores" not in parts and len(parts) != 1:
        raise UserError(f"{path}: wanted an array called scores, got {', '.join(parts) or 'none'}")
    scores = parts["scores"] if "scores" in parts else next(iter(parts.values()))
    files, labels = parts.get("files"), parts.get("labels")
    for name, column in (("files", files), ("labels", labels)):
        if column is not None and column.shape != scores.shape[:1]:
            raise UserError(f"{path}: wanted {name} for {len(scores)} clips, got {column.shape}")
    return Scores(
        _numbers_of(scores, path),
        [None] * len(scores) if labels is None else [_named(label) for label in labels],
        None if files is None else [str(file) for file in files],
    )


def _member(archive: Any, name: str, path: Path) -> np.ndarray:
    """An array of an .npz, which numpy reads only now."""
    try:
        return archive[name]
    except Exception as error:
        raise UserError(
            f"{path}: wanted arrays of numbers or text, its array {name} cannot be read: "
            f"{first_line(error)}; save it again, without objects"
        ) from error


def _numbers_of(scores: Any, path: Path) -> np.ndarray:
    """Scores as float64. Raises UserError where they are text, dates, complex or records."""
    if not isinstance(scores, np.ndarray) or scores.dtype.kind not in "fiub":
        kind = getattr(scores, "dtype", type(scores).__name__)
        raise UserError(f"{path}: wanted scores as numbers, got {kind}; save them as floats")
    return scores.astype(np.float64)


def _named(label: Any) -> int | str | None:
    return str(label) if isinstance(label, str) else _label_number(label)


def _of_numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"wanted arrays of numbers, {path} cannot be read: {error}") from error


def _csv(path: Path) -> Scores:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"wanted a CSV file, {path} cannot be read: {error}") from error
    first = 2 if header[1:2] == ["label"] else 1
    if header[:1] != ["file"] or len(header) <= first:
        raise UserError(f"{path}: wanted the header file,<class>,..., got {','.join(header)[:80]}")
    return Scores(
        np.array([_numbers(row, header, first, path) for row in rows]),
        [row[1] if first == 2 else None for row in rows],
        [row[0] for row in rows],
        tuple(header[first:]),
    )


def _numbers(row: list[str], header: list[str], first: int, path: Path) -> list[float]:
    try:
        if len(row) != len(header):
            raise ValueError(f"{len(row)} columns")
        return [float(cell) for cell in row[first:]]
    except ValueError as error:
        raise UserError(
            f"{path}, {row[0]}: wanted a number in each of {len(header)} columns, got {error}"
        ) from error


READERS: dict[str, Callable[[Path], Scores]] = {
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth"), _pickled),
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
}
