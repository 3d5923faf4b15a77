"""Wall clock on so many cores: the jobs started as Snakemake starts them, first come first."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from occludenet_build.plan.rules import RULES


@dataclass(frozen=True)
class Task:
    rule: str
    name: str
    """Its shard or arm."""
    seconds: float


def makespan(tasks: Sequence[Task], cores: int) -> float:
    """Seconds until the last task ends.

    A job takes the threads of its rule, or all cores where there are fewer.
    """
    left = Counter(task.rule for task in tasks)
    ready, followers = _waiting(tasks, left), _followers(tasks)
    running: list[tuple[float, int, Task]] = []
    now, free, number = 0.0, cores, 0
    while True:
        for rule, queue in ready.items():
            threads = min(RULES[rule].threads, cores)
            while queue and threads <= free and not any(left[other] for other in RULES[rule].after):
                task, number, free = queue.popleft(), number + 1, free - threads
                heapq.heappush(running, (now + task.seconds, number, task))
        if not running:
            return now
        now, _, task = heapq.heappop(running)
        free += min(RULES[task.rule].threads, cores)
        left[task.rule] -= 1
        for follower in followers.get((task.rule, task.name), ()):
            ready[follower.rule].append(follower)


def _waiting(tasks: Sequence[Task], left: Counter[str]) -> dict[str, deque[Task]]:
    """Rule -> tasks that wait for nothing but the rules before."""
    ready: dict[str, deque[Task]] = {rule: deque() for rule in RULES}
    for task in tasks:
        if not any(left[other] for other in RULES[task.rule].same):
            ready[task.rule].append(task)
    return ready


def _followers(tasks: Sequence[Task]) -> dict[tuple[str, str], list[Task]]:
    """(rule, shard) -> tasks that wait for that one task."""
    found: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in tasks:
        for before in RULES[task.rule].same:
            found[before, task.name].append(task)
    return found
