"""One step of training: the forwards of a pair, accumulation, the recipe, averages, precision."""

import copy
import dataclasses
import math

import pytest
import torch
from support.train import SMALL, changed
from torch import nn
from torchvision.ops import StochasticDepth

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.registry import BACKBONES, build_backbone, head_of
from occludenet_build.recognition.backbones.spec import normalised
from occludenet_build.recognition.car import car_loss, has_noise, paired_logits
from occludenet_build.recognition.optim import (
    Schedule,
    learning_rate,
    make_optimizer,
    rate_shares,
    set_rate,
)
from occludenet_build.recognition.train_step import CarLearner
from occludenet_build.recognition.training_clips import Batch

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
"""Of weights after a step of rate 0.1. Batches of another size add up a gradient, here below 1, of
float32 (eps 6e-8) in another order and by other kernels: some 10 eps each way. A batch that
is left out moves them by 3e-2."""

PLAIN = changed(name="sgd", momentum=0.0, weight_decay=0.0, learning_rate=0.1, clip_gradient=0.0)


def network(name="tiny3d", frames=4, size=16, **rates):
    torch.manual_seed(0)
    return build_backbone(name, 3, frames, size, **rates)


def batch(number, erased=(), seed=0):
    """Random clips; `erased`: those that have a counterfactual."""
    random = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 255, (number, 4, 16, 16, 3), dtype=torch.uint8, generator=random)
    present = torch.zeros(number, dtype=torch.bool)
    present[list(erased)] = True
    others = clips[present].clone()
    others[:, :, 4:12] = 0
    labels = torch.arange(number) % 3
    files = [f"clip{seed}-{n}" for n in range(number)]
    return Batch(clips, others if len(others) else None, present, labels, files, [])


def parts(whole, sizes):
    """A batch cut into smaller ones."""
    cut, at = [], 0
    for size in sizes:
        here = slice(at, at + size)
        counts = [int(whole.present[:place].sum()) for place in (at, at + size)]
        others = whole.counterfactuals[slice(*counts)]
        cut.append(
            Batch(
                whole.clips[here], others if len(others) else None, whole.present[here],
                whole.labels[here], whole.files[here], [],
            )
        )  # fmt: skip
        at += size
    return cut


def learner(settings=PLAIN, model=None, mix="none"):
    model = network(settings.backbone) if model is None else model
    made = CarLearner.of(model, settings, classes=3, seed=0, device="cpu", mix=mix)
    made.model.train()
    set_rate(made.optimizer, settings.learning_rate)
    return made


def step(made, batches, number=0, clips=None):
    clips = sum(len(one.files) for one in batches) if clips is None else clips
    return made.step(batches, number=number, first=number, clips=clips)


def weights(made):
    return torch.cat([p.detach().flatten() for p in made.model.parameters()])


@pytest.mark.parametrize("sizes", [(6,), (4, 2), (1, 2, 3), (1,) * 6])
def test_accumulated_batches_are_one(sizes):
    """For any distribution of counterfactuals over the batches."""
    whole = batch(6, erased=(0, 3, 4))
    one, several = learner(), learner()
    loss, other = step(one, [whole]), step(several, parts(whole, sizes))
    assert several.model is not one.model and not torch.equal(weights(one), weights(learner()))
    torch.testing.assert_close(weights(several), weights(one), **CLOSE)
    assert other.numbers() == pytest.approx(loss.numbers(), rel=1e-5, abs=1e-5)
    assert (loss.clips, loss.dropped) == (6, 3)


def test_a_step_is_the_gradient_of_the_mean_over_all_clips():
    whole, made = batch(5, erased=(1, 2)), learner()
    model = copy.deepcopy(made.model)
    clips, others = (normalised(part) for part in (whole.clips, whole.counterfactuals))
    car_loss(model(clips), whole.labels, model(others), whole.present).loss.backward()
    wanted = torch.cat([(p - 0.1 * p.grad).detach().flatten() for p in model.parameters()])
    step(made, [whole])
    torch.testing.assert_close(weights(made), wanted, **CLOSE)


def test_skipped_clips_do_not_count():
    """Of four clips three could be read."""
    short, exact = learner(), learner()
    step(short, [batch(3)], clips=4)
    step(exact, [batch(3)], clips=3)
    torch.testing.assert_close(weights(short), weights(exact), **CLOSE)
    empty = learner()
    tally = step(empty, [batch(0)], clips=4)
    assert torch.equal(weights(empty), weights(learner())) and tally.clips == 0


def test_steps_never_reach_over_an_epoch():
    for clips, size, accumulate in [(12, 4, 2), (10, 4, 3), (7, 2, 2), (5, 8, 2)]:
        steps, at = Schedule(clips, size, accumulate, epochs=2), 0
        for epoch in range(2):
            seen = 0
            for number in range(steps.per_epoch):
                one = epoch * steps.per_epoch + number
                assert steps.first_batch(one) == at
                at += steps.batches(one)
                seen += steps.clips_in(one)
            assert seen == clips
        assert steps.total == 2 * steps.per_epoch


def with_norm(kind):
    layers = {"batch": nn.BatchNorm3d(4), "group": nn.GroupNorm(2, 4)}
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 4, 1), layers[kind], nn.Flatten(), nn.Linear(48, 2))


@pytest.mark.parametrize(
    ("norm", "forward", "as_one"),
    [
        ("batch", "auto", False),
        ("batch", "own", False),
        ("batch", "shared", True),
        ("group", "auto", True),
        ("group", "own", False),
    ],
)
def test_forwards_of_a_pair(norm, forward, as_one):
    """Own: normalised by its own batch, whose statistics are not kept. Shared: one batch."""
    clips, others = torch.randn(3, 3, 3, 2, 2), 5 + torch.randn(2, 3, 3, 2, 2)
    model, alone, together = with_norm(norm), with_norm(norm), with_norm(norm)
    p, c = paired_logits(model, clips, others, forward=forward)
    wanted = together(torch.cat([clips, others]))
    apart = alone(clips)
    if as_one:
        assert torch.equal(torch.cat([p, c]), wanted)
    else:
        assert torch.equal(p, apart) and torch.equal(c, with_norm(norm)(others))
    if norm == "batch":
        after = together if as_one else alone
        mean, kept = (m[1].running_mean for m in (model, after))
        assert torch.allclose(mean, kept) and model[1].track_running_stats
    assert paired_logits(model, clips, None, forward=forward)[1] is None


class Noisy(nn.Module):
    """A small network with dropout and stochastic depth, as the published video networks have."""

    def __init__(self, norm, rate):
        super().__init__()
        self.body = with_norm(norm)
        self.depth, self.dropout = StochasticDepth(rate, "row"), nn.Dropout(rate)
        self.head = nn.Linear(48, 3)

    def forward(self, x):
        features = self.body[:3](x)
        return self.head(self.dropout(features + self.depth(features.flip(1))))


@pytest.mark.parametrize(
    ("norm", "absent"), [("group", ()), ("group", (0,)), ("group", (1, 3)), ("batch", ())]
)
def test_identical_pictures_of_a_pair_have_identical_logits_in_training(norm, absent):
    model, clips = Noisy(norm, 0.5).train(), torch.randn(4, 3, 3, 2, 2)
    present = torch.tensor([number not in absent for number in range(4)])
    for seed in range(3):
        torch.manual_seed(seed)
        p, c = paired_logits(model, clips, clips[present], present, forward="auto")
        assert torch.equal(p[present], c)
        torch.manual_seed(seed)
        p, c = paired_logits(model, clips, clips[present], present, forward="auto", noise="own")
        assert not torch.allclose(p[present], c)


def test_batch_norm_sees_erased_clips_only_where_some_clips_have_none():
    """Rows without a counterfactual are filled, for equal masks, but not with the clips."""
    model = Noisy("batch", 1e-12).train()  # noise that changes nothing
    clips, others = torch.randn(4, 3, 3, 2, 2), 5 + torch.randn(2, 3, 3, 2, 2)
    present = torch.tensor([False, True, False, True])
    _, c = paired_logits(model, clips, others, present, forward="own")
    _, alone = paired_logits(model, clips, others, present, forward="own", noise="own")
    torch.testing.assert_close(c, alone)  # each erased clip twice: the same statistics


class DropsWithoutAModule(nn.Module):
    """As attention of transformers, which takes its rate from an attribute."""

    def __init__(self):
        super().__init__()
        self.dropout_prob = 0.5

    def forward(self, x):
        return nn.functional.dropout(x, self.dropout_prob, self.training)


def test_dropout_without_a_module_is_noise_too():
    assert has_noise(nn.Sequential(nn.Flatten(), DropsWithoutAModule()))
    assert not has_noise(nn.Sequential(nn.Conv3d(3, 4, 1), nn.Dropout(0.0)))


def test_a_network_without_noise_sees_a_pair_as_before():
    """One pass where it was one: the same results to the bit, at the same price."""
    clips, others = torch.randn(3, 3, 3, 2, 2), torch.randn(3, 3, 3, 2, 2)
    for model in (Noisy("group", 0.0).train(), Noisy("group", 0.5).eval()):
        seen = []
        model.head.register_forward_hook(lambda m, i, o, seen=seen: seen.append(len(o)))
        pairs = [paired_logits(model, clips, others, forward="auto", noise=n) for n in NOISES]
        assert seen == [6, 6] and all(torch.equal(a, b) for a, b in zip(*pairs, strict=True))


NOISES = ("same", "own")


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_noise_of_the_backbones_is_known(name):
    """A dropout that is not seen would give both clips of a pair other masks without a word."""
    made = BACKBONES[name]
    options = {name: 0.3 for name in made.options if name != "temporal_stride"}
    with torch.device("meta"):
        model = made.make(5, made.input.frames, made.input.size, **options).train()
    stochastic = (nn.Dropout, nn.Dropout3d, StochasticDepth)
    assert has_noise(model) == any(
        isinstance(module, stochastic) and module.p > 0 for module in model.modules()
    )


def test_learning_rate_rises_and_falls():
    settings = changed(epochs=4, warmup_epochs=1.0, learning_rate=1.0)
    rates = [learning_rate(number, 5, settings) for number in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0 and rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 0.02
    ends = changed(settings, first_rate=0.5, final_rate=0.25)
    rates = [learning_rate(number, 5, ends) for number in range(20)]
    assert rates[:5] == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0])
    middle = 0.25 + 0.75 * 0.5 * (1 + math.cos(math.pi * 10 / 15))
    assert rates[15] == pytest.approx(middle) and 0.25 < rates[-1] < 0.27
    assert learning_rate(0, 5, changed(settings, warmup_epochs=0.0)) == 1.0


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [
        ({"schedule": "steps", "steps": (1, 3)}, [1, 0.1, 0.1, 0.01]),
        ({"schedule": "steps", "steps": (2,), "step_factor": 0.5}, [1, 1, 0.5, 0.5]),
        ({"schedule": "steps"}, [1, 1, 1, 1]),
        ({"per_epoch": True}, [1, 0.5 + 0.5 * math.sqrt(0.5), 0.5, 0.5 - 0.5 * math.sqrt(0.5)]),
    ],
)
def test_the_rate_changes_after_epochs(recipe, wanted):
    settings = changed(epochs=4, warmup_epochs=0.0, learning_rate=1.0, **recipe)
    rates = [learning_rate(number, 5, settings) for number in range(20)]
    assert rates == pytest.approx([rate for rate in wanted for _ in range(5)])


def test_steps_are_ascending():
    with pytest.raises(UserError, match=r"train\.optimizer\.steps: wanted ascending"):
        changed(schedule="steps", steps=(3, 3))


@pytest.mark.parametrize(
    ("name", "frames", "size", "wanted"),
    [
        ("tiny3d", 4, 16, {"blocks.0.0.weight": 0.5**4, "blocks.3.0.weight": 0.5, "head.bias": 10}),
        (
            "uniformerv2_b16", 8, 32,
            {
                "backbone.conv1.weight": 0.5**13,
                "backbone.transformer.resblocks.0.ln_1.weight": 0.5**12,
                "backbone.transformer.resblocks.11.ln_1.weight": 0.5,
                "backbone.transformer.temporal_cls_token": 1.0,
                "backbone.transformer.proj.2.weight": 10,
            },
        ),
    ],
)  # fmt: skip
def test_layers_learn_at_rates_of_their_own(name, frames, size, wanted):
    settings = changed(backbone=name, layer_decay=0.5, head_rate=10.0)
    with torch.device("meta"):
        model = BACKBONES[name].make(3, frames, size)
    shares = rate_shares(model, settings, head_of(name))
    assert {key: shares[key] for key in wanted} == pytest.approx(wanted)
    optimizer = make_optimizer(model, settings, head_of(name))
    set_rate(optimizer, 0.1)
    by_parameter = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    for key, parameter in model.named_parameters():
        group = by_parameter.pop(id(parameter))
        assert group["lr"] == pytest.approx(0.1 * shares[key])
        assert group["weight_decay"] == (settings.weight_decay if parameter.ndim > 1 else 0)
    assert not by_parameter


def test_sgd_and_adamw_take_their_settings():
    group = make_optimizer(network(), changed(momentum=0.8, beta2=0.95), "").param_groups[0]
    assert group["betas"] == (0.8, 0.95)
    sgd = make_optimizer(network(), changed(name="sgd", momentum=0.8), "")
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.param_groups[0]["momentum"], sgd.param_groups[0]["nesterov"]) == (0.8, True)
    plain = changed(name="sgd", nesterov=False, decay="all", weight_decay=0.5)
    (group,) = make_optimizer(network(), plain, "").param_groups
    assert (group["nesterov"], group["weight_decay"]) == (False, 0.5)
    assert type(make_optimizer(network(), changed(name="adam"), "")) is torch.optim.Adam


def test_frozen_layers_are_left_alone():
    model = network()
    model.blocks.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    made = learner(changed(weight_decay=0.5), model)
    step(made, [batch(4)])
    moved = {k for k, v in made.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"head.weight", "head.bias"}


def test_clipped_gradient():
    short = learner(dataclasses.replace(PLAIN, clip_gradient=1e-3))
    before = weights(short)
    step(short, [batch(4)])
    assert (weights(short) - before).norm() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_the_average_is_exponential():
    made, seen = learner(changed(PLAIN, ema=0.75)), []
    for number in range(4):
        step(made, [batch(4, seed=number)], number)
        seen.append(weights(made))
    wanted = seen[0]
    for one in seen[1:]:
        wanted = 0.75 * wanted + 0.25 * one
    got = torch.cat([p.flatten() for p in made.evaluated.parameters()])
    torch.testing.assert_close(got, wanted)
    assert learner().evaluated is not None and learner().ema is None


def test_bf16_computes_in_bf16_and_learns():
    """tiny3d: torch 2.15 on a CPU gives wrong gradients of a bf16 Conv3d whose kernel is larger
    than the clip."""
    half, full = learner(changed(PLAIN, precision="bf16")), learner()
    seen = []
    half.model.head.register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    step(half, [batch(6, (0, 1))])
    step(full, [batch(6, (0, 1))])
    assert seen == [torch.bfloat16]
    moves = [weights(one) - weights(learner()) for one in (half, full)]
    assert not torch.equal(*moves)
    assert torch.cosine_similarity(*moves, dim=0) > 0.98


@pytest.mark.parametrize("scale", [2.0**10, 2.0**-3])
def test_a_scaled_loss_gives_the_same_step(scale):
    """The gradient scaler of fp16, tested in float32, where powers of two are exact."""
    scaled, plain = learner(), learner()
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    for made in (scaled, plain):
        step(made, parts(batch(6, (0, 4)), (4, 2)))
    assert torch.equal(weights(scaled), weights(plain))


def test_an_overflow_leaves_the_step_out_and_scales_less():
    made = learner(changed(PLAIN, ema=0.5))
    made.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    made.model.head.bias.register_hook(lambda gradient: gradient * 2**10)
    before = weights(made)
    step(made, [batch(4)])
    assert torch.equal(weights(made), before) and made.scaler.get_scale() == 2.0**126
    assert made.ema.n_averaged == 0
    while torch.equal(weights(made), before):
        step(made, [batch(4)])
    assert made.ema.n_averaged == 1 and torch.isfinite(weights(made)).all()


def test_a_gradient_that_is_not_finite_stops_with_the_names():
    made = learner()
    made.model.head.bias.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(UserError, match="the gradient is nan in step 7, with the clips clip0-0, "):
        step(made, [batch(4)], number=7)


def test_a_batch_that_does_not_fit_is_one_line_and_what_it_says_works():
    made = learner()

    def refuse(module, given):
        if len(given[0]) > 4:  # with their counterfactuals
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    made.model.register_forward_pre_hook(refuse)
    before = weights(made)
    with pytest.raises(
        UserError, match=r"train\.batch: a batch of .* train\.optimizer\.accumulate"
    ):
        step(made, [batch(4, (0, 1))])
    assert torch.equal(weights(made), before)
    step(made, parts(batch(4, (0, 1)), (2, 2)))
    assert not torch.equal(weights(made), before)


def test_mixed_targets_are_learnt_from():
    """Smoothing by s: the cross entropy is (1 - s) of the label's and s of the mean's."""
    augment = dataclasses.replace(SMALL.augment, label_smoothing=0.3)
    smooth = step(
        learner(changed(PLAIN, augment=augment, alpha=0.0, arms=("baseline",))), [batch(4)]
    )
    whole, model = batch(4), network().train()
    logs = model(normalised(whole.clips)).log_softmax(dim=1)
    wanted = -0.7 * logs[torch.arange(4), whole.labels].sum() - 0.3 * logs.mean(dim=1).sum()
    assert smooth.ce == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_dropout_depends_on_the_step_only():
    """The same step twice drops the same; another number drops other."""

    def after(number):
        made = learner(model=nn.Sequential(network(), nn.Dropout(0.5), nn.Linear(3, 3)))
        nn.init.eye_(made.model[2].weight)
        nn.init.zeros_(made.model[2].bias)
        step(made, [batch(6)], number)
        return weights(made)

    assert torch.equal(after(3), after(3)) and not torch.equal(after(3), after(4))


@pytest.mark.parametrize(
    ("name", "rates", "kind", "wanted"),
    [
        ("x3d_s", {"dropout": 0.2}, "Dropout", {0.2}),
        ("uniformerv2_b16", {"dropout": 0.1}, "Dropout", {0.1}),
        ("uniformerv2_b16", {}, "Dropout", {0.5}),
        ("videomamba_t", {"dropout": 0.3}, "Dropout", {0.3}),
        ("videomae_s", {"drop_path": 0.4}, "StochasticDepth", {0.4 * n / 11 for n in range(12)}),
    ],
)
def test_rates_reach_the_backbone(name, rates, kind, wanted):
    with torch.device("meta"):
        own = BACKBONES[name].input
        model = build_backbone(name, 3, own.frames, own.size, **rates)
    found = {m.p for m in model.modules() if type(m).__name__ == kind}
    assert {round(p, 9) for p in found if p or 0 in wanted} == {round(p, 9) for p in wanted}


def test_videomamba_drops_more_the_deeper():
    with torch.device("meta"):
        model = build_backbone("videomamba_m", 3, 8, 224, drop_path=0.4)
    rates = [block.drop_path.p for block in model.layers]
    assert rates == sorted(rates) and rates[0] == 0 and model.drop_path.p == 0.4
