"""Formats with masks and tubes: what is read back is what was drawn, frame by frame."""

from __future__ import annotations

import base64
import configparser
import importlib
import io
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from support.build import CLIPS, SmallBuild, annotate
from support.drawn_masks import ACTOR, OCCLUDER, DrawnBuild, Exported, Scene, export

from occludenet_build.config.export import FORMATS, Export
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.clips import Build
from occludenet_build.dataset.export import sav
from occludenet_build.dataset.export.job import Job
from occludenet_build.media.imaging import masks
from occludenet_build.media.tubes import read_tubes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools

SCENES = (
    Scene("walk", hidden=(5,), others={3: np.array([[40, 4, 60.4, 30], [8, 8, 20, 20]])}),
    Scene("walk", set="clean", occluder=None),
    Scene("walk", set="I", occluder="person", others={3: np.array([[4, 4, 60, 44]])}),
    Scene("odd 1.5", split="train", width=65, height=47, occluder="suitcase"),
    Scene("odd_1_5", split="train", label="catching (or) throwing", absent=(), frames=8),
    Scene("turned", split="val", width=48, height=64, rotation=90),
    Scene("late", absent=range(3), hidden=range(10)),
    Scene("unmasked", masked=False),
    Scene("unsure", split="val", unknown=(4, 5)),
    Scene("short", split="train", absent=range(5, 10)),
)
MASKS = ("youtube_vis", "coco", "davis", "mots", "sav", "tabe", "fiftyone", "moc")
NEED_MASKS = ("youtube_vis", "davis", "mots", "sav", "tabe")
SPLITS = (("D-50", "test"), ("D-50", "train"), ("D-50", "val"), ("clean", "test"))


def module(name: str):
    return importlib.import_module(f"occludenet_build.dataset.export.{name}")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> DrawnBuild:
    return DrawnBuild(tmp_path_factory.mktemp("build"), SCENES)


@pytest.fixture(scope="module")
def exported(
    build: DrawnBuild, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Exported]:
    done: dict[str, Exported] = {}

    def get(name: str) -> Exported:
        if name not in done:
            done[name] = export(module(name), build, tmp_path_factory.mktemp(name))
        return done[name]

    return get


def sequence(made: Exported, scene: Scene) -> str:
    (clip,) = [c for c in made.job.clips if c.name == f"{scene.set}/{scene.clip}"]
    return module("objects").sequence_names(made.job)[clip.name]


def front(scene: Scene, frame: int) -> np.ndarray:
    mask = scene.front(frame)
    return np.zeros((scene.height, scene.width), bool) if mask is None else mask


def shows(picture: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Check that most pixels of the mask have the colour, and few around it have."""
    near = np.abs(picture.astype(int) - colour).sum(axis=2) < 120
    assert not mask.any() or near[mask].mean() > 0.8
    assert near[~mask].mean() < 0.1


def test_the_formats_are_those_of_the_table() -> None:
    assert set(MASKS) <= set(FORMATS)


def test_youtube_vis(exported) -> None:
    made = exported("youtube_vis")
    for set_, split in SPLITS:
        content = json.loads((made.folder / set_ / split / "instances.json").read_text())
        names = {c["id"]: c["name"] for c in content["categories"]}
        assert names == {1: "person", 2: "dog", 3: "suitcase"}
        scenes = made.scenes(set_, split)
        assert [v["name"] for v in content["videos"]] == [sequence(made, s) for s in scenes]
        for number, (scene, video) in enumerate(zip(scenes, content["videos"], strict=True), 1):
            assert (video["id"], video["action"]) == (number, scene.label)
            assert (video["width"], video["height"]) == (scene.width, scene.height)
            assert video["length"] == len(video["file_names"]) == scene.frames
            assert video["file_names"][0] == f"{video['name']}/00000.jpg"
            of_video = [a for a in content["annotations"] if a["video_id"] == number]
            objects = {names[a["category_id"]]: a for a in of_video}
            truth = {"person": scene.visible, scene.occluder: lambda n, s=scene: front(s, n)}
            assert set(objects) == {
                name for name, of in truth.items() if any(of(n).any() for n in range(scene.frames))
            }
            for name, entry in objects.items():
                assert entry["iscrowd"] == 0
                for n in range(scene.frames):
                    _check_entry(entry, n, truth[name](n))
    assert made.job.left_out["D-50/unmasked"].reason == "no_mask"


def _check_entry(entry: dict, frame: int, mask: np.ndarray) -> None:
    found, box = entry["segmentations"][frame], entry["bboxes"][frame]
    if not mask.any():
        assert (found, box, entry["areas"][frame]) == (None, None, None)
        return
    rle = coco_mask.frPyObjects(found, *found["size"])
    assert (coco_mask.decode(rle).astype(bool) == mask).all()
    x1, y1, x2, y2 = masks.box_of(mask)
    assert box == [x1, y1, x2 - x1, y2 - y1]
    assert entry["areas"][frame] == mask.sum()


def test_coco(exported, capsys) -> None:
    made = exported("coco")
    for set_, split in SPLITS:
        data = COCO(str(made.folder / set_ / split / "instances.json"))
        videos = {v["id"]: v["name"] for v in data.dataset["videos"]}
        for scene in made.scenes(set_, split):
            images = [
                i for i in data.imgs.values() if videos[i["video_id"]] == sequence(made, scene)
            ]
            assert [i["frame_id"] for i in images] == list(range(scene.frames))
            instances = set()
            for image in images:
                found = data.loadAnns(data.getAnnIds(imgIds=[image["id"]]))
                instances |= {(a["category_id"], a["instance_id"]) for a in found}
                _check_image(scene, image["frame_id"], found, data)
                path = made.folder / set_ / split / "images" / image["file_name"]
                with Image.open(path) as picture:
                    assert picture.size == (image["width"], image["height"])
                    assert picture.size == (scene.width, scene.height)
            assert len(instances) == len({category for category, _ in instances})


def _check_image(scene: Scene, frame: int, found: list[dict], data: COCO) -> None:
    people = [a for a in found if a["category_id"] == 1]
    if not scene.masked:
        x1, y1, x2, y2 = scene.box(frame)
        boxes = [] if scene.whole(frame) is None else [[x1, y1, x2 - x1, y2 - y1]]
        assert [a["bbox"] for a in people] == boxes
        return
    for mask, entries in (
        (scene.visible(frame), people),
        (front(scene, frame), [a for a in found if a["category_id"] != 1]),
    ):
        assert len(entries) == mask.any()
        for entry in entries:
            assert (data.annToMask(entry).astype(bool) == mask).all()
            assert entry["area"] == mask.sum()


@pytest.mark.parametrize("format", ["davis", "tabe"])
def test_frames_show_what_the_masks_say(exported, format: str) -> None:
    made = exported(format)
    for set_, split in SPLITS:
        for scene in made.scenes(set_, split):
            name = sequence(made, scene)
            where = {"davis": f"{set_}/JPEGImages/Full-Resolution/{name}"}
            folder = made.folder / where.get(format, f"{set_}/{split}/{name}/frames")
            files = sorted(folder.iterdir())
            assert [f.name for f in files] == [f"{n:05d}.jpg" for n in range(scene.frames)]
            for n, file in enumerate(files):
                picture = np.asarray(Image.open(file))
                shows(picture, scene.visible(n), ACTOR)
                shows(picture, front(scene, n), OCCLUDER)


def test_davis(exported) -> None:
    made = exported("davis")
    for set_, split in SPLITS:
        scenes = made.scenes(set_, split)
        listed = (made.folder / set_ / "ImageSets/2017" / f"{split}.txt").read_text().split("\n")
        assert listed == [*(sequence(made, s) for s in scenes), ""]
        for scene in scenes:
            folder = made.folder / set_ / "Annotations/Full-Resolution" / sequence(made, scene)
            files = sorted(folder.iterdir())
            assert [f.name for f in files] == [f"{n:05d}.png" for n in range(scene.frames)]
            for n, file in enumerate(files):
                with Image.open(file) as picture:
                    assert picture.mode == "P"
                    assert picture.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]
                    levels = np.asarray(picture)
                assert ((levels == 1) == scene.visible(n)).all()
                assert ((levels == 2) == front(scene, n)).all()


@pytest.mark.parametrize("format", NEED_MASKS)
def test_nothing_is_written_of_a_clip_that_is_left_out(exported, format: str) -> None:
    made = exported(format)
    left_out = {"unmasked", *(["unsure"] if format == "tabe" else [])}
    assert {name.partition("/")[2] for name in made.job.left_out} == left_out
    assert not [p for p in made.folder.rglob("*") if p.name.partition("_manual")[0] in left_out]


def test_mots(exported) -> None:
    made = exported("mots")
    for set_, split in SPLITS:
        place = made.folder / set_ / f"MOTS-{split}"
        scenes = made.scenes(set_, split)
        listed = (made.folder / set_ / "seqmaps" / f"MOTS-{split}.txt").read_text().split("\n")
        assert listed == ["name", *(sequence(made, s) for s in scenes), ""]
        for scene in scenes:
            folder = place / sequence(made, scene)
            info = configparser.ConfigParser()
            info.read(folder / "seqinfo.ini")
            length = int(info["Sequence"]["seqLength"])
            assert length == scene.frames == len(list((folder / "img1").iterdir()))
            assert (folder / "img1" / "000001.jpg").exists()
            actor, ignored = _mots_masks(folder / "gt" / "gt.txt", scene)
            assert set(actor) == {n for n in range(length) if scene.visible(n).any()}
            for n, mask in actor.items():
                assert (mask == scene.visible(n)).all()
            assert set(ignored) == set(scene.others)
    region = np.zeros((48, 64), bool)
    region[4:30, 40:60] = region[8:20, 8:20] = True
    walk = SCENES[0]
    _, ignored = _mots_masks(made.folder / "D-50/MOTS-test/walk/gt/gt.txt", walk)
    assert (ignored[3] == (region & ~walk.visible(3) & ~front(walk, 3))).all()
    region[4:44, 4:60] = True  # of I: who hides the actor is another person
    _, ignored = _mots_masks(made.folder / "I/MOTS-test/walk/gt/gt.txt", SCENES[2])
    assert (ignored[3] == (region & ~SCENES[2].visible(3))).all()


def _mots_masks(path: Path, scene: Scene) -> tuple[dict, dict]:
    found: dict[str, dict[int, np.ndarray]] = {"2001 2": {}, "10000 10": {}}
    for line in path.read_text().splitlines():
        time, number, kind, height, width, counts = line.split(" ")
        assert (int(height), int(width)) == (scene.height, scene.width)
        rle = {"size": [int(height), int(width)], "counts": counts}
        found[f"{number} {kind}"][int(time) - 1] = coco_mask.decode(rle).astype(bool)
    return found["2001 2"], found["10000 10"]


def test_sav(exported) -> None:
    made = exported("sav")
    for set_, split in SPLITS:
        for scene in made.scenes(set_, split):
            path = made.folder / set_ / split / f"{sequence(made, scene)}_manual.json"
            content = json.loads(path.read_text())
            assert path.with_name(f"{content['video_id']}.mp4").exists()
            assert content["video_frame_count"] == scene.frames
            assert content["video_height"] == scene.height
            annotated = range(0, scene.frames, 4)
            assert len(content["masklet"]) == len(annotated)
            truth = [scene.visible, lambda n, s=scene: front(s, n)]
            truth = [of for of in truth if any(of(n).any() for n in range(scene.frames))]
            assert content["masklet_num"] == len(truth) == len(content["masklet_id"])
            for i, of in enumerate(truth):
                shown = [of(n) for n in annotated]
                for n, mask in enumerate(shown):
                    assert (coco_mask.decode(content["masklet"][n][i]) == mask).all()
                areas = [mask.sum() for mask in shown if mask.any()]
                assert content["masklet_size_abs"][i] == (np.mean(areas) if areas else 0)
                first = next((n for n, mask in enumerate(shown) if mask.any()), 0)
                assert content["masklet_first_appeared_frame"][i] == first
    late = json.loads((made.folder / "D-50/test/late_manual.json").read_text())
    assert late["masklet_num"] == 1  # the actor is never seen
    walk = json.loads((made.folder / "D-50/test/walk_manual.json").read_text())
    assert walk["masklet_visibility_changes"] == [0, 0]
    assert walk["masklet_size_bucket"] == ["small", "small"]


def test_tabe(exported) -> None:
    made = exported("tabe")
    for set_, split in SPLITS:
        for scene in made.scenes(set_, split):
            folder = made.folder / set_ / split / sequence(made, scene)
            levels = json.loads((folder / "annos.json").read_text())["occlusion"]
            assert len(levels) == scene.frames
            for n, said in enumerate(levels):
                whole = scene.whole(n)
                empty = np.zeros((scene.height, scene.width), bool)
                for name, mask in (("gt_masks", whole), ("visible_masks", scene.visible(n))):
                    levels_of = np.asarray(Image.open(folder / name / f"{n:05d}.png"))
                    assert levels_of.dtype == np.uint8
                    assert (levels_of == 255 * (empty if mask is None else mask)).all()
                if whole is None:
                    assert said == {"level": "NONE", "amount": None}
                    continue
                share = 1 - scene.visible(n).sum() / whole.sum()
                assert said["amount"] == pytest.approx(share)
                level = "NO_OCCLUSION" if share == 0 else "SLIGHT_OCCLUSION"
                assert said["level"] == ("SEVERE_OCCLUSION" if share > 2 / 3 else level)
    unsure = made.job.left_out["D-50/unsure"]
    assert (unsure.reason, unsure.detail) == ("no_mask", "of the whole actor in 2 of 8")
    late = made.folder / "D-50/test/late/annos.json"
    counts = [o["level"] for o in json.loads(late.read_text())["occlusion"]]
    assert counts == ["NONE"] * 3 + ["SEVERE_OCCLUSION"] * 7


def test_fiftyone(exported) -> None:
    made = exported("fiftyone")
    for set_, split in SPLITS:
        folder = made.folder / set_ / split
        index = json.loads((folder / "manifest.json").read_text())["index"]
        scenes = made.scenes(set_, split)
        assert len(index) == len(scenes)
        for scene, entry in zip(scenes, index, strict=True):
            assert (folder / entry["data"]).exists()
            labels = json.loads((folder / entry["labels"]).read_text())
            said = {a["name"]: a["value"] for a in labels["attrs"]["attrs"]}
            assert (said["label"], said["clip"]) == (scene.label, scene.clip)
            for n in range(scene.frames):
                frame = labels["frames"].get(str(n + 1), {"objects": {"objects": []}})
                found = {(o["name"], o["index"]): o for o in frame["objects"]["objects"]}
                truth = {("visible", 2): front(scene, n)}
                if scene.masked:
                    truth[("visible", 1)] = scene.visible(n)
                    truth[("whole", 1)] = None if n in scene.unknown else scene.whole(n)
                for key, mask in truth.items():
                    assert (key in found) == (mask is not None and bool(mask.any()))
                    if key in found:
                        assert (_pasted(found[key], scene) == mask).all()
                assert (("actor", 1) in found) == (scene.whole(n) is not None)
                if ("actor", 1) in found:
                    assert _corners(found["actor", 1], scene) == scene.box(n)


def _corners(entry: dict, scene: Scene) -> tuple[int, ...]:
    box = entry["bounding_box"]
    corners = [(box[c]["x"], box[c]["y"]) for c in ("top_left", "bottom_right")]
    pixels = [(x * scene.width, y * scene.height) for x, y in corners]
    assert np.allclose(pixels, np.rint(pixels), atol=1e-9)
    return tuple(round(value) for pair in pixels for value in pair)


def _pasted(entry: dict, scene: Scene) -> np.ndarray:
    inside = np.load(io.BytesIO(zlib.decompress(base64.b64decode(entry["mask"]))))
    x1, y1, x2, y2 = _corners(entry, scene)
    mask = np.zeros((scene.height, scene.width), bool)
    mask[y1:y2, x1:x2] = inside
    return mask


def test_moc(exported) -> None:
    made = exported("moc")
    assert made.job.left_out["D-50/short"].reason == "too_few_frames"
    for set_, file, splits in (
        ("D-50", "OccludeNet-GT.pkl", ("train", "test")),
        ("D-50", "OccludeNet-val-GT.pkl", ("train", "val")),
        ("clean", "OccludeNet-GT.pkl", ("train", "test")),
    ):
        path = made.folder / set_ / file
        truth = read_tubes(path)
        scenes = [scene for split in splits for scene in made.scenes(set_, split)]
        assert truth.labels == ["catching (or) throwing", "walking"]
        (train,), (test,) = truth.train_videos, truth.test_videos
        assert len(train) + len(test) == len(truth.nframes) == len(scenes)  # MOC asserts it
        for scene, video in zip(scenes, (*train, *test), strict=True):
            assert truth.resolution[video] == (scene.height, scene.width)
            files = sorted((path.parent / "rgb-images" / video).iterdir())
            assert [f.name for f in files] == [f"{n + 1:05d}.jpg" for n in range(scene.frames)]
            boxes = {n: box.tolist() for _, n, box in truth.boxes(video)}
            shown = [n for n in range(scene.frames) if scene.whole(n) is not None]
            assert boxes == {n: list(map(float, scene.box(n))) for n in shown}
            ((label, (tube,)),) = truth.gttubes[video].items()
            assert truth.labels[label] == scene.label
            assert tube.dtype == np.float32 and (tube[0, 0], len(tube)) == (
                shown[0] + 1,
                len(shown),
            )
            assert any(  # a tubelet of MOC: K = 7 frames in a row
                set(range(i, i + 7)) <= set(tube[:, 0]) for i in range(1, truth.nframes[video] - 5)
            )
            _check_visible(truth, video, scene, shown)
    with open(made.folder / "clean/OccludeNet-GT.pkl", "rb") as stream:
        as_moc_reads_it = pickle.load(stream, encoding="iso-8859-1")
    assert list(as_moc_reads_it["nframes"]) == ["walking/walk"]
    (tube,) = as_moc_reads_it["gttubes"]["walking/walk"][1]
    x1, y1, x2, y2 = SCENES[1].box(2)  # the first frame with an actor
    assert tube[0].tolist() == [3, x1, y1, x2 - 1, y2 - 1]


def _check_visible(truth, video: str, scene: Scene, shown: list[int]) -> None:
    visible = truth.gt_visible.get(video, {})
    assert set(visible) == ({n + 1 for n in shown} if scene.masked else set())
    for number, counts in visible.items():
        found = masks.decode(counts.encode(), scene.height, scene.width)
        assert (found == scene.visible(number - 1)).all()
    if scene.masked:
        expected = scene.whole(shown[0]) & ~front(scene, shown[0])  # all boxes have one size
        assert (truth.gt_occ[video] == 255 * expected).all()


@pytest.mark.parametrize("format", MASKS)
def test_without_any_mask(tmp_path: Path, format: str) -> None:
    (tmp_path / "build").mkdir()
    build = DrawnBuild(tmp_path / "build", [Scene("plain", masked=False)])
    if format not in NEED_MASKS:
        made = export(module(format), build, tmp_path / "out")
        assert not made.job.left_out and any((tmp_path / "out").iterdir())
        return
    with pytest.raises(UserError, match=f"masks of the actors for {format}.*run actor_masks"):
        export(module(format), build, tmp_path / "out")


@pytest.mark.parametrize("format", MASKS)
def test_a_second_export_has_the_same_bytes_and_no_pixels_means_none(
    tmp_path: Path, format: str
) -> None:
    (tmp_path / "build").mkdir()
    build = DrawnBuild(tmp_path / "build", SCENES[:2])
    first, other = tmp_path / "first", tmp_path / "other"
    for folder in (first, other):
        export(module(format), build, folder)
    files = {p.relative_to(first): p for p in first.rglob("*") if p.is_file()}
    assert files and all((other / n).read_bytes() == p.read_bytes() for n, p in files.items())
    times = {n: p.stat().st_mtime_ns for n, p in files.items()}
    export(module(format), build, first)
    assert {n: p.stat().st_mtime_ns for n, p in files.items()} == times
    export(module(format), build, tmp_path / "bare", pixels=False)
    bare = {p.relative_to(tmp_path / "bare") for p in (tmp_path / "bare").rglob("*") if p.is_file()}
    assert bare == {n for n in files if n.suffix not in (".jpg", ".mp4") and n.name[0] != "."}


def test_a_build_with_tables(tmp_path: Path) -> None:
    """The masks of annotate, and those of actor_masks for the clean twin."""
    build = SmallBuild(tmp_path, clips=CLIPS[:2]).write()
    annotate(build)
    with Build(tmp_path) as read:
        job = Job(
            read, read.clips(["clean", "D-25"]), read.labels, tmp_path / "out", Export(pixels=False)
        )
        assert sav.write(job) == {"videos": 4, "masklets": 6}
    content = json.loads((tmp_path / "out/D-25/train/beer-1_manual.json").read_text())
    assert content["masklet_size_abs"] == [512 - 16, 16]
    assert content["masklet_first_appeared_frame"] == [1.0, 1.0]
