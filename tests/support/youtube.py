"""A YouTube for tests: settings, pages of tests/server.py, and a fake yt-dlp with given answers.

config = config_of(site.url("/watch?v={id}"))
site.put(page(ID), video, forever(as_video()))
fake = FakeYtDlp(tmp_path, monkeypatch); fake.answer(ID, error("Private video"), video(path))
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.sources.kinetics.clip import KineticsClip
from occludenet_build.sources.kinetics.youtube import ytdlp
from occludenet_build.sources.kinetics.youtube.fetch import fetch_clips

ADDRESS = "http://127.0.0.1:9/watch?v={id}"


def config_of(
    address: str = ADDRESS, download: dict | None = None, access: dict | None = None, **youtube
) -> Config:
    """Quick: no pauses, one retry. `access`: settings of download.youtube."""
    plain = Config()
    settings = {"address": address, "sleep_seconds": 0.0, "timeout_seconds": 30.0} | youtube
    quick = {"retries": 1, "backoff_seconds": 0.0, "timeout_seconds": 5.0} | (download or {})
    quick["youtube"] = replace(plain.download.youtube, **(access or {}))
    made = replace(plain.kinetics, youtube=replace(plain.kinetics.youtube, **settings))
    return replace(plain, kinetics=made, download=replace(plain.download, **quick))


def clip_of(
    youtube_id: str, start: int = 3, end: int = 7, label: str = "juggling balls"
) -> KineticsClip:
    return KineticsClip(youtube_id, start, end, "val", label)


def ids(count: int) -> list[str]:
    return [f"-id_{number:07d}" for number in range(count)]


def page(youtube_id: str) -> str:
    return f"/watch?v={youtube_id}"


def as_video():
    return lambda handler, entity: handler.serve(entity, Content_Type="video/mp4")


def broken(after: int):
    """A video whose connection breaks after so many bytes."""
    return lambda handler, entity: handler.serve(entity, upto=after, Content_Type="video/mp4")


def as_page(text: str, kind: str = "text/html"):
    return lambda handler, entity: handler.answer(200, text.encode(), Content_Type=kind)


def fetch(
    clips: list[KineticsClip], folder: Path, config: Config
) -> dict[str, tuple[str, str | None]]:
    """id -> (status, reason)"""
    found = list(fetch_clips(clips, folder, config, threads=1))
    assert len(found) == len(clips)
    return {one.clip.youtube_id: (one.status, one.reason) for one in found}


PRESENT = ("present", None)


def processes_in(folder: Path) -> list[int]:
    """Processes that work in a folder or below."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            place = link.readlink()
        except OSError:
            continue
        if place.is_relative_to(folder):
            found.append(int(link.parent.name))
    return found


# -- a fake yt-dlp with given answers

_PROGRAM = """
import json, os, shutil, signal, subprocess, sys, time
plan, log = sys.argv[1:3]
arguments = sys.argv[4:]
assert arguments[-2] == "--", arguments
name = arguments[-1].rpartition("=")[2]
with open(log, "a") as stream:
    stream.write(json.dumps([name, time.time(), arguments]) + "\\n")
asked = sum(json.loads(line)[0] == name for line in open(log))
answers = json.load(open(plan)).get(name) or json.load(open(plan))["*"]
answer = answers[min(asked, len(answers)) - 1]
sys.stdout.write(answer.get("stdout", ""))
sys.stderr.write(answer.get("stderr", ""))
sys.stderr.flush()
if "facts" in answer:
    open("facts.json", "a").write(json.dumps(answer["facts"]) + "\\n")
if "video" in answer:
    shutil.copyfile(answer["video"], "video.mp4")
    open("facts.json", "a").write(json.dumps({"filepath": "video.mp4"}) + "\\n")
if "sleep" in answer:
    subprocess.Popen(["sleep", str(answer["sleep"])])
    time.sleep(answer["sleep"])
if "signal" in answer:
    os.kill(os.getpid(), answer["signal"])
sys.exit(answer.get("code", 0))
"""


def error(message: str) -> dict:
    return {"stderr": f"ERROR: {message}\n", "code": 1}


def gives(path: Path) -> dict:
    return {"video": str(path)}


@dataclass
class FakeYtDlp:
    """What yt-dlp answers: for each id, one answer per time it is asked, the last one for ever."""

    folder: Path
    monkeypatch: object

    def __post_init__(self) -> None:
        program = self.folder / "fake.py"
        program.write_text(_PROGRAM)
        self.plan, self.log = self.folder / "plan.json", self.folder / "asked.jsonl"
        self.answers: dict[str, list[dict]] = {}
        command = (sys.executable, "-IS", str(program), str(self.plan), str(self.log))
        self.monkeypatch.setattr(ytdlp, "PROGRAM", command)

    def answer(self, youtube_id: str, *answers: dict) -> None:
        self.answers[youtube_id] = list(answers)
        self.plan.write_text(json.dumps(self.answers))
        self.log.write_text("")

    @property
    def asked(self) -> list[str]:
        return [name for name, _, _ in self._lines()]

    @property
    def times(self) -> list[float]:
        return [at for _, at, _ in self._lines()]

    @property
    def options(self) -> list[str]:
        return self._lines()[-1][2]

    def _lines(self) -> list:
        return [json.loads(line) for line in self.log.read_text().splitlines()]
