"""Real Snakemake from a server on loopback: Kinetics' archives, COCO's photos, UCF-Crime's zips."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.server import Site, drop, status
from support.surveillance import Walker, write
from support.workflow import SETTINGS, Build

from occludenet_build.core import tables


def kinetics_name(path: Path) -> str:
    """A name as Kinetics gives it, out of a drawn clip's."""
    digest = hashlib.sha256(path.name.encode()).hexdigest()
    return f"-{digest[:4]}_{digest[4:9]}_000003_000013.mp4"


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def listed(clips: dict[str, Path], split: str) -> bytes:
    """The official list of a split, with a clip that no archive has."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
    for name, path in clips.items():
        rows.writerow([path.parent.name, name[:11], 3, 13, split])
    rows.writerow([next(iter(clips.values())).parent.name, "gone_for_ev", 3, 13, split])
    return text.getvalue().encode()


def put_kinetics(site: Site, world: Path) -> dict:
    """The world's clips as the frozen archives: one of them cut, with its replacement."""
    archives, annotations = [], []
    for split in ("train", "val", "test"):
        clips = {kinetics_name(p): p for p in sorted((world / "videos" / split).glob("*/*.mp4"))}
        members = {f"./{name}": path.read_bytes() for name, path in clips.items()}
        if split == "train":
            cut = next(iter(members))
            site.put(
                "/replacement.tgz", tar({f"replacement_for_corrupted_k400/{cut[2:]}": members[cut]})
            )
            members[cut] = members[cut][:2000]
        site.put(f"/{split}/part_0.tar.gz", tar(members), drop(3000), status(503))
        site.put(f"/{split}/list.txt", site.url(f"/{split}/part_0.tar.gz").encode() + b"\n")
        site.put(f"/{split}.csv", listed(clips, split))
        archives.append(site.url(f"/{split}/list.txt"))
        annotations.append(site.url(f"/{split}.csv"))
    replacements = [site.url("/replacement.tgz")]
    return {
        "route": "archives",
        "archives": archives,
        "annotations": annotations,
        "replacements": replacements,
    }


def put_coco(site: Site, world: Path) -> dict:
    """The world's photos at addresses of their own, the instances in a zip."""
    instances = json.loads((world / "coco" / "instances.json").read_text())
    for image in instances["images"]:
        site.put(
            f"/photos/{image['file_name']}",
            (world / "coco/images" / image["file_name"]).read_bytes(),
        )
        image["coco_url"] = site.url(f"/photos/{image['file_name']}")
    content = json.dumps(instances).encode()
    site.put("/annotations.zip", zipped({"annotations/instances_train2017.json": content}))
    return {"coco_instances": site.url("/annotations.zip")}


@pytest.mark.slow
def test_kinetics_and_coco_from_a_server(site, world, tmp_path):
    settings = copy.deepcopy(SETTINGS) | {
        "acquire": put_coco(site, world),
        "kinetics": put_kinetics(site, world),
        "download": {"backoff_seconds": 0.01, "folder": "shared downloads"},
    }
    build = Build(tmp_path, None, settings)
    build.run("dataset")
    clips = tables.read_rows(tmp_path / "build/kinetics/clips.parquet")
    found = {
        split: [c["status"] for c in clips if c["split"] == split] for split in ("train", "val")
    }
    assert sorted(set(found["train"])) == ["missing", "present", "replaced"]
    assert found["train"].count("replaced") == found["train"].count("missing") == 1
    videos = tables.read_rows(tmp_path / "build/index/videos.parquet")
    assert {v["status"] for v in videos} == {"ok", "failed"} and len(videos) == len(clips)
    made = tables.read_rows(tmp_path / "build/annotate/clips.parquet")
    assert {row["clip"] for row in made} <= {c["clip"] for c in clips if c["status"] != "missing"}
    assert any((tmp_path / "shared downloads/kinetics/videos/train").glob("*/-*_000003_000013.mp4"))
    asked = len(site.seen)
    assert build.planned("dataset") == {}
    build.settings["download"] |= {"offline": True, "retries": 1}
    assert build.planned("dataset") == {}, "how files are fetched changes none"
    # a stage that fetches, run once more: what is missing is missing still, and nobody is asked
    build.run("kinetics", "acquire_coco", "-R", "kinetics", "acquire_coco")
    assert len(site.seen) == asked, "offline opened a connection"
    again = tables.read_rows(tmp_path / "build/kinetics/clips.parquet")
    assert [c["status"] for c in again] == [c["status"] for c in clips]


def test_surveillance_from_archives_needs_nothing_else(site, tmp_path):
    write(tmp_path / "a.mp4", [Walker(0, 20, 20, 280)], 20, wall=False)
    content = (tmp_path / "a.mp4").read_bytes()
    part = zipped({"Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4": content, "../out.mp4": content})
    site.put("/part-1.zip", part, drop(1000))
    (tmp_path / "cut.csv").write_text(
        "video,start_seconds,end_seconds,class,split\nAbuse001_x264.mp4,5,14,abuse,train\n"
    )
    settings = {
        "detect": {"backend": "motion"},
        "actor_masks": {"backend": "grabcut"},
        "segments": {"archives": [site.url("/part-1.zip")], "table": "cut.csv"},
    }
    build = Build(tmp_path, None, settings)
    build.run("segments")
    assert (tmp_path / "build/OccludeNet-S/train/abuse").is_dir()
    (row,) = tables.read_rows(tmp_path / "build/segments/clips.parquet")
    assert (row["status"], row["frames"]) == ("ok", 90)
    assert not list(tmp_path.parent.rglob("out.mp4"))
    assert build.planned("segments") == {}


def test_what_is_wanted_and_not_set_is_one_line(tmp_path):
    settings = {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}
    text = Build(tmp_path, None, settings).run("all", ok=False)
    assert "config: acquire.videos: wanted a path, got nothing; set it" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_job_that_fails_twice_around_a_checkpoint_is_a_failure(site, world, tmp_path):
    """Snakemake forgets a job whose attempt waits while a checkpoint ends; the run must fail."""
    settings = copy.deepcopy(SETTINGS)
    settings["acquire"] |= {"coco_instances": site.url("/gone.zip")}
    build = Build(tmp_path, world, settings)
    text = build.run("composite", "--retries", "1", ok=False)
    assert "gone.zip: not fetched" in text
    assert not (tmp_path / "build/composite/000.parquet").exists()
