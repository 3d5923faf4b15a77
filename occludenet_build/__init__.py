"""OccludeNet as a build: occluded action videos with ground truth, and CAR trained on them."""

__version__ = "0.2.0"
