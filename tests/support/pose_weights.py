"""Networks of real size with random weights, saved as ultralytics saves trained ones."""

from __future__ import annotations

from pathlib import Path


def random_weights(path: Path, shape: tuple[int, int] = (17, 3)) -> Path:
    """A pose model of the real architecture, with random weights, saved as ultralytics saves."""
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(0)
    model = YOLO("yolo11n-pose.yaml", task="pose", verbose=False)
    model.model = PoseModel("yolo11n-pose.yaml", nc=1, data_kpt_shape=shape, verbose=False)
    model.model.names, model.model.task = {0: "person"}, "pose"
    model.model.args = {"task": "pose"}  # a trained file has those of its training
    model.save(str(path))
    return path


def random_faces(path: Path) -> Path:
    """A detector with the class face, of the real architecture, with random weights."""
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    model = YOLO("yolo11n.yaml", verbose=False)
    model.model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    model.model.names, model.model.task = {0: "face"}, "detect"
    model.model.args = {"task": "detect"}
    model.save(str(path))
    return path
