"""Exports for hosts and streams: Hugging Face, WebDataset, Croissant; read by their own readers."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from support.export import (
    HEIGHT,
    LABELS,
    SCALES,
    SOURCES,
    WIDTH,
    ExportBuild,
    Source,
    box,
    named,
    summary,
)

CARD = {
    "name": "A build", "licence": "cc-by-4.0", "creators": ["A. B."], "url": "https://example.org",
    "published": "2026-11-28", "sensitive": "All subjects agreed in writing.",
}  # fmt: skip
SETS = ("clean", "D-25", "D-50")


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> ExportBuild:
    return ExportBuild(tmp_path_factory.mktemp("hub")).write()


@pytest.fixture(scope="module")
def huggingface(build) -> Path:
    return build.export("huggingface", card=CARD)


@pytest.fixture(scope="module")
def webdataset(build) -> Path:
    return build.export("webdataset", names="release")


@pytest.fixture(scope="module")
def croissant(build) -> Path:
    return build.export("croissant", card=CARD)


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_a_card_names_the_configurations_and_their_splits(huggingface):
    card = front_matter(huggingface)
    assert card["license"] == "cc-by-4.0" and card["size_categories"] == ["n<1K"]
    found = {c["config_name"]: [f["split"] for f in c["data_files"]] for c in card["configs"]}
    assert set(found) == set(SETS) and set(found["D-25"]) == {"train", "val", "test"}
    text = (huggingface / "README.md").read_text()
    assert "| D-25 | 4 | 2 | 2 |" in text and "All subjects agreed in writing." in text


def test_a_table_of_metadata_has_a_row_per_clip_of_its_folder(huggingface):
    for split in ("train", "val", "test"):
        rows = pq.read_table(huggingface / f"D-50/{split}/metadata.parquet").to_pylist()
        files = {p.relative_to(huggingface / f"D-50/{split}").as_posix()
                 for p in (huggingface / f"D-50/{split}").rglob("*.mp4")}  # fmt: skip
        assert {row["file_name"] for row in rows} == files and files
        assert {row["label"] for row in rows} <= set(LABELS)
        assert all(row["label_id"] == LABELS[row["label"]] for row in rows)


@pytest.mark.parametrize("format", ["huggingface", "webdataset", "croissant"])
def test_without_pixels_no_video_is_written(build, tmp_path, format):
    folder = build.export(format, tmp_path / format, pixels=False)
    assert not [path for path in folder.rglob("*") if path.suffix in (".mp4", ".jpg", ".png")]
    for path in folder.rglob("*.tar"):
        with tarfile.open(path) as tar:
            assert not [name for name in tar.getnames() if name.endswith(".mp4")]
    if format == "huggingface":
        names = {c["config_name"] for c in front_matter(folder)["configs"]}
        assert names == {"annotations", *(f"frames-{name}" for name in SETS)}
    if format == "croissant":
        ids = [one["@id"] for one in metadata(folder)["distribution"]]
        assert ids == ["clips.csv", "frame-tables"]


def test_keys_have_no_dot_and_names_csv_maps_them_back(webdataset):
    """The key of a sample ends at the first dot: 0.25_x.mp4 and 0.25_y.mp4 would both be 0."""
    keys = []
    for path in sorted(webdataset.rglob("*.tar")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            place = path.relative_to(webdataset).as_posix()
        own = [name.partition(".")[0] for name in names]
        assert len(names) == 4 * len(set(own)) and own == sorted(own)
        keys += [f"{place}:{key}" for key in dict.fromkeys(own)]
    rows = named(webdataset)
    assert sorted(keys) == sorted(rows) and len(keys) == len(SETS) * len(SOURCES)
    assert {(row["set"], row["clip"]) for row in rows.values()} == {
        (name, source.name) for name in SETS for source in SOURCES
    }


def test_a_tar_has_no_owner_and_no_time_and_is_as_its_index_says(webdataset):
    for index in set(webdataset.glob("*/*.json")) - set(webdataset.glob("*/labels.json")):
        for shard in json.loads(index.read_text()):
            content = (index.parent / shard["file"]).read_bytes()
            assert shard["bytes"] == len(content)
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
            with tarfile.open(index.parent / shard["file"]) as tar:
                members = tar.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {
                (0, 0, 0, "", "")
            }
            assert shard["samples"] == len({m.name.partition(".")[0] for m in members})


def test_small_shards_hold_all_samples_and_a_second_export_changes_nothing(
    build, tmp_path, monkeypatch
):
    from occludenet_build.dataset.export import webdataset

    monkeypatch.setattr(webdataset, "MEGABYTE", 60_000)
    folder = build.export("webdataset", tmp_path / "w", shard_mb=1)
    shards = json.loads((folder / "D-25/train.json").read_text())
    assert len(shards) > 1 and sum(shard["samples"] for shard in shards) == 4
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    build.export("webdataset", folder, shard_mb=1)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}


def test_a_key_may_be_longer_than_a_name_of_ustar(tmp_path):
    long = Source("x" * 120, "run", "train", 4)
    build = ExportBuild(tmp_path / "build", (long,), scales=(), labels={"run": 0}).write()
    folder = build.export("webdataset", tmp_path / "w")
    with tarfile.open(folder / "clean/train-000000.tar") as tar:
        assert f"{long.name}.frames.json" in tar.getnames()


def metadata(folder: Path) -> dict:
    return json.loads((folder / "croissant.json").read_text())


def test_croissant_has_the_fields_of_rai_and_says_what_the_card_lacks(build, croissant, tmp_path):
    found = metadata(croissant)
    assert "http://mlcommons.org/croissant/1.1" in found["conformsTo"]
    wanted = ("dataCollection", "dataBiases", "dataLimitations", "personalSensitiveInformation")
    assert all(found[f"rai:{name}"] for name in wanted)
    assert found["creator"][0]["name"] == "A. B." and found["datePublished"] == "2026-11-28"
    assert summary(croissant)["counts"]["missing_in_card"] == []
    bare = build.export("croissant", tmp_path / "bare")
    lacking = ["creators", "url", "published", "sensitive", "licence"]
    assert summary(bare)["counts"]["missing_in_card"] == lacking


# read by their own readers


@pytest.mark.slow
def test_load_dataset_reads_clips_labels_and_frames(build, huggingface, readers):
    (found,) = readers("hub", [{"read": "huggingface", "folder": f"{huggingface}", "names": SETS}])
    for name, read in found.items():
        counts = {split: len(rows) for split, rows in read.items()}
        assert counts == {"train": 4, "val": 2, "test": 2}
        for split, row in ((split, row) for split, rows in read.items() for row in rows):
            source = next(s for s in SOURCES if s.name == row["clip"])
            assert (row["label"], split) == (source.label, source.split)
            assert row["decoded"] == source.frames
            number = next(
                k for k, r in enumerate(build.rows) if (r["set"], r["clip"]) == (name, source.name)
            )
            assert row["codes"] == [[0, number], [source.frames - 1, number]]


@pytest.mark.slow
def test_boxes_and_masks_come_back_from_the_tables(build, huggingface, tmp_path, readers):
    file = huggingface / "annotations/frames-D-25-val.parquet"
    folder = build.export("huggingface", tmp_path / "h", pixels=False)
    tables = {"read": "huggingface", "folder": f"{folder}", "names": ["annotations"]}
    rows, read = readers("hub", [{"read": "parquet", "file": f"{file}"}, tables])
    assert len(rows) == sum(source.frames for source in SOURCES if source.split == "val")
    for row in rows:
        assert (row["x1"], row["y1"], row["x2"], row["y2"]) == box(row["frame"])
        assert (row["height"], row["width"]) == (HEIGHT, WIDTH) and row["actor_rle"]
    assert sum(map(len, read["annotations"].values())) == len(SETS) * len(SOURCES)


@pytest.mark.slow
def test_webdataset_and_datasets_read_the_same_samples(webdataset, readers):
    options = {"folder": str(webdataset), "pattern": "D-50/*-*.tar"}
    tasks = [{"read": name} | options for name in ("webdataset", "webdataset_by_datasets")]
    samples, others = readers("hub", tasks)
    assert sorted((s["key"], s["json"]["id"], s["bytes"]) for s in samples) == sorted(
        (s["key"], s["json"]["id"], s["bytes"]) for s in others
    )
    expected = {source.name: source for source in SOURCES}
    assert {sample["json"]["clip"] for sample in samples} == set(expected)
    for sample in samples:
        source = expected[sample["json"]["clip"]]
        assert sample["json"]["split"] == source.split and sample["bytes"] > 0
        assert sample["cls"] == LABELS[source.label]
        assert [frame["frame"] for frame in sample["frames"]] == list(range(source.frames))
        assert sample["frames"][7]["x1"] == box(7)[0]


@pytest.mark.slow
def test_mlcroissant_validates_the_metadata_and_reads_all_records(croissant, readers):
    (found,) = readers("hub", [{"read": "croissant", "folder": str(croissant)}])
    assert found["report"] == "" and found["biases"] and found["limitations"]
    assert found["sensitive"] == ["All subjects agreed in writing."]
    clips, frames = found["records"]["clips"], found["records"]["frames"]
    assert len(clips) == len(SETS) * len(SOURCES)
    assert len(frames) == (1 + len(SCALES)) * sum(source.frames for source in SOURCES)
    for clip in clips:
        path = croissant / clip["clips/file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == clip["clips/sha256"]
        assert LABELS[clip["clips/label"]] == clip["clips/label_id"]
    for frame in frames:
        assert frame["frames/x1"] == box(frame["frames/frame"])[0]
