"""Benchmark of reading COCO's instances file against a parse by a fast JSON library.

    python benchmarks/coco.py [--quick]

The file is generated in the size of instances_train2017.json (860,000 annotations of 80 categories
with polygons of 22 corners on average, 118,287 images, 430 MB; --quick: a tenth). Each reading runs
in a separate process, in turn. Measured: CPU seconds of the reading alone (one thread), and the
peak memory of the process, imports included. All ratios are medians over the turns, relative to the
fastest and the smallest of the rivals, which run without garbage collection. Prints a table, and as
its last line one JSON object:

    time_ratio_to_json_parse     occluders' reading with checks, four categories / rival
    memory_ratio_to_json_parse   peak memory, ours / rival
    time_ratio_wanted_images     reading, and selecting the photos by the masks of their instances,
                                 without opening photos / rival
    rival                        installed rivals: msgspec, and orjson if installed
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

WANTED = ("backpack", "handbag", "suitcase", "dog")
CATEGORIES = (*WANTED, *(f"category {number}" for number in range(5, 81)))
FULL, QUICK = 860_000, 86_000
ANNOTATIONS_PER_IMAGE = 7.27
POLYGONS = 20_000
CHUNK = 10_000
LICENCE = {"id": 4, "name": "Attribution License", "url": "http://a.invalid/by/2.0/"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--read", nargs=2, metavar=("HOW", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(_measured(READERS[args.read[0]], Path(args.read[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="bench-coco-") as folder:
        file = Path(folder) / "instances.json"
        write_instances(file, QUICK if args.quick else FULL)
        print(json.dumps(compare(file, turns=5 if args.quick else 3)))


def compare(file: Path, turns: int) -> dict[str, float | str]:
    """Measure all readers in turn; print the table and return the ratios."""
    rivals = [name for name in RIVALS if importlib.util.find_spec(name)]
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(turns):
        for how in (*rivals, "photos", "wanted_images"):
            measured[how].append(_in_process(how, file))
    seconds = {how: statistics.median(s for s, _ in runs) for how, runs in measured.items()}
    mib = {how: statistics.median(m for _, m in runs) for how, runs in measured.items()}
    print(f"{file.stat().st_size / 1e6:.0f} MB, medians of {turns} turns")
    print(f"{'reading':16}{'CPU seconds':>14}{'peak MiB':>12}")
    for how in measured:
        print(f"{how:16}{seconds[how]:14.2f}{mib[how]:12.0f}")
    fastest, smallest = min(seconds[r] for r in rivals), min(mib[r] for r in rivals)
    return {
        "time_ratio_to_json_parse": round(seconds["photos"] / fastest, 3),
        "memory_ratio_to_json_parse": round(mib["photos"] / smallest, 3),
        "time_ratio_wanted_images": round(seconds["wanted_images"] / fastest, 3),
        "rival": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in rivals),
    }


def _in_process(how: str, file: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, "--read", how, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mib = json.loads(done.stdout)
    return seconds, mib


def _measured(read: Callable[[Path], Callable[[], object]], file: Path) -> tuple[float, float]:
    """(CPU seconds, peak MiB of this process)."""
    run = read(file)
    start = time.process_time()
    kept = run()
    seconds = time.process_time() - start
    del kept
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return seconds, int(peak.split()[1]) / 1024


def _msgspec(file: Path) -> Callable[[], object]:
    import msgspec

    gc.disable()
    return lambda: msgspec.json.decode(file.read_bytes())


def _orjson(file: Path) -> Callable[[], object]:
    import orjson

    gc.disable()
    return lambda: orjson.loads(file.read_bytes())


def _photos(file: Path) -> Callable[[], object]:
    from occludenet_build.sources.coco.instances import read_photos

    return lambda: read_photos(file, WANTED)


def _wanted(file: Path) -> Callable[[], object]:
    from occludenet_build.config.occlusion import Occluders
    from occludenet_build.sources.coco.selection import wanted_images

    return lambda: wanted_images(file, Occluders(categories=WANTED))


RIVALS = {"msgspec": _msgspec, "orjson": _orjson}
READERS = RIVALS | {"photos": _photos, "wanted_images": _wanted}


def write_instances(file: Path, annotations: int) -> None:
    """Write a random file with COCO's parts, keys and spacing; deterministic for a given size."""
    random = np.random.default_rng(0)
    numbers = random.permutation(600_000)[: round(annotations / ANNOTATIONS_PER_IMAGE)]
    polygons = [_polygon(random) for _ in range(POLYGONS)]
    categories = [{"supercategory": "x", "id": n, "name": c} for n, c in enumerate(CATEGORIES, 1)]
    with open(file, "w") as out:
        out.write(f'{{"info": {{}}, "licenses": [{json.dumps(LICENCE)}], "images": [')
        out.write(", ".join(map(_image, numbers.tolist())))
        out.write('], "annotations": [')
        for start in range(1, annotations + 1, CHUNK):
            some = range(start, min(start + CHUNK, annotations + 1))
            of = zip(
                random.choice(numbers, len(some)).tolist(),
                random.integers(1, len(CATEGORIES) + 1, len(some)).tolist(),
                random.integers(0, POLYGONS, len(some)).tolist(),
                strict=True,
            )
            texts = (
                _annotation(n, i, c, polygons[p]) for n, (i, c, p) in zip(some, of, strict=True)
            )
            out.write((", " if start > 1 else "") + ", ".join(texts))
        out.write(f'], "categories": {json.dumps(categories)}}}')


def _polygon(random: np.random.Generator) -> tuple[str, str]:
    """(segmentation, box) as JSON; the distribution of sizes is similar to COCO's."""
    corners = int(np.clip(random.lognormal(2.95, 0.6), 3, 300))
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = np.clip(random.lognormal(3.2, 0.9), 3, 200) * random.uniform(0.8, 1.2, corners)
    around = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    points = np.round(np.clip(random.uniform((0, 0), (640, 480)) + around, 0, (640, 480)), 2)
    low, sides = points.min(axis=0), np.ptp(points, axis=0)
    return json.dumps([points.ravel().tolist()]), json.dumps([*low.tolist(), *sides.tolist()])


def _image(number: int) -> str:
    return (
        f'{{"license": 4, "file_name": "{number:012d}.jpg", "coco_url": '
        f'"http://images.invalid/train2017/{number:012d}.jpg", "height": 480, "width": 640, '
        f'"date_captured": "2013-11-14 17:02:52", "flickr_url": '
        f'"http://farm.invalid/6116/{number}_da26cf2c9e_z.jpg", "id": {number}}}'
    )


def _annotation(number: int, image: int, category: int, polygon: tuple[str, str]) -> str:
    return (
        f'{{"segmentation": {polygon[0]}, "area": 1035.7495, "iscrowd": 0, "image_id": {image}, '
        f'"bbox": {polygon[1]}, "category_id": {category}, "id": {number}}}'
    )


if __name__ == "__main__":
    main()
