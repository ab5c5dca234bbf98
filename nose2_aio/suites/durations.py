"""Estimates how long tests will take, by the durations that earlier runs have recorded.

All times are whole microseconds. So a sum is the same in whatever order tests were discovered.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases

__all__ = ["estimates", "name_of"]

_LEAST = 500
"""What any test takes, with what nose2 does for it."""
_LOOP = re.compile(r"(.+)\[[^\[\]]+\]")


def name_of(test: Any) -> str:
    """Return the first line of the id of a test; the name of its class for anything else."""
    return str(test.id()).partition("\n")[0] if hasattr(test, "id") else type(test).__qualname__


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

    return [
        sum(map(estimate, group)) + sum(known.get(name, 0) for name in _owners(group))
        for group in groups
    ]


def _microseconds(seconds: Mapping[str, float]) -> dict[str, int]:
    """Return durations in microseconds. A test on several loops has their sum, too."""
    found = {name: round(1e6 * one) for name, one in seconds.items()}
    on_loops: dict[str, int] = defaultdict(int)
    for name, one in found.items():
        match = _LOOP.fullmatch(name)
        if match is not None:
            on_loops[match[1]] += one
    return {**found, **on_loops}


def _owners(group: Iterable[Any]) -> set[str]:
    """Return the names of the modules, classes and layers of tests."""
    found = set()
    for test in group:
        case = nose2_cases.user_class_of_test(test) if isinstance(test, TestCase) else type(test)
        found |= {case.__module__, f"{case.__module__}.{case.__qualname__}"}
        for layer in getattr(getattr(test, "layer", None), "__mro__", ()):
            found.add(f"{layer.__module__}.{layer.__qualname__}")
    return found
