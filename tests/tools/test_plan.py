"""plan: counts, rates learned from builds, sizes from servers, disk space."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import REPO
from support.plan import PIXELS, small_build
from support.server import Site, redirect, states, status

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.stages import STAGES
from occludenet_build.tools.plan import estimate, fetch, rates
from occludenet_build.tools.plan.command import left_out, load
from occludenet_build.tools.plan.counts import KINDS, TARGETS, Yields, counts, jobs_of
from occludenet_build.tools.plan.estimate import estimate as estimate_cost
from occludenet_build.tools.plan.videos import VideoSet, kinetics_videos, read_header

OBJECTS = 5


def world(train: int, test: int, classes: int = 2) -> VideoSet:
    cells = Counter({("train", str(n)): train for n in range(classes)})
    cells |= Counter({("test", str(n)): test for n in range(classes)})
    return VideoSet(cells, 10.0, 100.0, "drawn")


def settings(**stages: dict) -> cfg.Config:
    return cfg.load(
        {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}} | stages
    )


ALL = {"select": {"quota": {"train": None, "val": None, "test": None}}}
COUNTED = [
    # videos of a class (train, test), settings, yields, what is expected
    ((4, 2), ALL, Yields(), {"videos": 12, "candidates": 12, "chosen": 12, "released": 36}),
    ((4, 2), ALL, Yields(), {"clips_made": 12 * 4 + 8 * 3, "output_px": 7200}),
    ((4, 2), ALL, Yields(usable=0.5), {"videos": 12, "candidates": 6, "chosen": 6}),
    ((4, 2), ALL, Yields(actors=0.5), {"candidates": 12, "chosen": 6, "actor_frames": 60}),
    ((4, 2), ALL, Yields(actor_share=0.5), {"chosen": 12, "actor_frames": 60, "truth_rows": 360}),
    (
        (40, 20),
        {"select": {"quota": {"train": 5, "test": 3}}, "index": {"oversample": 2}},
        Yields(),
        {"candidates": 2 * (10 + 6), "chosen": 2 * (5 + 3), "search_frames": 320},
    ),
    ((9, 20), {"select": {"quota": {"train": 10}}}, Yields(), {"candidates": 58, "chosen": 58}),
    (
        (4, 2),
        ALL | {"train": {"seeds": [0, 1], "epochs": 3, "scales": [0.75], "batch": 4}},
        Yields(),
        {"train_views": 2 * 3 * (8 + 16), "trainings": 4},
    ),
    (
        (4, 2),
        ALL | {"evaluate": {"views": 2, "crops": 3}},
        Yields(),
        {"test_views": 2 * 16 * 6, "predictions": 32},
    ),
    (
        (4, 2),
        ALL | {"counterfactual": {"splits": []}, "composite": {"clean_twin": False}},
        Yields(),
        {"clips_made": 36, "output_px": 3600, "train_views": 2 * 5 * 24},
    ),
]


@pytest.mark.parametrize(("videos", "stages", "yields", "expected"), COUNTED)
def test_a_configuration_is_counted(videos, stages, yields, expected):
    found = counts(settings(**stages), world(*videos), yields, OBJECTS)
    assert {name: found[name] for name in expected} == expected


def test_a_published_release_is_limited_by_the_videos(tmp_path, monkeypatch):
    clips = [SimpleNamespace(split=split) for split in ["train"] * 3 + ["test"] * 30]
    monkeypatch.setattr("occludenet_build.tools.plan.counts.read_published", lambda _: clips)
    config = settings(select={"assignment": "published", "published": str(tmp_path)})
    found = counts(config, world(4, 2), Yields(usable=0.5, actors=0.5), OBJECTS)
    assert (found["candidates"], found["chosen"]) == (3 + 2, 1.5 + 1)


def test_what_is_not_known_of_videos_stays_unknown():
    unknown = dataclasses.replace(world(4, 2), frames=None, pixels=None)
    found = counts(settings(), unknown, Yields(), None)
    assert found["chosen"] == 12
    assert found["output_px"] is None and found["search_frames"] is None and not found["objects"]
    whole = estimate_cost(settings(), found, rates.Rates())
    assert set(whole.unknown) == {c.rule for c in whole.costs} and whole.cpu_seconds == 0


KINETICS = [
    ({}, {"train": 246_535, "val": 19_907, "test": 39_806}),
    ({"splits": ["test"], "per_class": 10}, {"test": 4000}),
    ({"classes": ["a", "b"], "splits": ["val"]}, {"val": 100}),
    ({"per_class": 48, "splits": ["train", "test"]}, {"train": 19_200, "test": 19_200}),
]


@pytest.mark.parametrize(("section", "expected"), KINETICS)
def test_kinetics_is_counted_as_published(section, expected):
    videos = kinetics_videos(settings(kinetics={"route": "archives"} | section))
    found: Counter[str] = Counter()
    for (split, _), clips in videos.cells.items():
        found[split] += clips
    assert found == expected


def test_kinetics_is_counted_by_its_lists(tmp_path):
    path = tmp_path / "train.csv"
    head = "label,youtube_id,time_start,time_end,split\n"
    path.write_text(head + "".join(f"{c},{'x' * 11},1,11,train\n" for c in "aaab"))
    section = {"route": "archives", "annotations": [str(path)], "per_class": 2}
    videos = kinetics_videos(settings(kinetics=section))
    assert videos.cells == {("train", "a"): 2, ("train", "b"): 1}
    assert "official lists" in videos.origin


def test_configurations_merge_as_snakemake_merges_them(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\nindex: {shards: 2, oversample: 3}\n")
    (tmp_path / "a.yaml").write_text("index: {shards: 5}\nleaks: {distance: 1}\n")
    (tmp_path / "b.yaml").write_text("leaks: {distance: 2}\ndetect: {backend: motion}\n")
    (tmp_path / "c.yaml").write_text("actor_masks: {backend: grabcut}\n")
    files = [tmp_path / f"{name}.yaml" for name in "abc"]
    config = load(files, tmp_path)
    got = config.seed, config.index.shards, config.index.oversample, config.leaks.distance
    assert got == (1, 5, 3.0, 2)
    assert Path(config.build_dir) == Path("build")


@pytest.mark.parametrize("text", ["- 1", "a: [", "index: 3", "indexx: {}"])
def test_a_bad_configuration_is_one_line(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError) as said:
        load([tmp_path / "a.yaml"], tmp_path)
    assert "\n" not in str(said.value)


def test_threads_and_benchmarks_are_those_of_the_workflow():
    told = {}
    for file in sorted(
        (REPO / "workflow").glob("*.smk"), key=lambda path: path.name == "models.smk"
    ):
        head = r"^(?:rule|checkpoint|use rule (\w+) as) (\w+)(?: with)?:\n"
        rules = re.split(head, file.read_text(), flags=re.M)[1:]
        for base, name, body in zip(rules[::3], rules[1::3], rules[2::3], strict=True):
            threads = re.search(r"^    threads: (\d+)", body, re.M)
            bench = re.search(r"^        f\"{BUILD}/benchmarks/(.*)\"", body, re.M)
            number = int(threads[1]) if threads else told[base][0] if base in told else 1
            told[name] = (number, bench[1] if bench else "")
    for name, rule in KINDS.items():
        threads, bench = told[name]
        assert rule.threads == threads, name
        assert re.sub(r"\{\{[^/]*\}\}", "*", bench) == rule.benchmarks, name
    beside = {"surveillance", "proposals", "segments", "weights", "archives", "audit", "residual"}
    beside |= {"engine"}
    beside |= {"questions", "variants", "outside", "poses", "recordings", "export", "measure"}
    beside |= {"train_recorded", "evaluate_recorded"}
    beside |= {"models", "member", "model_weights", "integralaction", "moc"}
    beside |= {"predictions", "paper"}  # of the paper's single items
    measured = {name for name, (_, bench) in told.items() if bench and name not in KINDS}
    assert all(any(word in name for word in beside) for name in measured), measured


def test_rules_come_in_the_order_of_the_stages():
    stages = list(dict.fromkeys(kind.stage for kind in KINDS.values()))
    assert stages == [name for name in STAGES if name in stages]
    assert TARGETS["dataset"][-1] == "validate" and TARGETS["all"][-1] == "report"


LEARNED = {"index": (1.0, 0.25), "detect_shard": (3.0, 0.5), "composite_shard": (2.0, 1.5)}


def test_a_build_is_predicted_to_cost_what_it_cost(tmp_path):
    cpu = LEARNED | {"select": (0.5, 0.001)}
    past = rates.EarlierBuild(small_build(tmp_path, 12, cpu))
    learned = rates.learn(tmp_path)
    assert set(learned.rules) == set(cpu)
    for rule, rate in learned.rules.items():
        jobs, share = past.jobs(rule)
        units = past.counts[KINDS[rule].unit]
        assert share == 1 and len(jobs) == 1
        assert rate.start + rate.each * units == pytest.approx(jobs[0].cpu), rule
    assert past.counts["output_px"] == PIXELS * (12 * 2 + 6)
    assert past.counts["actor_frames"] == 60 and learned.yields == Yields(1.0, 1.0, 0.5)
    assert past.counts["train_views"] == 3 * (6 + 12) and past.counts["test_views"] == 96


def test_a_ledger_tells_the_start_of_a_job_from_its_work(tmp_path, monkeypatch):
    """The start-up cost is separated from the cost per clip."""
    monkeypatch.setattr(rates, "cores", lambda: 1)
    rate = rates.learn(small_build(tmp_path, 12, LEARNED)).rules["detect_shard"]
    assert (rate.start, rate.each * PIXELS) == (pytest.approx(3.0), pytest.approx(0.5))


def test_rates_of_other_settings_are_not_used(tmp_path):
    learned = rates.learn(small_build(tmp_path, 12, LEARNED))
    items = counts(settings(), world(4, 2), Yields(), OBJECTS)
    yolo = dataclasses.replace(settings().detect, backend="yolo")
    other = dataclasses.replace(settings(), detect=yolo)
    assert "detect_shard" not in estimate_cost(settings(), items, learned).unknown
    whole = estimate_cost(other, items, learned)
    (cost,) = (cost for cost in whole.costs if cost.rule == "detect_shard")
    assert cost.cpu_seconds is None and "motion" in cost.problem


BACKENDS = [
    # (detect, actor_masks), what drives detect's cost, stages that use a GPU
    (("motion", "grabcut"), "search_px", set()),
    (("yolo", "sam"), "search_frames", {"detect", "actor_masks"}),
    (("torchvision", "sam2"), "search_frames", {"detect", "actor_masks"}),
    (("motion", "mobile-sam"), "search_px", {"actor_masks"}),
]


@pytest.mark.parametrize(("backends", "unit", "on_gpu"), BACKENDS)
def test_networks_count_frames_want_gpus_and_weights(backends, unit, on_gpu, tmp_path):
    detect, masks = backends
    weights = {"weights": "https://example.org/w.pt", "device": "auto"}
    config = settings(
        detect={"backend": detect} | weights,
        actor_masks={"backend": masks} | weights,
        acquire={"coco_images": str(tmp_path), "videos": str(tmp_path), "coco_instances": __file__},
    )
    config = dataclasses.replace(config, build_dir=str(tmp_path))
    items = counts(config, world(4, 2), Yields(), OBJECTS)
    rate = {rule: rates.Rate(1.0, 1.0, 0.5, 1.0, None) for rule in KINDS}
    costs = {cost.stage: cost for cost in estimate_cost(config, items, rates.Rates(rate)).costs}
    assert costs["detect"].unit == unit
    assert {name for name in backends_of(costs) if costs[name].gpu_seconds} == on_gpu
    assert [what for what, url, _ in fetch.addresses_of(config)] == ["acquire"] * len(on_gpu)


def backends_of(costs):
    return costs.keys() & {"detect", "actor_masks"}


def test_a_resumed_job_tells_nothing(tmp_path):
    """Its ledger has the seconds of all runs, its benchmark only those of the last run."""
    folder = small_build(tmp_path, 12, {"index": (0.1, 50.0), "detect_shard": (3.0, 0.5)})
    path = folder / "benchmarks/index/videos.tsv"
    path.write_text(path.read_text().replace("600.1", "2.0"))
    assert set(rates.learn(folder).rules) == {"detect_shard"}


def test_cpu_seconds_are_those_that_the_stage_tells(tmp_path):
    small_build(tmp_path, 12, {"select": (4.0, 0.5)})
    log = tmp_path / "logs/select/clips.log"
    assert [job.cpu for job in rates.EarlierBuild(tmp_path).jobs("select")[0]] == [10.0]
    log.write_text("12:00:00 select: wrote\n12:00:01 select: CPU 33.25 s\n")
    assert [job.cpu for job in rates.EarlierBuild(tmp_path).jobs("select")[0]] == [33.25]


def test_sizes_are_asked_of_the_server(tmp_path):
    with Site() as site:
        site.put("/list/k400_test_path.txt", b"a.tar\n" + site.url("/b.tar").encode())
        site.put("/list/a.tar", b"x" * 1000)
        site.put("/b.tar", b"y" * 500, redirect("/c.tar"))
        site.put("/c.tar", b"z" * 70)
        site.put("/list/k400_train_path.txt", b"no.tar")
        site.put("/weights.pt", b"", status(503))
        section = {"route": "archives", "replacements": [], "splits": ["test"], "annotations": []}
        section["archives"] = [site.url(f"/list/k400_{s}_path.txt") for s in ("train", "test")]
        section["annotations"] = [site.url("/none.csv")]
        train = {"weights": site.url("/weights.pt")}
        acquire = {"coco_images": str(tmp_path), "coco_instances": __file__}  # a local file
        config = settings(kinetics=section, train=train, acquire=acquire)
        config = dataclasses.replace(config, build_dir=str(tmp_path / "build"))
        found = {f.what.rpartition("/")[2]: f.bytes for f in fetch.fetches(config, None)}
        assert found == {"a.tar": 1000, "b.tar": 70, "none.csv": None, "weights.pt": None}
        assert all(seen.sent < 100 for seen in site.seen), "nothing but the list was read"
        offline = dataclasses.replace(config.download, offline=True)
        before = len(site.seen)
        kept = fetch.fetches(dataclasses.replace(config, download=offline), None)
        assert len(site.seen) == before and all(f.bytes is None for f in kept)


@pytest.mark.parametrize("url", ["ftp://host/a", "file:///etc/passwd", "http:///a", "http://[/"])
def test_other_addresses_are_not_asked(url):
    assert fetch._size(url) is None


def test_a_server_without_a_length_is_unknown():
    with Site() as site:
        site.put("/a", b"abc", states(None))
        assert fetch._size(site.url("/a")) is None


def test_the_disk_has_room_or_not(tmp_path, monkeypatch):
    config = dataclasses.replace(settings(), build_dir=str(tmp_path / "not" / "yet"))
    free = shutil.disk_usage(tmp_path).free
    (enough,) = estimate.disks(config, 1000, True, [], 0)
    assert enough.has_room and enough.wanted == 1000 and "has room" in enough.line()
    (full,) = estimate.disks(config, 4 * free, True, [], 0)
    assert not full.has_room and "NOT" in full.line()
    (there,) = estimate.disks(config, 4 * free, True, [], 4 * free)
    assert there.has_room and there.wanted == 0
    unknown = [fetch.Fetch("acquire", "w", None)]
    (least,) = estimate.disks(config, 1000, True, unknown, 0)
    assert least.has_room and "at least" in least.line() and "known" in least.line()


@pytest.mark.parametrize(("keep", "expected"), [(False, 310 + 280), (True, 610)])
def test_archives_count_while_they_are_there(keep, expected):
    route = {"route": "archives", "keep_archives": keep}
    config = settings(kinetics=route, download={"parallel": 2})
    sizes = [20, 180, 100]
    archives = [fetch.Fetch("kinetics", "a", size, True) for size in sizes]
    weights = fetch.Fetch("acquire", "w", 10)
    assert estimate.download_space(config, [*archives, weights]) == expected


def test_a_header_tells_frames_and_pixels(make_clip, tmp_path):
    path = make_clip("a.mp4", frames=24, size=(96, 64))
    assert read_header({"path": str(path)}) == (24, 24 * 96 * 64)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    assert read_header({"path": str(tmp_path / "b.mp4")}) is None


def plan(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "occludenet_build", "plan", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_line(world, tmp_path):
    mine = {"acquire": {"videos": str(world / "videos")}, "detect": {"backend": "motion"}}
    mine["acquire"]["coco_images"] = str(world / "coco/images")
    mine["acquire"]["coco_instances"] = str(world / "coco/instances.json")
    mine["actor_masks"] = {"backend": "grabcut"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    folder = small_build(tmp_path / "earlier", 12, LEARNED)
    options = ["--configfile", "mine.yaml", "--build", str(folder)]
    done = plan(tmp_path, *options, "--cores", "4", "--out", "plan.json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^detect +\d+ videos +4 +\d", done.stdout, re.M), done.stdout
    assert "has room" in done.stdout and "? no rate: " in done.stdout
    told = json.loads((tmp_path / "plan.json").read_text())
    assert told["cores"] == 4 and told["counts"]["videos"] == len(
        list((world / "videos").rglob("*.mp4"))
    )
    assert "train_arm" in told["unknown"] and told["rates"]["rules"]["index"]["start"]
    assert not (tmp_path / "build").exists(), "planning writes nothing"
    for wrong in (["--cores", "0"], ["--build", "nothing"], ["--configfile", "no.yaml"]):
        done = plan(tmp_path, *options, *wrong)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("values", "target", "said"),
    [
        ({}, "all", []),
        ({"moc": {"networks": ["moc"]}}, "dataset", []),
        ({"moc": {"networks": ["moc"]}}, "all", ["moc"]),
        (
            {"moc": {"networks": ["moc"]}, "integralaction": {"modes": ["rgb_only"]}},
            *("all", ["integralaction and moc"]),
        ),
    ],
)
def test_what_a_plan_does_not_count_is_named(values, target, said):
    lines = list(left_out(settings(**values), target))
    assert [line.rpartition(" of ")[2] for line in lines] == said


def test_every_rule_of_all_has_jobs():
    config = settings()
    assert {rule for rule in KINDS if not jobs_of(rule, config)} == {
        *("kinetics", "train_model", "evaluate_model", "models")
    }


MEMBERS = [
    {"name": "a", "train": {"backbone": "tiny3d", "seeds": [0, 1]}},
    {"name": "b", "train": {"backbone": "x3d_s", "arms": ["baseline"], "epochs": 3}},
]


def test_networks_that_are_compared_are_counted_and_cost_what_they_cost(tmp_path):
    config = settings(
        models={"members": MEMBERS}, **ALL, train={"scales": [0.75], "epochs": 2, "batch": 4}
    )
    found = counts(config, world(4, 2), Yields(), OBJECTS)
    # arms baseline and car of 8 clips, in pairs for car; two networks on 4 clips of 4 sets
    assert found["members"] == jobs_of("train_model", config) == 5
    assert found["member_train_views"] == 2 * 2 * (8 + 16) + 3 * 8
    assert found["member_test_views"] == 5 * 4 * 4 * config.evaluate.views
    small_build(tmp_path, 12, LEARNED)
    for name, backbone in (("a", "tiny3d"), ("b", "x3d_s")):
        compared(tmp_path, name, backbone)
    rate = rates.learn(tmp_path).rules["train_model"]
    assert rate.model == "tiny3d, x3d_s" and 2 * rate.start + 36 * rate.each == pytest.approx(40)
    whole = estimate_cost(config, found, rates.learn(tmp_path))
    assert "train_model" not in whole.unknown and "models" in {cost.rule for cost in whole.costs}
    other = settings(models={"members": MEMBERS[:1]})
    assert "train_model" in estimate_cost(other, found, rates.learn(tmp_path)).unknown


def compared(folder, name, backbone):
    """A training of 18 views and 20 CPU seconds, and its evaluation, of a member of models."""
    copies = {"train": "csv", "evaluate": "json"}
    for stage, ending in copies.items():
        (folder / "models" / name).mkdir(parents=True, exist_ok=True)
        copy = folder / f"models/{name}/baseline-0.{ending}"
        shutil.copy(folder / f"{stage}/baseline-0.{ending}", copy)
    copy.write_text(copy.read_text().replace("tiny3d", backbone))
    copy.with_suffix(".parquet").touch()
    for top, text in (("logs", "00:00:00 train: CPU 20.0 s\n"), ("benchmarks", BENCHMARK)):
        path = folder / top / f"models/{name}/train-baseline-0.{'log' if top == 'logs' else 'tsv'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


BENCHMARK = "s\tmax_rss\tcpu_time\n25.0\t300.0\t19.0\n"


@pytest.mark.slow
@pytest.mark.alone
def test_a_plan_is_within_30_percent_of_the_build(tmp_path, monkeypatch):
    """CPU time and bytes; wall-clock time depends on other load of the machine."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads do not spin for a busy core
    compare = runpy.run_path(str(REPO / "benchmarks/plan.py"))["compare"]
    world = ["--train", "6", "--val", "1", "--test", "4", "--images", "8"]
    # of two thirds of the videos: what a job costs before its first clip counts with every clip
    first = ["--train", "4", "--val", "1", "--test", "3", "--images", "8"]
    found = compare(tmp_path, quick=False, world=world, first=first)
    for name in ("cpu_ratio_plan_to_real", "bytes_ratio_plan_to_real"):
        assert 0.7 < found[name] < 1.3, found
