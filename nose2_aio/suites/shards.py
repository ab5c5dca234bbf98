"""Divides a suite into shards: each test is in exactly one.

1. Tests that share fixtures, a loop or an object (`nose2_aio.suites.sharing`) stay together, and so
   do tests of the same name, of a layer, and of a suite that runs itself. Such tests are a *group*.
2. The groups are sorted: the longest first, groups of the same length by a hash of their name.
3. Each group in turn goes to the shard that has least to do so far. If several have about the same,
   a group that mostly works goes to the one that works least, and one that mostly waits to the one
   that works most. With workers, tests can wait at the same time, but they can't work at the same
   time on one processor. So the shards are equal with workers and without.

So the shards depend on the names of the tests and on the durations file only, not on the order of
discovery. A test that reports that something could not be loaded is in all shards, since the others
may have loaded it.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from nose2_aio.cases import unittest_internals
from nose2_aio.config.durations_file import Duration
from nose2_aio.config.settings import Settings
from nose2_aio.config.shards import Shard
from nose2_aio.suites.durations import Estimate, estimates
from nose2_aio.suites.names import is_load_failure, name_of
from nose2_aio.suites.sharing import OwnerFinder

__all__ = ["Part", "part_of"]

_TOLERANCE = 20
"""The part of an equal share by which shards may differ, so that work is divided equally."""


class Part(NamedTuple):
    """The tests of one shard."""

    tests: list[Any]
    groups: list[Estimate]
    """How long each group of them will take; empty if that isn't known."""
    total: int
    """The number of tests of all shards."""
    mark: str
    """A short hash of all parts. It is the same in all shards of a run."""


def part_of(
    suite: Any, shard: Shard, settings: Settings, durations: Mapping[str, Duration]
) -> Part:
    """Return the tests of a suite that a shard runs, given those of a durations file."""
    groups = _groups_of(suite, settings)
    common = groups.pop("", [])
    names = sorted(groups)
    known = estimates([groups[name] for name in names], durations)
    lengths = known or [Estimate(len(groups[name])) for name in names]
    parts = _divided(names, lengths, shard.total)
    own = parts[shard.number - 1]
    by_name = dict(zip(names, lengths, strict=True))
    return Part(
        [*common, *(test for name in own for test in groups[name])],
        [by_name[name] for name in own] if known else [],
        len(common) + sum(map(len, groups.values())),
        _mark(groups, parts),
    )


def _groups_of(suite: Any, settings: Settings) -> dict[str, list[Any]]:
    """Return the groups of tests that stay together, each by the name of its first test.

    The group "" has the tests that report that something could not be loaded.
    """
    finder = OwnerFinder(settings)
    owned: dict[Hashable, list[Any]] = {}
    for one in unittest_internals.flattened(suite, unittest_internals.is_custom_suite):
        if is_load_failure(one):
            owned.setdefault("", []).append(one)
            continue
        owner = finder.owner_of(one) or (id(one),)
        owned.setdefault(owner, []).extend(unittest_internals.flattened(one))
    groups: dict[str, list[Any]] = {}
    for owner, tests in owned.items():
        if tests:
            name = "" if owner == "" else min(map(name_of, tests))
            groups.setdefault(name, []).extend(tests)
    return groups


def _divided(names: Sequence[str], lengths: Sequence[Estimate], count: int) -> list[list[str]]:
    """Return which groups each of several shards runs."""
    parts: list[list[str]] = [[] for _ in range(count)]
    totals, works = [0] * count, [0] * count
    tolerance = sum(lengths, Estimate()).total // (_TOLERANCE * count)
    ranked = [
        (-one.total, _hash(name), name, one) for name, one in zip(names, lengths, strict=True)
    ]
    for _, _, name, (total, work) in sorted(ranked):
        most = min(totals) + tolerance
        sign = 1 if 2 * work > total else -1
        _, _, number = min(
            (sign * works[one], totals[one], one) for one in range(count) if totals[one] <= most
        )
        parts[number].append(name)
        totals[number] += total
        works[number] += work
    return parts


def _mark(groups: Mapping[str, list[Any]], parts: Sequence[Sequence[str]]) -> str:
    """Return a short hash of the names of all tests in all parts."""
    lines = [
        " ".join(sorted(_identity(test) for name in part for test in groups[name]))
        for part in parts
    ]
    return _hash("\n".join(lines)).hex()[:6]


def _identity(test: Any) -> str:
    """Return the name of a test with its parameters, without the addresses of objects."""
    name = test.id() if hasattr(test, "id") else name_of(test)
    return re.sub(r"\b0x[0-9A-Fa-f]+", "0x", str(name))


def _hash(name: str) -> bytes:
    import hashlib

    return hashlib.sha256(name.encode("utf-8", "replace")).digest()
