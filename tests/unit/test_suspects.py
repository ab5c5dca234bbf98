"""nose2_aio.suspects"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, TestResult, TestSuite

from nose2_aio import copies, settings, suspects, units
from nose2_aio.recorders import Ran
from nose2_aio.suspects import Interference, Suspect

NOTE = "\npasses alone: it and these ran at the same time:\n"


class Case(TestCase):
    """Tests that change what they have."""

    runs: list[object]

    @classmethod
    def setUpClass(cls) -> None:
        cls.runs = ["set up"]

    def a(self) -> None:
        self.runs.append(vars(self).setdefault("own", []))
        self.own: list[int]
        self.own.append(1)

    b = a


def ran(name: str, began: float, ended: float, *errors: BaseException) -> Ran:
    """A test that has run."""
    test: Any = SimpleNamespace(id=lambda: name)
    found = Ran(test, {})
    found.began, found.ended, found.errors = began, ended, list(errors)
    return found


def suspect(found: Ran) -> Suspect:
    """One that gives its name to be executed."""
    unit: Any = SimpleNamespace(only=lambda test, _: test.id())
    found.test = SuiteLike(found.name)
    found.state = {}
    return Suspect(found, unit)


class SuiteLike:
    """Stands for a test."""

    def __init__(self, name: str) -> None:
        self._name = name

    def id(self) -> str:
        return self._name


class Retried(TestCase):
    """Which of them pass alone."""

    def test_passes(self) -> None:
        """One that passes then gets a note on all its errors that names what ran beside it."""
        errors = [ValueError("x"), KeyError("y")]
        log = [ran("one", 0, 2, *errors), ran("two", 1, 3), ran("late", 2, 3), ran("early", -2, 0)]
        found, notes = suspects.retried([suspect(log[0])], log, lambda suite: suite == "one")
        note = NOTE + "  two"
        self.assertEqual((found, notes), ([Interference(log[0].test, "one", note)], []))
        for error in errors:
            self.assertEqual(error.__notes__, [note])

    def test_fails(self) -> None:
        """One that fails then too has nothing said of it."""
        error = ValueError("x")
        log = [ran("one", 0, 2, error), ran("two", 1, 3)]
        self.assertEqual(suspects.retried([suspect(log[0])], log, lambda _: False), ([], []))
        self.assertFalse(hasattr(error, "__notes__"))

    def test_alone(self) -> None:
        """One that has run alone anyway is not run again."""
        log = [ran("one", 0, 2, ValueError()), ran("two", 2, 3), ran("three", -1, 0)]

        def passes(_: object) -> bool:
            self.fail("run again")

        self.assertEqual(suspects.retried([suspect(log[0])], log, passes), ([], []))

    def test_many(self) -> None:
        """Twenty of those beside it are named; names of several lines stand in one."""
        log = [ran("one", 0, 2, ValueError())]
        log += [ran(f"other\n{number}", 1, 3) for number in range(20)]
        (found,), _ = suspects.retried([suspect(log[0])], log, lambda _: True)
        others = "\n".join(f"  other {number}" for number in range(20))
        self.assertEqual(found.note, NOTE + others)
        log += [ran("more", 1, 3), ran("and more", 1, 3)]
        (found,), _ = suspects.retried([suspect(log[0])], log, lambda _: True)
        self.assertEqual(found.note, f"{NOTE}{others}\n  and 2 more")

    def test_enough(self) -> None:
        """Where so many fail alone too, the others are let be, and that is told."""
        log = [ran(str(number), 0, 1, ValueError()) for number in range(40)]
        tried: list[str] = []

        def passes(suite: str) -> bool:
            tried.append(suite)
            return False

        found, notes = suspects.retried([suspect(one) for one in log], log, passes)
        self.assertEqual((found, len(tried)), ([], 25))
        self.assertEqual(
            notes,
            [
                "25 tests that failed beside others fail alone, too; 15 more were not run again",
            ],
        )

    def test_not_enough(self) -> None:
        """All are run again where one of the first ones passes, or there are no more."""
        log = [ran(str(number), 0, 1, ValueError()) for number in range(40)]
        found, notes = suspects.retried(
            [suspect(one) for one in log], log, lambda suite: suite in {"24", "39"}
        )
        self.assertEqual(([one.name for one in found], notes), (["24", "39"], []))
        found, notes = suspects.retried([suspect(one) for one in log[:25]], log, lambda _: False)
        self.assertEqual((found, notes), ([], []))

    def test_again(self) -> None:
        """What is run again is the one test, as it was before it ran, with its fixtures."""
        tests = [Case("a"), Case("b")]
        (unit,) = units.units(TestSuite(tests), settings.resolve({}, {}))
        first = Ran(tests[0], copies.state(tests[0]))
        TestSuite(tests)(TestResult())
        result = TestResult()
        Suspect(first, unit).again()(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))
        self.assertEqual(Case.runs, ["set up", [1]])


def event(name: str, *, is_subtest: bool = False) -> Any:
    """An event that reports a test."""
    test = SimpleNamespace(id=lambda: name)
    return SimpleNamespace(test=SimpleNamespace(test_case=test) if is_subtest else test)


class Sorted_out(TestCase):
    """The categories of nose2's report."""

    def test_moved(self) -> None:
        """Those that pass alone have one of their own; by name, where they ran elsewhere."""
        failure, error, part = event("a"), event("b"), event("c", is_subtest=True)
        by_name, part_by_name = event("d"), event("d", is_subtest=True)
        layer = SimpleNamespace(test=object())  # a LayerSuite has no id
        others = [event("a"), layer, event("c", is_subtest=True)]
        categories = {
            "failures": [failure, part, *others, by_name],
            "errors": [error, others[0], part_by_name],
            "skipped": [event("d")],
        }
        tests = [failure.test, error.test, part.test.test_case]
        suspects.sort_out(tests, {"d"}, categories)
        self.assertEqual(categories["failures"], others)
        self.assertEqual(categories["errors"], [others[0]])
        self.assertEqual(len(categories["skipped"]), 1)
        self.assertCountEqual(
            [id(one) for one in categories[suspects.CATEGORY]],
            [id(one) for one in (failure, error, part, by_name, part_by_name)],
        )

    def test_none(self) -> None:
        """Where there are none there is no such category."""
        categories = {"failures": [event("a")]}
        suspects.sort_out([event("a").test], {"b"}, categories)
        suspects.sort_out((), (), categories)
        self.assertEqual(list(categories), ["failures"])


class Annotated(TestCase):
    """The report as XML."""

    def test_note(self) -> None:
        """What failed gets the note, subtests too, and nothing else does."""
        tree = ET.fromstring(
            """
            <testsuite>
              <testcase classname="m.C" name="a"><failure>f</failure><system-out/></testcase>
              <testcase classname="m.C" name="a (i=1)"><error>e</error></testcase>
              <testcase classname="m.C" name="b:1"><error>g</error></testcase>
              <testcase classname="m.C" name="c"><failure>h</failure></testcase>
              <testcase classname="m.C" name="d" />
            </testsuite>
            """
        )
        suspects.annotate(
            tree,
            [
                Interference(None, "m.C.a", "\nNOTE a"),
                Interference(None, "m.C.b:1\n(1, 2)", "\nNOTE b"),
                Interference(None, "m.C.d", "\nNOTE d"),
            ],
        )
        found = [one.text for kind in ("failure", "error") for one in tree.iter(kind)]
        self.assertEqual(found, ["f\nNOTE a\n", "h", "e\nNOTE a\n", "g\nNOTE b\n"])
        (output,) = tree.iter("system-out")
        self.assertIsNone(output.text)
