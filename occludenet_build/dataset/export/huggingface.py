"""Hugging Face: a dataset repository that `load_dataset` reads as it is, ready to be pushed.

    README.md                             the dataset card: configurations, counts, how it was made
    <set>/<split>/<class>/<name>.mp4      the clips: a configuration per set, read by VideoFolder
    <set>/<split>/metadata.parquet        a row per clip: `file_name`, and the columns of
                                          records.CLIPS; it takes the place of labels by folder
    annotations/clips-<split>.parquet     the same rows, of all sets
    annotations/frames-<set>-<split>.parquet   records.FRAMES: boxes and masks
    labels.json                           class name -> label id, one map for all sets

With `pixels: false` there are no clips, which may be published where the licence of the videos does
not allow their pixels to be: the configurations are then `annotations` and `frames-<set>`. With
clips these tables are read as load_dataset("parquet", data_files=...), because all configurations
of a repository have one builder.

`load_dataset` makes the column `label` a string, since a table of metadata takes the place of the
folders' names; `label_id` is its number. Push with
    hf upload-large-folder OWNER/NAME --repo-type=dataset build/export/huggingface
Source: documentation of the library datasets 5.2.0 ("Create a video dataset", "Structure your
repository") and of the hub ("Dataset Cards").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.card import RELEASE, Facts, counts_table, statements
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.records import CLIPS, Row, clip_row, clips_table, write_frames

_ANNOTATIONS = "annotations"
_TITLES = {
    "dataCollection": "How it was made",
    "dataPreprocessingProtocol": "Processing",
    "dataBiases": "Biases",
    "dataLimitations": "Limits",
    "personalSensitiveInformation": "Personal and sensitive information",
    "dataUseCases": "Uses",
    "dataSocialImpact": "Social impact",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write(job: Job) -> dict[str, Any]:
    """Write the repository; return the number of clips and of rows of frames per set and split."""
    rows: dict[str, list[Row]] = {}
    frames: dict[str, int] = {}
    for name, split, clips in by_split(job.clips):
        found = [clip_row(clip, _placed(job, clip), job.labels) for clip in clips]
        rows.setdefault(split, []).extend(found)
        if job.settings.pixels:
            _write_metadata(job, f"{name}/{split}", found)
        file = f"{_ANNOTATIONS}/frames-{name}-{split}.parquet"
        with job.output.writing(file) as temporary:
            frames[f"{name}/{split}"] = write_frames(job, clips, temporary)
    for split, found in rows.items():
        with job.output.writing(f"{_ANNOTATIONS}/clips-{split}.parquet") as temporary:
            pq.write_table(clips_table(found), temporary, compression="zstd")
    job.output.json("labels.json", dict(job.labels))
    job.output.text("README.md", card_text(job, Facts.of(job)))
    return {"clips": sum(map(len, rows.values())), "frames": frames}


def _placed(job: Job, clip: ExportClip) -> str | None:
    """Put the clip into its place; its path in the repository, None without pixels."""
    path = job.video(clip)
    job.place(clip, path)
    return path if job.settings.pixels else None


def _write_metadata(job: Job, folder: str, rows: Sequence[Row]) -> None:
    """metadata.parquet, whose paths are relative to its folder, as VideoFolder reads them."""
    schema = CLIPS.remove(CLIPS.get_field_index("file")).insert(
        0, pa.field("file_name", pa.string())
    )
    named = [row | {"file_name": row["file"].removeprefix(f"{folder}/")} for row in rows]
    with job.output.writing(f"{folder}/metadata.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(named, schema), temporary, compression="zstd")


def card_text(job: Job, facts: Facts) -> str:
    """README.md: YAML for the hub, then Markdown for people."""
    values = _metadata(job, facts).items()
    # JSON is YAML, and needs no library
    head = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values)
    card, said = job.settings.card, statements(facts, job.settings.card)
    parts = [
        f"---\n{head}---\n\n# {card.name}\n",
        f"Clips for action recognition under occlusion, in the manner of OccludeNet ({RELEASE}), "
        f"built with occludenet_build. Version {card.version}.\n",
        f"{counts_table(facts)}\n",
        f"```python\n{_example(job, facts)}```\n",
    ]
    for name, title in _TITLES.items():
        parts.append(f"## {title}\n\n" + "".join(f"- {line}\n" for line in said[name]))
    parts.append(
        "## Licences\n\n"
        "- `licences.csv` has the photo of each occluder with its licence.\n"
        "- The videos are under the terms of their sources"
        + ("" if job.settings.pixels else ", and are not part of this dataset")
        + ".\n"
    )
    if card.citation:
        parts.append(f"## Citation\n\n```bibtex\n{card.citation.strip()}\n```\n")
    return "\n".join(parts)


def _metadata(job: Job, facts: Facts) -> dict[str, Any]:
    total = sum(facts.counts.values())
    size = next((name for limit, name in _SIZES if total < limit), "n>1M")
    return {
        "pretty_name": job.settings.card.name,
        "license": job.settings.card.licence,
        "task_categories": ["video-classification"],
        "tags": ["action-recognition", "occlusion", "video"],
        "size_categories": [size],
        "configs": _configs(job, facts),
    }


def _configs(job: Job, facts: Facts) -> list[dict[str, Any]]:
    splits_of: dict[str, list[str]] = {}
    for name, split in facts.counts:
        splits_of.setdefault(name, []).append(split)
    if job.settings.pixels:
        return [
            _config(name, {split: f"{name}/{split}/**" for split in splits})
            for name, splits in splits_of.items()
        ]
    paths = {split: f"{_ANNOTATIONS}/clips-{split}.parquet" for split in facts.splits}
    configs = [_config(_ANNOTATIONS, paths)]
    for name, splits in splits_of.items():
        files = {split: f"{_ANNOTATIONS}/frames-{name}-{split}.parquet" for split in splits}
        configs.append(_config(f"frames-{name}", files))
    return configs


def _config(name: str, paths: dict[str, str]) -> dict[str, Any]:
    files = [{"split": split, "path": path} for split, path in paths.items()]
    return {"config_name": name, "data_files": files}


def _example(job: Job, facts: Facts) -> str:
    first, split = facts.sets[0], facts.splits[-1]
    start = "from datasets import load_dataset\n\n"
    if not job.settings.pixels:
        return f'{start}clips = load_dataset("OWNER/NAME", "{_ANNOTATIONS}")\n'
    tables = f"hf://datasets/OWNER/NAME/{_ANNOTATIONS}/frames-{first}-{split}.parquet"
    return (
        f'{start}clips = load_dataset("OWNER/NAME", "{first}")\n'
        f'boxes_and_masks = load_dataset("parquet", data_files="{tables}")\n'
    )
