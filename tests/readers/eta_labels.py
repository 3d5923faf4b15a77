"""A FiftyOneVideoLabelsDataset, read by ETA, the library with which FiftyOne reads its labels.

Each task: folder (of one set and split). Returns per video its attributes, and per frame the
objects with box in shares, area of the mask, and attributes. FiftyOne itself needs a database
server, which no package index has.
"""

import json
import sys
import types
from pathlib import Path

# patterns and archives, which reading does not need
for name in ("glob2", "py7zr", "rarfile"):
    sys.modules.setdefault(name, types.ModuleType(name))

import eta.core.datasets as etad  # noqa: E402
import eta.core.video as etav  # noqa: E402


def attributes(container) -> dict:
    return {one.name: one.value for one in container}


def read(folder: Path) -> list[dict]:
    found = []
    data = etad.load_dataset(str(folder / "manifest.json"))
    for record in data.dataset_index:
        labels = etav.VideoLabels.from_json(str(folder / record.labels))
        frames = {
            number: [
                {
                    "label": one.label,
                    "name": one.name,
                    "index": one.index,
                    "box": one.bounding_box.to_coords(),
                    "mask": None if one.mask is None else [*one.mask.shape, int(one.mask.sum())],
                    "attributes": attributes(one.attrs),
                }
                for one in labels[number].objects
            ]
            for number in labels
        }
        found.append({"data": record.data, "video": attributes(labels.attrs), "frames": frames})
    return found


print(json.dumps([read(Path(one["folder"])) for one in json.loads(sys.argv[1])]))
