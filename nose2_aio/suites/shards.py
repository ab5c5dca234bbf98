"""Divides a suite into shards: each test is in exactly one.

1. Tests that share fixtures, a loop or an object (`nose2_aio.suites.sharing`) stay together, and so
   do tests of the same name, of a layer, and of a suite that runs itself. Such tests are a *group*.
2. The groups are sorted: the longest first, groups of the same length by a hash of their name.
3. Each group in turn goes to the shard that has least to do so far.

So the shards depend on the names of the tests and on the durations file only, not on the order of
discovery. A test that reports that something could not be loaded is in all shards, since the others
may have loaded it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import Any, NamedTuple

from nose2_aio.cases import unittest_internals
from nose2_aio.config.settings import Settings
from nose2_aio.config.shards import Shard
from nose2_aio.suites.durations import estimates
from nose2_aio.suites.names import is_load_failure, name_of
from nose2_aio.suites.sharing import OwnerFinder

__all__ = ["Part", "groups_of", "part_of"]


class Part(NamedTuple):
    """The tests of one shard."""

    tests: list[Any]
    seconds: int | None
    """How long they will take one after the other, in microseconds; None if that isn't known."""
    longest: int
    """How long the longest group will take."""
    total: int
    """The number of tests of all shards."""
    mark: str
    """A short hash of all parts. It is the same in all shards of a run."""


def part_of(suite: Any, shard: Shard, settings: Settings, seconds: Mapping[str, float]) -> Part:
    """Return the tests of a suite that a shard runs; ``seconds`` are those of a durations file."""
    groups = groups_of(suite, settings)
    common = groups.pop("", [])
    names = sorted(groups)
    lengths = estimates([groups[name] for name in names], seconds)
    parts = _divided(names, lengths or [len(groups[name]) for name in names], shard.count)
    mark = hashlib.sha256("\n".join(map(" ".join, parts)).encode("utf-8", "replace")).hexdigest()
    own = parts[shard.number - 1]
    known = dict(zip(names, lengths or (), strict=lengths is not None))
    return Part(
        [*common, *(test for name in own for test in groups[name])],
        None if lengths is None else sum(known[name] for name in own),
        max((known.get(name, 0) for name in own), default=0),
        len(common) + sum(map(len, groups.values())),
        mark[:6],
    )


def groups_of(suite: Any, settings: Settings) -> dict[str, list[Any]]:
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


def _divided(names: Sequence[str], lengths: Sequence[int], count: int) -> list[list[str]]:
    """Return which groups each of several shards runs."""
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    heapify(loads)
    ranked = [(-length, _hash(name), name) for length, name in zip(lengths, names, strict=True)]
    for length, _, name in sorted(ranked):
        load, number = loads[0]
        parts[number].append(name)
        heapreplace(loads, (load - length, number))
    return parts


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()
