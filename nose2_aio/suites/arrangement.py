"""Arranges a suite before anything runs: which of its tests run, and in which order.

1. Bazel's filter selects tests (`nose2_aio.suites.bazel`).
2. A shard takes its part of them (`nose2_aio.suites.shards`).
3. ``--aio-last-failed`` takes the tests of it that failed last (`nose2_aio.suites.last_failed`).
4. ``--aio-shuffle`` puts the units into a random order, and ``--aio-failed-first`` those first that
   failed last.

This happens once, in the main process. A spawned worker loads the suite again, and does the same.
"""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import TestSuite

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import baseline_file, durations_file
from nose2_aio.config.settings import Settings
from nose2_aio.config.shards import Shard
from nose2_aio.suites.last_failed import LastFailed
from nose2_aio.suites.names import is_load_failure

if TYPE_CHECKING:
    from nose2_aio.suites.durations import Estimate
    from nose2_aio.suites.units import Unit

__all__ = ["Arrangement", "arranged", "begin", "order_note"]

_FEW = 10
"""Fewer seconds than this are shown with a decimal."""


class Arrangement(NamedTuple):
    """A suite that was arranged."""

    suite: Any
    lines: list[str]
    """What was done, to be printed before the tests run."""
    part: str = ""
    """Which part of the suite is left, in words; "" for all of it."""


def begin(suite: Any, settings: Settings, session: Any, *, is_main: bool) -> Arrangement:
    """Return the suite to run in a session of nose2. Its tests may move there.

    ``is_main`` is False in a spawned worker: the main process does what is done once for a run.
    """
    failed = LastFailed(session.topLevelDir or session.startDir)
    lines = []
    if is_main:
        failed.begin(session.hooks)
        if settings.shards == "auto":
            from nose2_aio.suites import bazel

            lines = bazel.begin(session)
    found = arranged(suite, settings, failed)
    return found._replace(lines=[*lines, *found.lines])


def arranged(suite: Any, settings: Settings, failed: LastFailed) -> Arrangement:
    """Return the suite to run. Its tests may move there."""
    lines: list[str] = []
    part = ""
    if settings.shards == "auto":
        from nose2_aio.suites import bazel

        filtered = bazel.filtered(unittest_internals.flattened(suite))
        if filtered is not None:
            suite, part = _with(suite, filtered[0]), "its tests were selected by Bazel"
            lines.append(filtered[1])
        elif settings.shard is None:
            lines.append("shards = auto, but no CI system has set its variables: all tests run")
    if settings.shard is not None:
        tests, found = _part(suite, settings.shard, settings)
        suite = _with(suite, tests)
        lines += found
        part = f"it was {settings.shard}" if settings.shard.total > 1 else part
    if settings.last_failed or settings.failed_first:
        tests, line = _failed(suite, settings, failed)
        lines.append(line)
        if settings.last_failed and tests:
            suite, part = _with(suite, tests), "only tests ran that had failed"
    if settings.shuffle is not None or settings.failed_first:
        from nose2_aio.suites import units

        suite = units.reordered(suite, settings, _rank(settings, failed))
    return Arrangement(suite, lines, part)


def _failed(suite: Any, settings: Settings, failed: LastFailed) -> tuple[list[Any], str]:
    """Return the tests to run that failed last, and a line on them."""
    every = list(unittest_internals.flattened(suite))
    found = [test for test in every if failed.has(test)]
    name = "last-failed" if settings.last_failed else "failed-first"
    if not found:
        return [], f"{name}: none of these tests failed last, so all run"
    first = "" if settings.last_failed else " run first"
    line = f"{name}: {len(found):,} of {len(every):,} tests{first}"
    return [*found, *filter(is_load_failure, every)], line


def _rank(settings: Settings, failed: LastFailed) -> "Callable[[Unit], Any]":
    """Return the function that gives each unit its place."""
    import random

    numbers = random.Random(settings.shuffle)  # noqa: S311 -- random() is the same everywhere

    def rank(unit: "Unit") -> tuple[bool, float]:
        is_later = not (settings.failed_first and any(map(failed.has, unit.tests)))
        return is_later, 0.0 if settings.shuffle is None else numbers.random()

    return rank


def order_note(settings: Settings) -> list[str]:
    """Return the lines that say how to repeat the order of this run, if it is shuffled."""
    seed = settings.shuffle
    return [] if seed is None else [f"shuffled with --aio-shuffle={seed}"]


def _part(suite: Any, shard: Shard, settings: Settings) -> tuple[list[Any], list[str]]:
    """Return the tests that a shard runs, and lines on them."""
    from nose2_aio.suites import shards

    durations = durations_file.read(settings.durations_file)
    part = shards.part_of(suite, shard, settings, durations)
    about = _about(part.groups, settings.workers) if part.groups else ""
    lines = [f"{shard}: {len(part.tests):,} of {part.total:,} tests{about} (division {part.mark})"]
    if settings.durations_file and part.tests and not part.groups:
        file = baseline_file.shown(settings.durations_file)
        what = f"has none of these {part.total:,} tests" if durations else "has no durations yet"
        lines.append(
            f"durations-file: {file} {what}, so all shards have about the same number of tests"
        )
    return part.tests, lines


def _about(groups: "Sequence[Estimate]", workers: int) -> str:
    """Return the words on how long groups of tests will take."""
    total, work = sum(groups[1:], groups[0])
    cores = min(workers, os.cpu_count() or 1)
    longest = max(groups).total
    seconds = max(longest, total / max(1, workers), work / max(1, cores)) / 1e6
    return f", about {seconds:,.{int(seconds < _FEW)}f} s"


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
