"""Batches that do not fit into the memory of a device."""

import logging
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import FittingBatches, memory_as_user_error

pytest.importorskip("torch")


def doubled(fits, sizes):
    """A call that runs out of memory with more than `fits` items, and notes the sizes it saw."""

    def call(items):
        if len(items) > fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sizes.append(len(items))
        return [2 * item for item in items]

    return call


@given(st.integers(1, 9), st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_parts_give_what_the_whole_gives(fits, counts):
    sizes, batches = [], FittingBatches("evaluate.batch")
    with mock.patch("occludenet_build.core.torch_models.free_memory"):  # takes 30 ms
        for count in counts:
            items = list(range(count))
            assert batches.run(doubled(fits, sizes), items) == [2 * item for item in items]
    assert max(sizes) <= fits and sum(sizes) == sum(counts)


def test_the_smaller_batch_holds_and_is_logged_once(caplog):
    sizes, batches = [], FittingBatches("poses.batch")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            batches.run(doubled(3, sizes), range(8))
    assert sizes == [2, 2, 2, 2] * 2
    assert [record.message for record in caplog.records] == [
        "the memory of the device is too small for 8 at once; continuing with 4 (poses.batch)",
        "the memory of the device is too small for 4 at once; continuing with 2 (poses.batch)",
    ]
    assert batches.run(doubled(3, sizes), []) == []


def test_one_that_does_not_fit_is_one_line():
    with pytest.raises(
        UserError, match=r"^poses.batch: the memory of the device.*\bone\b"
    ) as error:
        FittingBatches("poses.batch").run(doubled(0, []), range(3))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("how", ["divided", "refused"])
def test_another_error_is_not_taken_for_memory(how):
    def fail(items):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        if how == "divided":
            FittingBatches("poses.batch").run(fail, range(3))
        with memory_as_user_error("train.batch", 3):
            fail(())
