"""Weights: a file of yours, or one fetched once; a hash that changes later stops the build."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPO
from support.server import corrupt, drop, forever, status
from support.workflow import Build

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.sources.acquire import command, recorded
from occludenet_build.sources.transfer.download import file_name
from occludenet_build.sources.weights import local_file

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64
QUICK = cfg.Downloads(retries=1, backoff_seconds=0.01)


@pytest.fixture
def site(site):
    site.put("/v1/yolov5su.pt", CONTENT)
    return site


@pytest.fixture
def note(site, tmp_path):
    """note(**change) -> what `acquire weights` writes for the address."""

    def made(sha256: str | None = None, settings=QUICK, source: str | None = None) -> dict:
        out = tmp_path / "weights" / "detect.json"
        wanted = recorded.FileRequest(
            source or site.url("/v1/yolov5su.pt"), sha256, "detect.weights"
        )
        recorded.acquire_weights(wanted, settings, out)
        return json.loads(out.read_text())

    return made


def test_an_address_is_fetched_once_and_recorded(note, site, tmp_path):
    first = note()
    path = Path(first["path"])
    assert path.parent == tmp_path / "weights" and path.read_bytes() == CONTENT
    assert path.name.startswith("yolov5su-") and path.suffix == ".pt"
    assert (first["sha256"], first["bytes"]) == (SHA256, len(CONTENT))
    record = json.loads(Path(f"{path}.json").read_text())
    assert record["sha256"] == SHA256 and record["url"] == site.url("/v1/yolov5su.pt")
    assert note() == note(sha256=SHA256) == first
    assert len(site.seen) == 1


CHANGES = {
    "the setting": "detect.weights_sha256: wanted 000",
    "the file": "as it was fetched on .* it has changed; remove it",
    "the server": "the server has another file than on",
    "the server, with the old hash set": "the server has another file than on",
}


@pytest.mark.parametrize(("what", "message"), CHANGES.items(), ids=CHANGES.keys())
def test_a_hash_that_changes_later_stops_the_build(note, site, what, message):
    path = Path(note()["path"])
    if what == "the file":
        path.write_bytes(CONTENT[::-1])
    if what.startswith("the server"):
        path.unlink()
        site.put("/v1/yolov5su.pt", CONTENT[::-1])
    with pytest.raises(UserError, match=message) as caught:
        note(sha256=OTHER if what == "the setting" else SHA256 if "old" in what else None)
    assert "\n" not in str(caught.value) and "remove" in str(caught.value)
    assert path.exists() == (not what.startswith("the server"))


def test_what_the_line_says_helps(note, site):
    path = Path(note()["path"])
    path.unlink()
    assert note()["sha256"] == SHA256, "the same file again is no change"
    path.unlink()
    Path(f"{path}.json").unlink()
    site.put("/v1/yolov5su.pt", CONTENT[::-1])
    assert note()["sha256"] == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_the_first_file_must_be_what_the_settings_say(note, site, tmp_path):
    with pytest.raises(UserError, match="wrong_hash"):
        note(sha256=OTHER)
    assert [p.name for p in (tmp_path / "weights").iterdir()] == [".lock"]
    site.put("/v1/yolov5su.pt", CONTENT, corrupt(5))
    with pytest.raises(UserError, match="wrong_hash"):
        note(sha256=SHA256)
    assert note(sha256=SHA256)["sha256"] == SHA256


def test_failures_are_one_line(note, site):
    with pytest.raises(UserError, match=r"detect.weights: http.*gone.pt: not fetched: not_found"):
        note(source=site.url("/gone.pt") + "?token=secret")
    site.put("/v1/yolov5su.pt", CONTENT, forever(status(503)))
    with pytest.raises(UserError, match="server_error") as caught:
        note()
    assert "secret" not in str(caught.value)


def test_killed_before_the_record_was_written(note, site):
    path = Path(note()["path"])
    Path(f"{path}.json").unlink()
    assert note(sha256=SHA256)["sha256"] == SHA256 and len(site.seen) == 1
    assert Path(f"{path}.json").exists()


def test_offline_needs_no_network(note, site, monkeypatch):
    offline = replace(QUICK, offline=True)
    with pytest.raises(
        UserError, match=r"it is missing, and downloads are switched off; put the file there"
    ):
        note(settings=offline)
    assert not site.seen
    online = note()
    monkeypatch.setattr(socket, "socket", None)
    assert note(settings=offline) == online


def test_offline_takes_a_file_that_was_put_there(note, site, tmp_path):
    place = tmp_path / "weights" / file_name(site.url("/v1/yolov5su.pt"), "weights")
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    with pytest.raises(UserError, match="switched off"):
        note(sha256=OTHER, settings=replace(QUICK, offline=True))
    assert note(sha256=SHA256, settings=replace(QUICK, offline=True))["sha256"] == SHA256


def test_a_local_path_always_works(note, tmp_path):
    own = tmp_path / "own.pt"
    own.write_bytes(b"mine")
    assert note(source=str(own))["path"] == str(own)
    own.write_bytes(b"another one")
    found = note(source=str(own), settings=replace(QUICK, offline=True))
    assert found["sha256"] == hashlib.sha256(b"another one").hexdigest()
    with pytest.raises(UserError, match=r"detect\.weights_sha256: wanted 000"):
        note(source=str(own), sha256=OTHER)


NAMES = [
    ("https://h/a/sam_vit_b.pth?download=true", r"sam_vit_b-.{8}\.pth"),
    ("https://h/%2e%2e%2f..%2fetc%2fpasswd", r"passwd-.{8}"),
    ("https://h", r"weights-.{8}"),
    ("https://h/.hidden", r"hidden-.{8}"),
    ("https://h/" + "x" * 500 + ".pt", r"x+-.{8}\.pt"),
    ("https://h/a b'c$(d).pt", r"a_b_c__d_-.{8}\.pt"),
]


@pytest.mark.parametrize(("url", "pattern"), NAMES)
def test_names_of_addresses(url, pattern):
    name = file_name(url, "weights")
    assert re.fullmatch(pattern, name) and "/" not in name and not name.startswith(".")
    assert len(name) < 130 and file_name(url + "x", "weights") != name


def test_a_stage_takes_a_file_or_its_note(tmp_path):
    own, door = tmp_path / "own.pt", tmp_path / "detect.json"
    own.write_bytes(CONTENT)
    recorded.acquire_weights(recorded.FileRequest(str(own), None, "detect.weights"), QUICK, door)
    assert local_file(None, None, "k") is None
    assert local_file(str(own), SHA256, "k") == local_file(str(door), None, "k") == str(own)
    with pytest.raises(UserError, match="k_sha256"):
        local_file(str(own), OTHER, "k")
    with pytest.raises(UserError, match="got an address"):
        local_file("https://h/a.pt", None, "k")
    own.write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match=r"not what .*detect.json says.*it has changed"):
        local_file(str(door), None, "k")
    with pytest.raises(UserError, match="wanted a note of acquire"):
        local_file(str(tmp_path / "none.json"), None, "k")


def test_the_command_line(site, tmp_path):
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "occludenet_build", "acquire", "weights", *args]
        command += ["--out", str(tmp_path / "w" / "w.json")]
        return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)

    url = site.url("/v1/yolov5su.pt")
    settings = {"detect": {"weights": url, "weights_sha256": SHA256.upper()}}
    chosen = ("--stage", "detect", "--settings", json.dumps(settings))
    for args, code, says in [
        ((), 2, "wanted --source or a --stage with weights"),
        (("--source", "none.pt"), 2, "wanted a file, got none.pt"),
        ((*chosen, "--offline"), 2, "downloads are switched off"),
        (chosen, 0, SHA256),
        (("--source", url, "--offline"), 0, SHA256),
    ]:
        done = run(*args)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr


CONFIG_MISTAKES = [
    ({"detect": {"weights_sha256": "abc"}}, "detect.weights_sha256: wanted a sha256, 64 hex"),
    ({"train": {"weights": "ftp://h/a"}}, "train.weights: wanted an existing path"),
    ({"download": {"per_host": 0}}, "download.per_host: wanted a value between"),
]


@pytest.mark.parametrize(("change", "message"), CONFIG_MISTAKES)
def test_mistakes_in_the_settings(change, message):
    with pytest.raises(UserError, match=message):
        cfg.load_part(change)


@pytest.mark.slow
def test_in_the_workflow(site, tmp_path):
    """Offline lists all that is missing; then each address is fetched once for all its stages."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"a")
    (tmp_path / "coco.json").write_text("{}")
    acquire = {"videos": "videos", "coco_images": "videos", "coco_instances": "coco.json"}
    url, other = site.url("/v1/yolov5su.pt"), site.url("/sam.pth")
    site.put("/sam.pth", CONTENT[::-1], drop(1000))
    settings = {
        "acquire": acquire,
        "detect": {"weights": url},
        "actor_masks": {"weights": other},
        "train": {"weights": url},
        "download": {"offline": True},
    }
    build = Build(tmp_path, None, settings)
    said = build.run("acquire", ok=False)
    wanted = {"detect", "actor_masks", "train"}  # audit has none set
    assert {stage for stage in command.SECTIONS if f"{stage}.weights: http" in said} == wanted
    assert not site.seen
    settings["download"] = {"backoff_seconds": 0.01}
    build.where(settings).run("acquire")
    assert len(site.of("/v1/yolov5su.pt")) == 1 and len(site.of("/sam.pth")) == 2
    assert build.where(settings).planned("acquire") == {}
    (fetched,) = (tmp_path / "build/acquire/weights").glob("sam-*.pth")
    fetched.unlink()
    assert build.where(settings).planned("acquire") == {"acquire_weights": 1}
    build.where(settings).run("acquire")
    assert fetched.read_bytes() == CONTENT[::-1]
    settings["detect"] = settings["detect"] | {"weights_sha256": OTHER}
    assert "detect.weights_sha256: wanted 000" in build.where(settings).run("acquire", ok=False)
