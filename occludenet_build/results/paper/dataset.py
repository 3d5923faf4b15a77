"""Table 1: this build as a dataset, with the datasets that the paper lists."""

from __future__ import annotations

from pathlib import PurePosixPath

import pandas as pd

from occludenet_build.core import tables
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.paper import published
from occludenet_build.results.paper.inputs import Inputs, MissingInput
from occludenet_build.results.paper.parents import parents_of
from occludenet_build.results.paper.table import ABSENT, PaperTable

DYNAMIC = {"track": "Tracking", "static": "Static"}
"""The paper's word by composite.motion; other motions are Geometric."""


def table_1(inputs: Inputs) -> PaperTable:
    """Table 1: this build below the datasets of the paper.

    Raises MissingInput where the build has no clips.
    """
    printed = published.printed_table(1)
    ours = [row for row in (_composited(inputs), _cut_out(inputs)) if row is not None]
    if not ours:
        raise MissingInput(
            "Table 1: wanted annotate/clips.parquet or segments/clips.parquet, got neither; run "
            "annotate"
        )
    head = list(printed.columns)
    measured = pd.DataFrame(ours, columns=head)
    both = (printed.assign(source="paper"), measured.assign(source="ours"))
    notes = [
        "ours: counted and measured in this build, all splits; clips are the occluded ones; "
        "occluders are those of the bank; O-D is occluded frames / frames of a clip",
        "O-D: occlusion duration ratio; Duration in seconds; FPS in frames per second; "
        "Inter-class: classes stand under parents (Appendix G or paper.parents)",
    ]
    numbers = pd.concat(both, ignore_index=True)[["source", *head]]
    paper, found = (part.replace("", ABSENT).values.tolist() for part in (printed, measured))
    title = "Occluded action recognition datasets"
    return PaperTable("table_1", title, head, paper, found, notes, numbers)


def _composited(inputs: Inputs) -> dict[str, str] | None:
    """The row of composite's clips, which are not cropped and have a single view."""
    path = inputs.root / "annotate" / "clips.parquet"
    if not path.exists():
        return None
    rows = tables.read_table(path).to_pandas()
    rows = rows[rows["set"] != CLEAN]
    if rows.empty:
        raise MissingInput(
            "Table 1: wanted occluded clips in annotate/clips.parquet, got none; run composite"
        )
    return _counted(rows, inputs) | {
        "Type": "Syn.",
        "Occluders": f"{_occluders(inputs, rows):,}",
        "O-D": _range(100 * rows["duration_ratio"], "{:.0f}%"),
        "View": "Single-View",
        "Dynamic": DYNAMIC.get(inputs.config.composite.motion, "Geometric"),
    }


def _cut_out(inputs: Inputs) -> dict[str, str] | None:
    """The row of segments' clips, cut from surveillance videos, whose occlusion is not measured."""
    path = inputs.root / "segments" / "clips.parquet"
    rows = tables.read_table(path).to_pandas() if path.exists() else pd.DataFrame({"status": []})
    rows = rows[rows["status"] == "ok"]
    if rows.empty:
        return None
    measured = dict.fromkeys(("Occluders", "O-D", "Dynamic"), ABSENT)
    return _counted(rows, inputs) | measured | {"Type": "Real", "View": "Single-View"}


def _counted(rows: pd.DataFrame, inputs: Inputs) -> dict[str, str]:
    labels = set(rows["label"])
    return {
        "Dataset": PurePosixPath(rows["file"].iloc[0]).parts[0],
        "Clips": f"{len(rows):,}",
        "Classes": f"{len(labels):,}",
        "Duration": _range(rows["duration_seconds"]),
        "FPS": _range(rows["fps"]),
        "Uncropped": "yes",
        "Inter-class": "yes" if labels & set(parents_of(inputs.parents)) else "no",
    }


def _occluders(inputs: Inputs, rows: pd.DataFrame) -> int:
    """Number of cut-outs in the bank, as in the paper; without a bank, of those in the clips."""
    path = inputs.root / "occluders" / "occluders.parquet"
    if not path.exists():
        return int(rows["occluder"].nunique())
    return int((tables.read_table(path, ["status"]).to_pandas()["status"] == "ok").sum())


def _range(values: pd.Series, form: str = "{:.2f}") -> str:
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low}-{high}"
