"""Arranges a suite before anything runs: which of its tests run, and in which order.

1. A shard takes its part of the suite (`nose2_aio.suites.shards`).
2. ``--aio-last-failed`` takes the tests of it that failed last (`nose2_aio.suites.last_failed`).
3. ``--aio-shuffle`` puts the units into a random order, and ``--aio-failed-first`` those first that
   failed last.

This happens once, in the main process. A spawned worker loads the suite again, and does the same.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from unittest import TestSuite

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import baseline_file, durations_file
from nose2_aio.config.settings import Settings
from nose2_aio.config.shards import Shard
from nose2_aio.suites import shards, units

__all__ = ["Arrangement", "arranged", "order_note"]

_FEW = 10
"""Fewer seconds than this are shown with a decimal."""


class Arrangement(NamedTuple):
    """A suite that was arranged."""

    suite: Any
    lines: list[str]
    """What was done, to be printed before the tests run."""
    part: str
    """Which part of the suite is left, in words; "" for all of it."""


def arranged(suite: Any, settings: Settings) -> Arrangement:
    """Return the suite to run. Its tests may move there."""
    lines: list[str] = []
    part = ""
    if settings.shard is not None:
        tests, lines = _part(suite, settings.shard, settings)
        suite = _with(suite, tests)
        part = f"it was {settings.shard}" * (settings.shard.count > 1)
    elif settings.shards == "auto":
        lines.append("shards = auto, but no CI system has set its variables: all tests run")
    if settings.shuffle is not None:
        numbers = random.Random(settings.shuffle)  # noqa: S311 -- random() is the same everywhere
        suite = units.reordered(suite, settings, lambda _: numbers.random())
    return Arrangement(suite, lines, part)


def order_note(settings: Settings) -> list[str]:
    """Return the lines that say how to repeat the order of this run, if it is shuffled."""
    seed = settings.shuffle
    return [] if seed is None else [f"shuffled with --aio-shuffle={seed}"]


def _part(suite: Any, shard: Shard, settings: Settings) -> tuple[list[Any], list[str]]:
    """Return the tests that a shard runs, and lines on them."""
    seconds = durations_file.read(settings.durations_file)
    part = shards.part_of(suite, shard, settings, seconds)
    about = ""
    if part.seconds is not None:
        workers = max(1, settings.workers)
        seconds_here = max(part.longest, part.seconds / workers) / 1e6
        about = f", about {seconds_here:,.{int(seconds_here < _FEW)}f} s"
    lines = [f"{shard}: {len(part.tests):,} of {part.total:,} tests{about} (division {part.mark})"]
    if settings.durations_file and part.seconds is None:
        file = baseline_file.shown(settings.durations_file)
        what = f"has none of these {part.total:,} tests" if seconds else "has no durations yet"
        lines.append(f"durations-file: {file} {what}, so the shards have as many tests each")
    return part.tests, lines


def _with(suite: Any, tests: Iterable[Any]) -> Any:
    """Return a suite after removing all tests but these from it."""
    return suite if _keep(suite, set(map(id, tests))) else TestSuite()


def _keep(suite: Any, chosen: Collection[int]) -> bool:
    """Remove all tests from a suite but those with these `id`; return True if one is left.

    A suite that runs itself stays whole.
    """
    tests = unittest_internals.tests_in(suite)
    if tests is None:
        return id(suite) in chosen
    if unittest_internals.is_custom_suite(suite) and not nose2_cases.is_layer_suite(suite):
        return any(id(test) in chosen for test in unittest_internals.flattened(suite))
    tests[:] = [one for one in tests if _keep(one, chosen)]
    return bool(tests)
