"""Benchmark of encoder settings: CPU, size and SSIM; the table of docs/encoding.md.

    python benchmarks/encoders.py [--quick]

Clips are real ones of up to 10 s (OCCLUDENET_TEST_DATA or ../shared/data), else drawn ones. One
thread; SSIM of all planes against the source. All values are relative to libx264 medium at crf 23
on the same clip, and are means over the clips. The last line is a JSON object:

    cpu, size, ssim   setting -> ratio
    at_equal_ssim     x264's preset -> crf, cpu and size at the reference's SSIM, interpolated
    reference_ssim    SSIM of the reference
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean, geometric_mean, median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.composite import footage
from parts.composite.encoding import Encoded, Setting, encode_clip
from parts.composite.footage import Footage

from occludenet_build.media.video.encoder import available_encoder

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
CRFS = (18, 21, 23, 26)
DEFAULT = Setting()
NAME = "libx264 veryfast 21"
REFERENCE = Setting(preset="medium", crf=23)

Measured = dict[str, list[Encoded]]
"""Setting -> values of each clip, relative to the reference on that clip."""


def settings() -> dict[str, Setting]:
    """The settings for all clips, by name."""
    grid = {f"libx264 {p} {crf}": Setting(preset=p, crf=crf) for p in PRESETS for crf in CRFS}
    found = {f"{NAME}, GOP {n} s": replace(DEFAULT, keyframe_seconds=n) for n in (1, 10)}
    found[f"{NAME}, sse2"] = replace(DEFAULT, instruction_set="sse2")
    found[f"{NAME}, segments shared"] = replace(DEFAULT, shared=True)
    found["libx264 medium 23, segments shared"] = replace(REFERENCE, shared=True)
    for preset, crf in (("ultrafast", 23), ("veryfast", 23), ("veryfast", 28), ("medium", 28)):
        found[f"libx265 {preset} {crf}"] = Setting("libx265", preset, crf)
    for codec in ("h264_nvenc", "h264_qsv", "h264_amf"):
        if available_encoder(codec) == codec:
            found[f"{codec} veryfast 21"] = Setting(codec)
    return grid | found


def of_full_chroma() -> dict[str, Setting]:
    """The settings for the 4:4:4 clip, by name."""
    as_420 = replace(DEFAULT, pix_fmt="yuv420p")
    return {f"{NAME}, 4:4:4": DEFAULT, f"{NAME}, 4:4:4 as yuv420p": as_420}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    count, frames = (1, 160) if parser.parse_args().quick else (4, 300)
    measured: Measured = defaultdict(list)
    by_name, references = settings(), []
    with tempfile.TemporaryDirectory(prefix="bench-encoders-") as name:
        scratch = Path(name)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        for clip in footage.clips(count, frames, scratch):
            references.append(_measure(clip, by_name, measured, scratch))
        _measure(footage.full_chroma(frames // 2, scratch), of_full_chroma(), measured, scratch)
    print(json.dumps(_table(measured) | {"reference_ssim": round(fmean(references), 4)}))


def _measure(
    clip: Footage, by_name: dict[str, Setting], measured: Measured, scratch: Path
) -> float:
    """Add the measurements on a clip; return the SSIM of the reference."""
    file = scratch / "encoded.mp4"
    references = [encode_clip(clip, REFERENCE, file)]
    found = {name: encode_clip(clip, setting, file) for name, setting in by_name.items()}
    references.append(encode_clip(clip, REFERENCE, file))
    cpu, size, ssim = median(ref.cpu for ref in references), references[0].size, references[0].ssim
    for name, one in found.items():
        measured[name].append(Encoded(one.cpu / cpu, one.size / size, one.ssim / ssim))
    print(f"{clip.name}: reference {cpu:.2f} s, {size} bytes, SSIM {ssim:.4f}", flush=True)
    return ssim


def _table(measured: Measured) -> dict[str, dict]:
    """Print the means over the clips and return them by column."""
    print(f"{'relative to libx264 medium 23':44} {'CPU':>7} {'size':>7} {'SSIM':>7}")
    columns: dict[str, dict] = {"cpu": {}, "size": {}, "ssim": {}}
    for name, clips in measured.items():
        for key, column in columns.items():
            column[name] = round(geometric_mean(getattr(clip, key) for clip in clips), 4)
        cpu, size, ssim = (column[name] for column in columns.values())
        print(f"{name:44} {cpu:7.3f} {size:7.3f} {ssim:7.4f}")
    return columns | {"at_equal_ssim": _equal_ssim(measured)}


def _equal_ssim(measured: Measured) -> dict[str, dict[str, float]]:
    """x264's presets at the crf that gives the reference's SSIM; presets that reach it."""
    print(f"{'at the SSIM of libx264 medium 23':44} {'CPU':>7} {'size':>7} {'crf':>7}")
    found = {}
    for preset in PRESETS:
        rows = zip(*(measured[f"libx264 {preset} {crf}"] for crf in CRFS), strict=True)
        points = [point for row in rows if (point := _at_one(row))]
        if points:
            crf, cpu, size = (round(fmean(values), 3) for values in zip(*points, strict=True))
            found[preset] = {"crf": crf, "cpu": cpu, "size": size}
            print(f"libx264 {preset:36} {cpu:7.3f} {size:7.3f} {crf:7.1f}")
    return found


def _at_one(row: tuple[Encoded, ...]) -> tuple[float, float, float] | None:
    """crf, CPU and size of a clip at the reference's SSIM, which falls with rising crf."""
    ssims = [one.ssim for one in row][::-1]
    if not ssims[0] <= 1 <= ssims[-1]:
        return None
    values = (CRFS, [one.cpu for one in row], np.log([one.size for one in row]))
    crf, cpu, size = (float(np.interp(1, ssims, column[::-1])) for column in values)
    return crf, cpu, float(np.exp(size))


if __name__ == "__main__":
    main()
