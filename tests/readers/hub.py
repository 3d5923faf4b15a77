"""Reads exports with the libraries datasets, webdataset and mlcroissant.

Each task: `read`, a function of this file, and its options.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from codes import read_code


def huggingface(folder: str, names: list[str]) -> dict[str, Any]:
    """Configuration -> split -> rows, with the codes of the first and last frame of videos."""
    import datasets

    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            loaded = datasets.load_dataset(folder, name, cache_dir=cache)
            found[name] = {split: [_row(row) for row in rows] for split, rows in loaded.items()}
    return found


def parquet(file: str) -> list[dict[str, Any]]:
    """Rows of a table."""
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        return list(datasets.load_dataset("parquet", data_files=file, cache_dir=cache)["train"])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    video = row.pop("video", None)
    if video is not None:
        frames = [frame.permute(1, 2, 0).numpy() for frame in video]
        row |= {"decoded": len(frames), "codes": [read_code(frames[0]), read_code(frames[-1])]}
    return row


def webdataset(folder: str, pattern: str) -> list[dict[str, Any]]:
    """Samples: key, class, facts, number of frames, and the bytes of the video."""
    import webdataset as wds

    files = sorted(map(str, Path(folder).glob(pattern)))
    samples = wds.WebDataset(files, shardshuffle=False).decode()
    return [
        {
            "key": sample["__key__"],
            "cls": sample["cls"],
            "json": sample["json"],
            "frames": sample["frames.json"],
            "bytes": len(sample["mp4"]) if "mp4" in sample else None,
        }
        for sample in samples
    ]


def webdataset_by_datasets(folder: str, pattern: str) -> list[dict[str, Any]]:
    """The same tar files, read by load_dataset("webdataset")."""
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        files = {"x": f"{folder}/{pattern}"}
        rows = datasets.load_dataset("webdataset", data_files=files, cache_dir=cache)["x"]
        rows = rows.cast_column("mp4", datasets.Video(decode=False))
        return [
            {"key": row["__key__"], "json": row["json"], "bytes": len(row["mp4"]["bytes"])}
            for row in rows
        ]


def croissant(folder: str) -> dict[str, Any]:
    """The report of the validation, the properties of RAI, and the records of all sets."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=f"{folder}/croissant.json")
    records = {
        name.id: [
            {key: _plain(value) for key, value in record.items()}
            for record in dataset.records(name.id)
        ]
        for name in dataset.metadata.record_sets
    }
    found = dataset.metadata
    return {
        "report": found.ctx.issues.report(),
        "conforms_to": found.conforms_to,
        "biases": found.data_biases,
        "limitations": found.data_limitations,
        "collection": found.data_collection,
        "sensitive": found.personal_sensitive_information,
        "records": records,
    }


def _plain(value: Any) -> Any:
    value = value.decode() if isinstance(value, bytes) else value
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


if __name__ == "__main__":
    print(json.dumps([globals()[one.pop("read")](**one) for one in json.loads(sys.argv[1])]))
