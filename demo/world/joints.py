"""The joints of the drawn figures: OpenPose's 18, in pixels, from the skeleton they are drawn on.

A figure seen from the front faces the viewer, so that its right is at the left of the picture, or
the other way round where it is mirrored. In profile it walks where it looks, and shows that side:
the far eye and ear are not drawn and have the score 0. All other joints have the score 1, also
where the figure's own body hides them. Eyes are where they are painted; the nose (from the front)
and the ears have no paint of their own and lie where they would be.

joints.parquet has a row per clip and frame, in the columns of poses.backend file: clip (path of the
video below videos/), frame, and x, y, score, lists of 18.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from demo.world.actions import ACTIONS, Pose
from demo.world.clips import draw_script, hips_x
from demo.world.figure import SHIN, SUPER, PlacedPart, place_body_parts
from demo.world.plan import Clip, Settings
from occludenet_build.core import tables
from occludenet_build.core.seeds import rng
from occludenet_build.core.tables import column
from occludenet_build.media.imaging.skeletons import JOINTS, with_neck

_FOREARM = 0.118
"""From elbow to wrist, where the hand begins, relative to the height: wardrobe's lower_arm."""
_HEAD = (0.060, 0.077)
"""Half the width and height of the head, relative to the height of the figure: wardrobe's _head."""
_CHIN = 0.94
"""From the joint of the head up to its centre, in half heights of the head."""
_FRONT = {
    "nose": (0.0, -0.15),
    "left_of_picture_eye": (-0.4, 0.12),
    "right_of_picture_eye": (0.4, 0.12),
    "left_of_picture_ear": (-0.95, 0.05),
    "right_of_picture_ear": (0.95, 0.05),
}
_PROFILE = {"nose": (1.05, -0.05), "near_eye": (0.55, 0.12), "near_ear": (-0.15, 0.05)}
"""Points of the head, to the right and up from its centre, in half widths and half heights."""

JOINT_TABLE = pa.schema(
    [
        column("clip", "string", "path of the video, below the folder videos"),
        column("frame", "int32", "frame number from 0"),
        column("x", pa.list_(pa.float32(), len(JOINTS)), "x of OpenPose's 18 joints, pixels"),
        column("y", pa.list_(pa.float32(), len(JOINTS)), "y of the joints, pixels"),
        column("score", pa.list_(pa.float32(), len(JOINTS)), "1; 0 for what is not drawn"),
    ]
)


def figure_joints(
    pose: Pose, height_px: float, x: float, ground_y: float, facing: int
) -> np.ndarray:
    """The joints of a figure, float32 (18, 3): x, y in px of the video, and a score of 0 or 1.

    The arguments are those of `figure.place_body_parts`.
    """
    scaled = height_px * SUPER
    parts = place_body_parts(pose, scaled, x * SUPER, ground_y * SUPER, facing)
    places = _limbs(parts, scaled, pose, facing) | _head(parts, scaled, pose, facing)
    joints = np.zeros((len(JOINTS), 3), np.float32)
    for name, place in places.items():
        # a drawn point is the centre of a pixel, and pixels begin at whole numbers
        joints[JOINTS.index(name)] = ((place[0] + 0.5) / SUPER, (place[1] + 0.5) / SUPER, 1)
    return with_neck(joints[None])[0]


def _near_side(pose: Pose, facing: int) -> str:
    """The side of the person that the near limbs belong to."""
    if pose.profile:
        return "right" if facing > 0 else "left"
    return "left" if facing > 0 else "right"


def _limbs(
    parts: Sequence[PlacedPart], height: float, pose: Pose, facing: int
) -> dict[str, tuple[float, float]]:
    """Shoulders to wrists, and hips to ankles."""
    near = _near_side(pose, facing)
    sides = ("left" if near == "right" else "right", near)
    found = {}
    for kind, names, length in (
        ("arm", ("shoulder", "elbow", "wrist"), _FOREARM),
        ("leg", ("hip", "knee", "ankle"), SHIN),
    ):
        # the far limb comes first in the order of drawing
        uppers = [part for part in parts if part.piece == f"upper_{kind}"]
        lowers = [part for part in parts if part.piece == f"lower_{kind}"]
        for side, upper, lower in zip(sides, uppers, lowers, strict=True):
            radians = math.radians(lower.angle)
            end = (
                lower.at[0] + facing * length * height * math.sin(radians),
                lower.at[1] + length * height * math.cos(radians),
            )
            for name, place in zip(names, (upper.at, lower.at, end), strict=True):
                found[f"{side}_{name}"] = place
    return found


def _head(
    parts: Sequence[PlacedPart], height: float, pose: Pose, facing: int
) -> dict[str, tuple[float, float]]:
    """Nose, eyes and ears, as far as they are drawn."""
    (head,) = (part for part in parts if part.piece.startswith("head"))
    radians = math.radians(head.angle)
    cosine, sine = math.cos(radians), math.sin(radians)
    near = _near_side(pose, facing)
    # A mirrored picture of a person shows the other side at the left.
    names = {"near": near, "right_of_picture": near, "left_of_picture": _other(near)}
    found = {}
    for name, (right, up) in (_PROFILE if pose.profile else _FRONT).items():
        across, rise = -right * _HEAD[0] * height, (_CHIN + up) * _HEAD[1] * height
        # as Figure.draw turns a card that is painted upside down
        place = (
            head.at[0] + facing * (cosine * across + sine * rise),
            head.at[1] - sine * across + cosine * rise,
        )
        side, _, part = name.rpartition("_")
        found[f"{names[side]}_{part}" if side else part] = place
    return found


def _other(side: str) -> str:
    return "left" if side == "right" else "right"


def clip_joints(settings: Settings, clip: Clip) -> np.ndarray:
    """The joints in every frame of a clip, float32 (T, 18, 3), as `figure_joints`."""
    script = draw_script(rng(settings.seed, clip.name, "script"))
    height, ground = script.height * settings.height, script.ground * settings.height
    return np.stack(
        [
            figure_joints(
                ACTIONS[clip.label](script.turn(number / settings.fps), script.manner),
                height,
                hips_x(settings, script, number),
                ground,
                script.facing,
            )
            for number in range(settings.frames)
        ]
    )


def write_table(path: Path, settings: Settings, clips: Sequence[Clip]) -> None:
    """Write joints.parquet of the clips."""
    rows = []
    for clip in clips:
        name = "/".join(clip.path.parts[1:])
        for frame, joints in enumerate(clip_joints(settings, clip)):
            lists = {axis: joints[:, at].tolist() for at, axis in enumerate(("x", "y", "score"))}
            rows.append({"clip": name, "frame": frame} | lists)
    tables.write_table(tables.from_rows(rows, JOINT_TABLE), path)
