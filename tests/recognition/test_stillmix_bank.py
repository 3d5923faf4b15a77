"""StillMix's bank takes the frames that show the class, not the others."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from support.clips import LABELS, write_world
from support.train import SMALL, run
from torchvision.models import resnet18

from occludenet_build.config.training import Mix, Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import stillmix_bank
from occludenet_build.recognition.datasets import SkippedClip
from occludenet_build.recognition.mixup import mix_batch
from occludenet_build.recognition.stillmix_bank import load_or_make_bank
from occludenet_build.recognition.training_clips import ClipPair

SETTINGS = Train(batch=8, mix=Mix(still_frames=12, still_epochs=6))
CLIPS, SIZE = 40, 32


class ColouredClips:
    """Clips of two classes: in the first half the colour shows the class, the others are grey."""

    def __init__(self):
        self.positions = {"red": 0, "blue": 1}

    def __len__(self):
        return CLIPS

    def single_frames(self):
        return copy.copy(self)

    def __getitem__(self, key):
        number, epoch = key
        if number == 3:
            return SkippedClip("3", "corrupt")
        random = np.random.default_rng([number, epoch])
        picture = random.integers(90, 150, (1, SIZE, SIZE, 3)).astype(np.uint8)
        label = number % 2
        if number < CLIPS // 2:
            picture[..., 2 * label] = 250
        return ClipPair(torch.from_numpy(picture), None, label, str(number))


def bank(tmp_path, settings=SETTINGS, seed=1, key="k"):
    return load_or_make_bank(
        ColouredClips(),
        settings,
        seed=seed,
        device="cpu",
        workers=0,
        path=tmp_path / "bank.pt",
        key=key,
    )


class OfColour(torch.nn.Linear):
    """Logits from the mean colour. From zeros its loss is convex: what it learns is no luck."""

    def __init__(self, num_classes):
        super().__init__(3, num_classes)

    def forward(self, pictures):
        return super().forward(pictures.mean(dim=(2, 3)))


class FromZeros(OfColour):
    def reset_parameters(self):
        torch.nn.init.zeros_(self.weight)
        torch.nn.init.zeros_(self.bias)


def test_the_bank_holds_what_tells_the_class(tmp_path, monkeypatch):
    monkeypatch.setattr(stillmix_bank, "resnet18", FromZeros)
    stills = bank(tmp_path)
    assert stills.shape == (12, SIZE, SIZE, 3) and stills.dtype == torch.uint8
    assert (stills.float().mean(dim=(1, 2)).max(dim=1).values > 200).all(), "no grey frame"


def test_the_bank_is_made_once_and_a_function_of_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(stillmix_bank, "resnet18", OfColour)
    stills = bank(tmp_path)
    again = load_or_make_bank(
        None, SETTINGS, seed=1, device="cpu", workers=0, path=tmp_path / "bank.pt", key="k"
    )
    assert torch.equal(again, stills), "made once"
    (tmp_path / "bank.pt").unlink()
    assert torch.equal(bank(tmp_path), stills)
    assert not torch.equal(bank(tmp_path, seed=2, key="other"), stills)


def test_other_weights_are_refused(tmp_path):
    torch.save(resnet18().state_dict(), tmp_path / "good.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "bad.pt")
    quick = dataclasses.replace(SETTINGS.mix, still_epochs=1)
    for name, fits in (("good.pt", True), ("bad.pt", False)):
        mix = dataclasses.replace(quick, still_weights=str(tmp_path / name))
        settings = dataclasses.replace(SETTINGS, mix=mix)
        if fits:
            assert len(bank(tmp_path, settings, key=name)) == 12
        else:
            with pytest.raises(UserError, match="wanted torchvision's resnet18"):
                bank(tmp_path, settings, key=name)


def test_stills_of_the_bank_are_mixed_in():
    clips = torch.full((20, 3, 8, 8, 3), 100, dtype=torch.uint8)
    stills = torch.full((2, 8, 8, 3), 200, dtype=torch.uint8)
    present, labels = torch.zeros(20, dtype=torch.bool), torch.arange(20)
    settings = Mix(probability=0.5)
    random = np.random.default_rng(0)
    rest = {"kind": "stillmix", "settings": settings, "augment": Train().augment, "classes": 20}
    seen = mix_batch(clips, None, present, labels, random=random, bank=stills, **rest).clips
    levels = seen.flatten(1).float().mean(dim=1)
    assert set((levels > 120).tolist()) == {True, False}
    assert ((levels == 100) | ((levels > 140) & (levels < 160))).all()
    alone = mix_batch(clips[:1], None, present[:1], labels[:1], random=random, bank=stills,
                  **(rest | {"settings": Mix(probability=1.0)}))  # fmt: skip
    assert alone.clips.float().mean() > 140, "a clip alone has the bank"


def test_the_arm_makes_a_bank_and_resumes_with_it(tmp_path):
    write_world(tmp_path, test=0)
    mix = Mix(still_epochs=1, still_frames=5, probability=1.0)
    settings = dataclasses.replace(SMALL, epochs=1, mix=mix)
    first = run(tmp_path, tmp_path / "stillmix-0.pt", arm="stillmix", settings=settings)
    stored = torch.load(tmp_path / "store/stillmix-0/bank.pt", weights_only=True)["bank"]
    assert len(stored) == 5 and len(LABELS) == 3
    random = dataclasses.replace(settings, mix=dataclasses.replace(mix, stills="random"))
    other = run(tmp_path, tmp_path / "other.pt", arm="stillmix", settings=random)
    assert first[1] != other[1] and not (tmp_path / "store/other/bank.pt").exists()
