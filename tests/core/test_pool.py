"""The pool: an item that hangs, dies or takes all memory costs nothing but itself."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from occludenet_build.core import pool
from occludenet_build.core.errors import ItemError, as_item_error


@pytest.fixture
def limits():
    """Sets the limits of items for one test."""
    yield pool.limit_items
    pool.limit_items(None, None)


def work(item: str | int) -> str:
    match item:
        case "hang":
            time.sleep(600)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "memory":
            try:
                bytearray(3 << 30)
            except MemoryError as error:
                return as_item_error(error).reason
    return f"did {item}"


def lost(item: str | int, error: ItemError) -> str:
    return f"lost {item}: {error.reason}"


def test_hanging_and_dying_items_cost_only_themselves(limits):
    limits(0.1, 2000)
    items = ["hang", 1, "kill", 2, "crash", 3, "memory", 4]
    found = sorted(pool.in_processes(work, items, 2, lost))
    assert found == [
        *("did 1", "did 2", "did 3", "did 4"),
        *("lost crash: crashed", "lost hang: too_slow", "lost kill: worker_killed"),
        "out_of_memory",
    ]


def test_one_worker_with_limits_is_a_process(limits):
    limits(1.0, None)
    assert list(pool.in_processes(work, ["kill", 1], 1, lost)) == [
        "lost kill: worker_killed",
        "did 1",
    ]


def test_without_a_row_for_it_a_death_ends_the_job():
    with pytest.raises(BrokenProcessPool, match="worker_killed"):
        list(pool.in_processes(work, [1, "kill", 2], 2))


def slow_to_read():
    for number in range(100):
        taken.append(number)
        yield number


taken: list[int] = []


def test_items_are_taken_only_as_needed():
    taken.clear()
    results = pool.in_processes(work, slow_to_read(), 2, lost)
    next(results)
    assert len(taken) <= 8
    results.close()
    assert len(taken) <= 8
