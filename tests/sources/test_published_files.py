"""The table of published files, the defaults that it gives, the cache and the mirror."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import REPO
from support.server import forever, instead, status
from support.workflow import Build

from occludenet_build import config as cfg
from occludenet_build.config import published_files as published
from occludenet_build.config.backends import BACKENDS
from occludenet_build.config.people import TORCHVISION_MODELS
from occludenet_build.config.published_files import PublishedFile
from occludenet_build.core.errors import UserError
from occludenet_build.sources.acquire import recorded
from occludenet_build.sources.transfer import cache

CONTENT = bytes(range(256)) * 1000
QUICK = cfg.Downloads(retries=1, backoff_seconds=0.01)
HASHED = PublishedFile(
    "https://weights.example/v1/net.pth",
    len(CONTENT),
    f"md5:{hashlib.md5(CONTENT).hexdigest()[:6]}",
    "Apache-2.0",
    "a network",
    "this test",
)
UNHASHED = dataclasses.replace(HASHED, url="https://weights.example/v1/plain.pt", digest=None)


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", published.PUBLISHED.values(), ids=lambda file: file.name)
def test_a_row_is_whole(file):
    assert re.fullmatch(r"https?://[\w.-]+/\S+", file.url) and file.url.endswith(file.name)
    assert file.licence and file.what and file.source.startswith("https://")
    assert file.bytes and file.bytes > 1e6
    assert file.digest is None or re.fullmatch(r"(sha256|md5):[0-9a-f]{6,64}", file.digest)
    assert file.sha256 is None or len(file.sha256) == 64


@pytest.mark.parametrize("model", TORCHVISION_MODELS)
def test_torchvision_states_address_size_and_digits(model):
    models = pytest.importorskip("torchvision.models")
    stated = models.get_model_weights(model).DEFAULT
    row = published.TORCHVISION[model]
    assert row.url == stated.url and row.bytes == round(stated.meta["_file_size"] * 2**20)
    assert row.digest == f"sha256:{re.search(r'-([0-9a-f]{8})[.]pth', stated.url)[1]}"


def test_the_names_are_those_that_ultralytics_fetches():
    downloads = pytest.importorskip("ultralytics.utils.downloads")
    rows = [*published.YOLO.values(), *published.YOLO_SEG.values(), *published.YOLO_POSE.values()]
    assert {row.name for row in rows} <= downloads.GITHUB_ASSETS_NAMES


# --- defaults -------------------------------------------------------------------------------------

DEFAULTS = [
    ("detect", {"backend": "yolo"}, "yolov5su.pt"),
    *(("detect", {"backend": "torchvision", "torchvision_model": model},
       published.TORCHVISION[model].name) for model in TORCHVISION_MODELS),
    ("detect", {"backend": "motion"}, None),
    *(("actor_masks", {"backend": "sam", "sam_model": model}, file.name)
      for model, file in published.SAM.items()),
    ("actor_masks", {"backend": "mobile-sam"}, "mobile_sam.pt"),
    ("actor_masks", {"backend": "sam2", "sam2_model": "tiny"}, "sam2.1_hiera_tiny.pt"),
    ("actor_masks", {"backend": "yolo-seg"}, "yolo11n-seg.pt"),
    ("actor_masks", {"backend": "grabcut"}, None),
    ("poses", {}, "yolo11n-pose.pt"),
    ("poses", {"backend": "file"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "section", "name"), DEFAULTS)
def test_weights_have_a_default(stage, section, name):
    made = getattr(cfg.load({stage: section}), stage)
    file = published.PUBLISHED[name] if name else None
    assert (made.weights, made.weights_sha256) == (file and file.url, file and file.sha256)


def test_a_path_or_an_address_of_the_user_stays(tmp_path):
    """The params of the rules of an existing build must not change."""
    path = tmp_path / "mine.pt"
    path.write_bytes(b"x")
    for named in (str(path), "https://host/mine.pt"):
        for stage in ("detect", "actor_masks"):
            for backend in (row for row in BACKENDS[stage].values() if row.network):
                values = {"backend": backend.name, "weights": named}
                whole = cfg.load({stage: values})
                assert getattr(whole, stage) == getattr(cfg.load_part({stage: values}), stage)
    whole = cfg.load({"acquire": {"coco_instances": str(path)}})
    assert whole.acquire.coco_instances == str(path)
    assert cfg.load({}).acquire.coco_instances == published.COCO_ANNOTATIONS.url


def test_without_snakemake_the_default_is_the_same(tmp_path, monkeypatch, capsys):
    from occludenet_build import cli

    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))
    out = str(tmp_path / "detect.json")
    with pytest.raises(SystemExit):
        cli.main(["acquire", "weights", "--stage", "detect", "--out", out, "--offline"])
    said = capsys.readouterr().err
    assert published.YOLO["yolov5su"].url in said and "put the file there" in said
    assert "Traceback" not in said


# --- the cache and the mirror ---------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A machine on which nothing was fetched yet."""
    for name in ("YOLO_CONFIG_DIR", "XDG_CONFIG_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def served(site, home, monkeypatch):
    """Both files on a mirror, in the table of published files."""
    for file in (HASHED, UNHASHED):
        monkeypatch.setitem(published.BY_ADDRESS, file.url, file)
        site.put(f"/all/{file.url.removeprefix('https://')}", CONTENT)
    monkeypatch.setenv("OCCLUDENET_MIRROR", site.url("/all/"))
    return site


def note(build: Path, file: PublishedFile, settings=QUICK) -> dict:
    out = build / "weights" / "detect.json"
    recorded.acquire_weights(
        recorded.FileRequest(file.url, file.sha256, "detect.weights"), settings, out
    )
    return json.loads(out.read_text())


@pytest.mark.parametrize("file", [HASHED, UNHASHED], ids=["hashed", "unhashed"])
def test_a_second_build_takes_the_file_of_the_first(served, home, file, caplog):
    caplog.set_level("INFO")
    first = note(home / "a", file)
    assert first["url"] == file.url, "the publisher's address, not the mirror's"
    assert "fetching https://weights.example/v1/" in caplog.text
    assert "Apache-2.0" in caplog.text and file.size in caplog.text and first["path"] in caplog.text
    requests = len(served.seen)
    offline = dataclasses.replace(QUICK, offline=True)
    second = note(home / "b", file, offline)
    assert len(served.seen) == requests and second["sha256"] == first["sha256"]
    assert Path(second["path"]).read_bytes() == CONTENT


def test_a_spoiled_cache_is_not_used(served, home):
    for file in (HASHED, UNHASHED):
        note(home / "a", file)
        spoiled = cache.cached_path(file)
        spoiled.unlink()  # it shares its bytes with the build
        spoiled.write_bytes(CONTENT[::-1])
        assert cache.find_copy(file) is None
        assert Path(note(home / "b", file)["path"]).read_bytes() == CONTENT
        assert cache.cached_path(file).read_bytes() == CONTENT, "and it is replaced"


OTHER_PLACES = {
    "torch": lambda home: home / "TORCH_HOME/hub/checkpoints",
    "ultralytics": lambda home: home / "ultra",
    "working folder": lambda home: home / "work",
    "its weights": lambda home: home / "work/weights",
}


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_copies_of_other_programs(served, home, place):
    settings = home / "YOLO_CONFIG_DIR/Ultralytics/settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"weights_dir": str(home / "ultra")}))
    folder = place(home)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HASHED, UNHASHED):
        (folder / file.name).write_bytes(CONTENT)
    assert cache.find_copy(HASHED) == folder / HASHED.name
    assert cache.find_copy(UNHASHED) is None, "anything may have that name"
    assert cache.find_copy(UNHASHED, unverified=True) == folder / UNHASHED.name
    made = note(home / "a", HASHED)
    assert not served.seen and not Path(made["path"]).samefile(folder / HASHED.name)
    for file in (HASHED, UNHASHED):
        (folder / file.name).write_bytes(CONTENT[:-1000] if file.digest else CONTENT[:1000])
    shutil.rmtree(home / "cache")
    assert cache.find_copy(HASHED) is None
    assert cache.find_copy(UNHASHED, unverified=True) is None, "its size is another one"


def test_a_file_that_is_not_the_published_one_stops(served, home):
    page = b"<html>Please log in</html>"
    for file, says in (
        (HASHED, "wrong_hash: its publisher states md5"),
        (UNHASHED, "wrong_length"),
    ):
        path = f"/all/{file.url.removeprefix('https://')}"
        served.put(path, CONTENT, forever(instead(page)))
        with pytest.raises(UserError, match=says):
            note(home / "a", file)
        assert not list(home.glob("a/weights/*.p*")) and not cache.cached_path(file).exists()


def test_an_outage_says_where_to_put_the_file(served, home):
    served.put(f"/all/{HASHED.url.removeprefix('https://')}", CONTENT, forever(status(503)))
    with pytest.raises(recorded.NotFetchedError) as caught:
        note(home / "a", HASHED)
    (line,) = str(caught.value).splitlines()
    target = str(home / "a/weights/net-")
    assert f"put the file there as {target}" in line and "set detect.weights to" in line
    (path,) = re.findall(rf"{re.escape(target)}\S+?[.]pth", line)
    Path(path).write_bytes(CONTENT)
    assert note(home / "a", HASHED)["path"] == path


def test_a_folder_without_a_cache_is_no_error(served, home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv(cache.CACHE, str(home / "file"))
    assert Path(note(home / "a", HASHED)["path"]).read_bytes() == CONTENT


def test_the_setting_comes_before_the_environment(served, home, site):
    site.put("/mine/weights.example/v1/net.pth", CONTENT)
    settings = dataclasses.replace(QUICK, mirror=site.url("/mine"))
    note(home / "a", HASHED, settings)
    assert [seen.path for seen in site.seen] == ["/mine/weights.example/v1/net.pth"]


@pytest.mark.slow
def test_in_the_workflow(site, home, monkeypatch):
    """A default is fetched when a target needs it, from the host that stands in for its server."""
    file = published.YOLO["yolov5su"]
    content = bytes(file.bytes)
    site.put(f"/{file.url.removeprefix('https://')}", content)
    videos = home / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_bytes(b"a")
    (home / "build").mkdir()
    settings = {"acquire": {"videos": str(videos)}, "download": {"mirror": site.url("/")}}
    build = Build(home / "build", None, settings, REPO)
    assert "acquire_weights" not in build.planned("index")
    assert build.planned("build/acquire/weights/detect.json") == {"acquire_weights": 1}
    said = build.run("build/acquire/weights/detect.json")
    assert f"detect.weights: fetching {file.url}" in said and "licence AGPL-3.0" in said
    noted = json.loads((home / "build/build/acquire/weights/detect.json").read_text())
    assert noted["bytes"] == len(content) and noted["url"] == file.url
    assert build.planned("build/acquire/weights/detect.json") == {}
    settings["detect"] = {"weights": file.url}
    again = build.where(settings).planned("build/acquire/weights/detect.json")
    assert again == {}, "the default written out is the same"
