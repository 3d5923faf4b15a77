"""What there is to do: a job per photo of COCO and per own picture, a few rows each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from occludenet_build.coco.filters import Row
from occludenet_build.coco.instances import photos
from occludenet_build.coco.photo import Photo
from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.occluders.cutout import Job, cut
from occludenet_build.occluders.own import Own, own_pictures, take


def jobs_of(images: Path, instances: Path, folder: Path, settings: Config) -> Iterator[Job | Own]:
    """The photos of COCO that hold a wanted instance, then the user's own pictures."""
    wanted, seed = settings.occluders, settings.seed
    for photo in photos(instances, wanted.categories):
        yield Job(photo, images, folder, wanted, split_of(photo, vars(wanted.split), seed))
    yield from own_pictures(folder, wanted, seed)


def rows_of(job: Job | Own) -> list[Row]:
    return cut(job) if isinstance(job, Job) else take(job)


def split_of(photo: Photo, fractions: dict[str, float], seed: int) -> str:
    """The split of a photo and with it of all its cut-outs: no photo stands in two."""
    return seeds.split_of(fractions, seed, str(photo.image), "occluder split")
