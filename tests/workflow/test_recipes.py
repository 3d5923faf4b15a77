"""The recipes of OccludeNet-D: they plan as they are, and build from a server that stands in for
all hosts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from conftest import REPO
from support.workflow import Build
from workflow.test_workflow_fetch import kinetics_name, tar, zipped

from occludenet_build import config as cfg
from occludenet_build.config import arms
from occludenet_build.config.published_files import COCO_ANNOTATIONS, RELEASE
from occludenet_build.core import tables
from occludenet_build.tools.plan.counts import Yields, counts
from occludenet_build.tools.plan.videos import videos_of

RECIPES = REPO / "recipes"
WHOLE, PUBLISHED, SAMPLE = (
    RECIPES / f"occludenet_d{suffix}.yaml" for suffix in ("", "_published", "_sample")
)


def merged(*files: Path) -> dict:
    """The settings of several files, the last one first, as Snakemake merges them."""
    whole: dict = {}
    for file in files:
        for stage, values in yaml.safe_load(file.read_text()).items():
            nested = isinstance(values, dict) and isinstance(whole.get(stage), dict)
            whole[stage] = whole[stage] | values if nested else values
    return whole


@pytest.mark.parametrize(
    "recipe",
    # 2,600 jobs are planned for the whole ones
    [*(pytest.param(r, marks=pytest.mark.slow) for r in (WHOLE, PUBLISHED)), SAMPLE],
    ids=lambda p: p.stem,
)
def test_a_recipe_is_planned_as_it_is(recipe, tmp_path):
    """In an empty folder: nothing is missing, and nothing is fetched by planning."""
    planned = Build(tmp_path, None, yaml.safe_load(recipe.read_text())).planned("dataset")
    config = cfg.load(yaml.safe_load(recipe.read_text()))
    assert planned["detect_shard"] == config.index.shards
    assert planned["composite_shard"] == planned["actor_masks_shard"] == config.select.shards
    assert planned["kinetics"] == planned["acquire_coco"] == 1
    assert planned["acquire_weights"] == 2
    assert planned.get("acquire_release", 0) == (recipe == PUBLISHED)


@pytest.mark.slow
def test_with_the_training_recipe_it_is_table_4(tmp_path):
    settings = merged(WHOLE, RECIPES / "car_uniformerv2_d.yaml")
    config = cfg.load(settings)
    assert set(arms.names(config.train)) == {"baseline", "car"}
    assert config.train.backbone == "uniformerv2_b16" and "train" in config.counterfactual.splits
    planned = Build(tmp_path, None, settings).planned("all", "table_4")
    assert planned["train_arm"] == planned["evaluate_arm"] == 2


@pytest.mark.parametrize("recipe", [WHOLE, PUBLISHED, SAMPLE], ids=lambda p: p.stem)
def test_the_head_states_what_plan_counts(recipe):
    """The figures of the head that need no earlier build."""
    config = cfg.load(yaml.safe_load(recipe.read_text()))
    found = counts(config, videos_of(config), Yields(), None, "dataset")
    head = " ".join(line[1:] for line in recipe.read_text().splitlines() if line.startswith("#"))
    for name, word in (("candidates", "searched"), ("chosen", "chosen"), ("clips_made", "written")):
        assert f"{round(found[name]):,} {word}" in " ".join(head.split()), (name, found[name])


INSTANCES = COCO_ANNOTATIONS.url.replace("trainval", "drawn")
"""Address of the stand-in: the official one must have the publisher's hash."""
CLASSES = ["archery", "juggling balls", "playing guitar", "pull ups", "tai chi"]


def put_hosts(site, world: Path) -> None:
    """All hosts of the sample: /<host>/<path> as download.mirror requests them."""
    kinetics = "/s3.amazonaws.com/kinetics/400"
    paths = sorted((world / "videos").rglob("*.mp4"))
    clips = {kinetics_name(path): path for path in paths}
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
    for n, name in enumerate(clips):
        rows.writerow([CLASSES[n % 5], name[:11], 3, 13, "validate"])
    rows.writerow(["yoga", "not_wanted_", 3, 13, "validate"])
    site.put(f"{kinetics}/annotations/val.csv", text.getvalue().encode())
    for part in range(4):
        members = {
            f"./{n}": p.read_bytes() for i, (n, p) in enumerate(clips.items()) if i % 4 == part
        }
        site.put(f"{kinetics}/val/part_{part}.tar.gz", tar(members))
    instances = json.loads((world / "coco" / "instances.json").read_text())
    for image in instances["images"]:
        host_path = f"/images.cocodataset.org/val2017/{image['file_name']}"
        site.put(host_path, (world / "coco/images" / image["file_name"]).read_bytes())
        image["coco_url"] = f"http:/{host_path}"
    content = zipped({"annotations/instances_val2017.json": json.dumps(instances).encode()})
    site.put(f"/{_host_path(INSTANCES)}", content)


def _host_path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


@pytest.mark.slow
def test_the_sample_builds_from_its_hosts(site, world, tmp_path, monkeypatch):
    """Only what needs weights and large photos is replaced; all downloads go to the stand-in."""
    put_hosts(site, world)
    monkeypatch.setenv("OCCLUDENET_MIRROR", site.url("/").rstrip("/"))
    settings = yaml.safe_load(SAMPLE.read_text())
    settings["detect"] = {"backend": "motion"}
    settings["actor_masks"] = {"backend": "grabcut"}
    settings["occluders"] |= {"min_pixels": 6000}
    settings["acquire"] |= {"coco_instances": INSTANCES}
    settings["download"] = {"backoff_seconds": 0.01, "failure_budget": 1.0}
    build = Build(tmp_path, None, settings)
    build.run("dataset")
    out = tmp_path / settings["build_dir"]
    made = tables.read_rows(out / "annotate/clips.parquet")
    assert {row["label"] for row in made} == set(CLASSES)
    assert {row["split"] for row in made} == {"val"}
    assert len(list((out / "OccludeNet-D/val/25%").rglob("*.mp4"))) == len(
        {r["clip"] for r in made}
    )
    assert list((out / "counterfactual").glob("*.parquet"))


@pytest.mark.slow
def test_the_release_is_fetched_and_replayed(site, tmp_path, monkeypatch):
    """The CSV files of the authors' repository become the inputs of index and select."""
    for split in ("train", "val", "test"):
        site.put(f"/{_host_path(RELEASE)}{split}_d.csv", b"not,a,release\n")
    monkeypatch.setenv("OCCLUDENET_MIRROR", site.url("/").rstrip("/"))
    build = Build(tmp_path, None, yaml.safe_load(PUBLISHED.read_text()))
    build.run("acquire_release")
    folder = tmp_path / "build/occludenet_d_published/release"
    assert sorted(p.name for p in folder.glob("*.csv")) == [
        "test_d.csv",
        "train_d.csv",
        "val_d.csv",
    ]
    assert "acquire_release" not in build.planned("dataset")
