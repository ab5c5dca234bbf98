"""nose2_aio.workers.crashes"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import tempfile
from pathlib import Path
from traceback import FrameSummary
from typing import Any
from unittest import TestCase, mock

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import InterruptedRunError, TimeLimitError, WorkerDiedError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import crashes
from nose2_aio.workers.messages import Call, ErrorHolder, Note, OutputText, WorkerState


class Case(TestCase):
    def one(self) -> None: ...

    def other(self) -> None: ...


UNIT = Unit([Case("one"), Case("other")], None, has_fixtures=True)
FRAMES = [FrameSummary(__file__, 25, "test", line="what ran")]


def worker(frames: Any = FRAMES, *, is_stuck: bool = False, is_killed: bool = False) -> Any:
    found = mock.Mock(is_stuck=is_stuck, is_being_killed=is_stuck or is_killed)
    found.stack.return_value = frames
    found.started = None
    found.state = WorkerState(multiprocessing.get_context("spawn"))
    return found


class Described(TestCase):
    """Exit codes in words."""

    def test_words(self) -> None:
        """Signals have the names that the system knows."""
        for code, words in (
            (0, "ended with exit status 0"),
            (3, "ended with exit status 3"),
            (-signal.SIGKILL, "died of SIGKILL"),
            (-signal.SIGSEGV, "died of SIGSEGV"),
            (-200, "died of signal 200"),
        ):
            self.assertEqual(crashes.describe_exit(code), words)


class Errors(TestCase):
    """The error for the test that a worker ran."""

    def error(self, found: Any, kind: type[Exception], **changed: Any) -> str:
        """Return the message of an error. Check its class, and that both its texts are the same."""
        given = dict(test=UNIT.tests[0], exit_code=3, limit="its limit", missed=0) | changed
        error = crashes.error_for(found, **given)
        value = pickle.loads(error.value.data)
        self.assertEqual([pickle.loads(one) for one in error.kinds], [kind])
        self.assertIs(type(value), kind)
        self.assertTrue(error.text.endswith(f"nose2_aio.errors.{kind.__name__}: {value}\n"))
        self.text = error.text
        return str(value)

    def test_death(self) -> None:
        """It says what the worker died of, with the user's lines."""
        self.assertEqual(
            self.error(worker(), WorkerDiedError), "its worker process ended with exit status 3"
        )
        self.assertEqual(
            self.text.splitlines()[:3],
            [
                "Traceback (most recent call last):",
                f'  File "{__file__}", line 25, in test',
                "    what ran",
            ],
        )

    def test_no_frames(self) -> None:
        """Without a stack it says where the test is. A fixture has no place."""
        message = self.error(worker([]), WorkerDiedError, exit_code=-9)
        self.assertRegex(
            message, r"^its worker process died of SIGKILL \(one, .*test_crashes.py:\d+\)$"
        )
        self.assertNotIn("Traceback", self.text)
        message = self.error(worker([]), WorkerDiedError, exit_code=-9, test=None)
        self.assertEqual(message, "its worker process died of SIGKILL")

    def test_stuck(self) -> None:
        """A worker that was killed for its time limit has not died of that."""
        end = ": nothing could interrupt it, so its worker process was killed"
        message = self.error(worker(is_stuck=True), TimeLimitError, exit_code=-9)
        self.assertEqual(message, f"not done within its limit{end}")
        message = self.error(worker(is_stuck=True), TimeLimitError, exit_code=-9, limit="")
        self.assertEqual(message, f"stuck{end}")

    def test_interrupted(self) -> None:
        """Nor has a worker that was killed by the second Ctrl-C."""
        message = self.error(worker(is_killed=True), InterruptedRunError, exit_code=-9)
        self.assertEqual(message, "its worker process was killed by Ctrl-C")

    def test_missed(self) -> None:
        """It counts the tests that do not run."""
        for missed, words in (
            (1, "; 1 test did not run"),
            (3, "; 3 tests did not run"),
        ):
            message = self.error(worker(), WorkerDiedError, missed=missed)
            self.assertTrue(message.endswith(words), message)


class Missed(TestCase):
    """Tests that don't run because a fixture has killed the worker."""

    def test_class(self) -> None:
        """They are the tests of the first class. Tests of other classes still run."""

        class Other(Case): ...

        unit = Unit([Case("one"), Other("one"), Case("other"), Other("one")], None)
        self.assertEqual(crashes.same_class_as_first(unit, {1, 2, 3}), {1, 3})
        self.assertEqual(crashes.same_class_as_first(unit, {0, 1, 2}), {0, 2})


class Last(TestCase):
    """The events of a worker that has died."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.worker = worker()
        self.worker.folder = Path(folder.name)
        (self.worker.folder / "stdout").write_bytes(b"sent, left")
        self.worker.state.note_sent(1, len("sent, "))
        self.error = crashes.error_for(self.worker, None, 3, "", 0)

    def test_test(self) -> None:
        """The test begins at its real time. Then come the rest of its output and the error."""
        self.worker.state.begin_test(1, monotonic() - 5)
        events: list[Any] = crashes.last_events(self.worker, UNIT, UNIT.tests[1], self.error)
        start, text, error, stop, _ = events
        self.assertEqual((start.name, error.name, stop.name), ("startTest", "addError", "stopTest"))
        self.assertEqual([start.test, error.test, stop.test], [1] * 3)
        self.assertEqual(text, OutputText(1, "left"))
        self.assertEqual(error.args, (self.error,))
        self.assertAlmostEqual(stop.moment - start.moment, 5, delta=1)

    def test_started(self) -> None:
        """A test whose start was reported does not start again."""
        self.worker.state.begin_test(1, monotonic())
        self.worker.started = 1
        events = crashes.last_events(self.worker, UNIT, UNIT.tests[1], self.error)
        self.assertEqual([type(one) for one in events], [OutputText, Call, Call, Note])

    def test_fixture(self) -> None:
        """For a fixture there are the output, and the error with unittest's own name for it."""
        text, error, _ = crashes.last_events(self.worker, UNIT, None, self.error)
        self.assertEqual(text, OutputText(1, "left"))
        assert isinstance(error, Call)
        self.assertEqual(
            (error.name, error.test),
            ("addError", ErrorHolder("_ErrorHolder", f"fixtures of {__name__}.Case")),
        )

    def test_teardown(self) -> None:
        """A line says what teardown was lost."""
        lost = "its worker process was lost, and so was its teardown"
        name = f"{__name__}.Case"
        plain = Unit(UNIT.tests, None)
        for unit, test, line in (
            (UNIT, UNIT.tests[0], f"{name}.one: {lost}, and that of its class or module"),
            (UNIT, None, f"fixtures of {name}: {lost}"),
            (plain, plain.tests[0], f"{name}.one: {lost}"),
        ):
            events = crashes.last_events(self.worker, unit, test, self.error)
            self.assertEqual(events[-1], Note(line))
