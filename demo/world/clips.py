"""Draw a clip: a fixed camera, one background, and an actor who crosses the frame.

The actor moves by more than twice the width of the body, so no point of the background is hidden
for half of the clip. Therefore a median over time shows the empty scene, and background subtraction
detects the actor in every frame without leading empty frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from demo.world.actions import ACTIONS, Manner, Pose
from demo.world.figure import Figure
from demo.world.plan import Clip, Settings
from demo.world.scenery import BACKGROUNDS, Canvas, background
from demo.world.wardrobe import draw_look
from occludenet_build.core.files import replacing
from occludenet_build.core.seeds import rng
from occludenet_build.media.video.synth import write_video

SAMPLE_RATE = 16_000
NOISE = 2.0
"""Standard deviation of the sensor noise, in levels of 0 to 255."""


@dataclass(frozen=True)
class ClipScript:
    """Motion of the actor in one clip; lengths are relative to the frame."""

    height: float
    """Height of the standing figure, relative to the height of the frame."""
    ground: float
    """y of the soles, relative to the height of the frame, from the top."""
    start: float
    end: float
    """x of the hips in the first and the last frame, relative to the width of the frame."""
    facing: int
    """1 or -1; -1 mirrors the figure."""
    cycles_per_second: float
    phase: float
    """Cycles of the action before the first frame, 0 to 1."""
    manner: Manner

    def turn(self, seconds: float) -> float:
        """Cycles of the action after `seconds`."""
        return self.phase + self.cycles_per_second * seconds


def draw_script(random: np.random.Generator) -> ClipScript:
    """Draw the motion of an actor."""
    travel, middle = random.uniform(0.46, 0.52), random.uniform(0.48, 0.52)
    facing = int(random.choice([-1, 1]))
    return ClipScript(
        height=random.uniform(0.58, 0.68),
        ground=random.uniform(0.90, 0.96),
        start=middle - facing * travel / 2,
        end=middle + facing * travel / 2,
        facing=facing,
        cycles_per_second=random.uniform(0.75, 1.3),
        phase=random.uniform(0, 1),
        manner=Manner(random.uniform(0.8, 1.08), random.uniform(5, 11), random.uniform(-4, 10)),
    )


def render(
    settings: Settings,
    clip: Clip,
    actions: Mapping[str, Callable[[float, Manner], Pose]] = ACTIONS,
    backgrounds: Mapping[str, Callable[[np.random.Generator, int, int], Canvas]] = BACKGROUNDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Frames, uint8 (T, H, W, 3), RGB, and masks of the figure, bool (T, H, W).

    `actions`, `backgrounds`: by the names that the clip has for its label and its background.
    """
    seed, name, size = settings.seed, clip.name, (settings.height, settings.width)
    script = draw_script(rng(seed, name, "script"))
    scene = background(clip.background, rng(seed, name, "background"), *size, backgrounds)
    figure = Figure(draw_look(rng(seed, name, "look")), script.height * settings.height)
    sensor = rng(seed, name, "sensor")
    frames, masks = [], []
    for number in range(settings.frames):
        cut = _figure_at(settings, actions[clip.label], script, figure, number)
        x = hips_x(settings, script, number)
        picture = _shadowed(scene, x, script.ground * settings.height, figure.height_px)
        alpha = cut[..., 3:] / np.float32(255)
        picture = picture * (1 - alpha) + cut[..., :3]
        picture += sensor.standard_normal(picture.shape, dtype=np.float32) * NOISE
        frames.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
        masks.append(cut[..., 3] > 127)
    return np.stack(frames), np.stack(masks)


def hips_x(settings: Settings, script: ClipScript, number: int) -> float:
    """x of the hips in a frame, px."""
    share = number / max(settings.frames - 1, 1)
    return (script.start + (script.end - script.start) * share) * settings.width


def _figure_at(
    settings: Settings,
    action: Callable[[float, Manner], Pose],
    script: ClipScript,
    figure: Figure,
    number: int,
) -> np.ndarray:
    pose = action(script.turn(number / settings.fps), script.manner)
    x, ground = hips_x(settings, script, number), script.ground * settings.height
    return figure.draw(pose, (settings.height, settings.width), x, ground, script.facing)


def _shadowed(scene: np.ndarray, x: float, ground: float, height_px: float) -> np.ndarray:
    """The scene, float (H, W, 3), with a shadow that is too faint to be detected as the figure."""
    shape = np.zeros(scene.shape[:2], np.uint8)
    centre = (round(x * 16), round(ground * 16))
    axes = (round(height_px * 0.22 * 16), round(height_px * 0.035 * 16))
    cv2.ellipse(shape, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, shift=4)
    soft = cv2.GaussianBlur(shape, (0, 0), height_px * 0.025) / np.float32(255)
    return scene * (1 - 0.12 * soft)[..., None]


def sound(settings: Settings, clip: Clip) -> np.ndarray:
    """Audio, float32 (N,), mono at SAMPLE_RATE: a beat every half cycle, and faint noise."""
    random = rng(settings.seed, clip.name, "sound")
    script = draw_script(rng(settings.seed, clip.name, "script"))
    count = round(settings.frames / settings.fps * SAMPLE_RATE)
    seconds = np.arange(count) / SAMPLE_RATE
    since_beat = (
        (script.phase + script.cycles_per_second * seconds) * 2 % 1 / (2 * script.cycles_per_second)
    )
    pitch = random.uniform(180, 420)
    beat = np.exp(-since_beat * 18) * np.sin(2 * np.pi * pitch * since_beat)
    return (0.5 * beat + 0.01 * random.standard_normal(count)).astype(np.float32)


def write_clip(folder: Path, settings: Settings, clip: Clip) -> None:
    """Write the video of a clip, and with settings.truth its masks and boxes."""
    frames, masks = render(settings, clip)
    track = sound(settings, clip)
    write_video(folder / clip.path, frames, settings.rate, audio=track, sample_rate=SAMPLE_RATE)
    if settings.truth:
        _write_truth(folder / clip.truth_path, masks)


def _write_truth(path: Path, masks: np.ndarray) -> None:
    """Write `masks`, bool (T, H, W), and `boxes`, float32 (T, 4), x1 y1 x2 y2, px, half-open."""
    boxes = np.array([_box(mask) for mask in masks], np.float32)
    with replacing(path) as temporary:
        np.savez_compressed(temporary, masks=masks, boxes=boxes)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
