"""nose2_aio.workers.live_outcomes"""

from __future__ import annotations

import sys
from typing import Any
from unittest import TestCase, TestSuite

from nose2.result import PluggableTestResult

from nose2_aio.reporting.outcomes import Outcome
from nose2_aio.suites.units import Unit
from nose2_aio.workers.live_outcomes import LiveOutcomes
from nose2_aio.workers.messages import Call, ErrorHolder, OutputText
from nose2_aio.workers.pickling import pickle_error


class Case(TestCase):
    def one(self) -> None: ...
    def two(self) -> None: ...


class Recorded:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, test: Any) -> None:
        self.told.append(test)

    def end(self, outcome: Outcome) -> None:
        self.told.append((outcome.test, outcome.status, outcome.message))


def error(text: str) -> Any:
    try:
        raise KeyError(text)
    except KeyError:
        return pickle_error(sys.exc_info(), f"KeyError: {text}")


class Live(TestCase):
    """What is told of events."""

    def test_turns(self) -> None:
        """Each test of each unit is told when it ends, though the events come in turns."""
        listener = Recorded()
        units = [Unit([Case("one")], TestSuite()), Unit([Case("two")], TestSuite())]
        one, two = units[0].tests[0], units[1].tests[0]
        live = LiveOutcomes(PluggableTestResult, units, listener)
        live.take(0, [Call("startTest", 0, (), 1.0), OutputText(1, "text")])
        live.take(1, [Call("startTest", 0, (), 1.0), Call("addSuccess", 0, (), 1.5)])
        live.take(0, [Call("addError", 0, (error("a"),), 2.0), Call("stopTest", 0, (), 2.0)])
        live.take(1, [Call("stopTest", 0, (), 3.0)])
        self.assertEqual(
            listener.told,
            [one, two, (one, "error", "KeyError: 'a'"), (two, "passed", "")],
        )

    def test_fixture(self) -> None:
        """A fixture that fails is told too."""
        listener = Recorded()
        live = LiveOutcomes(PluggableTestResult, [Unit([Case("one")], TestSuite())], listener)
        holder = ErrorHolder("_ErrorHolder", "setUpClass (module.Case)")
        live.take(0, [Call("addError", holder, (error("b"),), 1.0)])
        ((_, status, message),) = listener.told
        self.assertEqual((status, message), ("error", "KeyError: 'b'"))
