"""Where attention is: shares on the actor, the occluder and the background."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.action_detection.attention import area_shares, attention_mass


def halves():
    """The left half is the actor, the top right quarter the occluder."""
    actor, occluder = np.zeros((2, 40, 60), bool)
    actor[:, :30], occluder[:20, 30:] = True, True
    return actor, occluder


def test_shares_by_hand():
    actor, occluder = halves()
    attention = np.zeros((4, 6), np.float32)
    attention[0, 0], attention[0, 5], attention[3, 5] = 0.6, 0.3, 0.1
    assert attention_mass(attention, actor, occluder) == pytest.approx((0.6, 0.3, 0.1))
    assert attention_mass(attention, actor) == pytest.approx((0.6, 0, 0.4))
    assert area_shares(actor, occluder) == pytest.approx((0.5, 0.25, 0.25))


def test_what_is_covered_is_not_seen():
    actor, _ = halves()
    assert area_shares(actor, np.ones_like(actor)) == (0, 1, 0)


def test_no_attention_has_no_shares():
    assert np.isnan(attention_mass(np.zeros((4, 6), np.float32), *halves())).all()


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(40, 60\) and \(4, 6\)"):
        attention_mass(np.ones((4, 6), np.float32), halves()[0], np.zeros((4, 6), bool))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_the_same_attention_everywhere_has_the_shares_of_the_area(seed, cells, size):
    """Of any map and picture, also where cells and pixels do not meet."""
    draw = np.random.default_rng(seed)
    actor, occluder = draw.random((2, *size)) < 0.4
    seen = attention_mass(np.full(cells, 0.3, np.float32), actor, occluder)
    wanted = np.mean(actor & ~occluder), np.mean(occluder), np.mean(~actor & ~occluder)
    assert seen == pytest.approx(wanted, abs=1e-9)
    assert sum(attention_mass(draw.random(cells, np.float32), actor, occluder)) == pytest.approx(1)
