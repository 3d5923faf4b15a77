"""Scores of ground truth against itself and against a shifted copy, by TrackEval.

Each task: format (youtube_vis, davis, mots), folder (of one set), split, shift (columns), work (an
empty folder). Returns a score from 0 to 1 per name.
"""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import trackeval
from PIL import Image
from pycocotools import mask as coco

QUIET = {"PRINT_CONFIG": False}
EVALUATOR = {
    "PRINT_RESULTS": False,
    "PRINT_CONFIG": False,
    "TIME_PROGRESS": False,
    "OUTPUT_SUMMARY": False,
    "OUTPUT_DETAILED": False,
    "PLOT_CURVES": False,
    "BREAK_ON_ERROR": True,
    "LOG_ON_ERROR": None,
}
# as TrackEval's own script for YouTube-VIS has them
RANGES = {
    "USE_TIME_RANGES": False,
    "AREA_RANGES": [[0, 128**2], [128**2, 256**2], [256**2, 1e10]],
}


def shifted(rle: dict, columns: int) -> dict:
    moved = np.roll(coco.decode(rle), columns, axis=1)
    found = coco.encode(np.asfortranarray(moved))
    return {"size": found["size"], "counts": found["counts"].decode()}


def evaluated(data, metric, name: str) -> dict:
    with contextlib.redirect_stdout(sys.stderr):
        results, _ = trackeval.Evaluator(EVALUATOR).evaluate([data], [metric])
    return results[name]["copy"]["COMBINED_SEQ"]


def youtube_vis(folder: Path, split: str, shift: int, work: Path) -> dict[str, float]:
    content = (folder / split / "instances.json").read_text()
    truth, results = (
        work / f"gt/youtube_vis_{split}",
        work / f"results/youtube_vis_{split}/copy/data",
    )
    truth.mkdir(parents=True)
    results.mkdir(parents=True)
    (truth / "instances.json").write_text(content)
    copied = [
        {
            "video_id": one["video_id"],
            "category_id": one["category_id"],
            "score": 1.0,
            "segmentations": [
                s and shifted(coco.frPyObjects(s, *s["size"]), shift) for s in one["segmentations"]
            ],
        }
        for one in json.loads(content)["annotations"]
    ]
    (results / "results.json").write_text(json.dumps(copied))
    places = {"GT_FOLDER": f"{work}/gt/", "TRACKERS_FOLDER": f"{work}/results/"}
    data = trackeval.datasets.YouTubeVIS(places | {"SPLIT_TO_EVAL": split} | QUIET)
    found = evaluated(data, trackeval.metrics.TrackMAP(QUIET | RANGES), "YouTubeVIS")
    classes = {one["category_id"] for one in copied}
    named = {c["name"] for c in json.loads(content)["categories"] if c["id"] in classes}
    return {name: float(np.mean(found[name]["TrackMAP"]["AP_all"])) for name in named}


def davis(folder: Path, split: str, shift: int, work: Path) -> dict[str, float]:
    listed = folder / "ImageSets/2017" / f"{split}.txt"
    annotations = folder / "Annotations/Full-Resolution"
    for name in listed.read_text().split():
        target = work / "copy/data" / name
        target.mkdir(parents=True)
        for file in (annotations / name).iterdir():
            levels = np.roll(np.asarray(Image.open(file)), shift, axis=1)
            Image.fromarray(levels).save(target / file.name)
    places = {"GT_FOLDER": str(annotations), "TRACKERS_FOLDER": str(work)}
    data = trackeval.datasets.DAVIS(places | {"SEQMAP_FILE": str(listed)} | QUIET)
    found = evaluated(data, trackeval.metrics.JAndF(QUIET), "DAVIS")["general"]["JAndF"]
    return {name: float(np.mean(found[name])) for name in ("J-Mean", "F-Mean")}


def mots(folder: Path, split: str, shift: int, work: Path) -> dict[str, float]:
    target = work / f"MOTS-{split}/copy/data"
    target.mkdir(parents=True)
    names = (folder / "seqmaps" / f"MOTS-{split}.txt").read_text().split()[1:]
    for name in names:
        lines = []
        for line in (folder / f"MOTS-{split}" / name / "gt/gt.txt").read_text().splitlines():
            *place, height, width, counts = line.split(" ")
            if place[2] != "10":
                rle = {"size": [int(height), int(width)], "counts": counts}
                lines.append(
                    " ".join([*place, height, width, shifted(rle, shift)["counts"]]) + "\n"
                )
        (target / f"{name}.txt").write_text("".join(lines))
    places = {"GT_FOLDER": str(folder), "TRACKERS_FOLDER": str(work), "SPLIT_TO_EVAL": split}
    data = trackeval.datasets.MOTSChallenge(places | QUIET)
    found = evaluated(data, trackeval.metrics.HOTA(QUIET), "MOTSChallenge")["pedestrian"]["HOTA"]
    return {name: float(np.mean(found[name])) for name in ("HOTA", "AssA", "DetA")}


def main(format: str, folder: str, split: str, shift: int, work: str) -> dict[str, float]:
    score = {"youtube_vis": youtube_vis, "davis": davis, "mots": mots}[format]
    return score(Path(folder), split, shift, Path(work))


print(json.dumps([main(**one) for one in json.loads(sys.argv[1])]))
