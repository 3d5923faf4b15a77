"""clean: what goes, what stays, and that no table ever names a clip that is gone."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import REPO
from support.build import SmallBuild

from occludenet_build.cli import main
from occludenet_build.core import tables
from occludenet_build.core.build_lock import LOCK_FILE
from occludenet_build.core.failures import attempts
from occludenet_build.core.files import listed_files
from occludenet_build.core.start_record import SETTINGS_FILE
from occludenet_build.release.terms import clean_tree, counterfactual_tree
from occludenet_build.stages import STAGES
from occludenet_build.tools.clean.command import readers, remove
from occludenet_build.tools.clean.holdings import Spared, dataset_of, holding

NOTHING_SPARED = Spared(frozenset(), frozenset())


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A build with fabricated tables and empty clips."""
    root = tmp_path_factory.mktemp("small") / "build"
    SmallBuild(root).write()
    for name in named(root):
        write(root / name, "clip")
    for path in list(root.glob("counterfactual/*.parquet")):
        (root / "counterfactual/store" / path.stem).mkdir(parents=True)
        shutil.copy(path, root / "counterfactual/store" / path.stem / "rows.parquet")
    write(root / "annotate/clips.parquet", "table")
    write(root / "OccludeNet-D/annotations/test_d.csv", "csv")
    write(root / "OccludeNet-D/mine.mp4", "clip")
    write(root / "proposals/review.csv", "reviewed")
    write(root / "proposals/candidates.parquet", "table")
    write(root / "surveillance/videos/a.mp4", "video")
    write(root / "surveillance/detect/000.parquet", "table")
    write(root / "train/store/car-0/checkpoint.pt", "model")
    write(root / "train/car-0.pt", "model")
    write(root / "logs/composite/000.log", "log")
    return root


@pytest.fixture
def build(small, tmp_path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "build", symlinks=True))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def named(root: Path) -> set[str]:
    """The clips that the tables of composite name."""
    paths = [*root.glob("composite/*.parquet"), *root.glob("counterfactual/*.parquet")]
    rows = [row for path in paths for row in tables.read_rows(path)]
    return {name for row in rows for name in listed_files(row, ("files", "clean_file"))}


def present(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name not in (".lock", LOCK_FILE) and "retry" not in path.parts
    }


def test_it_says_what_would_go_and_removes_nothing(build, capsys):
    before = present(build)
    main(["clean", str(build), "--stage", "composite"])
    said = capsys.readouterr().out
    assert present(build) == before
    assert f"{len(named(build))}" and "would remove" in said and "with --yes" in said
    assert "1 file in annotate/ (says where clips of composite are)" in said
    assert re.search(r"makes again.*: composite, annotate$", said, re.M)
    assert re.search(r"runs again.*: train", said, re.M)


def test_a_stage_goes_whole_and_alone(build, capsys):
    before, clips = present(build), named(build)
    main(["clean", str(build), "--stage", "composite", "--yes"])
    gone = before - present(build)
    own = {name for name in before if name.split("/")[0] in ("composite", "counterfactual")}
    assert gone == clips | own | {"annotate/clips.parquet"}
    assert {"OccludeNet-D/mine.mp4", "OccludeNet-D/annotations/test_d.csv"} <= present(build)
    assert [path.name for path in (build / "composite").iterdir()] == ["retry"]
    assert not (build / "counterfactual").exists() and not (build / "OccludeNet-D-clean").exists()
    freed = re.search(r"^frees ([\d.]+) KiB", capsys.readouterr().out, re.M)
    assert freed is not None and float(freed[1]) == pytest.approx(4 * len(gone), abs=400)


CASES = [
    (["train"], [], {"train/car-0.pt", "train/store/car-0/checkpoint.pt"}),
    (["proposals"], [], {"proposals/candidates.parquet", "surveillance/detect/000.parquet"}),
    (
        ["proposals"],
        ["reviews"],
        {"proposals/candidates.parquet", "surveillance/detect/000.parquet", "proposals/review.csv"},
    ),
    (["acquire", "kinetics", "recordings"], [], set()),
    (["acquire"], ["reviews", "recordings"], set()),
    (["acquire"], ["downloads"], {"acquire/videos.parquet", "surveillance/videos/a.mp4"}),
    (["annotate"], [], {"annotate/clips.parquet", "OccludeNet-D/annotations/test_d.csv"}),
]


@pytest.mark.parametrize(("stages", "even", "wanted"), CASES, ids=[str(c[:2]) for c in CASES])
def test_what_cannot_be_made_again_goes_by_its_word_only(build, stages, even, wanted):
    before = present(build)
    words = ["--even", *even] if even else []
    main(["clean", str(build), "--stage", *stages, *words, "--yes"])
    assert before - present(build) == wanted


def test_what_the_settings_name_stays(build, capsys):
    write(build / "detect/my_boxes.parquet", "boxes")
    write(build / "detect/mine/a.txt", "text")
    given = {"detect": {"boxes": str(build / "detect/my_boxes.parquet")}}
    given |= {"leaks": {"lists": [str(build / "detect/mine")]}, "build_dir": str(build)}
    (build / SETTINGS_FILE).write_text(json.dumps({"settings": given, "versions": {}}))
    main(["clean", str(build), "--stage", "detect", "--yes"])
    left = {name for name in present(build) if name.startswith("detect/")}
    assert left == {"detect/my_boxes.parquet", "detect/mine/a.txt"}
    assert "stays: detect/my_boxes.parquet: your settings name it" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [0.02, 0.4, 0.97])
def test_killed_in_the_middle_no_table_names_a_clip_that_is_gone(build, kept):
    """What is there after each part of the removal is what a kill -9 at that moment leaves."""
    found = holding(build, "composite", dataset_of(build), NOTHING_SPARED)
    order = list(found.going)
    found.going = order[: int(kept * len(order))]
    remove(build, [found])
    assert all((build / name).exists() for name in named(build))
    # what is left is known to the same command
    again = holding(build, "composite", dataset_of(build), NOTHING_SPARED)
    stores = {name for name in order if "/store/" in name}
    if stores <= present(build):
        assert set(again.going) == set(order[len(found.going) :])


def test_the_jobs_are_asked_for(build):
    """Snakemake makes no missing table while all that is made of it is there."""
    main(["clean", str(build), "--stage", "composite", "train", "--yes"])
    shards = {path.stem for path in (build / "composite/retry").iterdir()}
    assert shards == {"000", "001"}
    assert attempts(build / "annotate/clips.parquet") == attempts(build / "train/car-0.pt") == 1


def test_clips_half_written_and_in_the_journal_go_too(build):
    name = sorted(named(build))[0]
    half = (build / name).with_name(f".{Path(name).stem}.part.mp4")
    half.write_text("half")
    main(["clean", str(build), "--stage", "composite", "--yes"])
    assert not half.exists()


def test_a_table_cannot_make_it_remove_other_files(build, tmp_path):
    write(tmp_path / "precious.mp4", "video")
    path = next(iter(sorted(build.glob("composite/*.parquet"))))
    rows = tables.read_table(path)
    values = rows.to_pylist()
    values[0]["files"] = [
        "../precious.mp4",
        "acquire/videos.parquet",
        str(tmp_path / "precious.mp4"),
    ]
    tables.write_table(tables.from_rows(values, rows.schema), path)
    main(["clean", str(build), "--stage", "composite", "--yes"])
    assert (tmp_path / "precious.mp4").exists() and (build / "acquire/videos.parquet").exists()


def test_a_folder_on_another_disk_is_emptied_and_stays_linked(build, tmp_path):
    (build / "train").rename(tmp_path / "disk")
    (build / "train").symlink_to(tmp_path / "disk")
    main(["clean", str(build), "--stage", "train", "--yes"])
    assert (build / "train").is_symlink()
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {"retry"}


@pytest.mark.parametrize("name", [LOCK_FILE, "composite/store/000/.lock"])
def test_a_build_at_work_is_left_alone(build, name):
    """The lock of a workflow, and that of a job that outlived one."""
    before = present(build)
    (build / name).parent.mkdir(parents=True, exist_ok=True)
    with open(build / name, "a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(SystemExit) as stopped:
            main(["clean", str(build), "--stage", "train", "--yes"])
    assert stopped.value.code == 2 and present(build) == before
    main(["clean", str(build), "--stage", "train", "--yes"])
    assert present(build) < before


def test_wrong_arguments_are_one_line(tmp_path, capsys):
    for words in ([str(tmp_path), "--stage", "detect"], [str(tmp_path), "--stage", "nonsense"]):
        with pytest.raises(SystemExit) as stopped:
            main(["clean", *words])
        assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_stages_after_one_are_found():
    assert {"select", "composite", "annotate", "train", "report"} <= {*readers(["detect"])}
    assert readers(["report"]) == [] and "detect" not in readers(["select"])


def test_the_folders_of_a_stage_are_those_of_the_release():
    folders = STAGES["composite"].folders("D")
    assert {"D", clean_tree("D"), counterfactual_tree("D")} <= {*folders}


def test_the_table_of_stages_knows_what_the_rules_read():
    """Every stage whose results a rule file names is among `reads`."""
    texts = {
        name: re.sub(r"^ *#.*$", "", (REPO / "workflow" / f"{name}.smk").read_text(), flags=re.M)
        for name in STAGES
    }
    owner = {
        rule: name
        for name, text in texts.items()
        for rule in re.findall(r"^ *(?:use )?(?:rule|checkpoint) (?:\w+ as )?(\w+)", text, re.M)
    }
    paths = r"\{BUILD\}/(\w+)/|folder_of\('(\w+)|in_build\(\"(\w+)"
    words = {"SELECT": "select", "INDEX": "index"}
    for name, text in texts.items():
        inputs = re.sub(r"(log|benchmark):\n +f\".*\"", "", text)
        found = {owner.get(rule) for rule in re.findall(r"rules\.(\w+)\.output", inputs)}
        found |= {part for parts in re.findall(paths, inputs) for part in parts if part in STAGES}
        found |= {stage for word, stage in words.items() if word in inputs}
        assert found <= {None, name, *STAGES[name].reads}, (name, found)


def test_no_stage_reads_what_is_made_of_its_own_results():
    reached = {name: {*stage.reads} for name, stage in STAGES.items()}
    for _ in STAGES:
        reached = {n: found.union(*(reached[r] for r in found)) for n, found in reached.items()}
    assert not [name for name, found in reached.items() if name in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [["index"], ["detect", "select"], ["actor_masks", "composite", "occluders"], ["annotate"]],
    ids=str,
)
def test_the_next_start_makes_the_same_build_again(reference, tmp_path, stages):
    drill = reference.copy(tmp_path / "copy")
    drill.stage("clean", "build", "--stage", *stages, "--yes")
    told = {*stages, *readers(stages)}
    for rule in drill.planned("dataset"):
        assert any(rule.startswith(name) for name in told), rule
    drill.succeeds("dataset")
    clips = drill.clips()
    # After a checkpoint that was planned and changed nothing, Snakemake 9.27 notes other inputs for
    # the jobs behind it, and starts them once more; their ledgers make nothing (core.build).
    drill.succeeds("dataset")
    assert drill.clips() == clips
    drill.assert_equal(reference)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_the_next_start_goes_on_after_a_kill_in_the_middle(reference, tmp_path, kept):
    drill = reference.copy(tmp_path / "copy")
    found = holding(drill.build, "composite", dataset_of(drill.build), NOTHING_SPARED)
    found.going = found.going[: int(kept * len(found.going))]
    remove(drill.build, [found])
    drill.succeeds("dataset")
    drill.assert_equal(reference)
