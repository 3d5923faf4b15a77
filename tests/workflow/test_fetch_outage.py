"""Outages while Snakemake fetches: the next plain start, without -R, gets what was away."""

from __future__ import annotations

import copy
import json

import pytest
from support.kinetics import CLIPS, video, write_list
from support.server import forever, status
from support.workflow import SETTINGS, Build
from workflow.test_workflow_fetch import zipped

from occludenet_build.core import tables

FIRST = CLIPS[:12]
QUICK = {"backoff_seconds": 0.01, "retries": 1, "failure_budget": 1.0}


def test_an_archive_whose_server_was_down_is_fetched_by_the_next_start(site, tmp_path):
    for number in (1, 2):
        member = f"Anomaly-Videos-Part-{number}/Abuse/Abuse00{number}_x264.mp4"
        site.put(f"/{number}.zip", zipped({member: b"a video"}))
    site.entities["/2.zip"].faults += [forever(status(503))]
    archives = [site.url(f"/{number}.zip") for number in (1, 2)]
    build = Build(tmp_path, None, {"segments": {"archives": archives}, "download": QUICK})
    note = tmp_path / "build/surveillance/archives.json"
    build.run("acquire_archives")
    assert json.loads(note.read_text())["classes"] == {"Abuse": 1}
    site.entities["/2.zip"].faults.clear()
    assert build.planned("build/surveillance/archives.json") == {"acquire_archives": 1}
    build.run("acquire_archives")
    assert json.loads(note.read_text())["classes"] == {"Abuse": 2}
    assert len(site.of("/1.zip")) == 1
    assert build.planned("build/surveillance/archives.json") == {}


@pytest.mark.slow
def test_a_folder_of_a_mirror_that_was_away_is_read_by_the_next_start(tmp_path):
    for number, one in enumerate(FIRST):
        path = tmp_path / "mirror" / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(number))
    kinetics = {
        "route": "mirror",
        "mirror": str(tmp_path / "mirror"),
        "annotations": [str(write_list(tmp_path / "list.csv", FIRST))],
        "splits": ["train"],
    }
    settings = {key: value for key, value in copy.deepcopy(SETTINGS).items() if key != "acquire"}
    build = Build(tmp_path, None, settings | {"kinetics": kinetics})
    table = tmp_path / "build/kinetics/clips.parquet"
    folder, away = tmp_path / "mirror/train/drinking beer", tmp_path / "away"

    def statuses() -> list[str]:
        return [row["status"] for row in tables.read_rows(table)]

    folder.rename(away)
    build.run("kinetics")
    assert sorted(statuses()) == ["missing"] * 4 + ["present"] * 8
    assert build.planned("build/kinetics/clips.parquet") == {}, "nothing has come back"
    away.rename(folder)
    build.run("kinetics")
    assert statuses() == ["present"] * 12
    assert build.planned("build/kinetics/clips.parquet") == {}
