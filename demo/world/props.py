"""What actors of recorded takes hold or ride: a ball, a gun, a sheet, a bicycle."""

from __future__ import annotations

import math

import cv2
import numpy as np

from demo.world.body import Layer
from demo.world.cameras import Camera
from demo.world.room import cropped

BALL, WHEEL = 0.125, 0.32
"""Radii, metres."""
Joints = dict[str, np.ndarray]


def ball_place(label: str, turns: float, joints: Joints, heading: float) -> np.ndarray:
    """Where the ball of a class is after `turns` cycles: float64 (3,), metres."""
    forward = np.array([math.cos(heading), math.sin(heading), 0.0])
    hand, other = joints["right_hand"], joints["left_hand"]
    if label == "Basketball_Dribble":
        share = abs(math.sin(2 * math.pi * (turns / 2 + 0.125)))  # on the floor at 0.75
        at = hand + forward * 0.12
        return np.array([at[0], at[1], BALL + (max(hand[2] - 0.08, BALL) - BALL) * share])
    if label == "Basketball_Shot":
        share = (turns % 1 - 0.5) / 0.45
        held = (hand + other) / 2 + forward * 0.14
        return held if not 0 < share < 1 else _thrown(held, forward, share, 1.1, 1.0)
    share = (turns % 1 - 0.5) / 0.4
    return hand if not 0 < share < 1 else _thrown(hand, forward, share, 1.9, 0.25)


def _thrown(start: np.ndarray, forward: np.ndarray, share: float, far: float, high: float):
    end = BALL - start[2]
    rise = 4 * high * share * (1 - share) + end * share**2
    return start + forward * (far * share) + np.array([0, 0, rise])


def ball_layer(camera: Camera, place: np.ndarray) -> Layer | None:
    """A ball as a camera sees it."""
    (pixel,), (depth,) = camera.project(place[None])
    canvas = _canvas(camera)
    centre = tuple(np.round(pixel * 16).astype(int).tolist())
    radius = max(BALL * camera.focal / depth, 1.0)
    cv2.circle(canvas, centre, round(radius * 16), (214, 104, 40, 255), -1, cv2.LINE_AA, 4)
    return cropped(canvas)


def gun_layer(camera: Camera, joints: Joints) -> Layer | None:
    """A long gun through both hands."""
    left, right = joints["left_hand"], joints["right_hand"]
    along = left - joints["right_shoulder"]
    along /= max(float(np.linalg.norm(along)), 1e-6)
    butt, muzzle = right - along * 0.22, left + along * 0.42
    canvas = _canvas(camera)
    _polyline(canvas, camera, np.stack([butt, muzzle]), (38, 36, 40, 255), 0.055)
    return cropped(canvas)


def sheet_layer(camera: Camera, joints: Joints, size: float) -> Layer | None:
    """A sheet of paper, `size` metres wide, upright before the hands."""
    left, right = joints["left_hand"], joints["right_hand"]
    across = joints["left_shoulder"] - joints["right_shoulder"]
    across = across / max(float(np.linalg.norm(across)), 1e-6) * size / 2
    middle = (left + right) / 2 if size > 0.4 else right
    rise = np.array([0, 0, 0.7 * size])
    corners = np.stack([middle + across + rise, middle - across + rise, middle - across - rise])
    corners = np.concatenate([corners, [middle + across - rise]])
    pixels, _ = camera.project(corners)
    canvas = _canvas(camera)
    outline = np.round(pixels * 16).astype(np.int32)
    cv2.fillConvexPoly(canvas, outline, (236, 232, 214, 255), cv2.LINE_AA, 4)
    return cropped(canvas)


def bike_layer(camera: Camera, joints: Joints, heading: float) -> Layer | None:
    """A bicycle under a rider: two wheels and a frame."""
    forward = np.array([math.cos(heading), math.sin(heading), 0.0])
    hips = joints["hips"]
    ground = np.array([hips[0], hips[1], WHEEL])
    wheels = [ground - forward * 0.42, ground + forward * 0.66]
    canvas = _canvas(camera)
    turn = np.linspace(0, 2 * math.pi, 25)
    rim = forward * (WHEEL * np.cos(turn))[:, None] + np.outer(np.sin(turn), (0, 0, WHEEL))
    for wheel in wheels:
        _polyline(canvas, camera, wheel + rim, (34, 34, 38, 255), 0.05)
    crank, seat = ground + forward * 0.1, hips - np.array([0, 0, 0.12])
    bar = (joints["left_hand"] + joints["right_hand"]) / 2
    for path in ([wheels[0], seat, crank, wheels[0]], [seat, bar, crank], [bar, wheels[1]]):
        _polyline(canvas, camera, np.stack(path), (178, 40, 52, 255), 0.045)
    return cropped(canvas)


def _canvas(camera: Camera) -> np.ndarray:
    return np.zeros((camera.height, camera.width, 4), np.uint8)


def _polyline(
    canvas: np.ndarray, camera: Camera, points: np.ndarray, colour, metres: float
) -> None:
    pixels, depths = camera.project(points)
    thick = max(1, round(metres * camera.focal / float(depths.mean())))
    path = np.round(pixels * 16).astype(np.int32)
    cv2.polylines(canvas, [path], False, colour, thick, cv2.LINE_AA, 4)
