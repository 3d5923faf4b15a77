"""Builds OccludeNet, occluded action videos with ground truth, and trains CAR on it."""

from occludenet_build.core import ultralytics_import

__version__ = "0.3.0"

ultralytics_import.install()  # before anything of this package, or of its user's, imports it
