"""SAM, MobileSAM and SAM 2: what reaches the model, which mask is taken, missing packages.

The stubs of mobile_sam and sam2 have those packages' names and signatures, and follow a colour
instead of running a network: they show what is asked of the package and how its answers are used.
"""

from __future__ import annotations

import subprocess
import sys
import types
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.render import Made

from occludenet_build import config
from occludenet_build.core.errors import UserError
from occludenet_build.people.maskers import sam2
from occludenet_build.people.maskers.interface import BoxedClip

torch = pytest.importorskip("torch")
transforms = pytest.importorskip("segment_anything.utils.transforms")

RED = (220, 40, 40)


def red_world(path, size, rotation=0, frames=6):
    """A clip with a red figure that moves, upright size (w, h), and its boxes."""
    width, height = size
    pictures, found = [], {}
    for number in range(frames):
        picture = np.full((height, width, 3), 60, np.uint8)
        x1, y1 = width // 8 + 3 * number, height // 3
        x2, y2 = x1 + width // 4, y1 + height // 2
        picture[y1:y2, x1:x2] = RED
        found[number] = np.float32((x1, y1, x2, y2))
        pictures.append(np.ascontiguousarray(np.rot90(picture, -rotation // 90)))
    Made(rotation=rotation, pix_fmt="yuv444p").write(path, pictures)
    return BoxedClip(path, found, frames)


class ColourModel:
    """Replaces SAM: takes its batched input and returns masks of what is red in its format."""

    def __init__(self, scores=(0.5, 0.9, 0.1)):
        self.image_encoder = types.SimpleNamespace(img_size=1024)
        self.scores, self.seen, self.multimask = scores, [], []

    def to(self, device):
        return self

    def eval(self):
        return self

    def load_state_dict(self, tensors):
        self.tensors = tensors

    def __call__(self, batched_input, multimask_output):
        self.seen.append(batched_input)
        self.multimask.append(multimask_output)
        return [self._answer(one, 3 if multimask_output else 1) for one in batched_input]

    def _answer(self, one, count):
        height, width = one["original_size"]
        picture = one["image"].numpy().transpose(1, 2, 0)
        red = (picture[..., 0] > 150).astype(np.uint8)
        mask = cv2.resize(red, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
        every = torch.zeros(1, count, height, width, dtype=torch.bool)
        every[0, min(1, count - 1)] = torch.from_numpy(mask)  # the best of three by SCORES
        return {"masks": every, "iou_predictions": torch.tensor([self.scores[:count]])}


def sam_with(model, **settings):
    from occludenet_build.people.maskers.sam import Sam

    sam = Sam.__new__(Sam)
    sam._set_up(config.ActorMasks(device="cpu", **settings), model, transforms.ResizeLongestSide)
    return sam


SHAPES = {
    "landscape": ((160, 96), 0),
    "odd": ((161, 97), 0),
    "portrait": ((96, 170), 0),
    "rotated": ((96, 160), 90),
    "upside down": ((160, 96), 180),
    "rotated, odd": ((97, 161), 270),
}


@pytest.mark.parametrize(("size", "rotation"), SHAPES.values(), ids=SHAPES)
def test_the_prompt_frames_the_figure_that_the_model_sees(tmp_path, size, rotation):
    clip, model = red_world(tmp_path / "a.mp4", size, rotation), ColourModel()
    sam = sam_with(model)
    sam._batch = 4  # as on a GPU
    found = dict(sam.masks(clip))
    assert [len(batch) for batch in model.seen] == [4, 2] and model.multimask == [False] * 2
    for one in (one for batch in model.seen for one in batch):
        picture, box = one["image"].numpy().transpose(1, 2, 0), one["boxes"].numpy()[0]
        assert max(picture.shape[:2]) == 1024 and one["original_size"] == size[::-1]
        x1, y1, x2, y2 = np.rint(box).astype(int)
        red = picture[..., 0] > 150
        inside = red[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8]
        around = red.copy()
        around[max(0, y1 - 8) : y2 + 8, max(0, x1 - 8) : x2 + 8] = False
        assert inside.all() and not around.any()
    for number, mask in found.items():
        x1, y1, x2, y2 = clip.boxes[number].astype(int)
        truth = np.zeros(size[::-1], bool)
        truth[y1:y2, x1:x2] = True
        assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_the_best_of_three_is_taken_by_the_model_s_own_estimate(tmp_path):
    clip = red_world(tmp_path / "a.mp4", (96, 64))
    model = ColourModel()
    assert len(dict(sam_with(model, sam_multimask="best").masks(clip))) == 6
    assert model.multimask == [True] * 6, "one by one on a CPU"
    worst = ColourModel(scores=(0.9, 0.5, 0.1))
    assert not dict(sam_with(worst, sam_multimask="best").masks(clip)), "an empty mask is left out"


def test_a_batch_that_does_not_fit_is_halved(tmp_path, caplog):
    clip, model = red_world(tmp_path / "a.mp4", (96, 64)), ColourModel()
    whole = dict(sam_with(ColourModel()).masks(clip))

    class Small:
        image_encoder, to, eval = model.image_encoder, ColourModel.to, ColourModel.eval

        def __call__(self, batched_input, multimask_output):
            if len(batched_input) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB")
            return model(batched_input, multimask_output)

    sam = sam_with(Small())
    sam._batch = 4  # as on a GPU
    found = dict(sam.masks(clip))
    assert [len(batch) for batch in model.seen] == [2, 2, 2]
    assert found.keys() == whole.keys() and all((found[n] == whole[n]).all() for n in whole)
    assert "continuing with 2 (actor_masks.batch)" in caplog.text


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    return path


def stub(monkeypatch, name, **members):
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("backend", ["mobile-sam", "sam2"])
def test_a_missing_package_is_one_line(backend, checkpoint, monkeypatch):
    from occludenet_build.people.maskers.sam import MobileSam

    package = backend.replace("-", "_")
    for name in (package, f"{package}.build_sam", f"{package}.utils.transforms"):
        monkeypatch.setitem(sys.modules, name, None)
    load = {"mobile-sam": MobileSam, "sam2": sam2.Sam2}[backend]
    with pytest.raises(UserError, match=f"{backend}: wanted the Python package {package}") as error:
        load(config.ActorMasks(backend=backend, weights=str(checkpoint), device="cpu"))
    assert "\n" not in str(error.value) and "install the GitHub project" in str(error.value)


def test_mobile_sam_is_built_and_filled(tmp_path, monkeypatch):
    from occludenet_build.people.maskers.sam import MobileSam

    model = ColourModel()
    stub(monkeypatch, "mobile_sam", sam_model_registry={"vit_t": lambda checkpoint=None: model})
    stub(monkeypatch, "mobile_sam.utils")
    resize = transforms.ResizeLongestSide
    stub(monkeypatch, "mobile_sam.utils.transforms", ResizeLongestSide=resize)
    torch.save({"a": torch.ones(2)}, tmp_path / "mobile_sam.pt")
    weights = str(tmp_path / "mobile_sam.pt")
    masker = MobileSam(config.ActorMasks(backend="mobile-sam", weights=weights, device="cpu"))
    assert model.tensors["a"].tolist() == [1, 1]
    clip = red_world(tmp_path / "a.mp4", (96, 64))
    assert len(dict(masker.masks(clip))) == 6
    torch.save({"a": "no tensor"}, tmp_path / "mobile_sam.pt")
    with pytest.raises(UserError, match="mobile-sam: wanted a dict of tensors"):
        MobileSam(config.ActorMasks(backend="mobile-sam", weights=weights, device="cpu"))


class Predictor:
    """sam2's video predictor, with its signatures: follows red, from its first prompt on."""

    def __init__(self, lost=()):
        self.calls, self.lost, self.tensors = [], set(lost), None
        self.frames = 0

    def load_state_dict(self, tensors):
        if "a" not in tensors:
            raise RuntimeError("Missing key(s) in state_dict")
        self.tensors = tensors

    def init_state(
        self,
        video_path,
        offload_video_to_cpu=False,
        offload_state_to_cpu=False,
        async_loading_frames=False,
    ):
        files = [p for p in Path(video_path).iterdir() if p.suffix in (".jpg", ".jpeg")]
        files.sort(key=lambda path: int(path.stem))
        images = [cv2.imread(str(path))[..., ::-1] for path in files]
        self.calls.append(("init", len(images), offload_video_to_cpu, offload_state_to_cpu))
        return {"images": images, "obj_ids": [], "output": OrderedDict(), "before": self.frames}

    def add_new_points_or_box(
        self,
        inference_state,
        frame_idx,
        obj_id,
        points=None,
        labels=None,
        clear_old_points=True,
        normalize_coords=True,
        box=None,
    ):
        x1, y1, x2, y2 = (int(v) for v in box)
        image = inference_state["images"][frame_idx]
        assert (image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2, 0] > 150).all(), "the box frames the figure"
        self.calls.append(("box", frame_idx))
        inference_state["obj_ids"].append(obj_id)

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask):
        assert mask.dtype == bool and mask.shape == inference_state["images"][0].shape[:2]
        self.calls.append(("mask", frame_idx))
        inference_state["obj_ids"].append(obj_id)

    def propagate_in_video(
        self, inference_state, start_frame_idx=None, max_frame_num_to_track=None, reverse=False
    ):
        assert inference_state["obj_ids"]
        for at, image in enumerate(inference_state["images"]):
            red = image[..., 0].astype(float) - 128
            if (len(self.calls), at) in self.lost:
                red[:] = -10
            yield at, inference_state["obj_ids"], torch.from_numpy(red)[None, None]


@pytest.fixture
def video_predictor(monkeypatch):
    predictor, asked = Predictor(), []

    def build_sam2_video_predictor(
        config_file,
        ckpt_path=None,
        device="cuda",
        mode="eval",
        hydra_overrides_extra=(),
        apply_postprocessing=True,
        vos_optimized=False,
        **kwargs,
    ):
        asked.append((config_file, ckpt_path, device))
        return predictor

    stub(monkeypatch, "sam2")
    stub(monkeypatch, "sam2.build_sam", build_sam2_video_predictor=build_sam2_video_predictor)
    predictor.asked = asked
    return predictor


def sam2_of(checkpoint, **settings):
    given = {"backend": "sam2", "weights": str(checkpoint), "device": "cpu"} | settings
    return sam2.Sam2(config.ActorMasks(**given))


def test_sam2_follows_each_run_in_pieces(tmp_path, checkpoint, video_predictor, monkeypatch):
    monkeypatch.setattr(sam2, "_PIECE", 5)
    clip = red_world(tmp_path / "a.mp4", (161, 97), 0, 14)
    tracks = {n: (0, 1) if n < 11 else (1, 1) for n in range(14)}
    found = list(sam2_of(checkpoint).masks(BoxedClip(clip.path, clip.boxes, 14, tracks)))
    # the checkpoint is not loaded by the package, which would also take "cuda" for granted
    assert video_predictor.asked == [("configs/sam2.1/sam2.1_hiera_t.yaml", None, "cpu")]
    assert [number for number, _ in found] == list(range(14)), "each frame once"
    inits = [call[1] for call in video_predictor.calls if call[0] == "init"]
    prompts = [call[0] for call in video_predictor.calls if call[0] != "init"]
    assert inits == [5, 5, 3, 3] and prompts == ["box", "mask", "mask", "box"]
    for number, mask in found:
        x1, y1, x2, y2 = clip.boxes[number].astype(int)
        assert mask.shape == (97, 161) and mask.dtype == bool
        assert mask[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].all()
        assert mask.sum() < 1.2 * (x2 - x1) * (y2 - y1)


def test_sam2_is_prompted_again_where_the_actor_was_lost(
    tmp_path, checkpoint, video_predictor, monkeypatch
):
    monkeypatch.setattr(sam2, "_PIECE", 4)
    video_predictor.lost = {(2, 3)}  # the last frame of the first piece
    clip = red_world(tmp_path / "a.mp4", (96, 64), 0, 6)
    found = dict(sam2_of(checkpoint).masks(clip))
    assert [call[0] for call in video_predictor.calls] == ["init", "box", "init", "box"]
    assert sorted(found) == list(range(6)), "found again by its box"


@pytest.mark.parametrize(
    ("name", "size", "wanted"),
    [
        ("sam2.1_hiera_large.pt", "auto", "configs/sam2.1/sam2.1_hiera_l.yaml"),
        ("sam2_hiera_base_plus.pt", "auto", "configs/sam2/sam2_hiera_b+.yaml"),
        ("0123.pt", "small", "configs/sam2.1/sam2.1_hiera_s.yaml"),
    ],
)
def test_the_configuration_of_a_checkpoint(name, size, wanted):
    assert sam2.config_name(Path(name), size) == wanted


def test_wrong_sam2_checkpoints(tmp_path, video_predictor):
    with pytest.raises(UserError, match=r"called sam2\.1_hiera_<tiny, small"):
        sam2.config_name(tmp_path / "mine.pt", "auto")
    path = tmp_path / "sam2.1_hiera_small.pt"
    torch.save({"model": {"b": torch.zeros(1)}}, path)
    with pytest.raises(UserError, match=r"does not fit configs/sam2\.1/sam2\.1_hiera_s"):
        sam2_of(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="holds something else"):
        sam2_of(path)


SAM_VIT_B = """
import sys, time
import torch
from pathlib import Path
from segment_anything import sam_model_registry
from segment_anything.utils.transforms import ResizeLongestSide
import numpy as np
from occludenet_build import config
from occludenet_build.people.maskers.interface import BoxedClip
from occludenet_build.people.maskers.mask_propagation import KeyframeMasker
from occludenet_build.people.maskers.sam import Sam

torch.manual_seed(0)
torch.set_num_threads(2)
sam = Sam.__new__(Sam)
sam._set_up(config.ActorMasks(device="cpu"), sam_model_registry["vit_b"](), ResizeLongestSide)
sam._batch = int(sys.argv[2])
boxes = dict.fromkeys(range(int(sys.argv[3])), np.float32((300, 100, 600, 700)))
begun = time.time()
found = dict(KeyframeMasker(sam, 64).masks(BoxedClip(Path(sys.argv[1]), boxes, int(sys.argv[3]))))
shapes = {mask.shape for mask in found.values()}
# ru_maxrss would count the process that started this one
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
print(len(found), *shapes, peak, round(time.time() - begun))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "batch"), [(65, 1), (250, 1), (65, 2)])
def test_a_real_sam_runs_at_full_size_in_bounded_memory(tmp_path, frames, batch):
    """vit_b with random weights over 10 s of 720p at keyframes: its masks mean nothing."""
    from fractions import Fraction

    from occludenet_build.media.video.synth import write_video

    random = np.random.default_rng(0)
    picture = cv2.resize(random.integers(0, 255, (18, 32, 3), np.uint8), (1280, 720))
    rolled = (np.roll(picture, 2 * n, axis=1) for n in range(frames))
    write_video(tmp_path / "a.mp4", rolled, Fraction(25), options={"preset": "ultrafast"})
    words = [sys.executable, "-c", SAM_VIT_B, str(tmp_path / "a.mp4"), str(batch), str(frames)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    print(f"{frames} frames, batch {batch}: masks, shape, peak MiB, seconds:", done.stdout)
    assert int(done.stdout.split()[-2]) < 3000 + 2500 * batch
