"""split: who makes which shards, and what the folder of a machine holds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build import config as cfg
from occludenet_build.cli import main
from occludenet_build.core import tables
from occludenet_build.core.start_record import write_settings
from occludenet_build.occlusion.select import CLIPS as SELECT
from occludenet_build.sources.index import INDEX
from occludenet_build.tools.split.shards import distribute, tables_of

SETTINGS = {
    "index": {"shards": 2},
    "select": {"shards": 3},
    "detect": {"backend": "file", "boxes": "boxes.csv"},
    "composite": {"scales": [0.5], "crf": 30},
    "train": {"scales": [0.5]},
    "leaks": {"lists": ["others.csv"]},
}


def project(folder: Path, chosen: bool = False) -> Path:
    """A working folder with an indexed build, and with `chosen` one whose clips are chosen."""
    build = folder / "build"
    for name in ("boxes.csv", "others.csv", *(f"videos/{n}.mp4" for n in range(6))):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    (folder / "mine.yaml").write_text(yaml.safe_dump(SETTINGS))
    (build / "acquire").mkdir(parents=True)
    for name in ("acquire/videos.parquet", "acquire/coco.json"):
        (build / name).write_text(name)
    rows = [_row(number) for number in range(6)]
    _write_shards(build / "index", "videos", rows, INDEX, 2)
    if chosen:
        for row in rows:
            name = f"png/dog/{row['clip']}.png"
            row |= {"detect_shard": row["shard"], "occluder_file": name, "status": "ok"}
            (build / "occluders/png/dog").mkdir(parents=True, exist_ok=True)
            (build / "occluders" / name).write_text("picture")
        for shard in ("000", "001"):
            (build / "detect/store" / shard).mkdir(parents=True)
            (build / "detect/store" / shard / "detail.parquet").write_text("boxes")
            (build / f"detect/{shard}.parquet").write_text("table")
        (build / "occluders/occluders.parquet").write_text("table")
        _write_shards(build / "select", "clips", rows, SELECT, 3)
    return folder


def _row(number: int) -> dict:
    place = {"clip": f"c{number}", "path": f"videos/{number}.mp4", "shard": f"{number % 2:03d}"}
    return place | {"frames": 10 * (number + 1), "width": 8, "height": 6}


def _write_shards(folder: Path, whole: str, rows: list[dict], schema, number: int) -> None:
    names = set(schema.names)
    rows = [{k: v for k, v in row.items() if k in names} for row in rows]
    tables.write_table(tables.from_rows(rows, schema), folder / f"{whole}.parquet")
    for shard in range(number):
        part = [row for at, row in enumerate(rows) if at % number == shard]
        tables.write_table(tables.from_rows(part, schema), folder / f"shards/{shard:03d}.parquet")


def split(folder: Path, monkeypatch, *words: str) -> list[Path]:
    monkeypatch.chdir(folder)
    main(["split", "2", "--configfile", "mine.yaml", "--out", "parts", *words])
    return sorted((folder / "parts").iterdir())


def held(part: Path) -> set[str]:
    """Files of the build and of the user in the folder of a machine."""
    found = {p.relative_to(part).as_posix() for p in part.rglob("*") if p.is_file()}
    own = ("build/", "videos/", "boxes", "others")
    return {name for name in found if name.startswith(own)}


def test_the_shards_of_detect_come_with_what_they_need(tmp_path, monkeypatch):
    parts = split(project(tmp_path), monkeypatch)
    assert [part.name for part in parts] == ["machine-1", "machine-2"]
    made = [json.loads((part / "part.json").read_text()) for part in parts]
    assert sorted(shard for one in made for shard in one["shards"]) == ["000", "001"]
    assert {stage for one in made for stage in one["stages"]} == {"detect"}
    for part, one in zip(parts, made, strict=True):
        needs = (part / "needs.txt").read_text().split()
        shard = int(one["shards"][0])
        assert needs == ["boxes.csv", *(f"videos/{n}.mp4" for n in range(6) if n % 2 == shard)]
        tables_handed = {"build/index/videos.parquet", "build/acquire/videos.parquet"}
        shards = {f"build/index/shards/{n:03d}.parquet" for n in range(2)}
        assert held(part) == tables_handed | shards


def test_the_shards_of_clips_come_with_boxes_and_cut_outs_but_no_lists(tmp_path, monkeypatch):
    parts = split(project(tmp_path, chosen=True), monkeypatch, "--copy", "--speeds", "1", "5")
    slow, fast = (json.loads((part / "part.json").read_text())["shards"] for part in parts)
    assert sorted(slow + fast) == ["000", "001", "002"] and len(fast) > len(slow)
    shard = int(fast[0])
    wanted = {f"videos/{n}.mp4" for n in range(6) if f"{n % 3:03d}" in fast}
    assert wanted == {name for name in held(parts[1]) if name.startswith("videos/")}
    assert f"build/occluders/png/dog/c{shard}.png" in held(parts[1])
    assert "others.csv" not in held(parts[1]) and "boxes.csv" not in held(parts[1])
    assert not {name for name in held(parts[1]) if name.startswith("build/composite")}


def test_its_settings_are_those_of_the_build_where_they_count(tmp_path, monkeypatch):
    (part, _) = split(project(tmp_path, chosen=True), monkeypatch)
    ours = cfg.load(yaml.safe_load(Path("mine.yaml").read_text()), require_files=False)
    monkeypatch.chdir(part)
    theirs = cfg.load(yaml.safe_load(Path("config.yaml").read_text()), require_files=False)
    for stage in ("actor_masks", "composite"):
        assert cfg.stage_settings(ours, stage) == cfg.stage_settings(theirs, stage)


def test_start_sh_gives_what_was_handed_out_one_date_once(tmp_path, monkeypatch):
    """So that a copy without dates makes nothing again; later starts keep the dates of results."""
    (part, _) = split(project(tmp_path), monkeypatch)
    for number, path in enumerate(sorted((part / "build").rglob("*.parquet"))):
        path.touch()
        subprocess.run(["touch", "-d", f"2001-01-{number + 1:02d}", str(path)], check=True)
    start = ["sh", str(part / "start.sh"), "--cores", "1"]
    environ = {"PATH": "/usr/bin:/bin", "SNAKEMAKE": "echo"}
    said = subprocess.run(start, env=environ, check=True, capture_output=True, text=True).stdout
    made = json.loads((part / "part.json").read_text())["shards"]
    assert said.split() == ["--cores", "1", "--", f"build/detect/{made[0]}.parquet"]
    times = {path.stat().st_mtime_ns for path in (part / "build").rglob("*.parquet")}
    assert len(times) == 1
    (part / "build/detect").mkdir()
    (part / "build/detect/000.parquet").write_text("made here")
    subprocess.run(start, env=environ, check=True, capture_output=True)
    assert {p.stat().st_mtime_ns for p in (part / "build/index").rglob("*.parquet")} == times


@pytest.mark.parametrize("elsewhere", [False, True])
def test_downloaded_weights_come_along(tmp_path, monkeypatch, elsewhere):
    folder = project(tmp_path)
    build = folder / "big" if elsewhere else Path("build")
    if elsewhere:
        (folder / "build").rename(build)
        (folder / "mine.yaml").write_text(yaml.safe_dump(SETTINGS | {"build_dir": str(build)}))
    weights = build / "acquire/weights"
    (folder / weights).mkdir()
    (folder / weights / "w.pt").write_text("weights")
    note = {"path": str(weights / "w.pt"), "sha256": "0", "bytes": 7, "url": "https://a/w.pt"}
    (folder / weights / "detect.json").write_text(json.dumps(note))
    (part, _) = split(folder, monkeypatch)
    given = json.loads((part / "build/acquire/weights/detect.json").read_text())
    assert given == note | {"path": "build/acquire/weights/w.pt"}
    assert (part / given["path"]).read_text() == "weights"
    assert "w.pt" not in (part / "needs.txt").read_text()


def test_all_machines_get_the_engine_that_was_chosen(tmp_path, monkeypatch, capsys):
    folder = project(tmp_path)
    (folder / "w.pt").write_text("weights")
    own = {"backend": "yolo", "weights": "w.pt", "engine": "auto"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(SETTINGS | {"detect": own}))
    with pytest.raises(SystemExit):
        split(folder, monkeypatch)
    assert "so that all machines use one engine, got none; start snakemake acquire" in (
        capsys.readouterr().err
    )
    engines = folder / "build/acquire/engines"
    (engines / "detect/1f").mkdir(parents=True)
    for name in ("model.xml", "model.bin", "engine.json"):
        (engines / "detect/1f" / name).write_text(name)
    facts = {"name": "openvino", "model": "detect/1f/model.xml"}
    note = {"path": "w.pt", "sha256": "0", "engine": facts}
    (engines / "detect.json").write_text(json.dumps(note))
    for part in split(folder, monkeypatch):
        given = part / "build/acquire/engines"
        assert json.loads((given / "detect.json").read_text()) == note
        assert len(list((given / "detect/1f").iterdir())) == 3
        assert "w.pt" in (part / "needs.txt").read_text().split()


def test_only_shards_that_are_missing_are_handed_out(tmp_path, monkeypatch, caplog):
    folder = project(tmp_path, chosen=True)
    for table in (*tables_of("composite", "001"), *tables_of("actor_masks", "001")):
        (folder / "build" / table).parent.mkdir(parents=True, exist_ok=True)
        (folder / "build" / table).write_text("made")
    parts = split(folder, monkeypatch)
    made = [json.loads((part / "part.json").read_text())["shards"] for part in parts]
    assert sorted(shard for one in made for shard in one) == ["000", "002"]
    shutil.rmtree(folder / "parts")
    for shard in ("000", "002"):
        for table in (*tables_of("composite", shard), *tables_of("actor_masks", shard)):
            (folder / "build" / table).write_text("made")
    with pytest.raises(SystemExit):
        split(folder, monkeypatch)
    assert not (folder / "parts").exists()


MISTAKES = [
    (["0", "--out", "p"], "wanted at least 1 machine"),
    (["2", "--out", "p", "--speeds", "1"], "--speeds: wanted 2 numbers"),
    (["2", "--out", "p", "--configfile", "other.yaml"], "got others in composite"),
    (["2", "--out", "there"], "wanted a folder without machine-*"),
    (["2", "--out", "p", "--configfile", "elsewhere.yaml"], "wanted the build nowhere"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, words, said):
    folder = project(tmp_path)
    monkeypatch.chdir(folder)
    given = cfg.load(SETTINGS, require_files=False)
    write_settings(folder / "build", cfg.recorded(given), {})
    (folder / "there/machine-1").mkdir(parents=True)
    Path("other.yaml").write_text(yaml.safe_dump(SETTINGS | {"composite": {"scales": [0.5]}}))
    Path("elsewhere.yaml").write_text("build_dir: nowhere\n")
    chosen = [] if "--configfile" in words else ["--configfile", "mine.yaml"]
    with pytest.raises(SystemExit) as stopped:
        main(["split", *words, *chosen])
    assert stopped.value.code == 2 and not (folder / "p").exists()
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


@given(
    work=st.dictionaries(st.text("0123456789", min_size=3, max_size=3), st.integers(0, 10**9)),
    speeds=st.lists(st.floats(0.1, 10), min_size=1, max_size=6),
)
@settings(max_examples=25, deadline=None)
def test_every_shard_goes_to_one_machine_and_none_waits_for_long(work, speeds):
    shares = distribute(work, speeds)
    assert sorted(shard for share in shares for shard in share) == sorted(work)
    ends = [
        sum(max(1, work[shard]) for shard in share) / speed
        for share, speed in zip(shares, speeds, strict=True)
    ]
    total, most = sum(max(1, cost) for cost in work.values()), max(work.values(), default=0)
    # at most the share of an ideal division, and one shard more
    assert max(ends) <= total / sum(speeds) + max(1, most) / min(speeds) + 1e-6
