"""merge: what is taken, what is refused and why, and what Snakemake then knows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from snakemake.persistence import MetadataRecord

from occludenet_build import config as cfg
from occludenet_build.cli import main
from occludenet_build.core import tables
from occludenet_build.core.failures import attempts, request_attempt
from occludenet_build.core.files import sha256_file
from occludenet_build.core.versions import results_version
from occludenet_build.occlusion.composite import CLIPS, ERASED
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.tools.merge import take
from occludenet_build.tools.merge.records import JobRecords, moved, settings_in
from occludenet_build.tools.split import FORMAT, PART_FILE, Part

SETTINGS = {"select": {"shards": 2}, "composite": {"scales": [0.5]}, "train": {"scales": [0.5]}}
SHARDS = ("000", "001")
MADE_BY = {"encoder": "libx264 core 165", "libraries": "numpy 2.4.0", "instruction_set": "avx2"}


@dataclass
class Machine:
    """The finished folder of a machine that made one shard of composite, with fabricated clips."""

    folder: Path
    shard: str
    of: str = "build"
    made_by: dict[str, str] | None = None
    clip: bytes = b"clip"

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def outputs(self) -> list[str]:
        return [f"build/{name}/{self.shard}.parquet" for name in ("composite", "counterfactual")]

    def write(self, master: Path) -> Machine:
        table = f"select/shards/{self.shard}.parquet"
        part = Part(
            self.folder.name, self.of, "build", ("composite",), (self.shard,),
            {table: sha256_file(master / table)}, {"index/videos.parquet": 0},
        )  # fmt: skip
        self.folder.mkdir()
        (self.folder / PART_FILE).write_text(json.dumps({"format": FORMAT} | asdict(part)))
        self.write_shard()
        config = cfg.load(SETTINGS, require_files=False)
        self.record(cfg.canonical(cfg.stage_settings(config, "composite")))
        return self

    def write_shard(self, **values) -> None:
        clip = f"c{self.shard}"
        files = [f"D/train/50%/walk/0.50_{clip}.mp4", f"D-clean/train/walk/{clip}.mp4"]
        files.append(f"D-counterfactual/train/50%/walk/0.50_{clip}.mp4")
        for name in files:
            (self.build / name).parent.mkdir(parents=True, exist_ok=True)
            (self.build / name).write_bytes(self.clip)
        digest = sha256_file(self.build / files[0])
        row = {"clip": clip, "status": "ok", "key": "k", "scales": [0.5], "files": files[:1]}
        row |= {"file_hashes": [digest], "seconds": 1.5} | (self.made_by or MADE_BY)
        clean = {"clean_file": files[1], "clean_hash": digest}
        self._table("composite", row | clean | values, CLIPS)
        self._table("counterfactual", row | {"files": files[2:]}, ERASED)
        detail = tables.from_rows([{"clip": clip, "frame": 0}], TRUTH)
        tables.write_table(detail, self.build / f"composite/store/{self.shard}/detail.parquet")

    def _table(self, stage: str, row: dict, schema: pa.Schema) -> None:
        rows = self.build / stage / "store" / self.shard / "rows.parquet"
        tables.write_table(tables.from_rows([row], schema), rows)
        manifest = tables.from_rows([row | {"seconds": None}], schema)
        tables.write_table(manifest, self.build / stage / f"{self.shard}.parquet")

    def record(self, settings: str, version: str | None = None) -> None:
        version = version or results_version("composite")
        record = MetadataRecord(
            rule="composite_shard",
            input=["build/select/clips.parquet"],
            params=sorted(map(repr, ("build", "build/detect/store", settings, version))),
            record_format_version=6,
            input_checksums={"build/select/clips.parquet": "sha256:0"},
        )
        for output in self.outputs:
            JobRecords(self.folder).write(output, record)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A working folder whose build has chosen clips, and two finished machines below parts/."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(SETTINGS))
    master = tmp_path / "build"
    for shard in SHARDS:
        table = pa.table({"clip": [f"c{shard}"]})
        tables.write_table(table, master / f"select/shards/{shard}.parquet")
    (tmp_path / "parts").mkdir()
    for number, shard in enumerate(SHARDS, 1):
        Machine(tmp_path / f"parts/machine-{number}", shard).write(master)
    return tmp_path


def machine(project: Path, number: int = 1) -> Machine:
    return Machine(project / f"parts/machine-{number}", SHARDS[number - 1])


def merge(*folders: Path, words: tuple[str, ...] = ()) -> int:
    """Exit status of the command."""
    try:
        main(["merge", *map(str, folders), "--configfile", "mine.yaml", *words])
    except SystemExit as stopped:
        return int(str(stopped.code))
    return 0


def made(project: Path) -> dict[str, str]:
    """Table, or clip, of the build -> its hash."""
    found = (project / "build").rglob("*.*")
    names = {p.relative_to(project / "build").as_posix(): p for p in found if p.is_file()}
    return {n: sha256_file(p) for n, p in names.items() if n[0] not in ".s"}


def test_all_shards_come_over_as_they_were_made(project):
    parts = [machine(project, number) for number in (1, 2)]
    assert merge(*(part.folder for part in parts)) == 0
    for part in parts:
        for path in part.build.rglob("*.*"):
            if path.is_file():
                name = path.relative_to(part.build)
                assert (project / "build" / name).read_bytes() == path.read_bytes(), name
    before = made(project)
    assert merge(*(part.folder for part in parts)) == 0 and made(project) == before


def test_snakemake_knows_what_made_them(project):
    assert merge(machine(project).folder, machine(project, 2).folder) == 0
    ours, theirs = JobRecords(project), JobRecords(machine(project).folder)
    for output in machine(project).outputs:
        assert ours.read(output) == theirs.read(output) and settings_in(ours.read(output))


def test_a_build_in_another_folder_has_the_records_of_its_own_paths():
    record = MetadataRecord(
        input=["build/a", "builds/b"], log=["build/logs/x"], input_checksums={"build/a": "1"},
        params=sorted(map(repr, ("build", "build/detect/store", "build 1", '{"a":"build"}'))),
    )  # fmt: skip
    there = moved(record, "build", "/big/D")
    assert there.input == ["/big/D/a", "builds/b"] and there.input_checksums == {"/big/D/a": "1"}
    wanted = ("/big/D", "/big/D/detect/store", "build 1", '{"a":"build"}')
    assert there.params == sorted(map(repr, wanted)) and there.log == ["/big/D/logs/x"]
    assert moved(there, "/big/D", "build") == record


def test_missing_shards_are_named(project, capsys):
    assert merge(machine(project).folder) == 1
    said = capsys.readouterr().err
    assert "1 shards taken" in said
    assert "missing: composite/001, of no folder that was given" in said


def _other_settings(part: Machine) -> None:
    config = cfg.load(SETTINGS | {"composite": {"scales": [0.5], "crf": 30}}, require_files=False)
    part.record(cfg.canonical(cfg.stage_settings(config, "composite")))


def _other_version(part: Machine) -> None:
    config = cfg.load(SETTINGS, require_files=False)
    part.record(cfg.canonical(cfg.stage_settings(config, "composite")), "composite 99")


def _begun_again(part: Machine) -> None:
    JobRecords(part.folder)._notes._mark_incomplete(part.outputs[0], None)


def _table_gone(part: Machine) -> None:
    (part.build / "counterfactual/000.parquet").unlink()


def _damaged_clip(part: Machine) -> None:
    next(part.build.rglob("D-clean/**/*.mp4")).write_bytes(b"clip with a flipped bit")


def _clip_gone(part: Machine) -> None:
    next(part.build.rglob("D/**/*.mp4")).unlink()


def _cut_table(part: Machine) -> None:
    os.truncate(part.build / "composite/000.parquet", 200)


def _other_store(part: Machine) -> None:
    rows = part.build / "composite/store/000/rows.parquet"
    table = tables.read_table(rows)
    at = table.schema.get_field_index("key")
    table = table.set_column(at, table.schema.field(at), pa.array(["other"]))
    tables.write_table(table, rows)


def _other_choice(part: Machine) -> None:
    other = pa.table({"clip": ["x"]})
    tables.write_table(other, part.folder.parent.parent / "build/select/shards/000.parquet")


def _name_outside(part: Machine) -> None:
    part.write_shard(files=["../../mine.yaml"])


def _name_in_a_stage(part: Machine) -> None:
    part.write_shard(files=["select/clips.parquet"])


REFUSALS: list[tuple[Callable[[Machine], None], str]] = [
    (_other_settings, "made with other settings: composite.crf: wanted 21.0, got 30.0"),
    (_other_version, "made by another version: wanted composite 1"),
    (_begun_again, "its job has not ended"),
    (_table_gone, "its job has not ended"),
    (_damaged_clip, "wanted sha256"),
    (_clip_gone, "is missing"),
    (_cut_table, "does not read"),
    (_other_store, "does not have the rows of its store"),
    (_other_choice, "is not the table that was handed out"),
    (_name_outside, "is no clip of a dataset"),
    (_name_in_a_stage, "is no clip of a dataset"),
]


@pytest.mark.parametrize(("spoil", "said"), REFUSALS, ids=[f.__name__ for f, _ in REFUSALS])
def test_a_shard_that_does_not_hold_is_refused_and_the_other_taken(project, capsys, spoil, said):
    spoil(machine(project))
    assert merge(machine(project).folder, machine(project, 2).folder) == 1
    log = capsys.readouterr().err
    assert said in log and "missing: composite/000, of machine-1" in log
    assert "Traceback" not in log
    found = made(project)
    assert "composite/001.parquet" in found and "composite/000.parquet" not in found
    assert not list((project / "build").rglob(".*.part*"))
    assert Path("mine.yaml").read_text() == yaml.safe_dump(SETTINGS)


def test_a_shard_twice_must_be_equal(project, capsys):
    first, second = machine(project), project / "parts/machine-3"
    twin = Machine(second, "000", made_by=MADE_BY | {"libraries": "numpy 2.5"})
    twin.write(project / "build")
    assert merge(first.folder, second, machine(project, 2).folder) == 0
    assert "were there already" in capsys.readouterr().err
    shutil.rmtree(second)
    Machine(second, "000", clip=b"another").write(project / "build")
    before = made(project)
    assert merge(second) == 1 and made(project) == before
    assert "is there already and differs, first in c000" in capsys.readouterr().err


def test_another_encoder_is_taken_with_its_word_only(project, capsys):
    part = machine(project, 2)
    shutil.rmtree(part.folder)
    part = Machine(part.folder, "001", made_by=MADE_BY | {"instruction_set": "avx512"})
    part.write(project / "build")
    assert merge(machine(project).folder, part.folder) == 1
    assert "instruction_set: wanted avx2" in capsys.readouterr().err
    assert merge(part.folder, words=("--mixed",)) == 0


def test_killed_before_the_tables_the_same_command_goes_on(project, monkeypatch):
    def killed(shard, build, theirs, ours):
        raise KeyboardInterrupt

    monkeypatch.setattr("occludenet_build.tools.merge.command.take_tables", killed)
    assert merge(machine(project).folder, machine(project, 2).folder) == 130
    assert not any(name.startswith("composite/") for name in made(project))
    monkeypatch.setattr("occludenet_build.tools.merge.command.take_tables", take.take_tables)
    assert merge(machine(project).folder, machine(project, 2).folder) == 0


def test_a_source_that_has_changed_is_asked_for_here_too(project):
    request_attempt(machine(project).build / "index/videos.parquet")
    request_attempt(machine(project).build / "composite/000.parquet")
    assert merge(machine(project).folder, machine(project, 2).folder) == 0
    asked = ("index/videos.parquet", "composite/000.parquet", "composite/001.parquet")
    assert [attempts(project / "build" / name) for name in asked] == [1, 1, 0]


MISTAKES: list[tuple[dict, str]] = [
    ({}, "has no part.json that reads"),
    ({"format": 99}, "format 99"),
    ({"stages": ["nonsense"]}, "stages nonsense"),
    ({"shards": ["../../x"]}, "wanted shards of stages"),
    ({"build": "../other"}, "wanted shards of stages"),
    ({"of": "elsewhere"}, "got those of elsewhere"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_folder_of_something_else_is_one_line(project, capsys, change, said):
    path = machine(project).folder / PART_FILE
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | change) if change else "{")
    assert merge(machine(project).folder) == 2
    log = capsys.readouterr().err
    assert said in log and "Traceback" not in log
