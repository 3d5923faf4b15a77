"""The same frames give the same bytes, for any content of memory and on any processor.

As a program, this file prints digests of its results, for processes in another environment:

    python test_determinism.py streams <instruction set> | arithmetic | used | outputs <folder>
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import REPO, moving_square

from occludenet_build.config.occlusion import Composite
from occludenet_build.media.video import encoder
from occludenet_build.media.video.encoder import Encoder, Encoding, FrameFormat
from occludenet_build.media.video.planes import layout_of, new_frame, plane_arrays
from occludenet_build.media.video.source import Display
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.jobs import ClipJob, ClipOutput
from occludenet_build.occlusion.patches import ClipCutout
from occludenet_build.occlusion.render import render

FILLED_WITH = ("0", "85", "170", "255")
"""Values of MALLOC_PERTURB_: glibc fills allocated and freed memory with it."""

WIDTHS = (336, 340, 344, 352)


def poisoned(frame: av.VideoFrame, padding: int | None) -> av.VideoFrame:
    """An empty frame whose whole memory has one value, also outside the picture; None: noise."""
    empty = new_frame(frame)
    for plane in empty.planes:
        memory = np.frombuffer(plane, np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, memory.size, np.uint8)
        memory[:] = noise if padding is None else padding
    return empty


def pictures(size=(340, 256), count=40, padding: int | None = 0) -> list[av.VideoFrame]:
    """A panning textured background, a moving block, and sensor noise."""
    width, height = size
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 40, (height // 8, (width + count) // 8)).astype(np.float32)
    ground = cv2.resize(coarse, (width + count, height), interpolation=cv2.INTER_CUBIC) + 120
    found = []
    for number in range(count):
        luma = ground[:, number : number + width] + rng.normal(0, 5, (height, width))
        left = width // 5 + 2 * number
        luma[height // 4 : height * 3 // 4, left : left + width // 6] = 200 - 2 * number
        luma = np.clip(luma, 0, 255).astype(np.uint8)
        frame = poisoned(av.VideoFrame(width, height, "yuv420p"), padding)
        half = luma[::2, ::2]
        for plane, samples in zip(
            plane_arrays(frame, layout_of(frame)), (luma, half, 255 - half), strict=True
        ):
            plane[:] = samples
        found.append(frame)
    return found


def stream(frames: list[av.VideoFrame], instruction_set="avx2", preset="veryfast") -> str:
    """Digest of the frames, encoded as the stage does."""
    picture = FrameFormat(frames[0], Fraction(1, 25), Fraction(25), Fraction(1))
    run = Encoder(picture, Encoding("libx264", 21, preset, instruction_set, 2))
    packets = [
        packet for number, frame in enumerate(frames) for packet in run.encode(frame, number)
    ]
    return hashlib.sha256(b"".join(map(bytes, packets + run.finish()))).hexdigest()


def stir(rng: np.random.Generator) -> None:
    """Fill freed memory with other values."""
    for size in rng.integers(100, 2_000_000, 12):
        rng.integers(0, 256, size, np.uint8).copy()


def elsewhere(*words: str, runner=(), **environment: str) -> str:
    """The output of this file as a program."""
    done = subprocess.run(
        [*runner, sys.executable, __file__, *words],
        env=os.environ
        | {"PYTHONPATH": f"{REPO}:{REPO / 'tests'}", "PYTHONWARNINGS": "ignore"}
        | environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode().strip()


# Content of memory


@pytest.mark.parametrize("instruction_set", ["avx2", "sse2", "portable"])
def test_an_encode_does_not_depend_on_those_before_it(instruction_set):
    frames, rng = pictures(), np.random.default_rng(0)
    first = stream(frames, instruction_set)
    for _ in range(5):
        stir(rng)
        assert stream(frames, instruction_set) == first


def test_an_encode_does_not_depend_on_the_content_of_memory():
    here = stream(pictures())
    for value in FILLED_WITH:
        assert elsewhere("streams", "avx2", MALLOC_PERTURB_=value) == here


def test_the_trap_is_real():
    """Without a limit the bytes depend on memory, on processors with AVX-512."""
    if not cv2.checkHardwareSupport(13):  # CV_CPU_AVX_512F
        pytest.skip("the processor has no AVX-512")
    found = {elsewhere("streams", "any", MALLOC_PERTURB_=value) for value in FILLED_WITH}
    assert len(found) > 1, "this x264 reads nothing beyond its rows any more: the limit can go"


@pytest.mark.parametrize("preset", ["veryfast", "medium"])
@pytest.mark.parametrize("width", [334, *WIDTHS])
def test_nobody_looks_at_what_is_beyond_the_picture(width, preset):
    found = {
        stream(pictures((width, 96), 12, padding), preset=preset) for padding in (0, 85, 255, None)
    }
    assert len(found) == 1


def job(folder: Path, width: int) -> ClipJob:
    """A clip of 24 frames with a box in frames 4 to 19, and its cut-out."""
    source, cutout = folder / f"{width}.mp4", folder / "cut.png"
    if not source.exists():
        noise = np.random.default_rng(0).normal(0, 5, (24, 64, width, 1))
        noisy = (
            np.clip(p + n, 0, 255) for p, n in zip(moving_square(24, width), noise, strict=True)
        )
        write_video(source, (picture.astype(np.uint8) for picture in noisy), 24)
        cv2.imwrite(str(cutout), occluder(np.random.default_rng(0), 40, 60))
    return ClipJob(
        clip="clip",
        source=source,
        frames=24,
        fps=24.0,
        boxes={n: ActorBox((10.2 + 1.3 * n, 10.0, 50.0 + n, 58.0)) for n in range(4, 20)},
        cutouts=(cutout,),
        root=folder / "out",
        scales=(0.25, 0.75),
        outputs=(
            ClipOutput("25.mp4", 0.25),
            ClipOutput("75.mp4", 0.75),
            ClipOutput("clean.mp4", None),
        ),
    )


def occluder(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """RGBA uint8 (H, W, 4): soft spots of colour, with hard or soft alpha."""
    coarse = rng.integers(0, 256, (height // 5 + 2, width // 5 + 2, 4), np.uint8)
    rgba = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    soft = np.linspace(0, 255, width).astype(np.uint8)
    rgba[:, :, 3] = np.where(rgba[:, :, 3] > 90, 255, soft)
    return rgba


def outputs(clip: ClipJob, instruction_set: str = "avx2") -> list[str]:
    """Digests of all files of a clip, and of its ground truth."""
    settings = Composite(scales=clip.scales, instruction_set=instruction_set)
    truth = render(clip, settings).truth.table().to_pylist()
    files = [(clip.root / out.file).read_bytes() for out in clip.outputs]
    return [hashlib.sha256(data).hexdigest() for data in [*files, repr(truth).encode()]]


def test_a_clip_does_not_depend_on_those_before_it(tmp_path):
    clips = {width: job(tmp_path, width) for width in WIDTHS}
    first = {width: outputs(clip) for width, clip in clips.items()}
    rng = np.random.default_rng(0)
    for width in reversed(WIDTHS):
        stir(rng)
        assert outputs(clips[width]) == first[width]


# Which processor it is


def arithmetic() -> str:
    """Digest of many cut-outs at many sizes, and of frames with them."""
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    cv2.setNumThreads(1)
    for number in range(24):
        name = ("yuv420p", "yuvj444p", "yuv422p10le")[number % 3]
        buffer = FrameBuffer(av.VideoFrame(340, 256, name), name)
        for plane in buffer.planes:
            plane[:] = rng.integers(0, 1 << buffer.layout.depth, plane.shape)
        rgba = occluder(rng, *rng.integers(20, 400, 2))
        cutout = ClipCutout(rgba, buffer.layout, Display(340, 256, 90 * (number % 2)))
        for _ in range(12):
            x, y, w, h = (int(v) for v in rng.integers((-40, -40, 3, 3), 300))
            patch = cutout.patch(x, y, w, h)
            made = [patch.mask, cutout.silhouette(w, h), *sum(map(tuple, patch.planes), ())]
            made += [change.after for change in buffer.blend(patch, x, y)]
            for array in made:
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def newer_numpy() -> str:
    """The instruction sets that this numpy uses beyond its baseline, by their names in numpy."""
    return " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))


OLDER_OPENCV = {
    "no AVX-512": "AVX512F,AVX512-SKX",
    "no AVX2": "AVX512F,AVX2,FMA3",
    "SSE3": "AVX512F,AVX2,FMA3,FP16,AVX,SSE4.2,SSE4.1,SSSE3,POPCNT",
}


@pytest.mark.parametrize("library", ["numpy", "ipp", *OLDER_OPENCV])
def test_blending_does_not_hang_on_the_processor(library):
    """The libraries restricted to the instructions of an older processor."""
    if library == "numpy":
        older = {"NPY_DISABLE_CPU_FEATURES": newer_numpy()}
    elif library == "ipp":
        older = {"OPENCV_IPP": "sse42"}
    else:
        older = {"OPENCV_CPU_DISABLE": OLDER_OPENCV[library]}
    assert elsewhere("arithmetic", **older) == arithmetic()


def test_portable_streams_agree_from_sse42_to_avx2(monkeypatch):
    if encoder.newest_instruction_set("avx2") != "avx2":
        pytest.skip("the processor has no AVX2 to compare with")
    frames, found = pictures(), set()
    for flags in encoder._EXACT.values():
        monkeypatch.setattr(encoder, "x264_asm", lambda wanted, flags=flags: str(flags))
        found |= {stream(frames)}
    assert found == {stream(frames)}


def test_the_record_says_what_was_there():
    older = elsewhere("used", OPENCV_CPU_DISABLE="AVX512F,AVX2,FMA3").split("\n")
    found = [encoder.recorded_instruction_set(wanted) for wanted in ("avx2", "sse2", "portable")]
    if encoder.newest_instruction_set("avx2") == "avx2":
        assert [name.split()[0] for name in found] == ["avx2", "sse2", "portable"]
        assert [name.split()[0] for name in older] == ["avx", "sse2", "portable"]
        assert found[1] == older[1] and found[2] != older[2]
    elif not encoder.newest_instruction_set("sse2"):
        assert len(set(found)) == 1 and encoder.x264_asm("portable") == ""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Haswell", "EPYC", "Nehalem"])
def test_emulated_processors_make_the_same(tmp_path, model):
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or not encoder.newest_instruction_set("sse2"):
        pytest.skip("no qemu-x86_64 here")
    here = json.dumps(outputs(job(tmp_path, 340), "portable"))
    assert elsewhere("outputs", str(tmp_path), runner=[emulator, "-cpu", model]) == here


def main(what: str, *words: str) -> None:
    if what == "streams":
        if words[0] == "any":
            encoder.x264_asm = lambda wanted: ""
        print(stream(pictures(), words[0]))
    elif what == "arithmetic":
        print(arithmetic())
    elif what == "used":
        print(
            "\n".join(
                encoder.recorded_instruction_set(wanted) for wanted in ("avx2", "sse2", "portable")
            )
        )
    elif what == "outputs":
        print(json.dumps(outputs(job(Path(words[0]), 340), "portable")))


if __name__ == "__main__":
    main(*sys.argv[1:])
