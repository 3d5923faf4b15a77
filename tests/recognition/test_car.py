"""The CAR loss against exact vectors, its invariants, its gradients."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import REFERENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.recognition.car import car_loss

VECTORS = REFERENCE / "parity" / "car" / "vectors.json"

PLAIN, FIVE = [2.0, 1.0, 0.1], [0.3, -1.2, 2.4, 0.0, 1.1]
FACTS = {
    # name: p, c, label, alpha, CE, KL, L
    "plain": (PLAIN, [0.5, 0.2, 0.1], 0, 1, 0.4170300163, 0.0129725855, 0.4300026018),
    "alpha 2": (PLAIN, [0.5, 0.2, 0.1], 0, 2, 0.4170300163, 0.0129725855, 0.4429751874),
    "c constant": (PLAIN, [7.5] * 3, 1, 1, 1.4170300163, 0.0, 1.4170300163),
    "c is p": (PLAIN, PLAIN, 0, 1, 0.4170300163, 0.2518741099, 0.6689041262),
    "c is -p": (PLAIN, [-2, -1, -0.1], 0, 1, 0.4170300163, 0.1591186547, 0.5761486710),
    "five": (FIVE, [1, -0.5, 0.7, 0.2, -2], 2, 1, 0.4141141947, 0.7560248509, 1.1701390456),
    "wrong": ([1e4, 0, -1e4], [0, 0, 0], 2, 1, 20000.0, 0.0, 20000.0),
    "contradiction": ([1e4, 0, -1e4], [2e4, 0, 0], 0, 1, 0.0, 10000.0, 10000.0),
    "equal": ([1e4, -1e4, 1e4], [1e4, -1e4, 1e4], 0, 1, 0.6931471806, 0.4054651081, 1.0986122887),
    "c only": ([0, 0, 0], [1e4, -1e4, 0], 1, 1, 1.0986122887, 9998.9013877113, 10000.0),
}  # fmt: skip


def batch(*rows, dtype=torch.float64):
    return torch.tensor(rows, dtype=dtype)


def test_human_mask_confusion_by_hand():
    """KL(U || softmax(c)): 0 for a constant c, whatever p and the label are."""
    p, label = batch(PLAIN, PLAIN, PLAIN), torch.tensor([0, 1, 2])
    c = batch([3.0] * 3, [math.log(2.0), 0.0, 0.0], [20.0, 0.0, 0.0])
    terms = car_loss(p, label, c, alpha=2.0, causal_term="uniform")
    half = sum(math.log(1 / 3 / share) for share in (0.5, 0.25, 0.25)) / 3
    assert terms.causal.tolist() == pytest.approx([0.0, half, 40 / 3 - math.log(3)], rel=1e-7)
    assert torch.allclose(terms.each, terms.ce + 2 * terms.causal)


@pytest.mark.parametrize("name", FACTS)
def test_known_values(name):
    p, c, label, alpha, ce, kl, loss = FACTS[name]
    terms = car_loss(batch(p), torch.tensor([label]), batch(c), alpha=alpha)
    got = (terms.ce.item(), terms.causal.item(), terms.loss.item())
    assert got == pytest.approx((ce, kl, loss), rel=1e-10, abs=1e-10)


def reference_cases():
    if not VECTORS.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(f"{VECTORS} is not here"))]
    cases = json.loads(VECTORS.read_text())["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases if "p" in case]


@pytest.mark.parametrize("case", reference_cases())
def test_reference_vectors(case):
    p = batch(case["p"]).requires_grad_()
    c = batch(case["c"]).requires_grad_()
    label = torch.tensor([case["label"]])
    terms = car_loss(p, label, c, alpha=case["alpha"])
    terms.loss.backward()
    close = {"rel": 1e-9, "abs": 1e-9}
    assert terms.ce.item() == pytest.approx(case["CE"], **close)
    assert terms.loss.item() == pytest.approx(case["L"], **close)
    assert p.grad[0].tolist() == pytest.approx(case["dL_dp"], **close)
    if case["alpha"]:
        assert terms.causal.item() == pytest.approx(case["KL"], **close)
        assert c.grad[0].tolist() == pytest.approx(case["dL_dc"], **close)
    ce_y = car_loss(p, label, c, causal_term="ce_y").causal.item()
    assert ce_y == pytest.approx(case["CE_on_Y_for_reference"], **close)


def test_batch_is_the_mean():
    p, c = batch(PLAIN, PLAIN), batch([0.5, 0.2, 0.1], [-2, -1, -0.1])
    loss = car_loss(p, torch.tensor([0, 0]), c).loss
    assert loss.item() == pytest.approx((0.4300026018 + 0.5761486710) / 2, abs=1e-10)


logits = st.lists(st.floats(-30, 30), min_size=4, max_size=4)


@settings(max_examples=50, deadline=None)
@given(p=logits, constant=st.floats(-1e3, 1e3), label=st.integers(0, 3))
def test_constant_counterfactual_adds_nothing(p, constant, label):
    terms = car_loss(batch(p), torch.tensor([label]), batch([constant] * 4))
    assert terms.causal.item() == pytest.approx(0, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(p=logits, c=logits)
def test_kl_is_never_negative(p, c):
    assert car_loss(batch(p), torch.tensor([0]), batch(c)).causal.item() > -1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("term", ["kl_p_y", "ce_y"])
def test_extreme_logits_stay_finite(dtype, term):
    p = batch([1e4, -1e4, 0], [-1e4, 1e4, 1e4], dtype=dtype).requires_grad_()
    c = batch([-1e4, 1e4, 0], [1e4, 0, -1e4], dtype=dtype).requires_grad_()
    loss = car_loss(p, torch.tensor([2, 0]), c, causal_term=term).loss
    loss.backward()
    assert all(torch.isfinite(t).all() for t in (loss, p.grad, c.grad))


SOFT = torch.tensor(
    [[0.7, 0.3, 0, 0, 0], [0, 1, 0, 0, 0], [0.2] * 5, [0, 0, 0.1, 0.8, 0.1]], dtype=torch.float64
)


@pytest.mark.parametrize("targets", [torch.tensor([0, 1, 2, 3]), SOFT], ids=["labels", "soft"])
@pytest.mark.parametrize("empty", ["drop", "keep"])
@pytest.mark.parametrize("detached", ["", "p", "c"])
@pytest.mark.parametrize("term", ["kl_p_y", "ce_y"])
def test_gradients_against_finite_differences(term, detached, empty, targets):
    """A detached input has no gradient from the causal term, only from the cross entropy."""
    torch.manual_seed(0)
    p = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    c = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    present = torch.tensor([True, False, True, True])
    still_p, still_c = p.detach().clone(), c.detach().clone()

    def loss(p, c):
        return car_loss(
            p, targets, c, present, alpha=0.7, causal_term=term, empty_masks=empty,
            detach_prediction=detached == "p", detach_counterfactual=detached == "c",
        ).loss  # fmt: skip

    def written_out(p, c):
        """From the equations, clip by clip."""
        total = 0
        for n in range(4):
            target = targets[n] if targets.ndim == 2 else F.one_hot(targets[n], 5).double()
            total = total - (target * p[n].log_softmax(0)).sum()
            q = still_p[n] if detached == "p" else p[n]
            if present[n]:
                at = int(present[:n].sum())
                d = still_c[at] if detached == "c" else c[at]
            elif empty == "keep":
                d = still_p[n] if detached == "c" else q
            else:
                continue
            log_y = (q - d).log_softmax(0)
            kl = (q.softmax(0) * (q.log_softmax(0) - log_y)).sum()
            total = total + 0.7 * (kl if term == "kl_p_y" else -(target * log_y).sum())
        return total / 4

    assert loss(p, c).item() == pytest.approx(written_out(p, c).item(), rel=1e-12)
    got = torch.autograd.grad(loss(p, c), (p, c), allow_unused=True)
    for number, gradient in enumerate(got):
        inputs = [p.detach().clone(), c.detach().clone()]
        for index in torch.cartesian_prod(*map(torch.arange, inputs[number].shape)).tolist():
            sides = []
            for step in (1e-6, -1e-6):
                moved = [one.clone() for one in inputs]
                moved[number][tuple(index)] += step
                sides.append(float(written_out(*moved)))
            slope = (sides[0] - sides[1]) / 2e-6
            mine = 0.0 if gradient is None else float(gradient[tuple(index)])
            assert mine == pytest.approx(slope, abs=2e-9)


def test_soft_targets_that_are_one_hot_are_labels():
    torch.manual_seed(0)
    p, c, labels = torch.randn(6, 5), torch.randn(6, 5), torch.randint(5, (6,))
    for term in ("kl_p_y", "ce_y"):
        hard = car_loss(p, labels, c, causal_term=term)
        soft = car_loss(p, F.one_hot(labels, 5).float(), c, causal_term=term)
        torch.testing.assert_close(hard.each, soft.each)


def test_alpha_zero_is_plain_cross_entropy_to_the_bit():
    torch.manual_seed(0)
    p, labels = torch.randn(6, 5), torch.randint(5, (6,))
    terms = car_loss(p, labels, torch.randn(6, 5), alpha=0)
    assert torch.equal(terms.loss, F.cross_entropy(p, labels, reduction="none").mean())
    assert not terms.dropped.any()


def test_detached_logits_get_no_gradient_of_the_causal_term():
    label = torch.tensor([0])
    p, c = batch(PLAIN).requires_grad_(), batch([0.5, 0.2, 0.1]).requires_grad_()
    car_loss(p, label, c, detach_counterfactual=True).loss.backward()
    assert c.grad is None and p.grad is not None
    p, plain = batch(PLAIN).requires_grad_(), batch(PLAIN).requires_grad_()
    car_loss(p, label, c, detach_prediction=True).loss.backward()
    F.cross_entropy(plain, label).backward()
    assert torch.equal(p.grad, plain.grad) and c.grad.abs().sum() > 0


def test_kept_empty_masks_cost_the_value_of_the_vector():
    """c_equals_p_empty_mask: KL = log 3 - H(P)."""
    p, labels = batch(PLAIN, PLAIN), torch.tensor([0, 0])
    present = torch.tensor([True, False])
    terms = car_loss(p, labels, batch([0.5, 0.2, 0.1]), present, empty_masks="keep")
    assert terms.causal.tolist() == pytest.approx([0.0129725855, 0.2518741099], abs=1e-10)
    assert not terms.dropped.any()
    alone = car_loss(p, labels, None, torch.zeros(2, dtype=torch.bool), empty_masks="keep")
    assert alone.causal.tolist() == pytest.approx([0.2518741099] * 2, abs=1e-10)


def test_clips_without_counterfactual_keep_only_their_cross_entropy():
    p, labels = batch(PLAIN, PLAIN, PLAIN), torch.tensor([0, 1, 2])
    present = torch.tensor([False, True, False])
    terms = car_loss(p, labels, batch([-2, -1, -0.1]), present)
    assert terms.dropped.tolist() == [True, False, True]
    assert terms.causal.tolist() == pytest.approx([0, 0.1591186547, 0], abs=1e-10)
    alone = car_loss(p, labels, None, torch.zeros(3, dtype=torch.bool))
    assert alone.dropped.all() and torch.equal(alone.loss, alone.ce.mean())


def test_half_precision_is_computed_in_float32():
    p = torch.tensor([[2.0, 1.0, 0.1]], dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = car_loss(p, torch.tensor([0]), p)
    assert terms.loss.dtype == torch.float32
