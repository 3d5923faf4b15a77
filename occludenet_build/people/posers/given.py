"""The backends file and miniworld: poses that are known before a clip is looked at.

`file` gives the user's poses as they are. `miniworld` gives the joints of drawn figures: on an
occluded clip those under the occluder, by its mask in composite's ground truth, are not found
(score 0), as a pose network would miss them at best. A figure all of whose joints are hidden is not
found. What a figure's own body hides counts as seen, and nothing is placed wrongly: the gap that
this backend measures is the share of joints that the occluder covers, a network's is larger.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from occludenet_build.config.poses import Poses
from occludenet_build.media.imaging import masks, skeletons
from occludenet_build.people.posers.interface import FramePoses, PosedClip


class GivenPoses:
    """The `interface.Poser` of the user's poses."""

    def __init__(self, settings: Poses) -> None:
        """Ignores the settings: the poses come with each clip."""

    def poses(self, clip: PosedClip) -> Iterator[FramePoses]:
        """Yields the given poses, frame by frame; people without a found joint are left out."""
        if clip.given is None:
            return
        numbers, starts = np.unique(clip.given.frames, return_index=True)
        parts = np.split(clip.given.joints, starts[1:])
        for number, joints in zip(numbers.tolist(), parts, strict=False):
            joints = self.visible(joints, clip, number)
            joints = joints[(joints[..., 2] > 0).any(axis=1)]
            if len(joints):
                yield FramePoses(number, joints, skeletons.boxes_of(joints))

    def visible(self, joints: np.ndarray, clip: PosedClip, frame: int) -> np.ndarray:
        """The joints float32 (N, 18, 3) of a frame that are found: here all of them."""
        return joints


class DrawnPoses(GivenPoses):
    """The `interface.Poser` of drawn figures."""

    def visible(self, joints: np.ndarray, clip: PosedClip, frame: int) -> np.ndarray:
        """The joints float32 (N, 18, 3) of a frame, 0 where the occluder hides them."""
        if frame not in clip.occluder:
            return joints
        width, height = clip.size
        hidden = under_mask(joints, masks.decode(clip.occluder[frame], height, width))
        return np.where(hidden[..., None], np.float32(0), joints)


def under_mask(joints: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Whether each joint of float32 (N, 18, 3) is found and lies in a mask bool (H, W).

    Returns bool (N, 18); a joint outside the picture lies in no mask.

    >>> joints = np.zeros((1, 18, 3), np.float32)
    >>> joints[0, :3] = [(1.5, 0.5, 1), (0.5, 0.5, 1), (9, 9, 1)]
    >>> under_mask(joints, np.array([[False, True]]))[0, :3].tolist()
    [True, False, False]
    """
    height, width = mask.shape
    # a pixel covers the half-open square from its number to the next
    x, y = np.floor(joints[..., 0]).astype(int), np.floor(joints[..., 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (joints[..., 2] > 0)
    return inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)]
