"""export as it is run: by Snakemake, on the command line, and killed half-way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPO
from support.export import ExportBuild, contents, named, summary

pytestmark = pytest.mark.slow


def command(root: Path, folder: Path, *words: str) -> list[str]:
    """`occludenet export` in a process of its own."""
    options = ["--format", "mmaction2_frames", "--root", str(root), "--threads", "2"]
    out = ["--out", str(folder / "export.json")]
    return [sys.executable, "-m", "occludenet_build", "export", *options, *out, *words]


def test_a_killed_export_is_finished_by_the_next(tmp_path):
    root = ExportBuild(tmp_path / "build", scales=(0.25,)).write().root
    whole = tmp_path / "whole"
    subprocess.run(command(root, whole), check=True, cwd=REPO, capture_output=True)
    killed, journal = tmp_path / "killed", tmp_path / "killed" / ".frames.csv"
    for done in (1, 4, 9):
        process = subprocess.Popen(
            command(root, killed), cwd=REPO, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while process.poll() is None and _finished(journal) < done:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {name: (killed / name).stat().st_mtime_ns for name in contents(killed)}
    assert not (killed / "export.json").exists() and any(name.endswith(".jpg") for name in kept)
    first = {
        line.split(",")[0] for line in journal.read_text().splitlines() if line[-33:-32] == ","
    }
    subprocess.run(command(root, killed), check=True, cwd=REPO, capture_output=True)
    assert contents(killed) == contents(whole)
    # what was finished before is not written again
    for name, time_ns in kept.items():
        if str(Path(name).parent) in first:
            assert (killed / name).stat().st_mtime_ns == time_ns


def _finished(journal: Path) -> int:
    """Folders of frames that are done: lines with a key of 32 digits."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return sum(len(line.rpartition(",")[2]) == 32 for line in lines)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--settings", '{"export": {"sets": ["S"]}}'], "export.sets: wanted sets of this build"),
        (["--settings", '{"export": {"names": "release"}}'], "wanted names without space"),
        (["--settings", '{"export": {"label_maps": [{"format": "x"}]}}'], "export.label_maps"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, words, text):
    root = ExportBuild(tmp_path / "build", scales=(0.25,)).write().root
    done = subprocess.run(
        command(root, tmp_path / "x", *words), cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 2 and text in done.stderr
    assert "Traceback" not in done.stderr and text in done.stderr.splitlines()[-1]


def test_the_workflow_exports_what_the_settings_ask_for(built, tmp_path):
    build = built.copied(tmp_path)
    labels = tmp_path / "labels.txt"
    text = build.where(build.settings).run("export", ok=False)
    assert "config: export.formats: wanted some of mmaction2," in text and "Traceback" not in text
    # all sets: also those that the settings have measured, finished or not
    waits = {"export": {"formats": ["mmaction2"]}, "measure": {"sets": ["S"]}}
    text = build.where(build.settings | waits).run("export", ok=False)
    assert "segments.videos: wanted a path" in text
    labels.write_text("zumba\n" + "\n".join(_classes(tmp_path)) + "\n")
    export = {"formats": ["mmaction2", "ava"], "sets": ["clean", "D-75"]}
    export["label_maps"] = [{"format": "mmaction2", "file": "labels.txt"}]
    build = build.where(build.settings | {"export": export})
    build.run("export")
    folder = tmp_path / "build" / "export" / "mmaction2"
    annotations = json.loads((tmp_path / "build/annotate/labels.json").read_text())
    assert {name: i - 1 for name, i in summary(folder)["labels"].items() if i} == annotations
    assert {row["set"] for row in named(folder).values()} == {"clean", "D-75"}
    assert all((folder / name).is_file() for name in named(folder))
    assert build.planned("export") == {}
    labels.write_text(labels.read_text() + "yoga\n")
    assert build.planned("export") == {"export_format": 1}
    export["formats"] = ["mmaction2", "ava", "slowfast"]
    more = build.where(build.settings | {"export": export})
    assert more.planned("export") == {"export_format": 2}


def _classes(folder: Path) -> list[str]:
    videos = folder / "world" / "videos"
    return sorted({path.parent.name for path in videos.rglob("*.mp4")})
