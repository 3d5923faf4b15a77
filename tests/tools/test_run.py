"""occludenet run: which detector, masks and occluders it chooses, and what it says of them."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import REPO
from support.server import forever, instead, silent, status

from occludenet_build import config as cfg
from occludenet_build.config import published_files as published
from occludenet_build.core.errors import UserError
from occludenet_build.sources.transfer import cache
from occludenet_build.tools.run import choice, command, obtain, steps

CONTENT = bytes(range(256)) * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TORCHVISION = published.TORCHVISION[choice.TORCHVISION_MODEL]


def path_of(file: published.PublishedFile) -> str:
    return "/" + file.url.partition("://")[2]


@pytest.fixture
def hosts(site, tmp_path, monkeypatch):
    """A server that stands in for all hosts and has all files, with contents of this test."""
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("OCCLUDENET_MIRROR", site.url(""))
    for name in ("YOLO_CONFIG_DIR", "XDG_CONFIG_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    for rows in (published.YOLO, published.YOLO_SEG, published.TORCHVISION, published.SAM):
        for name, file in rows.items():
            digest = file.digest and f"sha256:{SHA256}"
            same = dataclasses.replace(file, bytes=len(CONTENT), digest=digest)
            monkeypatch.setitem(rows, name, same)
            monkeypatch.setitem(published.BY_ADDRESS, file.url, same)
            site.put(path_of(file), CONTENT)
    (tmp_path / "videos").mkdir()
    return site


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(["videos", *arguments])


def chosen(*arguments: str) -> choice.Choice:
    args = options(*arguments)
    choice.check_flags(args)
    return choice.choose(args, Path("build/own"))


def backends(made: choice.Choice) -> tuple[str, str]:
    return made.sections["detect"]["backend"], made.sections["actor_masks"]["backend"]


CHOICES = [
    ((), ("yolo", "yolo-seg"), ["yolov5su.pt", "yolo11n-seg.pt"]),
    (("--permissive",), ("torchvision", "grabcut"), [TORCHVISION.name]),
    (("--detector", "torchvision"), ("torchvision", "yolo-seg"),
     [TORCHVISION.name, "yolo11n-seg.pt"]),
    (("--masks", "sam"), ("yolo", "sam"), ["yolov5su.pt", "sam_vit_b_01ec64.pth"]),
    (("--permissive", "--masks", "sam"), ("torchvision", "sam"),
     [TORCHVISION.name, "sam_vit_b_01ec64.pth"]),
    (("--detector", "motion"), ("motion", "yolo-seg"), ["yolo11n-seg.pt"]),
    (("--detector", "motion", "--masks", "grabcut"), ("motion", "grabcut"), []),
    (("--offline",), ("motion", "grabcut"), []),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "wanted", "fetched"), CHOICES)
def test_what_is_chosen_and_fetched(hosts, arguments, wanted, fetched):
    made = chosen(*arguments)
    assert backends(made) == wanted
    got = [seen.path.rpartition("/")[2] for seen in hosts.seen if seen.sent]
    assert got == fetched
    assert {path.name for path in Path("cache/weights").glob("*.p*[th]")} == set(fetched)
    # nothing names a file: the workflow has the same defaults, and finds the files fetched
    assert not any("weights" in section for section in made.sections.values())
    requests = len(hosts.seen)
    again = chosen(*arguments, "--offline")
    assert again.sections == made.sections and len(hosts.seen) == requests


def test_every_file_of_a_permissive_run_is_permissive(hosts):
    made = chosen("--permissive")
    settings = cfg.load({key: made.sections[key] for key in ("detect", "actor_masks")})
    assert published.BY_ADDRESS[settings.detect.weights].licence == "BSD-3-Clause"
    assert "AGPL" not in "\n".join(made.lines)


OUTAGES = {
    "nobody listens": lambda site, file: None,
    "no answer": lambda site, file: site.put(path_of(file), CONTENT, forever(silent(3))),
    "a broken server": lambda site, file: site.put(path_of(file), CONTENT, forever(status(503))),
    "the file is gone": lambda site, file: site.put(path_of(file), CONTENT, forever(status(404))),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_falls_back_in_seconds_and_says_so(hosts, monkeypatch, outage):
    monkeypatch.setattr(obtain, "PATIENCE", 0.5)
    quick = dataclasses.replace(obtain.QUICK, backoff_seconds=0.01)
    monkeypatch.setattr(obtain, "QUICK", quick)
    file = published.YOLO["yolov5su"]
    if outage is OUTAGES["nobody listens"]:
        monkeypatch.setenv("OCCLUDENET_MIRROR", "http://127.0.0.1:9")
    outage(hosts, file)
    since = time.monotonic()
    made = chosen()
    assert backends(made) == ("motion", "grabcut") and time.monotonic() - since < 5
    text = "\n".join(made.lines)
    assert "refuses most clips" in text and "add --detector yolo" in text
    assert f"get {file.url} ({file.size}, AGPL-3.0) elsewhere and add --weights FILE" in text
    with pytest.raises(UserError, match=r"--detector yolo: wanted yolov5su\.pt") as caught:
        chosen("--detector", "yolo")
    assert "\n" not in str(caught.value)


def test_another_file_than_the_published_one_is_no_reason_to_fall_back(hosts):
    hosts.put(path_of(published.YOLO_SEG["yolo11n-seg"]), CONTENT, forever(instead(b"page" * 100)))
    with pytest.raises(UserError, match=r"actor_masks\.weights.*wrong_hash"):
        chosen()


def test_weights_of_the_user(hosts, tmp_path):
    for name in ("mine.pt", published.TORCHVISION["ssdlite320_mobilenet_v3_large"].name):
        (tmp_path / name).write_bytes(CONTENT)
    made = chosen("--weights", "mine.pt", "--mask-weights", "mine.pt")
    assert backends(made) == ("yolo", "yolo-seg")
    for section in ("detect", "actor_masks"):
        assert made.sections[section]["weights"] == str(tmp_path / "mine.pt")
    named = published.TORCHVISION["ssdlite320_mobilenet_v3_large"].name
    section = chosen("--weights", named).sections["detect"]
    assert section["torchvision_model"] == "ssdlite320_mobilenet_v3_large"
    section = chosen("--weights", "https://host/w.pt", "--masks", "grabcut").sections["detect"]
    assert section == {"backend": "yolo", "weights": "https://host/w.pt"}


def test_a_file_without_a_published_hash_is_used_in_its_place_and_named(hosts, tmp_path):
    (tmp_path / "yolov5su.pt").write_bytes(CONTENT)
    made = chosen("--offline")
    assert made.sections["detect"]["weights"] == str(tmp_path / "yolov5su.pt")
    assert "states no hash" in made.lines[0] and str(tmp_path / "yolov5su.pt") in made.lines[0]


MISTAKES = [
    (("--permissive", "--detector", "yolo"), "--permissive: wanted no AGPL code"),
    (("--permissive", "--masks", "yolo-seg"), "--permissive: wanted no AGPL code"),
    (("--detector", "motion", "--weights", "a.pt"), "--weights: --detector motion uses none"),
    (("--masks", "grabcut", "--mask-weights", "a.pt"), "--mask-weights: --masks grabcut uses"),
    (("--weights", "none.pt"), "--weights: wanted a file or an http"),
    (("--mask-weights", "none.pt"), "--mask-weights: wanted a file or an http"),
    (("--coco", "--offline"), "--coco: wanted http://images.cocodataset.org/annotations"),
    (("--detector", "yolo", "--offline"), "--detector yolo: wanted yolov5su.pt"),
    (("--masks", "sam", "--offline"), "--masks sam: wanted sam_vit_b_01ec64.pth"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line(hosts, arguments, message):
    with pytest.raises(UserError) as caught:
        chosen(*arguments)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_coco_lies_where_all_runs_find_it(hosts, tmp_path):
    made = chosen("--coco", "--detector", "motion", "--masks", "grabcut")
    settings = cfg.load({key: made.sections[key] for key in ("acquire", "occluders", "download")})
    assert settings.acquire.coco_instances == published.COCO_ANNOTATIONS.url
    assert settings.acquire.coco_images is None
    assert settings.download.folder == str(tmp_path / "cache")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def run(hosts, monkeypatch):
    """run(*arguments) -> the settings with which Snakemake is started."""
    monkeypatch.setattr(command.demo, "draw_world", lambda folder: None)
    monkeypatch.setattr(command.demo, "print_summary", lambda *_: None)
    monkeypatch.setattr(cfg, "_check_whole", lambda config: None)  # no drawn world here

    def made(*arguments: str) -> cfg.Config:
        started: list[list[Path]] = []
        monkeypatch.setattr(command.steps, "build", lambda *args: started.append(args[1]))
        command.run(options(*arguments), cfg.Config())
        values: dict = {}
        for path in started[0]:
            for key, value in yaml.safe_load(path.read_text()).items():
                values[key] = values.get(key, {}) | value if isinstance(value, dict) else value
        values["acquire"] = {
            key: value
            for key, value in values["acquire"].items()
            if not str(value).startswith("build/")
        }
        return cfg.load(values)

    return made


def test_the_settings_of_a_run(run, tmp_path):
    settings = run()
    assert settings.acquire.videos == str(tmp_path / "videos")
    assert settings.detect.weights == published.YOLO["yolov5su"].url
    assert settings.actor_masks.weights == published.YOLO_SEG["yolo11n-seg"].url
    assert settings.train.backbone == "tiny3d" and not settings.download.offline
    assert run("--offline").download.offline


def begin() -> None:
    Path("build/own/detect").mkdir(parents=True, exist_ok=True)
    Path("build/own/detect/000.parquet").write_bytes(b"")


def test_a_build_that_was_begun_goes_on_with_its_choices(run, hosts, tmp_path):
    """Nobody's clips are made again because there is a network today, or none."""
    assert run("--offline").detect.backend == "motion"
    begin()
    assert run().detect.backend == "motion" and not hosts.seen
    assert run("--detector", "yolo").detect.backend == "yolo"
    shutil.rmtree("cache")
    hosts.entities.clear()
    assert run().detect.backend == "yolo", "its weights lie in the build"
    (tmp_path / "others").mkdir()
    args = options("--offline")
    args.videos = tmp_path / "others"
    sections = command._sections(args, Path("build/own/videos.yaml"))
    assert sections["detect"]["backend"] == "yolo", "found in the build's folder"


def test_a_build_of_an_earlier_version_stays_motion(run):
    begin()
    videos = {"videos": str(Path("videos").resolve())}
    Path("build/own/videos.yaml").write_text(json.dumps({"acquire": videos}))
    settings = run()
    assert (settings.detect.backend, settings.actor_masks.backend) == ("motion", "grabcut")


def test_the_option_of_make(tmp_path):
    text = (REPO / "Makefile").read_text()
    assert 'occludenet run "$(VIDEOS)" --cores $(CORES) $(OPTIONS)' in text


@pytest.fixture
def begun(tmp_path, monkeypatch) -> list[str]:
    """The targets for which Snakemake is started; `dataset` fails if there are no clips."""
    monkeypatch.chdir(tmp_path)
    targets: list[str] = []

    def snakemake(
        folder: Path, configs: list[Path], cores: int, dry_run: bool = False, *wanted: str
    ) -> None:
        targets.extend(wanted or ["all"])
        if not list(Path("own/annotate").glob("*.parquet")):
            raise SystemExit(1)

    monkeypatch.setattr(steps.project, "snakemake", snakemake)
    monkeypatch.setattr(steps.demo, "print_summary", lambda *_: targets.append("summary"))
    monkeypatch.setattr(steps, "_write_page", lambda *_: targets.append("page"))
    return targets


def put(path: str, **columns: list[str | None]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("splits", "then"),
    [
        (["train", "test"], ["dataset", "all", "summary"]),
        (["train", "train"], ["dataset", "page", "summary"]),
        (["test"], ["dataset", "page", "summary"]),
    ],
)
def test_training_follows_if_there_are_clips_for_it(begun, splits, then):
    put("own/annotate/clips.parquet", split=splits)
    steps.build(Path("own"), [], 1, cfg.Config())
    assert begun == then


def test_a_run_whose_clips_are_all_refused_says_why(begun):
    refused = ["camera_moves", "no_person_like_motion", "camera_moves"]
    put("own/detect/000.parquet", status=["skipped"] * 3, reason=refused)
    with pytest.raises(UserError, match="2 camera_moves, 1 no_person_like_motion; give more vid"):
        steps.build(Path("own"), [], 1, cfg.Config())
    assert begun == ["dataset"]


def test_another_failure_of_snakemake_stays_what_it_is(begun):
    put("own/detect/000.parquet", status=["ok", "skipped"], reason=[None, "no_actor"])
    with pytest.raises(SystemExit):
        steps.build(Path("own"), [], 1, cfg.Config())
