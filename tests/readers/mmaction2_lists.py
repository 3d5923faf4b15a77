"""Reads lists with mmaction2's VideoDataset and RawframeDataset, and decodes every clip."""

from __future__ import annotations

import json
import sys

from codes import read_code
from mmaction.datasets import RawframeDataset, VideoDataset
from mmengine.registry import init_default_scope

init_default_scope("mmaction")  # mmaction.models of 1.2.0 lacks files


def main(kind: str, ann_file: str, prefix: str, delimiter: str = " ", clip_len: int = 6) -> list:
    sample = {"type": "SampleFrames", "clip_len": clip_len, "frame_interval": 2, "num_clips": 1}
    sample["test_mode"] = True
    if kind == "video":
        steps = [{"type": "DecordInit"}, sample, {"type": "DecordDecode"}]
        data = VideoDataset(ann_file, steps, {"video": prefix}, delimiter=delimiter)
    else:
        steps = [sample, {"type": "RawFrameDecode"}]
        data = RawframeDataset(ann_file, steps, {"img": prefix})
    found = []
    for number in range(len(data)):
        item = data[number]
        where = item["filename" if kind == "video" else "frame_dir"]
        codes = [read_code(picture) for picture in item["imgs"]]
        numbers = [int(i) for i in item["frame_inds"]]
        found.append({"path": where.removeprefix(prefix).lstrip("/"), "label": item["label"],
                      "frames": int(item["total_frames"]), "codes": codes,
                      "numbers": numbers})  # fmt: skip
    return found


print(json.dumps([main(**one) for one in json.loads(sys.argv[1])]))
