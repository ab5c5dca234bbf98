"""nose2_aio.changes, nose2_aio.loggers"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import logging
import subprocess
import sys
import threading
import unittest
import warnings
from collections.abc import Callable
from typing import Any
from unittest import TestCase, mock

from hypothesis import given, settings
from hypothesis import strategies as st

from nose2_aio import changes, loggers, outputs, writers
from nose2_aio.changes import Changes
from tests.unit.test_outputs import Recorder, elsewhere

LOGGERS = ("nose2_aio.changes", "nose2_aio.changes.inner")
CONTEXT_AWARE = getattr(sys.flags, "context_aware_warnings", False)
"""Whether `warnings.catch_warnings` is the business of a context."""


class Worker:
    """A thread that takes turns: in each it runs to its next pause."""

    def __init__(self, body: Callable[[Worker], None], baton: threading.Lock) -> None:
        self.changes = Changes()
        self.recorder = Recorder(self.changes)
        self.error: BaseException | None = None
        self.is_done = False
        self._baton = baton
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(body,), daemon=True)
        self._thread.start()

    def turn(self) -> None:
        """Have it run to its next pause, or its end."""
        self._go.release()
        self._back.acquire()

    def pause(self) -> None:
        """Give the turn away, and wait for the next; called by its own code."""
        self.changes.leave()
        self._baton.release()
        self._back.release()
        self._take()

    def on_behalf(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call in another thread, as a job of it would be."""

        def run() -> Any:
            writers.current.set(self.recorder)
            return function(*args)

        return elsewhere(run)

    def finish(self) -> None:
        """Let it run to its end, and raise what went wrong."""
        self.run_out()
        if self.error is not None:
            raise self.error

    def run_out(self) -> None:
        """Let it run to its end."""
        while not self.is_done:
            self.turn()
        self._thread.join()

    def _take(self) -> None:
        self._go.acquire()
        self._baton.acquire()
        self.changes.enter()

    def _run(self, body: Callable[[Worker], None]) -> None:
        self._take()
        writers.bind(self.recorder)
        try:
            contextvars.Context().run(body, self)
        except BaseException as error:
            self.error = error
        finally:
            writers.bind(None)
            self.changes.end()
            self.is_done = True
            self._baton.release()
            self._back.release()


class Case(TestCase):
    """A test with workers."""

    def setUp(self) -> None:
        self.stdout = io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.stdout))
        self.enterContext(contextlib.redirect_stderr(io.StringIO()))
        self.baton = threading.Lock()
        self.outputs = self.enterContext(outputs.own())
        before = self.state()
        self.addCleanup(lambda: self.assertEqual(self.state(), before))

    def worker(self, body: Callable[[Worker], None]) -> Worker:
        """Return one that has run to its first pause."""
        worker = Worker(body, self.baton)
        self.addCleanup(worker.run_out)
        worker.turn()
        if worker.error is not None:
            raise worker.error
        return worker

    def state(self) -> list[Any]:
        """Whatever a worker may have changed."""
        changed = [logging.getLogger(name) for name in (None, *LOGGERS)]
        return [
            *map(id, (sys.stdin, sys.__stdout__, warnings.filters, warnings.showwarning)),
            id(vars(warnings)["_showwarnmsg_impl"]),
            list(warnings.filters),
            *((one.handlers[:], one.level, one.propagate) for one in changed),
            Changes.holder,
            loggers.are_any(),
        ]


class Interleaved(Case):
    """Tests that take turns don't see one another's changes."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.integers(0, 2), max_size=60),
        st.lists(st.permutations(["out", "warn", "log"]), min_size=3, max_size=3),
        st.lists(st.sampled_from(LOGGERS), min_size=3, max_size=3),
        st.lists(st.booleans(), min_size=3, max_size=3),
    )
    def test_any_order(
        self, order: list[int], kinds: list[list[str]], loggers: list[str], jobs: list[bool]
    ) -> None:
        """Contexts of three, entered and left in any order, each see all of one's own only."""
        before, lists = self.state(), [logging.getLogger(name).handlers for name in LOGGERS]
        workers = [
            Worker(self.body(*each), self.baton)
            for each in zip("abc", kinds, loggers, jobs, strict=True)
        ]
        for number in order:
            if not workers[number].is_done:
                workers[number].turn()
        errors = []
        for worker in workers:
            try:
                worker.finish()
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]
        self.assertEqual(self.state(), before)
        for logger, handlers in zip(LOGGERS, lists, strict=True):
            self.assertIs(logging.getLogger(logger).handlers, handlers)
        for name, worker in zip("abc", workers, strict=True):
            self.assertEqual(worker.recorder.text(), f"{name} first\n{name} last\n")
            self.assertEqual(worker.recorder.text("stderr"), "")
        self.assertEqual(self.stdout.getvalue(), "")

    def body(
        self, name: str, kinds: list[str], logger: str, has_job: bool
    ) -> Callable[[Worker], None]:
        """Return a test that enters contexts, with a pause behind each step."""

        def act(what: str) -> None:
            print(f"{name} {what}")
            logging.getLogger(logger).info("%s %s", name, what)

        def run(worker: Worker) -> None:
            text, said, kept = io.StringIO(), [], []
            expected = ["acts", "job"] if has_job else ["acts"]
            print(f"{name} first")
            worker.pause()
            with contextlib.ExitStack() as stack:
                for kind in kinds:
                    if kind == "out":
                        stack.enter_context(contextlib.redirect_stdout(text))
                    elif kind == "warn":
                        said = stack.enter_context(warnings.catch_warnings(record=True))
                        worker.pause()
                        warnings.simplefilter("always")
                    else:
                        kept = stack.enter_context(self.assertLogs(logger, logging.INFO)).output
                    worker.pause()
                act("acts")
                worker.pause()
                warnings.warn(f"{name} warns", stacklevel=1)
                worker.pause()
                if has_job:
                    # as a job of its own would, while nobody runs
                    worker.changes.leave()
                    worker.on_behalf(act, "job")
                    worker.changes.enter()
                    worker.pause()
            worker.pause()
            print(f"{name} last")
            lines = "".join(f"{name} {one}\n" for one in expected)
            self.assertEqual(text.getvalue(), lines)
            self.assertEqual([str(one.message) for one in said], [f"{name} warns"])
            self.assertEqual(kept, [f"INFO:{logger}:{name} {one}" for one in expected])

        return run

    def test_patched(self) -> None:
        """What mock.patch puts there is swapped as well, and what is read."""

        def patching(worker: Worker) -> None:
            with (
                mock.patch("sys.stdout", io.StringIO()) as stdout,
                mock.patch("sys.stdin", io.StringIO("its own")),
            ):
                worker.pause()
                print(input())
            self.assertEqual(stdout.getvalue(), "its own\n")

        first = self.worker(patching)
        second = self.worker(patching)
        first.finish()
        second.finish()
        self.assertEqual((first.recorder.pieces, second.recorder.pieces), ([], []))

    @unittest.skipIf(CONTEXT_AWARE, "there, Python takes it for one, in any two tasks")
    def test_shown_before(self) -> None:
        """A warning that was shown under one's filters is none that another's have seen."""

        def warn() -> None:
            warnings.warn("careful", stacklevel=1)

        def showing(worker: Worker) -> None:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("default")
                warn()
                worker.pause()
                warn()
            self.assertGreaterEqual(len(said), 1)

        def failing(worker: Worker) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                worker.pause()
                with self.assertRaises(UserWarning):
                    warn()

        error, default = self.worker(failing), self.worker(showing)
        error.finish()
        default.finish()

    def test_are_any(self) -> None:
        """A unit can be asked in its turn whether it has changed anything."""

        def body(worker: Worker) -> None:
            self.assertFalse(worker.changes.are_any)
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertTrue(worker.changes.are_any)
                worker.pause()
                self.assertTrue(worker.changes.are_any)
            self.assertFalse(worker.changes.are_any)

        self.worker(body).finish()

    def test_left_behind(self) -> None:
        """What a test leaves behind ends with its unit."""
        contexts: list[Any] = []

        def body(worker: Worker) -> None:
            sys.stdout = io.StringIO()
            contexts.append(self.assertLogs(LOGGERS[0]))
            contexts[0].__enter__()

        before = self.state()
        worker = self.worker(body)
        worker.finish()
        self.assertEqual(self.state(), before)
        worker.changes.end()
        with self.assertRaisesRegex(AssertionError, "no logs"):
            contexts[0].__exit__(None, None, None)
        self.assertEqual(self.state(), before)


class Logs(Case):
    """assertLogs and assertNoLogs, and what threads log."""

    def setUp(self) -> None:
        super().setUp()
        self.logger = logging.getLogger(LOGGERS[1])

    def asserting(self, level: str = "INFO") -> Worker:
        """Return a worker that waits inside of assertLogs, and what it has caught."""

        def body(worker: Worker) -> None:
            with self.assertLogs(self.logger, level) as caught:
                worker.caught = caught  # type: ignore[attr-defined]
                worker.pause()

        return self.worker(body)

    def test_base_changes(self) -> None:
        """A handler, or a level, that is put there meanwhile stays behind it."""
        worker = self.asserting()
        handler = logging.NullHandler()
        self.logger.addHandler(handler)
        self.addCleanup(self.logger.removeHandler, handler)
        self.logger.setLevel(logging.ERROR)
        self.addCleanup(self.logger.setLevel, logging.NOTSET)
        worker.on_behalf(self.logger.info, "text")
        worker.finish()
        self.assertEqual(self.logger.handlers, [handler])
        self.assertEqual(self.logger.level, logging.ERROR)

    def test_nested(self) -> None:
        """Contexts on one logger nest; each is told what it would be alone."""

        def body(worker: Worker) -> None:
            with self.assertLogs(logger=LOGGERS[1]) as outer:
                worker.pause()
                with self.assertNoLogs(self.logger, level="ERROR"):
                    worker.pause()
                    self.logger.warning("not that bad")
                self.logger.info("text")
                worker.pause()
            self.assertEqual(outer.output, [f"INFO:{LOGGERS[1]}:text"])

        workers = [self.worker(body), self.worker(body)]
        for _ in range(2):
            for worker in workers:
                worker.turn()
        for worker in workers:
            worker.finish()

    def test_two(self) -> None:
        """Contexts on two loggers, left one by one."""

        def body(worker: Worker) -> None:
            with self.assertLogs(LOGGERS[0]) as outer:
                with self.assertLogs(self.logger) as inner:
                    worker.pause()
                    self.logger.info("inner")
                worker.changes.leave()
                worker.on_behalf(self.logger.info, "from a job")
                worker.changes.enter()
                worker.pause()
                self.logger.info("outer")
            self.assertEqual((len(inner.records), len(outer.records)), (1, 2))

        workers = [self.worker(body), self.worker(body)]
        for worker in workers * 2:
            worker.turn()
        for worker in workers:
            worker.finish()

    def test_job(self) -> None:
        """A job of a test that is away is seen by its assertLogs, at levels that others haven't."""
        worker = self.asserting("DEBUG")
        self.assertFalse(self.logger.isEnabledFor(logging.DEBUG))
        worker.on_behalf(self.logger.debug, "from a job")
        worker.on_behalf(logging.getLogger(f"{LOGGERS[1]}.child").debug, "from below")
        self.assertEqual(
            [record.getMessage() for record in worker.caught.records],  # type: ignore[attr-defined]
            ["from a job", "from below"],
        )
        logging.disable(logging.INFO)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.assertFalse(worker.on_behalf(self.logger.isEnabledFor, logging.DEBUG))
        logging.disable(logging.NOTSET)
        self.logger.disabled = True
        self.addCleanup(setattr, self.logger, "disabled", False)
        self.assertFalse(worker.on_behalf(self.logger.isEnabledFor, logging.DEBUG))
        worker.finish()

    def test_job_of_another(self) -> None:
        """A job of one test, logging inside of another's assertLogs, doesn't."""
        handler = self.handler_before()
        other = self.worker(lambda worker: worker.pause())
        third = self.asserting()

        def body(_: Worker) -> None:
            with self.assertNoLogs(self.logger, "DEBUG"):
                for worker in (other, third):
                    worker.on_behalf(self.logger.debug, "not shown")
                    worker.on_behalf(self.logger.error, "shown")

        self.worker(body).finish()
        (piece,) = other.recorder.pieces
        self.assertIs(piece[0], handler)
        self.assertEqual(other.recorder.logged(), ["shown"])
        self.assertEqual(len(third.caught.records), 1)  # type: ignore[attr-defined]
        other.finish()
        third.finish()

    def test_job_at_its_turn(self) -> None:
        """A job that logs at the turn of its test sees what that sees."""

        def body(worker: Worker) -> None:
            with self.assertLogs(self.logger) as caught:
                worker.on_behalf(self.logger.info, "text")
            self.assertEqual(len(caught.records), 1)

        self.worker(body).finish()

    def test_last_resort(self) -> None:
        """Where no handler is left for a job, the last resort is, if there is any."""
        root = logging.getLogger()
        with mock.patch.object(root, "handlers", []):
            other = self.worker(lambda worker: worker.pause())
            third = self.asserting()
            other.on_behalf(self.logger.warning, "text")
            other.on_behalf(self.logger.info, "nothing")
            with mock.patch.object(self.logger, "level", logging.DEBUG):
                other.on_behalf(self.logger.info, "nothing")
            with mock.patch("logging.lastResort", None):
                other.on_behalf(self.logger.warning, "nothing")
            self.assertEqual(other.recorder.text("stderr"), "text\n")
            third.on_behalf(self.logger.info, "text")
            third.finish()
            other.finish()

    def test_in_a_job(self) -> None:
        """assertLogs in a job is not swapped: nobody knows when the job runs."""

        def job() -> None:
            with self.assertLogs("nose2_aio.elsewhere") as caught:
                self.assertFalse(loggers.are_any())
                logging.getLogger("nose2_aio.elsewhere").error("text")
            self.assertEqual(len(caught.records), 1)

        def body(worker: Worker) -> None:
            worker.on_behalf(job)
            worker.pause()

        worker = self.worker(body)
        worker.on_behalf(job)
        worker.finish()

    def test_dropped(self) -> None:
        """A context that is left at another's turn spoils nothing of that."""
        left: list[Any] = []

        async def dropped(worker: Worker) -> None:
            with self.assertLogs(self.logger):
                self.logger.error("text")
                await asyncio.sleep(0)

        def body(worker: Worker) -> None:
            left.append(dropped(worker))
            left[0].send(None)
            worker.pause()

        def other(worker: Worker) -> None:
            with self.assertLogs(self.logger) as caught:
                left.pop().close()
                self.logger.error("text")
            self.assertEqual(len(caught.records), 1)

        first = self.worker(body)
        self.worker(other).finish()
        first.finish()

    def test_failure(self) -> None:
        """A failure shows the test's own frame alone, as without us."""

        class Test(TestCase):
            def test(self) -> None:
                with self.assertLogs(LOGGERS[0]):
                    pass

        result = unittest.TestResult()
        worker = self.worker(lambda _: Test("test").run(result) and None)
        worker.finish()
        ((_, text),) = result.failures
        self.assertEqual(text.count("  File "), 1)
        self.assertIn("no logs of level INFO or higher triggered on", text)

    def test_context(self) -> None:
        """What else a context has, it has."""
        found: Any = self.assertLogs("x", "DEBUG")
        self.assertEqual((found.logger_name, found.level), ("x", logging.DEBUG))
        self.assertFalse(hasattr(found, "nothing"))

    def handler_before(self) -> logging.Handler:
        """Return a handler that was there before the run."""
        handler = logging.NullHandler()
        handler.handle = lambda record: logging.Handler.handle(handler, record)  # type: ignore[method-assign]
        self.logger.addHandler(handler)
        self.addCleanup(self.logger.removeHandler, handler)
        self.logger.propagate = False
        self.addCleanup(setattr, self.logger, "propagate", True)
        return handler


class Streams(Case):
    """What threads of a test write while it is away."""

    def test_redirected(self) -> None:
        """It goes where the test has redirected it to."""
        text, errors = io.StringIO(), io.StringIO()

        def body(worker: Worker) -> None:
            with contextlib.redirect_stdout(text):
                worker.pause()
            with contextlib.redirect_stderr(errors):
                worker.pause()

        worker = self.worker(body)
        worker.on_behalf(print, "from a job")
        worker.on_behalf(lambda: sys.stdout.buffer.write(b"a\xff\n"))
        worker.turn()
        worker.on_behalf(lambda: print("from a job", file=sys.stderr))
        worker.on_behalf(print, "to the test's output")
        worker.finish()
        self.assertEqual(text.getvalue(), "from a job\na\\xff\n")
        self.assertEqual(errors.getvalue(), "from a job\n")
        self.assertEqual(worker.recorder.text(), "to the test's output\n")

    def test_wrapped(self) -> None:
        """What the test has put there may write to what stood there before."""

        def body(worker: Worker) -> None:
            before = sys.stdout
            shouting = mock.Mock(write=lambda text: before.write(text.upper()))
            with contextlib.redirect_stdout(shouting):
                worker.pause()

        worker = self.worker(body)
        worker.on_behalf(print, "text")
        worker.finish()
        self.assertEqual(worker.recorder.text(), "TEXT\n")


class Private(TestCase):
    """What nothing public tells."""

    def test_catch_warnings(self) -> None:
        """catch_warnings puts these attributes of `warnings` in another's place, and no others."""
        code = (
            "import sys, warnings\n"
            "print(bool(getattr(sys.flags, 'context_aware_warnings', False)))\n"
            "before = dict(vars(warnings))\n"
            "with warnings.catch_warnings(record=True):\n"
            "    now = dict(vars(warnings))\n"
            "    warnings.showwarning = None\n"
            "print(sorted(n for n in now if now[n] is not before[n] and n != '_filters_version'))\n"
            "print(warnings.showwarning is before['showwarning'])\n"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        is_aware, names, is_reset = done.stdout.splitlines()
        expected = [] if is_aware == "True" else ["_showwarnmsg_impl", "filters"]
        self.assertEqual((names, is_reset), (str(expected), "True"))
        swapped = {name for module, name in changes._PLACES if module is warnings}
        self.assertEqual(swapped, {"_showwarnmsg_impl", "filters", "showwarning"})

    def test_assert_logs(self) -> None:
        """assertLogs changes these attributes of a logger, and no others."""
        logger = logging.getLogger(LOGGERS[0])
        before = dict(vars(logger))
        with self.assertLogs(logger) as _:
            logger.info("text")
            now = dict(vars(logger))
        changed = {name for name in now if now[name] is not before[name]} - {"_cache"}
        self.assertEqual(changed, set(loggers.Setup._fields))

    def test_state(self) -> None:
        """What is looked at is what is swapped, in the same order."""
        for value, place in zip(changes._state(), changes._PLACES, strict=True):
            self.assertIs(value, getattr(*place), place)
        self.assertEqual(changes._PLACES[changes._FILTERS], (warnings, "filters"))
