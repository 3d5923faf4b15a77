"""Reads a folder with torchvision.datasets.Kinetics, and decodes a clip of every video."""

from __future__ import annotations

import json
import sys

from codes import read_code
from torchvision.datasets import Kinetics


def main(root: str, split: str) -> dict:
    data = Kinetics(root, frames_per_clip=4, split=split, step_between_clips=10**6)
    found = []
    for number in range(len(data)):
        video, _, label = data[number]
        place, _ = data.video_clips.get_clip_location(number)
        codes = [read_code(picture.permute(1, 2, 0).numpy()) for picture in video]
        path = data.video_clips.video_paths[place]
        found.append({"path": path.removeprefix(f"{root}/"), "label": label, "codes": codes,
                      "frames": len(data.video_clips.video_pts[place])})  # fmt: skip
    return {"classes": data.classes, "clips": found}


print(json.dumps([main(**one) for one in json.loads(sys.argv[1])]))
