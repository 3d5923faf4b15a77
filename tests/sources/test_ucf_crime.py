"""The ledger of UCF-Crime: its published names, and which of them are there."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from pathlib import Path

import pytest
from support.archives import zip_of

from occludenet_build import config as cfg
from occludenet_build.sources.acquire.command import acquire_archives
from occludenet_build.sources.acquire.ucf_crime import parse_video_name, published_videos
from occludenet_build.sources.acquire.videos import acquire_videos

# Lines of Anomaly_Train.txt and Temporal_Anomaly_Annotation.txt
TRAIN = ["Abuse/Abuse001_x264.mp4", "Arson/Arson044_x264.mp4", "Vandalism/Vandalism050_x264.mp4",
         "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4",
         "Training_Normal_Videos_Anomaly/Normal_Videos950_x264.mp4"]  # fmt: skip
TEST = ["Abuse/Abuse030_x264.mp4", "Burglary/Burglary079_x264.mp4", "Shooting/Shooting048_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_944_x264.mp4"]  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_published_numbers():
    """1,900 videos: 950 normal, 950 of 13 classes; 1,610 for training, 290 for testing of which
    150 are normal (Sultani et al., CVPR 2018, section 4)."""
    videos = list(published_videos().values())
    assert len(videos) == len({video.name for video in videos}) == 1900
    assert Counter(video.split for video in videos) == {"train": 1610, "test": 290}
    normal = Counter(video.split for video in videos if video.label == "Normal")
    assert normal == {"train": 800, "test": 150}
    assert len({video.label for video in videos}) == 14
    sizes = Counter(video.label for video in videos)
    assert {sizes[name] for name in ("RoadAccidents", "Robbery")} == {150}
    assert {sizes[name] for name in ("Burglary", "Stealing")} == {100}
    names = {video.name: video.split for video in videos}
    assert {names[name] for name in TRAIN} == {"train"}
    assert {names[name] for name in TEST} == {"test"}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Abuse001_x264.mp4", ("Abuse", 1)),
        ("RoadAccidents151_x264.mp4", ("RoadAccidents", 151)),
        ("Normal_Videos_003_x264.mp4", ("Normal", 3)),
        ("Normal_Videos950_x264.mp4", ("Normal", 950)),
        ("Arson011_x264_A.mkv", ("Arson", 11)),
        ("Fighting001_x264.mp4", None),
        ("Abuse1_x264.mp4", None),
        ("Walking001_x264.mp4", None),
        ("-id_0000001_000003_000013.mp4", None),
        (".Abuse001_x264.mp4", None),
    ],
)
def test_names(name, key):
    assert parse_video_name(name) == key


def test_a_folder_of_videos_has_its_ledger(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    names = ["Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4", "Arson/Arson010_x264.mp4",
             "Testing_Normal_Videos/Normal_Videos_003_x264.mp4", "Abuse/Abuse001_x264.mp4",
             "Abuse/Abuse002_x264.mp4", "x/notes.mp4"]  # fmt: skip
    for size, name in enumerate(names):
        path = tmp_path / "ucf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"v" * (0 if "002" in name else size + 1))
    config = cfg.load_part({"acquire": {"videos": str(tmp_path / "ucf"), "layout": "classes"}})
    acquire_videos(config, tmp_path / "out" / "videos.parquet")
    rows = {row["name"]: row for row in table(tmp_path / "out" / "ucf_crime.csv")}
    assert len(rows) == 1900
    assert Counter(row["status"] for row in rows.values()) == {
        "present": 3, "empty_file": 1, "missing": 1896,
    }  # fmt: skip
    assert rows["Abuse/Abuse001_x264.mp4"]["bytes"] == "4", "the larger of two"
    assert rows["Abuse/Abuse001_x264.mp4"]["path"] == str(tmp_path / "ucf" / names[3])
    assert rows["Arson/Arson010_x264.mp4"]["split"] == "test"
    assert rows["Fighting/Fighting002_x264.mp4"]["path"] == ""
    classes = {(r["class"], r["split"]): r for r in table(tmp_path / "out/ucf_crime_classes.csv")}
    assert len(classes) == 28 and sum(int(row["published"]) for row in classes.values()) == 1900
    assert classes["Abuse", "train"] | {"share": ""} == {
        "class": "Abuse", "split": "train", "published": "48", "present": "1", "missing": "47",
        "share": "",
    }  # fmt: skip
    assert "UCF-Crime: 3 of 1900 published videos are there (train 1 of 1610, test 2 of 290)" in (
        caplog.text
    )
    assert "missing most: Normal 949, " in caplog.text


def test_archives_have_it_too_and_other_videos_have_none(tmp_path):
    content = zip_of(("Part-1/Abuse/Abuse001_x264.mp4", b"a"), ("Part-1/Abuse/notes.txt", b"x"))
    (tmp_path / "part.zip").write_bytes(content)
    values = {"segments": {"archives": [str(tmp_path / "part.zip")]}}
    acquire_archives(cfg.load_part(values), tmp_path / "videos", tmp_path / "out" / "archives.json")
    rows = table(tmp_path / "out" / "ucf_crime.csv")
    assert [row["name"] for row in rows if row["status"] == "present"] == [
        "Abuse/Abuse001_x264.mp4"
    ]
    for number in range(4):
        path = tmp_path / "own" / "class" / f"clip{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "own" / "class" / "Abuse001_x264.mp4").write_bytes(b"x")
    config = cfg.load_part({"acquire": {"videos": str(tmp_path / "own")}})
    acquire_videos(config, tmp_path / "other" / "videos.parquet")
    assert not list((tmp_path / "other").glob("*.csv"))
