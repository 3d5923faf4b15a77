"""Truths of builds and pickles, and STADO's occluders: the tables and pictures are made here."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from support.build import write_groups
from support.export import HEIGHT, LABELS, WIDTH, ExportBuild, Source, box

from occludenet_build.action_detection import static_occluder
from occludenet_build.action_detection.build_truth import build_sets
from occludenet_build.action_detection.pickle_truth import pickle_set
from occludenet_build.action_detection.static_occluder import CutOut, cover, occluded_set, place
from occludenet_build.action_detection.truth import TubeVideo
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file, write_json
from occludenet_build.dataset.annotate import CLIPS, FRAMES
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.tubes import TubeTruth, read_tubes
from occludenet_build.occlusion.occluders import SCHEMA as BANK
from occludenet_build.people.detect import BOXES

SOURCES = (
    Source("vGlsp8wOH-8_000085_000095", "tai chi's", "train"),
    Source("ZBtAxj-F-4Y_000079_000081", "jumping jacks", "test"),
    Source("3caPS4FHFF8_000001_000002", "jumping jacks", "test", frames=6),
)


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    """A build with two clips, one that is too short, and a measured set of two people."""
    made = ExportBuild(tmp_path_factory.mktemp("build"), SOURCES, scales=(0.5,)).write()
    measure(made)
    return made.root


def measure(made: ExportBuild) -> None:
    """Set I, whose clip has an actor in frames 0 to 8, somebody else in 2 to 11, and a third one in
    three frames; there is a mask of the actor in frame 3, one of an object in 4."""
    folder = made.root / "measure/I"
    row = made.rows[0] | {"set": "I", "label": "Walk", "clip": "walk_P01_2", "scale": float("nan")}
    tables.write_table(tables.from_rows([row], CLIPS), folder / "clips.parquet")
    write_json(folder / "labels.json", {"Walk": 1, "Armed": 0})
    sizes = pa.schema([("file", pa.string()), ("width", pa.int32()), ("height", pa.int32())])
    cut = [{"file": row["file"], "width": WIDTH, "height": HEIGHT}]
    tables.write_table(tables.from_rows(cut, sizes), made.root / "recordings/clips.parquet")
    seen = {"clip": row["clip"], "set": "I", "actor_area": 9}
    found = [seen | {"frame": 3, "visible_rle": corner(5, 5)}]
    found.append(seen | {"frame": 4, "occluder_rle": corner(20, 30)})
    write_groups(folder / "frames/000.parquet", [tables.from_rows(found, FRAMES)], FRAMES)
    boxes = []
    for frame in range(12):
        for track, numbers, left in ((7, range(9), 0), (2, range(2, 12), 50), (4, range(3), 80)):
            sides = {"x1": left, "y1": 10, "x2": left + 10, "y2": 40}
            one = {"clip": row["clip"], "frame": frame, "track": track, "actor": track == 7}
            boxes += [one | sides | {"shot": 0, "filled": False}] if frame in numbers else []
    path = folder / "detect/store/000/detail.parquet"
    write_groups(path, [tables.from_rows(boxes, BOXES)], BOXES)
    manifest = tables.from_rows([{"clip": row["clip"]}], pa.schema([("clip", pa.string())]))
    tables.write_table(manifest, folder / "detect/000.parquet")


def corner(width: int, height: int) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:height, :width] = True
    return rle.encode(mask)


def area(x1, y1, x2, y2) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


# builds


def test_the_actor_of_d_has_the_label_of_the_clip(build):
    sets = build_sets(build, ["clean", "D-50"])
    for name, one in sets.items():
        assert list(one.labels) == sorted(LABELS, key=LABELS.__getitem__) and one.name == name
        assert {k: v.reason for k, v in one.left_out.items()} == {SOURCES[2].name: "too_few_frames"}
        (train,) = one.of_split("train")
        assert (train.name, train.group, train.frames) == (SOURCES[0].name, "vGlsp8wOH-8", 12)
        ((label, (tube,)),) = train.tubes.items()
        assert one.labels[label] == "tai chi's"
        inclusive = [np.subtract(box(n), (0, 0, 1, 1)).tolist() for n in range(12)]
        assert tube[:, 1:].tolist() == inclusive and tube[:, 0].tolist() == list(range(1, 13))
        assert train.starts() == list(range(6)) and train.starts(12) == [0]
        assert train.pictures.read([3, 0, 3]).shape == (3, HEIGHT, WIDTH, 3)
        assert (train.visible(5) == area(*box(5))).all()
    clean, covered = (sets[name].of_split("train")[0] for name in sets)
    assert clean.identity != covered.identity
    again = pickle.loads(pickle.dumps(covered))
    assert again.identity == covered.identity and (again.visible(5) == covered.visible(5)).all()
    assert (again.pictures.read([2]) == covered.pictures.read([2])).all()


def test_splits_and_sets_that_are_not_there(build):
    only = build_sets(build, ["clean"], ["test"])["clean"]
    assert [video.split for video in only.videos] == ["test"]
    with pytest.raises(UserError, match=r"moc.sets: wanted sets of this build.*got D-75"):
        build_sets(build, ["D-75"], setting="moc.sets")
    with pytest.raises(UserError, match=r"clips of clean with a person.*got none of 0"):
        build_sets(build, ["clean"], ["val"])


def test_everybody_of_a_measured_set_has_a_tube(build):
    one = build_sets(build, ["I"])["I"]
    assert one.labels == ("Armed", "Walk")
    (video,) = one.videos
    actor, other = video.tubes[1]
    assert (actor[0, 0], len(actor), other[0, 0], len(other)) == (1, 9, 3, 10)
    assert other[0, 1:].tolist() == [50, 10, 59, 39] and video.masked == 1
    assert video.starts() == [2]  # neither tube begins or ends in frames 2 to 8
    people = area(0, 10, 10, 40), area(50, 10, 60, 40)
    assert (video.visible(0) == people[0]).all()
    assert (video.visible(3) == (area(0, 0, 5, 5) | people[1])).all()
    assert (video.visible(4) == ((people[0] | people[1]) & ~area(0, 0, 20, 30))).all()
    assert (video.occluder(4) == area(0, 0, 20, 30)).all() and video.occluder(3) is None
    alone = TubeVideo("x", "test", "x", 12, 8, 8, {}, video.pictures)
    assert alone.starts() == [] and alone.visible(0) is None


# pickles


def jhmdb(folder: Path, occluder: bool = False) -> Path:
    """A `JHMDB-GT.pkl` of three videos, of which one has no frames, and Frames/."""
    names = ["run/Film_run_1", "run/Film_run_2", "sit/Other_sit_3"]
    numbers = np.arange(1, 11)[:, None]
    tube = np.hstack([numbers, np.tile([4, 6, 23, 41], (10, 1))]).astype(np.float32)
    tube[4, 1:] = [2, 5, 26.5, 45]  # the largest
    truth = TubeTruth(
        labels=["run", "sit"],
        train_videos=[names[:2], names[2:]],
        test_videos=[names[2:], names[:2]],
        nframes=dict.fromkeys(names, 10),
        resolution=dict.fromkeys(names, (48, 64)),
        gttubes={name: {int(name[0] == "s"): [tube]} for name in names},
    )
    if occluder:
        shown = np.zeros((48, 64), np.uint8)
        shown[5:45, 2:26] = 255
        shown[10:20, 4:12] = 0
        truth.gt_occ.update(dict.fromkeys(names, shown))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "JHMDB-GT.pkl").write_bytes(truth.write())
    for name in names[1:]:
        (folder / "Frames" / name).mkdir(parents=True)
        for number in range(1, 11):
            picture = np.full((48, 64, 3), (10 * number, 0, 200), np.uint8)
            cv2.imwrite(str(folder / "Frames" / name / f"{number:05d}.png"), picture)
    return folder / "JHMDB-GT.pkl"


def test_a_pickle_with_folders_of_frames(tmp_path):
    path = jhmdb(tmp_path)
    one = pickle_set(path, tmp_path / "Frames")
    assert (one.name, one.labels) == ("JHMDB", ("run", "sit"))
    assert [(v.name, v.split) for v in one.videos] == [
        ("sit/Other_sit_3", "test"),
        ("run/Film_run_2", "train"),
    ]
    assert {k: v.reason for k, v in one.left_out.items()} == {"run/Film_run_1": "missing"}
    video = one.videos[1]
    assert (video.group, video.frames, list(video.tubes)) == ("run/Film_run", 10, [0])
    assert video.pictures.read([4, 0])[:, 0, 0].tolist() == [[200, 0, 50], [200, 0, 10]]  # RGB
    assert video.masks is None and video.visible(0).sum() == 20 * 36
    for number, reason in ((10, "missing"), (0, "source_changed")):
        cv2.imwrite(str(tmp_path / "Frames/run/Film_run_2/00001.png"), np.zeros((9, 9, 3)))
        with pytest.raises(ItemError, match=reason):
            video.pictures.read([number])


def test_splits_of_a_pickle(tmp_path):
    path = jhmdb(tmp_path)
    second = pickle_set(path, tmp_path / "Frames", split=2, validation=1.0)
    assert {v.name: v.split for v in second.videos} == {
        "sit/Other_sit_3": "val",
        "run/Film_run_2": "test",
    }
    with pytest.raises(UserError, match="a split from 1 to 2, got 3"):
        pickle_set(path, tmp_path / "Frames", split=3)
    with pytest.raises(UserError, match=r"its 3 videos as folders in .*wrong.*missing"):
        pickle_set(path, tmp_path / "wrong")
    truth = read_tubes(path)
    truth.train_videos[0][0] = "../run/Film_run_2"
    truth.gttubes["../run/Film_run_2"] = truth.gttubes["run/Film_run_2"]
    truth.nframes["../run/Film_run_2"] = 10
    path.write_bytes(truth.write())
    left_out = pickle_set(path, tmp_path / "Frames").left_out
    assert left_out["../run/Film_run_2"].reason == "misplaced"


def test_stados_own_occluder_is_in_front_in_every_frame(tmp_path):
    one = pickle_set(jhmdb(tmp_path, occluder=True), tmp_path / "Frames")
    seen = one.videos[0].visible(0)
    front = np.zeros((48, 64), bool)
    front[10:20, 4:12] = True
    body = np.zeros((48, 64), bool)
    body[6:42, 4:24] = True
    assert (one.videos[0].occluder(7) == front).all() and (seen == (body & ~front)).all()


def test_a_set_writes_the_same_pickle(build, tmp_path):
    path = jhmdb(tmp_path)
    written = pickle_set(path, tmp_path / "Frames").to_pickle()
    (tmp_path / "again-GT.pkl").write_bytes(written.write())
    found, given = read_tubes(tmp_path / "again-GT.pkl"), read_tubes(path)
    for video in found.nframes:
        assert found.resolution[video] == given.resolution[video]
        ((label, (tube,)),) = found.gttubes[video].items()
        assert (tube == given.gttubes[video][label][0]).all()
    truth = build_sets(build, ["D-50"])["D-50"].to_pickle()
    name = f"tai chi's/{SOURCES[0].name}"
    assert truth.train_videos == [[name]] and len(truth.gt_visible[name]) == 12


# STADO's occluders


@pytest.fixture
def bank(tmp_path) -> dict:
    """A cut-out per split: opaque, then nearly transparent; its last eighth is not there."""
    found = {}
    for split, blue in (("train", 10), ("test", 20)):
        rgba = np.zeros((40, 64, 4), np.uint8)
        rgba[..., 0] = blue
        rgba[:, :32, 3], rgba[:, 32:56, 3] = 255, 8
        path = tmp_path / f"{split}.png"
        cv2.imwrite(str(path), rgba)
        found[split] = [CutOut(path, sha256_file(path))]
    return found


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_rectangle_is_1_nth_of_the_box_and_inside_it(n):
    widths = set()
    for seed in range(60):
        at = place((5, 7, 45, 67), n, np.random.default_rng(seed))
        assert at.x >= 5 and at.x + at.width <= 45 and at.y >= 7 and at.y + at.height <= 67
        assert 40 // n <= at.width <= 39
        assert at.height == min(60, int(40 * 60 / n / at.width))
        widths.add(at.width)
    assert len(widths) > 8
    with pytest.raises(ItemError, match="too_small"):
        place((5, 7, 6, 67), n, np.random.default_rng(0))


def test_the_occluder_stays_where_it_is(tmp_path, bank):
    clean = pickle_set(jhmdb(tmp_path / "data"), tmp_path / "data/Frames")
    degrees = {}
    for n, name in ((4, "JHMDB_25"), (3, "JHMDB_33"), (2, "JHMDB_50")):
        one = occluded_set(clean, n, bank, seed=3)
        assert one.name == name and [v.name for v in one.videos] == [v.name for v in clean.videos]
        for before, after in zip(clean.videos, one.videos, strict=True):
            colour = [0, 0, 10 if after.split == "train" else 20]  # RGB: no split shares a cut-out
            plain, covered = before.pictures.read([0, 9]), after.pictures.read([0, 9])
            front, at = after.occluder(0), after.pictures.occluder.at
            assert (covered[:, front] == colour).all()
            assert (covered[:, ~front] == plain[:, ~front]).all()
            # opaque wherever alpha is above 0: seven eighths of the width
            assert front.sum() / (at.width * at.height) == pytest.approx(7 / 8, abs=0.09)
            assert (after.occluder(9) == front).all() and after.masks.of(0).visible is None
            assert (after.visible(0) == (before.visible(0) & ~front)).all()
            assert before.identity != after.identity
            degrees.setdefault(after.name, []).append(cover(before, after, 4).box)
    assert all(one == sorted(one) and one[0] > 0.1 for one in degrees.values())
    again = occluded_set(clean, 2, bank, seed=3)
    assert [v.identity for v in again.videos] == [v.identity for v in one.videos]
    other = occluded_set(clean, 2, bank, seed=4, splits=["test"])
    assert [v.split for v in other.videos] == ["test"]
    assert other.videos[0].identity != one.videos[0].identity


def test_masks_lose_what_is_covered(build, bank, tmp_path):
    clean = build_sets(build, ["clean"], ["train"])["clean"]
    (after,) = occluded_set(clean, 2, bank, seed=0).videos
    (before,) = clean.videos
    front = after.occluder(2)
    assert (after.visible(2) == (before.visible(2) & ~front)).all()
    found = cover(before, after, 0)
    assert (
        found.actor
        == found.box
        == pytest.approx((before.visible(0) & after.occluder(0)).sum() / before.visible(0).sum())
    )
    # what is in front of an occluded set as well
    (twice,) = occluded_set(build_sets(build, ["I"])["I"], 2, bank, seed=0).videos
    both = area(0, 0, 20, 30) | twice.pictures.occluder.mask(HEIGHT, WIDTH)
    assert (twice.occluder(4) == both).all()
    assert twice.masks.of(3).visible is not None


def test_flow_gets_the_colour_of_no_movement(tmp_path, bank):
    clean = pickle_set(jhmdb(tmp_path / "data"), tmp_path / "data/Frames")
    flow = occluded_set(clean, 2, bank, 0, colour=static_occluder.FLOW_COLOUR).videos[0]
    assert (flow.pictures.read([0])[0][flow.occluder(0)] == (136, 131, 137)).all()


def test_banks(tmp_path, bank):
    clean = pickle_set(jhmdb(tmp_path / "data"), tmp_path / "data/Frames")
    with pytest.raises(UserError, match=r"cut-outs of the split test.*got those of train"):
        occluded_set(clean, 2, {"train": bank["train"]}, 0)
    with pytest.raises(UserError, match="n of 4, 3, 2, got 5"):
        occluded_set(clean, 5, bank, 0)
    rows = [
        {"occluder": "a.png", "status": "ok", "split": "test", "file": "png/a.png", "sha256": "0"},
        {"occluder": None, "status": "skipped", "split": None, "file": None},
    ]
    tables.write_table(tables.from_rows(rows, BANK), tmp_path / "occluders/occluders.parquet")
    found = static_occluder.read_bank(tmp_path)
    assert found == {"test": [CutOut(tmp_path / "occluders/png/a.png", "0")]}
    for file, reason in ((bank["test"][0].file, "occluder_changed"), (Path("away"), "missing")):
        changed = occluded_set(clean, 2, {"test": [CutOut(file, "0")]}, 0, ["test"]).videos[0]
        with pytest.raises(ItemError, match=reason):
            changed.pictures.read([0])
    tables.write_table(tables.from_rows(rows[1:], BANK), tmp_path / "occluders/occluders.parquet")
    with pytest.raises(UserError, match="run occluders"):
        static_occluder.read_bank(tmp_path)
