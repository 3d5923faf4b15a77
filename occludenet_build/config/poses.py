"""Settings of the stage that finds the joints of people."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.backends import POSERS, choices_text
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Poses:
    """Stage poses: the joints of the actor and of other people, on the clean twins and on the
    occluded clips."""

    backend: str = setting("ultralytics", choices=tuple(POSERS), about=choices_text(POSERS))
    """Where the poses come from."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """Backend ultralytics: weights of a pose model with COCO's 17 keypoints (.pt): a path, or an
    http(s) address that the stage acquire fetches once. null: the published yolo11n-pose.pt
    (AGPL-3.0, 6 MB); see docs/fetching.md."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    file: str | None = setting(None, path=True)
    """Backend file: a folder of kinetics-skeleton JSON files (<clip>.json, or <set>/<clip>.json),
    or a CSV or Parquet table; docs/poses.md has the columns. Backend miniworld: joints.parquet of
    the mini-world."""
    first_frame: int = setting(0, low=0, high=1)
    """Backend file, JSON: the number `frame_index` of the first frame, 0 or 1."""
    splits: tuple[str, ...] = setting(("train", "val", "test"), choices=("train", "val", "test"))
    """Splits whose clips are searched."""
    device: str = setting("auto")
    """Device of the model: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    batch: int = setting(16, low=1, high=4096)
    """Frames per batch of a model."""
    image_size: int = setting(640, low=32, high=4096)
    """Backend ultralytics: longer side of the model input, in pixels."""
    score: float = setting(0.1, low=0, high=1)
    """Backend ultralytics: minimum score of a person. It is low because the tracks show where
    people are."""
    joint_score: float = setting(0.5, low=0, high=1)
    """Minimum score of a joint that counts as found in the summary; the tables keep all joints with
    their scores."""
