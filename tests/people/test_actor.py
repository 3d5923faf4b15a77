"""The actor in the rows of a clip: shots, groups, and the user's own choice in a box file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.detect import clip_of

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import UserError
from occludenet_build.people.detect import BOXES
from occludenet_build.people.detect.inference import DetectJob, detect_in_batches
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors import boxfile
from occludenet_build.people.detectors.boxfile import BoxFile
from occludenet_build.people.detectors.interface import FrameDetections, IndexedClip

CLIP = IndexedClip("a", "a.mp4", 320, 240, 40, 20.0)
SHAPES = {"a": (320, 240, 40)}
LEFT, RIGHT = (20, 60, 100, 200), (200, 80, 240, 160)


def table(*more: str) -> list[dict]:
    """Two people in all frames; the left one is larger. `more` names optional columns."""
    rows = []
    for frame in range(40):
        for number, box in enumerate((LEFT, RIGHT)):
            row = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
            optional = {"track": 7 + number, "actor": int(number == (frame >= 30)), "score": 0.9}
            rows.append(row | {"clip": "a", "frame": frame} | {n: optional[n] for n in more})
    return rows


def write(path: Path, rows: list[dict]) -> Path:
    frame = pd.DataFrame(rows)
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


def searched(path: Path, cuts: list[int], **settings) -> tuple[dict, pd.DataFrame]:
    wanted = Detect(backend="file", boxes=str(path), **settings)
    given = boxfile.read_boxes(path, SHAPES, wants_actor=wanted.actor == "file")
    clip = replace(CLIP, given=given.get("a"))
    empty = np.zeros((4, 4, 3), np.uint8)
    found = list(BoxFile().find(clip, iter([(n, empty) for n in range(40)])))
    facts, detail = rows_of(clip, wanted, found, cuts)
    assert detail.schema.equals(BOXES)
    rows = detail.to_pandas()
    assert facts["actor_frames"] == rows["actor"].sum() == rows[rows["actor"]]["frame"].nunique()
    return facts, rows


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("more", [("actor",), ("actor", "track")])
def test_the_file_names_the_actor(tmp_path, suffix, more):
    path = write(tmp_path / f"b{suffix}", table(*more))
    facts, rows = searched(path, [], actor="file")
    acting = rows[rows["actor"]]
    assert (facts["status"], facts["actor_frames"], facts["tracks"]) == ("ok", 40, 2)
    assert acting["x1"].tolist() == [20] * 30 + [200] * 10
    assert len(rows) == 80 and not rows["filled"].any()


def test_true_and_false_are_values_of_the_column(tmp_path):
    rows = [row | {"actor": bool(row["actor"])} for row in table("actor")]
    for suffix in (".csv", ".parquet"):
        facts, _ = searched(write(tmp_path / f"b{suffix}", rows), [], actor="file")
        assert facts["actor_frames"] == 40


def test_short_gaps_between_named_boxes_are_filled(tmp_path):
    gone = {(f, x) for f in (10, 11) for x in (20,)}
    rows = [r for r in table("actor") if (r["frame"], r["x1"]) not in gone]
    facts, found = searched(write(tmp_path / "b.csv", rows), [], actor="file")
    assert (facts["actor_frames"], facts["filled_frames"]) == (40, 2)
    assert found["frame"][found["filled"]].tolist() == [10, 11]


def test_nobody_is_named(tmp_path):
    rows = [row | {"actor": 0} for row in table("actor")]
    facts, found = searched(write(tmp_path / "b.csv", rows), [], actor="file")
    assert (facts["status"], facts["reason"]) == ("skipped", "no_actor")
    assert "none of them named" in facts["detail"] and len(found) == 80


def test_other_policies_ignore_the_column(tmp_path):
    path = write(tmp_path / "b.csv", table("actor"))
    _, rows = searched(path, [], actor="area_x_duration")
    assert set(rows[rows["actor"]]["x1"]) == {20}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (table(), "wanted the column actor"),
        ([row | {"actor": 1} for row in table()], "wanted one actor at most, got 2"),
        ([row | {"actor": 2} for row in table()], "wanted 0 or 1 as actor, got 2"),
        ([row | {"actor": "yes"} for row in table()], "wanted 0 or 1 as actor, got 'yes'"),
        ([row | {"actor": None} for row in table()], "wanted 0 or 1 as actor"),
    ],
)
def test_a_wrong_column_is_one_line(tmp_path, rows, said):
    path = write(tmp_path / "b.csv", rows)
    with pytest.raises(UserError, match=said) as error:
        boxfile.read_boxes(path, SHAPES, wants_actor=True)
    assert "\n" not in str(error.value)


def test_the_file_policy_needs_the_file():
    with pytest.raises(UserError, match=r"detect\.actor: wanted detect\.backend file"):
        Detect(backend="motion", actor="file")


def test_a_track_over_a_cut_stays_one_person_in_two_shots(tmp_path):
    facts, rows = searched(write(tmp_path / "b.csv", table("track")), [25])
    acting = rows[rows["actor"]]
    assert facts["shots"] == 2 and set(acting["track"]) == {7}
    assert acting["shot"].tolist() == [0] * 25 + [1] * 15


def test_a_gap_over_a_cut_is_not_filled(tmp_path):
    rows = [row for row in table("track") if not 23 <= row["frame"] < 27]
    path = write(tmp_path / "b.csv", rows)
    assert searched(path, [25])[0]["filled_frames"] == 0
    assert searched(path, [])[0]["filled_frames"] == 4


def test_everybody_is_one_box_with_a_number_of_its_own(tmp_path):
    facts, rows = searched(write(tmp_path / "b.csv", table("track")), [25], actor="all")
    group = rows[rows["actor"]]
    assert facts["tracks"] == 2 and len(rows) == 120
    assert group["track"].tolist() == [9] * 25 + [10] * 15
    assert group[["x1", "y1", "x2", "y2"]].drop_duplicates().to_numpy().tolist() == [
        [20, 60, 240, 200]
    ]


def test_a_clip_without_boxes_has_a_table_of_no_rows():
    found = [
        FrameDetections(n, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for n in range(40)
    ]
    facts, detail = rows_of(CLIP, Detect(), found, [])
    assert (facts["status"], facts["detail"]) == ("skipped", "no box in any frame")
    assert detail.schema.equals(BOXES) and len(detail) == 0


REAL = [
    # name, fps, where the actor is: read off the pictures, as shares of width and height
    ("askanything_baseball.mp4", 30.0, (0.2, 0.1, 0.8, 0.9), "the batter, not the boy in front"),
    ("activitynet_v_ZNVhz7ctTq0.mp4", 30.0, (0.3, 0.0, 0.7, 0.45), "the walker, not the dog"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fps", "where", "who"), REAL, ids=[row[0] for row in REAL])
def test_who_the_actor_is_in_real_clips(real_data, name, fps, where, who):
    path = real_data / "videos" / name
    weights = str(real_data / "weights" / "yolov5nu_dequant.pt")
    clip = clip_of(path, fps=fps)
    job = DetectJob(clip, "k", Detect(weights=weights, device="cpu", stride=2), None)
    (result,) = detect_in_batches([job], job.settings, 1)
    rows = result.detail.to_pandas()
    acting = rows[rows["actor"]]
    assert len(acting) > 0.95 * clip.frames, who
    x = (acting["x1"] + acting["x2"]) / 2 / clip.width
    y = (acting["y1"] + acting["y2"]) / 2 / clip.height
    inside = x.between(where[0], where[2]) & y.between(where[1], where[3])
    assert inside.mean() > 0.95, who
