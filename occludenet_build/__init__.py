"""Builds OccludeNet, occluded action videos with ground truth, and trains CAR on it."""

__version__ = "0.2.0"
