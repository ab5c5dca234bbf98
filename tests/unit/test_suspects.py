"""nose2_aio.suspects"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, TestResult, TestSuite, mock

from nose2_aio import copies, settings, suspects, units
from nose2_aio.recorders import Ran
from nose2_aio.suspects import Interference, Log, Suspect

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


def suspect(name: str, *errors: BaseException, beside: Sequence[str] = ("two",)) -> Suspect:
    """One that gives its name to be executed."""
    unit: Any = SimpleNamespace(only=lambda test, _: test.id())
    found = ran(name, 0, 2, *errors)
    found.test = SuiteLike(name)
    return Suspect(found, unit, beside)


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
        one = suspect("one", *errors)
        found, notes = suspects.retried([one], lambda suite: suite == "one")
        note = NOTE + "  two"
        self.assertEqual((found, notes), ([Interference(one.ran.test, "one", note)], []))
        for error in errors:
            self.assertEqual(error.__notes__, [note])

    def test_fails(self) -> None:
        """One that fails then too has nothing said of it."""
        error = ValueError("x")
        self.assertEqual(suspects.retried([suspect("one", error)], lambda _: False), ([], []))
        self.assertFalse(hasattr(error, "__notes__"))

    def test_many(self) -> None:
        """Twenty of those beside it are named; names of several lines stand in one."""
        beside = [f"other\n{number}" for number in range(20)]
        (found,), _ = suspects.retried([suspect("one", beside=beside)], lambda _: True)
        others = "\n".join(f"  other {number}" for number in range(20))
        self.assertEqual(found.note, NOTE + others)
        beside += ["more", "and more"]
        (found,), _ = suspects.retried([suspect("one", beside=beside)], lambda _: True)
        self.assertEqual(found.note, f"{NOTE}{others}\n  and 2 more")

    def test_enough(self) -> None:
        """Where so many fail alone too, the others are let be, and that is told."""
        many = [suspect(str(number)) for number in range(40)]
        tried: list[str] = []

        def passes(suite: str) -> bool:
            tried.append(suite)
            return False

        found, notes = suspects.retried(many, passes)
        self.assertEqual((found, len(tried)), ([], 25))
        text = "25 tests that failed beside others fail alone, too; 15 more were not run again"
        self.assertEqual(notes, [text])

    def test_not_enough(self) -> None:
        """All are run again where one of the first ones passes, or there are no more."""
        many = [suspect(str(number)) for number in range(40)]
        found, notes = suspects.retried(many, lambda suite: suite in {"24", "39"})
        self.assertEqual(([one.name for one in found], notes), (["24", "39"], []))
        self.assertEqual(suspects.retried(many[:25], lambda _: False), ([], []))

    def test_beside_nothing(self) -> None:
        """What ran beside nothing, but in another thread, is run again as well."""
        (found,), _ = suspects.retried([suspect("one", beside=[])], lambda _: True)
        self.assertIn("passes in the main thread", found.note)

    def test_again(self) -> None:
        """What is run again is the one test, as it was before it ran, with its fixtures."""
        tests = [Case("a"), Case("b")]
        (unit,) = units.units(TestSuite(tests), settings.resolve({}, {}))
        first = Ran(tests[0], copies.state(tests[0]))
        TestSuite(tests)(TestResult())
        result = TestResult()
        Suspect(first, unit, ()).again()(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))
        self.assertEqual(Case.runs, ["set up", [1]])


class Logged(TestCase):
    """What ran at the same time."""

    def test_beside(self) -> None:
        """Those are named that ended behind its beginning, and those that still run."""
        log, error = Log(), ValueError()
        self.assertEqual(log.add(ran("early", 0, 1), list), [])
        self.assertEqual(log.add(ran("two", 1, 3), list), [])
        found = log.add(ran("one", 2, 4, error), lambda: [ran("runs", 0, 0)])
        self.assertEqual(found, ["two", "runs"])
        self.assertEqual(log.add(ran("alone", 4, 5, error), list), [])

    def test_passed(self) -> None:
        """Of what has passed nobody wants to know that."""
        log = Log()
        log.add(ran("two", 0, 3), list)
        running = mock.Mock()
        self.assertEqual(log.add(ran("one", 0, 4), running), [])
        running.assert_not_called()

    def test_bounded(self) -> None:
        """What nobody can have run beside any more is forgotten, and nothing else is."""
        log, error = Log(), ValueError()
        first = ran("first", 500, 0)
        for number in range(1000):
            log.add(ran(str(number), number, number + 1), lambda: [first])
        self.assertEqual(len(log._ended), 501)
        found = log.add(ran("first", 500, 1000, error), list)
        self.assertEqual(found, [str(number) for number in range(500, 1000)])
        for number in range(1000, 2000):
            log.add(ran(str(number), number, number + 1), list)
        self.assertLess(len(log._ended), 1100)


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
