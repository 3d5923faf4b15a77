"""Surveillance videos out of archives: what is unpacked, where, and the note of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO
from support.archives import zip_of
from support.server import Site, drop, forever, status

from occludenet_build import config as cfg
from occludenet_build.core import names
from occludenet_build.core.errors import UserError
from occludenet_build.sources.acquire.command import acquire_archives

PARTS = {
    "/Anomaly-Videos-Part-1.zip": [
        ("Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4", b"a1"),
        ("Anomaly-Videos-Part-1/Abuse/Abuse002_x264.mp4", b"a2"),
        ("Anomaly-Videos-Part-1/Arson/Arson001_x264.MP4", b"b1"),
        ("Anomaly-Videos-Part-1/Arson/.DS_Store", b"mac"),
        ("__MACOSX/Anomaly-Videos-Part-1/Abuse/._Abuse001_x264.mp4", b"mac"),
        ("Anomaly-Videos-Part-1/../../Arson/evil.mp4", b"x"),
        ("readme.txt", b"x"),
    ],
    "/more/Anomaly-Videos-Part-1.zip": [("Abuse/Abuse003_x264.mp4", b"a3")],
}
WHOLE = {
    "Abuse/Abuse001_x264.mp4": b"a1",
    "Abuse/Abuse002_x264.mp4": b"a2",
    "Abuse/Abuse003_x264.mp4": b"a3",
    "Arson/Arson001_x264.MP4": b"b1",
}


@pytest.fixture
def site(site):
    for path, members in PARTS.items():
        site.put(path, zip_of(*members))
    return site


def settings(site: Site, *paths: str, **download) -> dict:
    quick = {"backoff_seconds": 0.01, "retries": 1, "failure_budget": 1.0}
    archives = [site.url(path) for path in paths or PARTS]
    return {"segments": {"archives": archives}, "download": quick | download}


def acquire(values: dict, root: Path) -> dict:
    out = root / "archives.json"
    acquire_archives(cfg.load_part(values), root / "videos", out)
    return json.loads(out.read_text())


def test_videos_keep_the_folder_of_their_class(site, tmp_path):
    site.entities["/Anomaly-Videos-Part-1.zip"].faults += [drop(50), status(503)]
    values = settings(site, retries=3)
    note = acquire(values, tmp_path)
    folder = tmp_path / "videos"
    assert {str(name): (folder / name).read_bytes() for name in names.files_below(folder)} == WHOLE
    assert note["classes"] == {"Abuse": 3, "Arson": 1} and note["folder"] == str(folder)
    first, second = note["archives"]
    assert (first["address"], first["videos"]) == (site.url("/Anomaly-Videos-Part-1.zip"), 3)
    assert first["refused"] == {"unsafe_path": 1} and len(first["sha256"]) == 64
    assert (second["videos"], second["status"], second["reason"]) == (1, "ok", None)

    content, asked = (tmp_path / "archives.json").read_bytes(), len(site.seen)
    values["segments"]["archives"].reverse()
    acquire(values, tmp_path)
    assert (tmp_path / "archives.json").read_bytes() == content and len(site.seen) == asked


def test_one_that_fails_is_a_row_and_none_at_all_is_one_line(site, tmp_path):
    note = acquire(settings(site, "/more/Anomaly-Videos-Part-1.zip", "/no.zip"), tmp_path)
    assert [(row["reason"], row["videos"]) for row in note["archives"]] == [
        *((None, 1), ("not_found", 0)),
    ]
    with pytest.raises(UserError, match=r"1 archives have none \(not_found\)"):
        acquire(settings(site, "/no.zip"), tmp_path / "other")
    with pytest.raises(UserError, match=r"segments\.archives: wanted archives of videos"):
        acquire({}, tmp_path / "other")


def test_the_command(site, tmp_path):
    site.entities["/Anomaly-Videos-Part-1.zip"].faults.append(forever(status(404)))
    command = [sys.executable, "-m", "occludenet_build", "acquire", "archives"]
    command += ["--out", str(tmp_path / "a.json"), "--settings", json.dumps(settings(site))]
    asked = [*command, "--folder", str(tmp_path / "videos")]
    done = subprocess.run(asked, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["classes"] == {"Abuse": 1}
    without = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert without.returncode == 2 and "wanted --folder" in without.stderr
