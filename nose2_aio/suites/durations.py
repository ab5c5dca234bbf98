"""Estimates how long tests will take, by the durations that earlier runs have recorded.

All times are whole microseconds. So a sum is the same in whatever order tests were discovered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nose2_aio.suites.names import base_name, name_of, owners_of

__all__ = ["estimates"]

_LEAST = 500
"""What any test takes, with what nose2 does for it."""


def estimates(groups: Sequence[Iterable[Any]], seconds: Mapping[str, float]) -> list[int] | None:
    """Return how long each group of tests will take with its fixtures; None if nothing is known.

    ``seconds`` are those of a durations file. A test that it doesn't have counts as the average of
    its module, or else of all tests.
    """
    known = _microseconds(seconds)
    times: dict[str, list[int]] = defaultdict(list)
    for group in groups:
        for test in group:
            found = known.get(name_of(test))
            if found is not None:
                times[type(test).__module__].append(found)
    if not times:
        return None
    averages = {module: sum(found) // len(found) for module, found in times.items()}
    overall = sum(map(sum, times.values())) // sum(map(len, times.values()))

    def estimate(test: Any) -> int:
        average = averages.get(type(test).__module__, overall)
        return max(_LEAST, known.get(name_of(test), average))

    def fixtures(group: Iterable[Any]) -> int:
        owners = set[str]().union(*map(owners_of, group))
        return sum(known.get(name, 0) for name in owners)

    return [sum(map(estimate, group)) + fixtures(group) for group in groups]


def _microseconds(seconds: Mapping[str, float]) -> dict[str, int]:
    """Return durations in microseconds. A test on several loops has their sum, too."""
    found = {name: round(1e6 * one) for name, one in seconds.items()}
    on_loops: dict[str, int] = defaultdict(int)
    for name, one in found.items():
        if base_name(name) != name:
            on_loops[base_name(name)] += one
    return {**found, **on_loops}
