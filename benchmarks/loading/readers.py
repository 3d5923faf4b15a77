"""The readers: (job) -> its frames, (T, H, W, 3) uint8, in one thread of this process.

Each opens the file, as a loader does that meets a clip once an epoch. The rivals scale in the way
that is their own: torchcodec and decord on decoding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loading.material import SHORT_SIDE, Job
from occludenet_build.media.video.sample import sample, scaled
from occludenet_build.media.video.source import reading, to_rgb

Reader = Callable[[Job], np.ndarray]


def ours(job: Job) -> np.ndarray:
    return sample(job.path, job.numbers, SHORT_SIDE)


def decode_all(job: Job) -> np.ndarray:
    """PyAV as it is first written: every frame decoded, the wanted ones converted."""
    wanted, pictures = set(job.numbers), {}
    with reading(job.path) as source:
        for number, frame in enumerate(source):
            if number in wanted:
                pictures[number] = scaled(to_rgb(frame), SHORT_SIDE)
    return np.stack([pictures[number] for number in job.numbers])


def _torchcodec() -> Reader:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    def read(job: Job) -> np.ndarray:
        decoder = VideoDecoder(
            str(job.path),
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            transforms=[Resize((job.height, job.width))],
        )
        return decoder.get_frames_at(list(job.numbers)).data.numpy()

    return read


def _decord() -> Reader:
    import decord

    def read(job: Job) -> np.ndarray:
        video = decord.VideoReader(str(job.path), num_threads=1, width=job.width, height=job.height)
        return video.get_batch(list(job.numbers)).asnumpy()

    return read


def rivals() -> dict[str, Reader | str]:
    """By name; a word on why where one is missing. decode_all is always there."""
    found: dict[str, Reader | str] = {"decode_all": decode_all}
    for name, make in (("torchcodec", _torchcodec), ("decord", _decord)):
        try:
            found[name] = make()
        except (ImportError, RuntimeError, OSError) as error:
            found[name] = str(error).strip().splitlines()[0]
    return found
