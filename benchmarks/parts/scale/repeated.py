"""The tables of a build several times over, with other clips, classes and shards in each copy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from occludenet_build.core import tables

_WHOLE = (
    *("acquire/videos", "index/videos", "select/clips", "leaks/clips"),
    "annotate/clips",
)
"""Tables of all clips, without suffix."""
_BY_SHARD = ("detect", "actor_masks", "composite", "counterfactual")
"""Stages with a table per shard."""
_RENAMED = ("clip", "label", "file", "path")
"""Columns of a table of clips that name a clip or its class."""


def repeat_tables(build: Path, times: int) -> None:
    """Repeat the tables of all clips, of their shards, the annotation files and the labels."""
    for name in _WHOLE:
        path = build / f"{name}.parquet"
        copies = [_renamed(tables.read_table(path), copy) for copy in range(times)]
        tables.write_table(pa.concat_tables(copies), path)
    for stage in _BY_SHARD:
        for path in sorted((build / stage).glob("*.parquet")):
            for copy in range(1, times):
                table = _renamed(tables.read_table(path), copy)
                tables.write_table(table, path.with_stem(f"{path.stem}{copy}"))
    labels = json.loads((build / "annotate/labels.json").read_text())
    names = [_copied(label, copy) for copy in range(times) for label in labels]
    (build / "annotate/labels.json").write_text(json.dumps({n: i for i, n in enumerate(names)}))
    for path in (build / "OccludeNet-D/annotations").glob("*.csv"):
        path.write_text("".join(_repeated_lines(path.read_text(), times, len(labels))))


def _copied(text: str, copy: int) -> str:
    """A name in a copy; the first copy keeps it."""
    return f"{text} {copy}" if copy else text


def _renamed(table: pa.Table, copy: int) -> pa.Table:
    for name in _RENAMED if copy else ():
        if name in table.column_names:
            at = table.column_names.index(name)
            changed = pc.binary_join_element_wise(table[name], str(copy), " ")
            table = table.set_column(at, table.schema.field(name), changed)
    return table


def _repeated_lines(text: str, times: int, labels: int) -> Iterator[str]:
    """An annotation file: other classes and file names, as in the tables."""
    head, *lines = text.splitlines(keepends=True)
    yield head
    for copy in range(times):
        for line in lines:
            yield _copied_line(line, copy, labels) if copy else line


def _copied_line(line: str, copy: int, labels: int) -> str:
    if line.count(",") == 1:  # file,label
        file, label = line.rstrip("\n").split(",")
        folder, of_class, name = file.split("/")
        label = str(int(label) + copy * labels)
        return f"{folder}/{of_class} {copy}/{name.removesuffix('.mp4')} {copy}.mp4,{label}\n"
    of_class, name, rest = line.split(",", 2)
    return f"{of_class} {copy},{name.removesuffix('.mp4')} {copy}.mp4,{rest}"
