"""Figures 11 and 13: clips of OccludeNet, and lines of an annotation file.

Figure 11 has a row per clip with evenly spaced frames: one source clip at every degree with the
same occluder; a clip that is occluded for part of its time; a clip of a static scene (S) and one of
interacting people (I, else M). Each is the first of its kind in the order of a hash. The figure
names the kinds that the build lacks.

Figure 13 shows the first lines of an annotation file of OccludeNet-D, as in the CSV.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.config.recognition import ListedSet
from occludenet_build.config.sources import Index
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.thumbnails import evenly_spaced_frames
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.recognition.lists import read_label_map, read_list, source_clip
from occludenet_build.results.charts import INK, LINE, MUTED, PAGE, footnote
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure
from occludenet_build.results.paper.pictures import panels

WHAT, PURPOSE = "Figure 11", "figure 11"
"""Name of the figure in messages, and the purpose of its draws."""
COLUMNS = 6
PARTIAL = (0.2, 0.8)
"""Range of the share of occluded frames in the clip that is occluded for part of its time."""
ROWS = 36
"""Number of lines in Figure 13, as in the paper."""
LONGEST = 34
"""Longest text of a cell in Figure 13, characters; longer ones end in an ellipsis."""


@dataclass(frozen=True)
class Sample:
    """A row of Figure 11."""

    kind: str
    """D-25, ...; partial; S, I or M."""
    clip: str
    label: str
    root: Path
    """The folder of the build or of the list, which `file` is relative to."""
    file: str
    frames: list[int]
    occluded: frozenset[int] = frozenset()
    """Occluded ones of `frames`, in a clip that is occluded for part of its time."""

    @property
    def path(self) -> Path:
        """The video."""
        return self.root / self.file

    @property
    def words(self) -> str:
        """The label of the row."""
        kinds = {"partial": "part of\nthe time", "S": "static\nscene (S)"}
        people = {name: f"interaction\n({name})" for name in ("I", "M")}
        return (kinds | people).get(self.kind, self.kind)


def samples(inputs: Inputs) -> list[Sample]:
    """The rows of Figure 11; without annotated clips it ends with MissingInput."""
    rows = panels.without_clean(
        panels.of_evaluated_split(panels.annotated_clips(inputs, WHAT), inputs)
    )
    rows = panels.in_hash_order(rows, inputs, PURPOSE)
    found = list(_degrees(rows, inputs)) if len(rows) else []
    used = {sample.clip for sample in found}
    found += _partial(rows[~rows["clip"].isin(used)], inputs)
    found += _scene(inputs)
    people = {one.name: one for one in inputs.config.evaluate.lists}
    for name in ("I", "M"):
        if name in people and not any(sample.kind in ("I", "M") for sample in found):
            found += _listed(people[name], inputs)
    return found


def _degrees(rows: pd.DataFrame, inputs: Inputs) -> Iterator[Sample]:
    """The source clip with the longest occlusion among the first ten of the order."""
    first = rows.drop_duplicates("clip").head(10)
    clip = first.loc[first["duration_ratio"].idxmax(), "clip"]
    for row in rows[rows["clip"] == clip].sort_values("scale").to_dict("records"):
        frames = evenly_spaced_frames(int(row["frames"]), COLUMNS)
        yield Sample(row["set"], clip, row["label"], inputs.root, row["file"], frames)


def _partial(rows: pd.DataFrame, inputs: Inputs) -> list[Sample]:
    largest = rows[rows["scale"] == rows["scale"].max()]
    for row in largest[largest["duration_ratio"].between(*PARTIAL)].to_dict("records"):
        frames = evenly_spaced_frames(int(row["frames"]), COLUMNS)
        truth = panels.ground_truth(inputs, row["shard"], row["clip"])
        of_set = truth[(truth["set"] == row["set"]) & truth["occluded"]] if len(truth) else truth
        hidden = frozenset(of_set["frame"]) & set(frames) if len(of_set) else frozenset()
        if 0 < len(hidden) < len(frames):
            facts = row["clip"], row["label"], inputs.root, row["file"], frames
            return [Sample("partial", *facts, frozenset(hidden))]
    return []


def _scene(inputs: Inputs) -> list[Sample]:
    """The first clip that the stage segments cut, else the first of a list S."""
    path = inputs.root / "segments" / "clips.parquet"
    if path.exists():
        rows = tables.read_table(path).to_pandas()
        rows = rows[rows["status"] == "ok"]
        rows = panels.in_hash_order(rows, inputs, PURPOSE, "file")
        for row in rows.head(1).to_dict("records"):
            frames = evenly_spaced_frames(int(row["frames"]), COLUMNS)
            return [Sample("S", row["clip"], row["label"], inputs.root, row["file"], frames)]
    lists = [one for one in inputs.config.evaluate.lists if one.name == "S"]
    return _listed(lists[0], inputs) if lists else []


def _listed(one: ListedSet, inputs: Inputs) -> list[Sample]:
    """The first clip of a list that can be read."""
    root = Path(one.root) if one.root else Path(one.file).parent
    names = read_label_map(one.label_map) if one.label_map else None
    lines = pd.DataFrame(
        [{"file": line.file, "label": line.label or ""} for line in read_list(one.file, names)]
    )
    limits = Limits.of(Index())
    lines = panels.in_hash_order(lines, inputs, PURPOSE, "file")
    for row in lines.head(10).to_dict("records"):
        try:
            facts = probe(root / row["file"], limits)
        except ItemError:
            continue
        frames, clip = (
            evenly_spaced_frames(facts.frames, COLUMNS),
            source_clip(Path(row["file"]).name),
        )
        return [Sample(one.name, clip, row["label"], root, row["file"], frames)]
    return []


def figure_11(inputs: Inputs) -> PaperFigure:
    """Figure 11: clips of OccludeNet, a row each."""
    found = samples(inputs)
    pictures = [panels.read_frames(sample.path, sample.frames, WHAT) for sample in found]

    def draw(figure: Figure) -> None:
        axes = panels.panel_grid(figure, len(found), COLUMNS)
        for line, sample, shown in zip(axes, found, pictures, strict=True):
            panels.hide_panels(line[len(sample.frames) :])
            for each, frame in zip(line, sample.frames, strict=False):
                border = panels.OCCLUDER if frame in sample.occluded else None
                panels.show_picture(each, shown[frame], frame=border)
            label = "\n".join(textwrap.wrap(sample.label, 15)[:3])
            panels.row_label(line[0], f"{sample.words}\n{label}")
        footnote(figure, _said(found))

    width = (PAGE - 0.9) / COLUMNS
    inches = 0.3 + sum(0.04 + width * _shape(shown) for shown in pictures)
    return inputs.figure("figure_11", draw, PAGE, inches, sample_numbers(found))


def sample_numbers(found: list[Sample]) -> pd.DataFrame:
    """kind, clip, label, file, frames, occluded; frame numbers are separated by spaces."""
    return pd.DataFrame(
        {
            **{name: getattr(sample, name) for name in ("kind", "clip", "label", "file")},
            "frames": " ".join(map(str, sample.frames)),
            "occluded": " ".join(map(str, sorted(sample.occluded))),
        }
        for sample in found
    )


def _shape(shown: dict[int, np.ndarray]) -> float:
    """Height over width."""
    height, width = next(iter(shown.values())).shape[:2]
    return height / width


def _said(found: list[Sample]) -> str:
    kinds = {sample.kind for sample in found}
    absent = [
        words
        for words, names in (
            ("a clip occluded for part of its time", {"partial"}),
            ("S", {"S"}),
            ("I or M", {"I", "M"}),
        )
        if not kinds & names
    ]
    framed = ["framed: occluded"] if "partial" in kinds else []
    return "; ".join([*framed, *([f"not in this build: {', '.join(absent)}"] if absent else [])])


def annotation_file(inputs: Inputs) -> Path:
    """The annotation file of evaluate.split, else of the first split that has one.

    Raises MissingInput where there is no annotation file with a clip.
    """
    folder = inputs.root / inputs.config.composite.dataset / "annotations"
    preferred = folder / f"{inputs.config.evaluate.split}_d.csv"
    for path in (preferred, *sorted(folder.glob("*_d.csv"))):
        if path.exists() and len(path.read_bytes().splitlines()) > 1:
            return path
    raise MissingInput(f"Figure 13: wanted {preferred} with a clip in it; run annotate")


def excerpt(path: Path) -> pd.DataFrame:
    """The header and the first ROWS lines of an annotation file, all cells as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, nrows=ROWS)


def figure_13(inputs: Inputs) -> PaperFigure:
    """Figure 13: the first lines of an annotation file."""
    path = annotation_file(inputs)
    rows = excerpt(path)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _table(axes, rows)
        footnote(figure, f"{path.name}, the first {len(rows)} lines")

    height = 0.6 + 0.115 * (len(rows) + 2)
    numbered = rows.set_axis(range(1, len(rows) + 1)).rename_axis("line").reset_index()
    return inputs.figure("figure_13", draw, PAGE, height, numbered)


def _table(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the cells as text in columns, each as wide as its longest cell."""
    axes.set_axis_off()
    head = [_two_lines(name) for name in rows.columns]
    widths = [_width(name, rows[column]) for name, column in zip(head, rows.columns, strict=True)]
    left, total = 3.6, 3.6 + sum(widths)
    axes.set(xlim=(0, total), ylim=(len(rows) - 0.5, -2.2))
    for line in range(len(rows)):
        axes.text(2.4, line, str(line + 1), fontsize=4, color=MUTED, ha="right", va="center")
    for name, column, width in zip(head, rows.columns, widths, strict=True):
        axes.text(left, -0.75, name, fontsize=4.3, fontweight="bold", color=INK, va="bottom")
        for line, cell in enumerate(rows[column]):
            axes.text(left, line, _short(cell), fontsize=4.3, color=INK, va="center")
        left += width
    for line in range(len(rows) + 1):
        axes.axhline(line - 0.5, color=LINE, linewidth=0.4)


def _two_lines(name: str) -> str:
    """A header of several words on two lines, so that its column stays as narrow as its cells.

    >>> _two_lines("occluder pixel ratio"), _two_lines("fps")
    ('occluder\\npixel ratio', 'fps')
    """
    first, _, rest = name.partition(" ")
    return f"{first}\n{rest}" if rest else name


def _short(cell: str) -> str:
    return cell if len(cell) <= LONGEST else f"{cell[: LONGEST - 1]}…"


def _width(name: str, cells: pd.Series) -> float:
    """Width of a column in characters, with the gap to the next one; the header is bold."""
    longest = max(len(_short(cell)) for cell in cells)
    return 2.2 + max(longest, 1.12 * max(map(len, name.split("\n"))))
