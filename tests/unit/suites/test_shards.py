"""nose2_aio.suites.shards"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from types import ModuleType
from typing import Any
from unittest import TestCase, TestSuite, mock

from nose2_aio.cases import unittest_internals
from nose2_aio.config import settings
from nose2_aio.config.durations_file import Duration
from nose2_aio.config.shards import Shard
from nose2_aio.suites import durations, names, shards

SETTINGS = settings.resolve({}, {})
_SUITES = int(os.environ.get("TESTS_SUITES", "300"))
"""How many random suites there are. 10,000 take about ten seconds."""


def nothing(*_: Any) -> None:
    """A test, or a fixture."""


def random_suite(numbers: random.Random) -> tuple[list[ModuleType], list[TestCase]]:
    """Modules with and without fixtures, and the tests of their classes, some of them twice."""
    modules, tests = [], []
    for module in range(numbers.randint(1, 4)):
        name = f"test_{module}"
        fixtures = {"setUpModule": nothing} if numbers.random() < 0.3 else {}
        modules.append(ModuleType(name))
        vars(modules[-1]).update(fixtures)
        for case in range(numbers.randint(0, 4)):
            body: dict[str, Any] = {
                f"t{number}": nothing for number in range(numbers.randint(1, 6))
            }
            names = list(body)
            if numbers.random() < 0.3:
                body["setUpClass"] = classmethod(nothing)
            own = type(f"Case{case}", (TestCase,), {"__module__": name, **body})
            tests += [own(test) for test in names for _ in range(1 + (numbers.random() < 0.1))]
    return modules, tests


def suite_of(tests: list[TestCase], numbers: random.Random) -> TestSuite:
    """The tests in a random order, in nested suites."""
    order = sorted(tests, key=lambda _: numbers.random())
    cut = numbers.randint(0, len(order))
    return TestSuite([TestSuite(order[:cut]), *order[cut:]])


def check(seed: int) -> None:
    """Each test of a random suite is in exactly one shard, with all that it shares fixtures with.

    Each shard discovers the tests in an order of its own.
    """
    numbers = random.Random(seed)
    modules, tests = random_suite(numbers)
    seconds = {
        test.id(): Duration(numbers.random() + 1, numbers.random())
        for test in tests
        if numbers.random() < seed % 3 / 2
    }
    count = numbers.randint(1, 9)
    with mock.patch.dict(sys.modules, {one.__name__: one for one in modules}):
        parts = [
            shards.part_of(suite_of(tests, numbers), Shard(number, count), SETTINGS, seconds)
            for number in range(1, count + 1)
        ]
    found = Counter(id(test) for part in parts for test in part.tests)
    assert found == Counter(map(id, tests)), seed
    assert len({part.mark for part in parts}) == 1, seed
    assert {part.total for part in parts} == {len(tests)}, seed
    owners: dict[Any, set[int]] = {}
    for number, part in enumerate(parts):
        for test in part.tests:
            case = type(test)
            owner: Any = test.id()
            if "setUpModule" in vars(modules[int(case.__module__[-1])]):
                owner = case.__module__
            elif "setUpClass" in vars(case):
                owner = case
            owners.setdefault(owner, set()).add(number)
    assert all(len(parts_of) == 1 for parts_of in owners.values()), seed


class Division(TestCase):
    """Which tests are in which shard."""

    def test_random(self) -> None:
        """Each test of random suites is in exactly one shard."""
        for seed in range(_SUITES):
            check(seed)

    def parts(
        self, tests: list[Any], count: int, known: dict[str, Duration] | None = None
    ) -> list[list[str]]:
        """The names of the tests of all shards."""
        found = []
        for number in range(1, count + 1):
            part = shards.part_of(TestSuite(tests), Shard(number, count), SETTINGS, known or {})
            found.append([test.id().rpartition(".")[2] for test in part.tests])
        return found

    def test_balanced(self) -> None:
        """Shards have equal times; if none is known, as many tests."""

        class Case(TestCase):
            a = b = c = d = e = nothing

        tests = [Case(name) for name in "abcde"]
        prefix = tests[0].id()[:-1]
        for seconds, waiting, expected in (
            ([3, 1, 1, 0.5, 0.5], [0] * 5, ["a", "bcde"]),
            ([3, 1, 1, 0.5, 0.5], [3, 1, 1, 0.5, 0.5], ["a", "bcde"]),
            ([3, 3, 1.5, 1.5, 0], [0, 3, 1.5, 0, 0], ["ac", "bd"]),  # both work, and both wait
        ):
            known = {
                prefix + name: Duration(one, other)
                for name, one, other in zip("abcde", seconds, waiting, strict=True)
                if one
            }
            chosen = tests[: len(known)]
            names = sorted("".join(sorted(part)) for part in self.parts(chosen, 2, known))
            self.assertEqual(names, expected)
        for count in range(1, 7):
            sizes = [len(part) for part in self.parts(tests, count)]
            self.assertLessEqual(max(sizes) - min(sizes), 1)

    def test_not_loaded(self) -> None:
        """What reports that something could not be loaded is in all shards."""
        broken = type("_FailedTest", (TestCase,), {"__module__": "nose2.loader", "x": nothing})("x")
        self.assertEqual(self.parts([broken], 3), [["x"]] * 3)

    def test_whole(self) -> None:
        """A suite that runs itself stays together; one without tests counts for nothing."""

        class Own(TestSuite):
            def run(self, *_: Any) -> Any: ...

        class Case(TestCase):
            a = b = c = nothing

        tests = [Own([Case("a"), Case("b")]), Case("c"), Own()]
        self.assertEqual(sorted(map(sorted, self.parts(tests, 2))), [["a", "b"], ["c"]])


class Estimates(TestCase):
    """How long tests will take."""

    def seconds(self, groups: list[Any], known: dict[str, float]) -> list[float]:
        """The estimates of groups whose tests wait for a quarter of their time."""
        found = durations.estimates(
            groups, {name: Duration(one, one / 4) for name, one in known.items()}
        )
        assert found is not None
        least = [500 * len(group) for group in groups]
        for (total, work), own in zip(found, least, strict=True):
            self.assertEqual(work - own, (total - own) * 3 / 4)
        return [(total - own) / 1e6 for (total, _), own in zip(found, least, strict=True)]

    def test_unknown(self) -> None:
        """A test that isn't known counts as the average of its module, or of all tests."""

        class One(TestCase):
            a = b = c = nothing

        class Other(TestCase):
            a = nothing

        Other.__module__ = "other"
        one, other = One("a").id()[:-2], Other("a").id()
        groups = [[One("a")], [One("b"), One("c")], [Other("a")]]
        known = {f"{one}.a": 1.0, f"{one}.b": 3.0}
        self.assertEqual(self.seconds(groups, known), [1, 5, 2])
        self.assertEqual(self.seconds(groups, {**known, other: 8}), [1, 5, 8])
        self.assertIsNone(durations.estimates(groups, {"x": Duration(1, 0)}))
        self.assertIsNone(durations.estimates([], {}))

    def test_owners(self) -> None:
        """The fixtures of classes, modules and layers count once for a group."""

        class Layer: ...

        class Case(TestCase):
            layer = Layer
            a = b = nothing

        tests = [Case("a"), Case("b")]
        case = f"{__name__}.{Case.__qualname__}"
        layer = f"{__name__}.{Layer.__qualname__}"
        known = {f"{case}.a": 1.0, f"{case}.b": 1.0, case: 2.0, __name__: 4.0, layer: 8.0}
        self.assertEqual(self.seconds([tests], known), [16])

    def test_loops(self) -> None:
        """A test that ran on several loops counts with all of them."""

        class Case(TestCase):
            a = nothing

        name = Case("a").id()
        known = {f"{name}[asyncio]": 1.0, f"{name}[uvloop]": 2.0}
        self.assertEqual(self.seconds([[Case("a")]], known), [3])

    def test_mark(self) -> None:
        """The mark differs if a parameter does, but not for another address of an object."""

        def mark(text: str) -> str:
            test = mock.Mock(id=lambda: f"test:1\n{text}", spec=["id"])
            return shards.part_of(TestSuite([test]), Shard(1, 2), settings.Settings(), {}).mark

        self.assertNotEqual(mark("5"), mark("6"))
        self.assertEqual(mark("<object at 0x7f00>"), mark("<object at 0x7f16>"))

    def test_names(self) -> None:
        """A name has one line. Something else than a test has the name of its class."""
        test = mock.Mock(id=lambda: "test:1\n5, 6")
        self.assertEqual(names.name_of(test), "test:1")
        self.assertEqual(names.name_of(object()), "object")
        self.assertEqual(list(unittest_internals.flattened(TestSuite([test]))), [test])
