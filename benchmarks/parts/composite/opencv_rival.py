"""The usual implementation: OpenCV reads, numpy blends BGR, VideoWriter, ffmpeg adds the sound.

python -m parts.composite.opencv_rival VIDEO BOXES.npy CUTOUT FOLDER
    --scales 0.25 0.5 --ffmpeg FFMPEG -- OPTIONS
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import cv2
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("video", "boxes", "cutout", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--scales", type=float, nargs="+", required=True)
    parser.add_argument("--ffmpeg", required=True)
    parser.add_argument("encoder", nargs="+", help="ffmpeg's options for the output")
    args = parser.parse_args()
    for scale in args.scales:
        silent = args.folder / "rival.avi"
        _composite(args.video, np.load(args.boxes), args.cutout, scale, silent)
        command = [args.ffmpeg, "-y", "-nostdin", "-loglevel", "error", "-threads", "1"]
        command += ["-i", str(silent), "-i", str(args.video), "-map", "0:v", "-map", "1:a"]
        subprocess.run([*command, *args.encoder, str(args.folder / "rival.mp4")], check=True)


def _composite(video: Path, boxes: np.ndarray, cutout: Path, scale: float, out: Path) -> None:
    bgra = cv2.imread(str(cutout), cv2.IMREAD_UNCHANGED)
    reader = cv2.VideoCapture(str(video))
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    rate = reader.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for box in boxes:
        read, frame = reader.read()
        if not read:
            raise RuntimeError(f"{video} has fewer frames than boxes")
        _paste(frame, bgra, box, scale)
        writer.write(frame)
    writer.release()
    reader.release()


def _paste(frame: np.ndarray, bgra: np.ndarray, box: np.ndarray, scale: float) -> None:
    x1, y1, x2, y2 = box
    factor = scale * min((x2 - x1) / bgra.shape[1], (y2 - y1) / bgra.shape[0])
    width, height = round(bgra.shape[1] * factor), round(bgra.shape[0] * factor)
    resized = cv2.resize(bgra, (width, height), interpolation=cv2.INTER_AREA)
    x, y = round((x1 + x2 - width) / 2), round((y1 + y2 - height) / 2)
    alpha = resized[:, :, 3:].astype(np.float32) / 255
    region = frame[y : y + height, x : x + width]
    region[:] = (resized[:, :, :3] * alpha + region * (1 - alpha)).astype(np.uint8)


if __name__ == "__main__":
    main()
