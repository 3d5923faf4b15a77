"""StillMix, FAME and mixup: mixed clips and targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from occludenet_build.config.training import Augment, Mix
from occludenet_build.recognition.mixup import KINDS, foreground_mask, mix_batch

PLAIN = Augment()
ALWAYS = Mix(probability=1.0)


def batch(number=6, frames=4, size=24, missing=(1,)):
    """Clip n is (n + 1) * 20 everywhere, its counterfactual ten levels less."""
    levels = torch.arange(20, 20 * (number + 1), 20).to(torch.uint8)
    clips = levels[:, None, None, None, None].repeat(1, frames, size, size, 3)
    present = torch.ones(number, dtype=torch.bool)
    present[list(missing)] = False
    return clips, (clips - 10)[present], present, torch.arange(number)


def mix(kind="none", seed=0, settings=ALWAYS, augment=PLAIN, parts=None, classes=8):
    clips, erased, present, labels = batch() if parts is None else parts
    return mix_batch(
        clips,
        erased,
        present,
        labels,
        kind=kind,
        settings=settings,
        augment=augment,
        classes=classes,
        random=np.random.default_rng(seed),
    )


def same(one, other):
    return all(
        (a is None and b is None) or torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


def test_without_any_mixing_the_batch_is_as_it_came():
    clips, erased, present, labels = batch()
    out = mix(parts=(clips, erased, present, labels))
    assert out.clips is clips and out.counterfactuals is erased and out.targets is None


@pytest.mark.parametrize("kind", ["none", *KINDS])
@pytest.mark.parametrize("augment", [PLAIN, Augment(mixup=0.8, label_smoothing=0.1)])
def test_the_generator_alone_decides(kind, augment):
    first = mix(kind, 3, augment=augment)
    torch.manual_seed(99)
    assert same(first, mix(kind, 3, augment=augment))
    if kind != "none" or augment.mixup:
        assert not same(first, mix(kind, 4, augment=augment))


@pytest.mark.parametrize("kind", ["none", *KINDS])
@pytest.mark.parametrize("number", [0, 1])
def test_batches_of_none_and_of_one(kind, number):
    parts = batch(number, missing=())
    out = mix(kind, parts=parts, augment=Augment(mixup=0.8))
    assert torch.equal(out.clips, parts[0]) and torch.equal(out.counterfactuals, parts[1])


@pytest.mark.parametrize("kind", list(KINDS))
def test_labels_stay_and_the_batch_given_is_not_written_to(kind):
    parts = batch()
    kept = [part.clone() for part in parts]
    out = mix(kind, parts=parts)
    assert out.targets is None and not torch.equal(out.clips, parts[0])
    assert all(torch.equal(a, b) for a, b in zip(parts, kept, strict=True))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.25, 30, 70), (1, 200, 200)])
def test_the_share_of_mixed_clips(kind, probability, low, high):
    random = np.random.default_rng(0)
    clips = torch.from_numpy(random.integers(0, 256, (200, 2, 8, 8, 3), np.uint8))
    parts = clips, None, torch.zeros(200, dtype=torch.bool), torch.zeros(200, dtype=torch.int64)
    out = mix(kind, settings=replace(ALWAYS, probability=probability), parts=parts)
    changed = (out.clips != clips).flatten(1).any(dim=1)
    assert low <= int(changed.sum()) <= high and out.counterfactuals is None


def test_stillmix_lays_one_frame_of_another_clip_over_every_frame():
    random = np.random.default_rng(1)
    clips = torch.from_numpy(random.integers(0, 256, (5, 4, 12, 12, 3), np.uint8))
    erased = clips // 2
    present, labels = torch.ones(5, dtype=torch.bool), torch.arange(5)
    out = mix("stillmix", parts=(clips, erased, present, labels), settings=Mix(1.0, still_beta=1e6))
    stills = clips.float()
    for number in range(5):
        over = 2 * out.clips[number].float() - clips[number].float()  # the shares are near 1/2
        sources = [
            (other, frame)
            for other in range(5)
            for frame in range(4)
            if (over - stills[other, frame]).abs().max() < 3
        ]
        assert len(sources) == 1 and sources[0][0] != number
        still = stills[sources[0]]
        over = 2 * out.counterfactuals[number].float() - erased[number].float()
        assert (over - still).abs().max() < 3, "the counterfactual has another still"


@pytest.mark.parametrize(("beta", "low", "high"), [(200.0, 0.35, 0.65), (0.02, 0.0, 1.0)])
def test_stillmix_shares_are_of_the_beta_distribution(beta, low, high):
    black, white = torch.zeros(1, 2, 4, 4, 3), torch.full((1, 2, 4, 4, 3), 255)
    clips = torch.cat([black, white]).to(torch.uint8)
    parts = clips, None, torch.zeros(2, dtype=torch.bool), torch.arange(2)
    shares = []
    for seed in range(60):
        out = mix("stillmix", seed, Mix(1.0, still_beta=beta), parts=parts).clips.float() / 255
        shares.append(float(out[1].mean()))
        assert float(out[0].mean()) == pytest.approx(1 - shares[-1], abs=0.01)
    assert low <= min(shares) and max(shares) <= high
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02 if beta > 1 else 0.2)
    if beta < 1:
        assert min(shares) < 0.05 and max(shares) > 0.95


def moving(seed, size=60, frames=8):
    """A square that crosses a still and textured background; (clip, (H, W) where it was)."""
    random = np.random.default_rng(seed)
    back = random.integers(0, 110, (size, size, 3), np.uint8)
    pictures, swept = np.repeat(back[None], frames, axis=0), np.zeros((size, size), bool)
    for number in range(frames):
        rows, columns = slice(22, 36), slice(8 + 4 * number, 22 + 4 * number)
        pictures[number, rows, columns] = (230, 60, 40)
        swept[rows, columns] = True
    return torch.from_numpy(pictures), swept


@pytest.mark.parametrize(("keep", "covered"), [(0.5, 0.999), (0.25, 0.9)])
def test_fame_finds_what_moves(keep, covered):
    for seed in range(5):
        clip, swept = moving(seed)
        mask = foreground_mask(clip, keep)
        assert mask.mean() == pytest.approx(keep, abs=0.001)
        assert mask[swept].mean() >= covered
    assert swept.mean() < 0.2, "a mask of chance would cover it too"


def test_fame_takes_the_rest_from_another_clip():
    clips = torch.stack([moving(seed)[0] for seed in range(4)])
    erased = clips.clone()
    erased[:, :, 22:36] = 0
    present, labels = torch.tensor([True, False, True, True]), torch.arange(4)
    out = mix("fame", parts=(clips, erased[present], present, labels))
    for place, number in enumerate(torch.arange(4)):
        mask = torch.from_numpy(foreground_mask(clips[number], ALWAYS.fame_keep))
        outside = out.clips[place][:, ~mask]
        partners = [n for n in range(4) if torch.equal(outside, clips[n][:, ~mask])]
        assert torch.equal(out.clips[place][:, mask], clips[number][:, mask])
        assert len(partners) == 1 and partners[0] != number
        if present[number]:
            second = out.counterfactuals[int(present[:number].sum())]
            assert torch.equal(second[:, mask], erased[number][:, mask])
            assert torch.equal(second[:, ~mask], outside)


def test_fame_takes_a_clip_without_motion():
    parts = batch(3, missing=())
    out = mix("fame", parts=parts)
    assert out.clips.shape == parts[0].shape


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_mixes_pictures_and_targets_by_one_share(smoothing):
    _, _, present, _ = batch()
    out = mix(augment=Augment(mixup=0.8, label_smoothing=smoothing), seed=2)
    assert out.targets.shape == (6, 8) and out.targets.dtype == torch.float32
    assert torch.allclose(out.targets.sum(dim=1), torch.ones(6))
    hard = (out.targets - smoothing / 8) / (1 - smoothing)
    # the picture of clip n is 20 (n + 1): shares and partners of pictures are those of targets
    expected = (hard[:, :6] * torch.arange(20, 140, 20)).sum(dim=1)
    assert torch.allclose(out.clips[:, 0, 0, 0, 0].float(), expected, atol=0.51)
    assert int((hard > 0.01).sum()) > 6
    # what is erased of a pair is ten levels, but nothing of partner 1, who has no counterfactual
    erased = (out.clips[present].float() - out.counterfactuals.float()).mean(dim=(1, 2, 3, 4))
    assert torch.allclose(erased, 10 * (1 - hard[present, 1]), atol=1.01)


def test_mixup_of_a_partner_without_counterfactual_takes_the_clip_itself():
    clips, erased, present, labels = batch(2, missing=(1,))
    for seed in range(20):
        random = np.random.default_rng(seed)
        share = random.beta(1.0, 1.0)
        swapped = random.permutation(2)[0] == 1
        out = mix(augment=Augment(mixup=1.0), seed=seed, parts=(clips, erased, present, labels))
        other = 40 if swapped else 10
        assert int(out.counterfactuals[0, 0, 0, 0, 0]) == pytest.approx(
            share * 10 + (1 - share) * other, abs=0.51
        )
        assert len(out.counterfactuals) == 1


def test_smoothing_alone_keeps_the_pictures():
    clips, erased, present, labels = batch()
    augment = Augment(label_smoothing=0.2)
    out = mix(augment=augment, parts=(clips, erased, present, labels), classes=10)
    assert out.clips is clips
    assert torch.allclose(out.targets, torch.eye(10)[:6] * 0.8 + 0.02)
