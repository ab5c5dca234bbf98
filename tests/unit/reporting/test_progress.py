"""nose2_aio.reporting.progress"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock, skipUnless

from nose2_aio.reporting import progress
from nose2_aio.reporting.outcomes import Outcome
from nose2_aio.reporting.progress import Progress

try:
    import tqdm
except ImportError:
    tqdm = None


class Line:
    """Keeps what is drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.draw = self.drawn.append
        self.ended = 0

    def end_unfinished(self) -> None:
        self.ended += 1


class Shown(TestCase):
    """What the progress shows."""

    def setUp(self) -> None:
        self.now = 100.0
        self.enterContext(mock.patch.object(progress, "monotonic", lambda: self.now))
        self.run_state = SimpleNamespace(planned=1200, is_replaying=False)
        self.running: list[tuple[str, float]] = []
        self.line: Any = Line()
        self.written: list[str] = []

    def progress(self, tqdm: Any = None, *, is_signal: bool = True) -> Progress:
        """Return a progress; ``tqdm`` is the module, None if it is not installed."""
        with mock.patch.dict(sys.modules, {"tqdm": tqdm}):
            found = Progress(self.run_state, lambda: self.running, self.line, self.written.append)
        found._alarm = self.alarm = mock.Mock(is_signal=is_signal)
        return found

    def outcome(self, status: str, test: Any = None) -> Outcome:
        return Outcome(test or self, "test_x", status, 0.0, "KeyError: 1", None)

    def test_text(self) -> None:
        """The line names what runs longest, with its time from one second on."""
        one = self.progress()
        for running, text in (
            ([], ""),
            ([("test_1", 0.99)], ", test_1"),
            ([("test_1", 1.2), ("test_2:1\n2", 61.9)], ", 2 running, test_2:1 for 61 s"),
        ):
            self.running = running
            self.now += 0.1
            one.begin(None)
            self.assertEqual(self.line.drawn[-1], f"0 of 1,200 tests{text}")

    def test_counts(self) -> None:
        """Failures are counted and shown; a fixture is no test; a replayed event is no news."""
        one = self.progress()
        for status in ("passed", "failed", "skipped", "unexpected success"):
            one.end(self.outcome(status))
        one.end(self.outcome("error", test=object()))
        self.run_state.is_replaying = True
        one.end(self.outcome("failed"))
        one.begin(None)
        self.assertEqual(self.written, ["FAIL test_x: KeyError: 1", "ERROR test_x: KeyError: 1"])
        self.assertEqual(self.line.drawn, ["4 of 1,200 tests, 2 failed"])

    def test_rate(self) -> None:
        """It is drawn at most every 0.1 s, and by an alarm after 0.5 s."""
        one = self.progress()
        for now, drawn in ((100.0, 1), (100.09, 1), (100.1, 2)):
            self.now = now
            one.begin(None)
            self.assertEqual(len(self.line.drawn), drawn)
        when, ring = self.alarm.set.call_args[0][0]
        self.assertEqual(when, 100.6)
        self.now = when
        ring(None)
        self.assertEqual(len(self.line.drawn), 3)
        self.assertEqual(self.alarm.set.call_args[0][0][0], 101.1)

    def test_debugger(self) -> None:
        """While a debugger is at work, the alarm draws nothing."""
        one = self.progress()
        with mock.patch.object(progress, "is_in_debugger", lambda _: True):
            one._ring(None)
        self.assertEqual(self.line.drawn, [])
        self.alarm.set.assert_called_once()

    def test_errors(self) -> None:
        """An error in the alarm is not raised in the test."""
        one = self.progress()
        with mock.patch.object(one, "_text", side_effect=LookupError):
            one._ring(None)

    def test_no_signal(self) -> None:
        """An alarm that is no signal is not set: it would be a thread."""
        self.progress(is_signal=False).begin(None)
        self.assertEqual(len(self.line.drawn), 1)
        self.alarm.set.assert_not_called()

    @skipUnless(tqdm, "tqdm is not installed")
    def test_bar(self) -> None:
        """With tqdm, there is a bar, and the time that is left."""
        one = self.progress(tqdm)
        for _ in range(300):
            one.end(self.outcome("passed"))
        self.now = 120.0
        one.begin(None)
        text = f"██▌{' ' * 7}  25% 01:00 left, 300 of 1,200 tests"
        self.assertEqual(self.line.drawn, [text])

    def test_bar_of_none(self) -> None:
        """Without tests to run there is no bar."""
        self.run_state.planned = 0
        self.progress(mock.Mock()).begin(None)
        self.assertEqual(self.line.drawn, ["0 of 0 tests"])

    def test_hooks(self) -> None:
        """Dots are hidden only where nose2 would print them."""
        for has_dots in (True, False):
            hooks = mock.Mock()
            one = self.progress()
            one.register(hooks, has_dots=has_dots)
            names = {call.args[0] for call in hooks.register.call_args_list}
            self.assertIn("stopTestRun", names)
            self.assertEqual("reportSuccess" in names, has_dots)
            one.begin(None)
            self.assertEqual(self.line.ended, 1)
            for name in names - {"stopTestRun"}:
                event = SimpleNamespace(handled=False)
                getattr(one, name)(event)
                self.assertTrue(event.handled)
