"""Table 1: this build as a dataset, with the datasets that the paper lists."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

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
    composited = _composited(inputs)
    ours = [*([composited] if composited else []), *_recorded(inputs)]
    if not ours:
        raise MissingInput(
            "Table 1: wanted annotate/clips.parquet, segments/clips.parquet or "
            "recordings/clips.parquet, got none; run annotate, segments or recordings"
        )
    head = list(printed.columns)
    measured = pd.DataFrame(ours, columns=head)
    both = (printed.assign(source="paper"), measured.assign(source="ours"))
    notes = [
        "ours: counted and measured in this build, all splits; clips are the occluded ones; "
        "occluders are those of the bank; O-D is occluded frames / frames of a clip",
        "S, I and M: O-D as the stage measure found it, - where it has not run",
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


def _recorded(inputs: Inputs) -> list[dict[str, str]]:
    """The rows of real clips: S, cut from surveillance videos, and the sets of recordings."""
    every = [
        _clips_of(inputs.root, "segments").assign(set="S"),
        _clips_of(inputs.root, "recordings"),
    ]
    return [
        _recorded_set(str(name), part, inputs)
        for clips in every
        for name, part in clips.groupby("set", sort=True)
    ]


def _clips_of(root: Path, stage: str) -> pd.DataFrame:
    """The clips that a stage wrote; empty where it has not run."""
    path = root / stage / "clips.parquet"
    if not path.exists():
        return pd.DataFrame({"set": []})
    rows = tables.read_table(path).to_pandas()
    return rows[rows["status"] == "ok"]


def _recorded_set(name: str, rows: pd.DataFrame, inputs: Inputs) -> dict[str, str]:
    views = rows["view"].nunique() if "view" in rows else 0
    return _counted(rows, inputs) | {
        "Type": "Real",
        # the paper's word: what hides the actors is no bank of cut-outs
        "Occluders": "Variant",
        "O-D": _measured_durations(inputs.root / "measure" / name / "clips.parquet"),
        "View": "Multi-View" if views > 1 else "Single-View",
        "Dynamic": "Static" if name == "S" else ABSENT,
    }


def _measured_durations(path: Path) -> str:
    """Range of the share of a clip's time in which the actor is hidden, of a table of measure."""
    if not path.exists():
        return ABSENT
    ratios = tables.read_table(path, ["duration_ratio"]).to_pandas()["duration_ratio"].dropna()
    return ABSENT if ratios.empty else _range(100 * ratios, "{:.0f}%")


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
