"""Accuracy of detection: AP50 on COCO's pictures, and frames of the clips with a person."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from occludenet_build.config.people import Detect
from occludenet_build.people.detect import inference

PERSON = 1


def ap50(folder: Path, settings: Detect, threads: int) -> float:
    """Average precision at IoU 0.5 of the class person, all sizes, by COCO's evaluation."""
    model = inference.cached_model(settings, threads)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "instances.json"))
        results = []
        for number, facts in truth.imgs.items():
            picture = cv2.imread(str(folder / "images" / facts["file_name"]))[..., ::-1]
            prepared = model.prepare(np.ascontiguousarray(picture))
            ((boxes, scores),) = model.finish(model.start([prepared]), [picture.shape[1::-1]])
            for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
                results.append(box | {"image_id": number, "category_id": PERSON})
        scored = COCOeval(truth, truth.loadRes(results), "bbox")
        scored.params.catIds = [PERSON]
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[1])


def show_people(rows: pd.DataFrame, boxes: pd.DataFrame) -> None:
    """Print the shares of frames with a person and with the actor; clips have no true boxes."""
    print(f"\n{'clip':32} {'frames':>7} {'a person':>9} {'the actor':>9}  (shares of the frames)")
    seen = boxes.groupby("clip")["frame"].nunique()
    for row in rows.itertuples():
        shares = seen.get(row.clip, 0) / row.frames, row.actor_frames / row.frames
        print(f"{row.clip:32} {row.frames:7d} {shares[0]:9.2f} {shares[1]:9.2f}")
