"""Splits by person and take: nobody, and no take, is in two of them, over all sets.

Takes that share a person (or a session) form a group, which is assigned as a whole. Groups are
assigned one after the other, the largest first, each to the split that brings the number of takes
per set and class closest to the shares (sum over these and the splits of (takes - wanted)^2 /
wanted); then groups are moved, and pairs swapped, as long as that comes closer. A hash of the seed
and the group decides between equals, so that another seed gives other splits and the order of the
table does not matter.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from occludenet_build.core.errors import UserError
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.release.terms import SPLITS
from occludenet_build.sources.recordings.takes import Take, connected, shared_names

_ROUNDS = 20
"""Largest number of passes over all groups that look for a better place."""
_MOST_PAIRS = 60
"""Largest number of groups of which all pairs are tried for a swap."""


def assign_splits(
    takes: Sequence[Take], shares: Mapping[str, float], seed: int, together: Sequence[str]
) -> dict[str, str]:
    """Key of a take -> its split. `takes`: of all sets; `shares`: split -> share, which sum to 1.

    Splits that the user states stay. Raises UserError where they put a person into two splits, and
    where all takes of a set are one group, which no split can divide.
    """
    groups = connected(takes, together)
    stated = [_stated(group, together) for group in groups]
    if sum(share > 0 for share in shares.values()) > 1:
        _check_divisible(groups, stated)
    search = _Search(groups, stated, shares, seed)
    search.fill()
    search.improve()
    found = {take.key: split for group, split in search.result() for take in group}
    check_disjoint(takes, found, together)
    return found


def _check_divisible(groups: list[list[Take]], stated: list[str | None]) -> None:
    """Raises UserError for a set whose takes are all in one group, without a stated split."""
    of_set: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        for name in {take.set for take in group}:
            of_set[name].append(number)
    for name, numbers in of_set.items():
        if len(numbers) == 1 and stated[numbers[0]] is None:
            raise UserError(_one_group([t for t in groups[numbers[0]] if t.set == name]))


def _stated(group: list[Take], together: Sequence[str]) -> str | None:
    """The split that the user states for a group; None if for none of its takes."""
    first = next((take for take in group if take.split), None)
    for take in group:
        if first is not None and take.split and take.split != first.split:
            why = " or ".join(["take", *together])
            raise UserError(
                f"recordings.sets, {take.set}: wanted one split for all that share a {why}, got "
                f"{first.split} for {first.key} and {take.split} for {take.key}, which "
                f"{_link(group, together)}; correct the column split"
            )
    return first.split if first is not None else None


def _link(group: list[Take], together: Sequence[str]) -> str:
    counts = Counter(name for take in group for _, name in shared_names(take, together))
    shared = [name for name, count in counts.most_common(3) if count > 1]
    return f"are connected by {', '.join(shared)}" if shared else "are one take"


def _one_group(group: list[Take]) -> str:
    people = sorted({person for take in group for person in take.people})
    shown = ", ".join(people[:5]) + (", ..." if len(people) > 5 else "")
    return (
        f"recordings.sets, {group[0].set}: wanted takes that can be divided into splits, got "
        f"{len(group)} takes that all share people or sessions ({shown}); record more people, "
        "state splits in the column split of the table, or set recordings.together: [] to divide "
        "by take alone, with the same people in train and test"
    )


class _Search:
    """Groups of takes, their splits so far, and how far the takes per class are from the shares.

    A class of one set is another than that of another set.
    """

    def __init__(
        self,
        groups: list[list[Take]],
        stated: list[str | None],
        shares: Mapping[str, float],
        seed: int,
    ) -> None:
        self._groups, self._split, self._seed = groups, list(stated), seed
        self._free = [number for number, split in enumerate(stated) if split is None]
        self._choices = [split for split in SPLITS if shares[split] > 0]
        self._sizes = [Counter((take.set, take.label) for take in group) for group in groups]
        self._sets = sorted({take.set for group in groups for take in group})
        totals = Counter[tuple[str, str]]()
        for sizes in self._sizes:
            totals.update(sizes)
        self._wanted = {
            split: {label: shares[split] * n for label, n in totals.items()} for split in SPLITS
        }
        self._have: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for number, split in enumerate(stated):
            if split is not None:
                self._have[split].update(self._sizes[number])

    def _hash(self, number: int, *purpose: str) -> int:
        first = self._groups[number][0]
        return uniform_integer(self._seed, "recordings", first.set, first.id, *purpose)

    def _cost(self) -> tuple[int, float]:
        """(splits without a take, distance from the shares), rounded so that equals are equal."""
        empty = sum(
            not any(count for (of, _), count in self._have[split].items() if of == name)
            for split in self._choices
            for name in self._sets
        )
        distance = sum(
            (self._have[split][label] - wanted) ** 2 / wanted
            for split in self._choices
            for label, wanted in self._wanted[split].items()
        )
        return empty, round(distance, 9)

    def _put(self, number: int, split: str | None) -> None:
        before = self._split[number]
        if before is not None:
            self._have[before].subtract(self._sizes[number])
        if split is not None:
            self._have[split].update(self._sizes[number])
        self._split[number] = split

    def fill(self) -> None:
        """Assign the groups, the largest first."""
        order = sorted(self._free, key=lambda n: (-self._sizes[n].total(), self._hash(n)))
        for number in order:
            self._put(number, self._best(number))

    def _best(self, number: int) -> str:
        before, costs = self._split[number], {}
        for split in self._choices:
            self._put(number, split)
            # what is assigned last finds the empty splits empty: only the distance counts here
            costs[split] = (self._cost()[1], self._hash(number, split))
        self._put(number, before)
        return min(costs, key=lambda split: costs[split])

    def improve(self) -> None:
        """Move groups and swap pairs of them while that comes closer to the shares."""
        order = sorted(self._free, key=lambda n: self._hash(n, "order"))
        for _ in range(_ROUNDS):
            moved = [self._move(number) for number in order]
            pairs = combinations(order, 2) if len(order) <= _MOST_PAIRS else ()
            swapped = [self._swap(one, other) for one, other in pairs]
            if not any(moved) and not any(swapped):
                return

    def _move(self, number: int) -> bool:
        before, cost = self._split[number], self._cost()
        for split in self._choices:
            self._put(number, split)
            if self._cost() < cost:
                return True
        self._put(number, before)
        return False

    def _swap(self, one: int, other: int) -> bool:
        first, second, cost = self._split[one], self._split[other], self._cost()
        if first == second:
            return False
        self._put(one, second)
        self._put(other, first)
        if self._cost() < cost:
            return True
        self._put(one, first)
        self._put(other, second)
        return False

    def result(self) -> Iterable[tuple[list[Take], str]]:
        """Each group and its split."""
        for group, split in zip(self._groups, self._split, strict=True):
            assert split is not None
            yield group, split


def check_disjoint(
    takes: Sequence[Take], splits: Mapping[str, str], together: Sequence[str]
) -> None:
    """Assert that nothing that must stay together is in two splits. Raises UserError."""
    owner: dict[tuple[str, str], Take] = {}
    for take in takes:
        for shared in shared_names(take, together):
            other = owner.setdefault(shared, take)
            if splits[other.key] != splits[take.key]:
                raise UserError(
                    f"recordings.sets, {take.set}: wanted {shared[0]} {shared[1]} in one split, "
                    f"got {splits[other.key]} ({other.key}) and {splits[take.key]} ({take.key}); "
                    "this is a defect of this program, please report it"
                )


def log_shares(
    takes: Sequence[Take], splits: Mapping[str, str], shares: Mapping[str, float]
) -> None:
    """Log what the splits have: takes and people, and the shares reached beside those wanted."""
    for split in SPLITS:
        mine = [take for take in takes if splits[take.key] == split]
        people = {person for take in mine for person in take.people}
        reached = len(mine) / max(1, len(takes))
        logging.info(
            "%s, %s: %d takes of %d people, %.1f %% of the takes (wanted %.1f %%)",
            *(takes[0].set, split, len(mine), len(people), 100 * reached, 100 * shares[split]),
        )
        absent = sorted({take.label for take in takes} - {take.label for take in mine})
        if shares[split] > 0 and absent:
            logging.warning(
                "%s, %s has no take of %s: more people would help",
                *(takes[0].set, split, ", ".join(absent)),
            )
