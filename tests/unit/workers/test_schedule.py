"""nose2_aio.workers.schedule"""

from __future__ import annotations

import random
from collections import Counter
from unittest import TestCase

from nose2_aio.config.durations_file import Duration
from nose2_aio.suites.units import Unit
from nose2_aio.workers.schedule import Schedule, longest_first


def unit(*keys: str, at_most: int = 1, is_serial: bool = False) -> Unit:
    return Unit([], None, is_serial=is_serial, exclusive_keys=dict.fromkeys(keys, at_most))


def all_next(schedule: Schedule, *, is_free: bool = True) -> list[int]:
    """All units that may start now, in order."""
    found = []
    while (index := schedule.next(is_free=is_free)) is not None:
        found.append(index)
    return found


class Assignment(TestCase):
    """Which unit comes next."""

    def test_order(self) -> None:
        """Units come in the order that was given, and no others."""
        schedule = Schedule([unit() for _ in range(4)], [2, 0, 3])
        self.assertFalse(schedule.is_empty)
        self.assertEqual(all_next(schedule), [2, 0, 3])
        self.assertTrue(schedule.is_empty)

    def test_serial(self) -> None:
        """Serial units run first, one at a time. The others wait until all of them are over."""
        units = [unit(), unit(is_serial=True), unit(), unit(is_serial=True)]
        schedule = Schedule(units, range(4))
        self.assertEqual(all_next(schedule), [1])
        schedule.end(1)
        self.assertEqual(all_next(schedule), [3])
        self.assertFalse(schedule.is_empty)
        schedule.end(3)
        self.assertEqual(all_next(schedule), [0, 2])

    def test_one_worker(self) -> None:
        """With a single worker serial units keep their place in the suite."""
        schedule = Schedule([unit(), unit(is_serial=True)], range(2), has_others=False)
        self.assertEqual(all_next(schedule), [0, 1])
        schedule = Schedule([unit(), unit(is_serial=True)], range(2), has_others=False)
        self.assertEqual((schedule.next(), schedule.next()), (0, 1))
        schedule.put_back(0)
        self.assertEqual(schedule.next(), 0)

    def test_count(self) -> None:
        """``count`` is how many units wait, without those that wait for a key."""
        schedule = Schedule([unit("a"), unit("a"), unit(), unit()], range(4))
        self.assertEqual(schedule.count, 4)
        self.assertEqual([schedule.next(), schedule.next()], [0, 2])
        self.assertEqual(schedule.count, 1)

    def test_key(self) -> None:
        """A unit whose key is taken waits, and those after it may start. Then it is next."""
        units = [unit("a"), unit("a"), unit("b"), unit("a"), unit()]
        schedule = Schedule(units, range(5))
        self.assertEqual(all_next(schedule), [0, 2, 4])
        self.assertFalse(schedule.is_empty)
        schedule.end(2)
        self.assertEqual(all_next(schedule), [])
        schedule.end(0)
        self.assertEqual(all_next(schedule), [1])
        schedule.end(1)
        self.assertEqual(all_next(schedule), [3])
        self.assertTrue(schedule.is_empty)

    def test_released(self) -> None:
        """It starts before those that come after it in the suite."""
        schedule = Schedule([unit("a"), unit("a"), unit(), unit()], range(4))
        self.assertEqual([schedule.next(), schedule.next()], [0, 2])
        schedule.end(0)
        self.assertEqual(all_next(schedule), [1, 3])

    def test_several_keys(self) -> None:
        """A unit with several keys waits for each of them."""
        units = [unit("a"), unit("b"), unit("a", "b"), unit("b")]
        schedule = Schedule(units, range(4))
        self.assertEqual(all_next(schedule), [0, 1])
        schedule.end(0)
        self.assertEqual(all_next(schedule), [])
        schedule.end(1)
        self.assertEqual(all_next(schedule), [2])
        schedule.end(2)
        self.assertEqual(all_next(schedule), [3])
        self.assertTrue(schedule.is_empty)

    def test_random(self) -> None:
        """With any keys each unit starts once, and none before its keys are free."""
        numbers = random.Random(5)
        for _ in range(300):
            units = [
                unit(*numbers.sample("abcd", numbers.randint(0, 3)), at_most=numbers.randint(1, 2))
                for _ in range(12)
            ]
            schedule = Schedule(units, range(12))
            running: list[int] = []
            started: list[int] = []
            while len(started) < len(units) or running:
                new = all_next(schedule)
                running += new
                started += new
                self.assertTrue(running, (started, units))
                taken = Counter(key for index in running for key in units[index].exclusive_keys)
                for index in running:
                    for key, at_most in units[index].exclusive_keys.items():
                        others = [one for one in running if key in units[one].exclusive_keys]
                        least = max(units[one].exclusive_keys[key] for one in others)
                        self.assertLessEqual(taken[key], max(at_most, least))
                schedule.end(running.pop(numbers.randrange(len(running))))
            self.assertEqual(sorted(started), list(range(12)))
            self.assertTrue(schedule.is_empty)

    def test_at_most(self) -> None:
        """As many units with a key start as its ``at_most`` says."""
        schedule = Schedule([unit("a", at_most=2) for _ in range(5)], range(5))
        self.assertEqual(all_next(schedule), [0, 1])
        schedule.end(1)
        self.assertEqual(all_next(schedule), [2])
        schedule.end(0)
        schedule.end(2)
        self.assertCountEqual(all_next(schedule), [3, 4])

    def test_smaller(self) -> None:
        """A unit that wants a key for itself waits for all that have it."""
        units = [unit("a", at_most=2), unit("a", at_most=2), unit("a")]
        schedule = Schedule(units, range(3))
        self.assertEqual(all_next(schedule), [0, 1])
        schedule.end(0)
        self.assertEqual(all_next(schedule), [])
        schedule.end(1)
        self.assertEqual(all_next(schedule), [2])


class Ahead(TestCase):
    """Workers that are still busy."""

    def test_keys(self) -> None:
        """They get no serial unit, and none with a key, because other units may wait for it."""
        schedule = Schedule([unit(), unit("a"), unit()], range(3))
        self.assertEqual(all_next(schedule, is_free=False), [0])
        self.assertEqual(all_next(schedule), [1, 2])
        schedule = Schedule([unit(is_serial=True)], [0])
        self.assertIsNone(schedule.next(is_free=False))
        self.assertEqual(schedule.next(), 0)


class Deaths(TestCase):
    """Units whose worker has died."""

    def test_put_back(self) -> None:
        """Such a unit comes next, and its keys are free again."""
        schedule = Schedule([unit(), unit("a"), unit("a"), unit()], range(4))
        self.assertEqual([schedule.next(), schedule.next()], [0, 1])
        schedule.put_back(1)
        self.assertEqual(all_next(schedule)[:1], [1])
        schedule = Schedule([unit(is_serial=True), unit(is_serial=True)], range(2))
        self.assertEqual(schedule.next(), 0)
        schedule.put_back(0)
        self.assertEqual(schedule.next(), 0)

    def test_clear(self) -> None:
        """After ``clear`` no unit starts."""
        units = [unit("a"), unit("a"), unit()]
        schedule = Schedule(units, range(3))
        schedule.next()
        schedule.next()
        schedule.clear()
        schedule.end(0)
        self.assertTrue(schedule.is_empty)
        self.assertIsNone(schedule.next())
        schedule = Schedule([unit(is_serial=True)], [0])
        schedule.clear()
        self.assertTrue(schedule.is_empty)


class Named(TestCase):
    def one(self) -> None: ...

    def other(self) -> None: ...


class LongestFirst(TestCase):
    """The order by durations."""

    def test_order(self) -> None:
        """The sum of its tests counts; a test that isn't known counts as the average one."""
        tests = [Named("one"), Named("other"), Named("id")]
        units = [Unit([one], None) for one in tests]
        both = Unit([tests[0], tests[0]], None)
        name = tests[0].id().rpartition(".")[0]
        known = {f"{name}.one": Duration(1, 0), f"{name}.other": Duration(3, 3)}
        self.assertEqual(longest_first(units, known), [1, 2, 0])
        known = {f"{name}.one": Duration(2, 0)}
        self.assertEqual(longest_first([*units, both], known), [3, 0, 1, 2])

    def test_unknown(self) -> None:
        """Without durations, the order of the suite stays."""
        units = [Unit([Named("one")], None), Unit([object()], None)]
        self.assertEqual(longest_first(units, {}), [0, 1])
        self.assertEqual(longest_first(units, {"x": Duration(1, 0)}), [0, 1])


class Ended(TestCase):
    """The end of a unit."""

    def test_twice(self) -> None:
        """Ending a unit that doesn't run changes nothing."""
        schedule = Schedule([unit("a"), unit("a")], range(2))
        schedule.end(1)
        self.assertEqual(all_next(schedule), [0])
        schedule.end(0)
        schedule.end(0)
        self.assertEqual(all_next(schedule), [1])
