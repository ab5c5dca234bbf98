"""Estimates how long tests will take, by the durations that earlier runs have recorded.

All times are whole microseconds. So a sum is the same in whatever order tests were discovered.
"""

import itertools
import operator
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nose2_aio.config.durations_file import Duration
from nose2_aio.suites.names import base_name, name_of, owners_of

__all__ = ["Estimate", "estimates"]


class Estimate(NamedTuple):
    """How long tests will take, in microseconds."""

    total: int = 0
    work: int = 0
    """How long they will use a processor: then no other test can use it."""

    def __add__(self, other: Any) -> "Estimate":
        return Estimate(*map(operator.add, self, other))


_LEAST = Estimate(500, 500)
"""What nose2 does for a test, about."""


def estimates(
    groups: Sequence[Iterable[Any]], durations: Mapping[str, Duration]
) -> list[Estimate] | None:
    """Return how long each group of tests will take with its fixtures; None if nothing is known.

    ``durations`` are those of a durations file. A test that it doesn't have counts as the average
    of its module, or else of all tests.
    """
    known = _estimates(durations)
    times: dict[str, list[Estimate]] = defaultdict(list)
    for group in groups:
        for test in group:
            found = known.get(name_of(test))
            if found is not None:
                times[type(test).__module__].append(found)
    if not times:
        return None
    averages = {module: _average(found) for module, found in times.items()}
    overall = _average(list(itertools.chain(*times.values())))

    def estimate(test: Any) -> Estimate:
        average = averages.get(type(test).__module__, overall)
        return known.get(name_of(test), average) + _LEAST

    def fixtures(group: Iterable[Any]) -> Iterator[Estimate]:
        owners = set[str]().union(*map(owners_of, group))
        return (known[name] for name in owners if name in known)

    return [sum([*map(estimate, group), *fixtures(group)], Estimate()) for group in groups]


def _average(found: Sequence[Estimate]) -> Estimate:
    total, work = sum(found, Estimate())
    return Estimate(total // len(found), work // len(found))


def _estimates(durations: Mapping[str, Duration]) -> dict[str, Estimate]:
    """Return estimates by name. A test on several loops has their sum, too."""
    found = {
        name: Estimate(round(1e6 * seconds), round(1e6 * (seconds - waiting)))
        for name, (seconds, waiting) in durations.items()
    }
    on_loops: dict[str, Estimate] = defaultdict(Estimate)
    for name, one in found.items():
        if base_name(name) != name:
            on_loops[base_name(name)] += one
    return {**found, **on_loops}
