"""The readers: job -> its frames, uint8 (T, H, W, 3), in one thread of this process.

Each call opens the file, as a loader does that reads a clip once an epoch. torchcodec and decord
scale with their own filters while decoding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from occludenet_build.media.video.sample import resize_short_side, sample_frames
from occludenet_build.media.video.source import open_video, to_rgb
from parts.loader.inputs import SHORT_SIDE, ReadJob

Reader = Callable[[ReadJob], np.ndarray]


def ours(job: ReadJob) -> np.ndarray:
    """The data loader's reader."""
    return sample_frames(job.path, job.numbers, SHORT_SIDE)


def decode_all(job: ReadJob) -> np.ndarray:
    """The simplest PyAV code: decode every frame, convert the requested ones."""
    requested, pictures = set(job.numbers), {}
    with open_video(job.path) as source:
        for number, frame in enumerate(source):
            if number in requested:
                pictures[number] = resize_short_side(to_rgb(frame), SHORT_SIDE)
    return np.stack([pictures[number] for number in job.numbers])


def _torchcodec() -> Reader:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    def read(job: ReadJob) -> np.ndarray:
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

    def read(job: ReadJob) -> np.ndarray:
        video = decord.VideoReader(str(job.path), num_threads=1, width=job.width, height=job.height)
        return video.get_batch(list(job.numbers)).asnumpy()

    return read


def rivals() -> dict[str, Reader | str]:
    """Readers by name; for a missing library the error text. decode_all is always present."""
    readers: dict[str, Reader | str] = {"decode_all": decode_all}
    for name, make in (("torchcodec", _torchcodec), ("decord", _decord)):
        try:
            readers[name] = make()
        except (ImportError, RuntimeError, OSError) as error:
            readers[name] = str(error).strip().splitlines()[0]
    return readers
