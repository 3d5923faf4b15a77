"""Reads boxes with mmaction2's AVADataset as docs/exporting.md says, and decodes the key frames."""

from __future__ import annotations

import json
import sys

from codes import read_code
from mmaction.datasets import AVADataset
from mmaction.evaluation.functional.ava_utils import read_labelmap
from mmengine.registry import init_default_scope

init_default_scope("mmaction")  # mmaction.models of 1.2.0 lacks files


def main(folder: str, split: str, last: int) -> dict:
    with open(f"{folder}/action_list.pbtxt") as stream:
        classes, _ = read_labelmap(stream)
    steps = [
        {"type": "DecordInit"},
        {"type": "SampleAVAFrames", "clip_len": 3, "frame_interval": 1, "test_mode": True},
        {"type": "DecordDecode"},
    ]
    data = AVADataset(
        f"{folder}/{split}.csv", steps, label_file=f"{folder}/action_list.pbtxt",
        num_classes=len(classes) + 1, data_prefix={"img": folder}, use_frames=False, fps=1,
        start_index=0, timestamp_start=1, timestamp_end=last + 1, test_mode=True,
    )  # fmt: skip
    boxes = []
    for number in range(len(data)):
        item = data[number]
        boxes.append({
            "video": item["video_id"], "frame": item["timestamp"],
            "box": item["gt_bboxes"].tolist(), "people": item["entity_ids"].tolist(),
            "actions": [row.nonzero()[0].tolist() for row in item["gt_labels"]],
            "middle": read_code(item["imgs"][1]), "frames": int(item["total_frames"]),
        })  # fmt: skip
    return {"classes": {row["name"]: row["id"] for row in classes}, "boxes": boxes}


print(json.dumps([main(**one) for one in json.loads(sys.argv[1])]))
