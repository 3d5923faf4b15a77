"""Ground truth of action detection from the `*-GT.pkl` of UCF101-24, JHMDB, MOC and STADO.

The pickle lies beside a folder of frames, `rgb-images/<video>/00001.jpg` (UCF101-24) or
`Frames/<video>/00001.png` (JHMDB); STADO's occluded copies of JHMDB look the same. Pickles are read
without running them (media.tubes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from occludenet_build.action_detection.truth import ActorMasks, Masks, TubeSet, TubeVideo
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import short_hash
from occludenet_build.core.seeds import uniform
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.imaging.image_io import open_image, rgb_of
from occludenet_build.media.tubes import TubeTruth, read_tubes

SUFFIXES = (".jpg", ".png")
"""Of the frames."""
_TAKE = re.compile(r"(_c\d+|_\d+)$")
"""End of a video's name, without which videos of one source have one name: g01_c02 of UCF101
(group, clip), the last number of JHMDB."""


@dataclass(frozen=True)
class FolderPictures:
    """The frames of a video as pictures, `00001.jpg` or `00001.png`."""

    folder: Path
    suffix: str
    height: int
    width: int

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        """As truth.Pictures, uint8 (T, H, W, 3).

        Raises ItemError `missing`, `image_unreadable`, and `source_changed` for a picture of
        another size than the truth states.
        """
        found = {number: self._one(number) for number in set(numbers)}
        return np.stack([found[number] for number in numbers])

    def _one(self, number: int) -> np.ndarray:
        path = self.folder / f"{number + 1:05d}{self.suffix}"
        if not path.exists():
            raise ItemError("missing", str(path))
        with open_image(path) as image:
            picture = rgb_of(image)
        if picture.shape[:2] != (self.height, self.width):
            wanted, got = f"{self.width}x{self.height}", f"{picture.shape[1]}x{picture.shape[0]}"
            raise ItemError("source_changed", f"{path} is {got}, not {wanted}")
        return picture

    @property
    def identity(self) -> str:
        """Hash of the names and sizes of the files: reading gigabytes for it would take hours."""
        files = sorted(self.folder.glob(f"*{self.suffix}"))
        return short_hash(*(f"{path.name} {path.stat().st_size}" for path in files))


@dataclass(frozen=True)
class GivenMasks:
    """The masks of a pickle."""

    visible: Mapping[int, str]
    """Frame from 1 -> what is seen of the actor."""
    occluder: bytes | None = None
    """What is in front in all frames, of STADO's pickles."""

    def of(self, number: int) -> ActorMasks:
        """As truth.Masks."""
        counts = self.visible.get(number + 1)
        return ActorMasks(None if counts is None else counts.encode("ascii"), self.occluder)


def pickle_set(
    path: Path,
    frames: Path,
    split: int = 1,
    validation: float = 0.0,
    seed: int = 0,
    name: str | None = None,
) -> TubeSet:
    """The set of a pickle, with one of its splits.

    `frames`: the folder of the videos' folders; `split`: from 1; `validation`: share of the groups
    of train that become val, drawn by `seed` (MOC chooses its model on test; there is no val);
    `name`: of the set, else that of the file. Videos without a folder, and those without a tube,
    are left out. Raises UserError where the pickle is none, the split is not in it, or no video has
    frames.
    """
    truth = read_tubes(path)
    if not 1 <= split <= len(truth.train_videos):
        raise UserError(
            f"{path}: wanted a split from 1 to {len(truth.train_videos)}, got {split}; name one of "
            "those"
        )
    splits = dict.fromkeys(truth.test_videos[split - 1], "test")
    for video in truth.train_videos[split - 1]:
        drawn = uniform(seed, group_of(video), "validation") < validation
        splits[video] = "val" if drawn else "train"
    videos, left_out = [], {}
    for video in sorted(splits):
        try:
            videos.append(_video(truth, video, splits[video], frames))
        except ItemError as error:
            left_out[video] = error
    if not videos:
        first = next(iter(left_out.values()), "it lists no video")
        raise UserError(
            f"{path}: wanted its {len(splits)} videos as folders in {frames}, got none ({first}); "
            "give the folder that contains <class>/<video>/00001.jpg or .png"
        )
    order = sorted(videos, key=lambda one: (one.split, one.name))
    return TubeSet(
        name or path.stem.removesuffix("-GT"), tuple(truth.labels), tuple(order), left_out
    )


def group_of(video: str) -> str:
    """The group of a video, by the names of UCF101 and JHMDB.

    >>> group_of("Basketball/v_Basketball_g01_c02"), group_of("run/Some_Film_run_f_nm_np1_fr_3")
    ('Basketball/v_Basketball_g01', 'run/Some_Film_run_f_nm_np1_fr')
    """
    return _TAKE.sub("", video)


def _video(truth: TubeTruth, video: str, split: str, frames: Path) -> TubeVideo:
    parts = PurePosixPath(video).parts
    if PurePosixPath(video).is_absolute() or ".." in parts:
        raise ItemError("misplaced", f"{video} leads out of {frames}")
    tubes = {k: v for k, v in truth.gttubes[video].items() if v}
    if not tubes:
        raise ItemError("no_actor", f"no tube of {video}")
    height, width = (int(side) for side in truth.resolution[video])
    folder = frames.joinpath(*parts)
    suffix = next((one for one in SUFFIXES if (folder / f"00001{one}").exists()), None)
    if suffix is None:
        raise ItemError("missing", f"{folder}/00001.jpg or .png")
    return TubeVideo(
        name=video,
        split=split,
        group=group_of(video),
        frames=int(truth.nframes[video]),
        height=height,
        width=width,
        tubes=tubes,
        pictures=FolderPictures(folder, suffix, height, width),
        masks=_given_masks(truth, video, tubes, (height, width)),
    )


def _given_masks(
    truth: TubeTruth, video: str, tubes: Mapping[int, list[np.ndarray]], size: tuple[int, int]
) -> Masks | None:
    """`gt_visible`, ours; or STADO's occluder, which is where `gt_occ` is 0 in the largest box of
    the first tube: it does not move, and lies in that box."""
    if video in truth.gt_visible:
        return GivenMasks(truth.gt_visible[video])
    shown = truth.gt_occ.get(video)
    if shown is None or shown.shape != size:
        return None
    x1, y1, x2, y2 = largest_box(next(iter(tubes.values()))[0])
    occluder = np.zeros(size, bool)
    occluder[y1:y2, x1:x2] = shown[y1:y2, x1:x2] == 0
    return GivenMasks({}, rle.encode(occluder))


def largest_box(tube: np.ndarray) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the largest box of a tube, float32 (N, 5), truncated to whole pixels, as
    STADO does; x2 and y2 are not in it."""
    areas = (tube[:, 3] - tube[:, 1]) * (tube[:, 4] - tube[:, 2])
    x1, y1, x2, y2 = tube[areas.argmax(), 1:5].astype(int).clip(0).tolist()
    return x1, y1, x2, y2
