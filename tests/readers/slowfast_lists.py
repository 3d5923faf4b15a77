"""Reads the CSV lists with PySlowFast's own loader, as VideoMAE does, and opens the clips."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import decord
import pandas
from codes import read_code
from slowfast.datasets.kinetics import Kinetics


def slowfast_rows(folder: str, split: str) -> list:
    """[path, label] by slowfast 1.0: its loader of lists, without a network."""
    config = SimpleNamespace(
        DATA=SimpleNamespace(PATH_TO_DATA_DIR=folder, PATH_PREFIX=folder),
        TEST=SimpleNamespace(NUM_ENSEMBLE_VIEWS=1, NUM_SPATIAL_CROPS=1),
    )
    data = Kinetics(config, split)
    return [list(row) for row in zip(data._path_to_videos, data._labels, strict=True)]


def split_rows(file: str, prefix: str, separator: str) -> list:
    """[path, label] as later versions of PySlowFast split lines (DATA.PATH_LABEL_SEPARATOR)."""
    rows = []
    with open(file) as stream:
        for line in stream.read().splitlines():
            path, label = line.split(separator)
            rows.append([f"{prefix}/{path}", int(label)])
    return rows


def pandas_rows(file: str, prefix: str) -> list:
    """[path, label] as VideoMAE reads them."""
    table = pandas.read_csv(file, header=None, delimiter=" ")
    return [[f"{prefix}/{p}", int(i)] for p, i in zip(table[0], table[1], strict=True)]


def opened(path: str) -> list:
    """[number of frames, codes of the first and the last] by decord."""
    reader = decord.VideoReader(path)
    last = len(reader) - 1
    return [len(reader), read_code(reader[0].asnumpy()), read_code(reader[last].asnumpy())]


def main(folder: str, split: str, space: bool) -> dict:
    comma = split_rows(f"{folder}/comma/{split}.csv", folder, ",")
    read = {"comma": comma}
    if space:
        read["slowfast"] = slowfast_rows(folder, split)
        read["pandas"] = pandas_rows(f"{folder}/{split}.csv", folder)
        read["space"] = split_rows(f"{folder}/{split}.csv", folder, " ")
    return {
        "read": {k: [[p.removeprefix(f"{folder}/"), i] for p, i in v] for k, v in read.items()},
        "opened": {path.removeprefix(f"{folder}/"): opened(path) for path, _ in comma},
    }


print(json.dumps([main(**one) for one in json.loads(sys.argv[1])]))
