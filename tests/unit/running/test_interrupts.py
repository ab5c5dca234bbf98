"""nose2_aio.running.interrupts"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import TestCase, mock, skipIf

from nose2_aio.errors import InterruptedRunError
from nose2_aio.eventloop import alarms
from nose2_aio.running import interrupts
from nose2_aio.running.host import TaskHost
from nose2_aio.running.interrupts import Interrupts
from nose2_aio.running.runner import Runner


@contextlib.contextmanager
def default(*numbers: signal.Signals) -> Iterator[None]:
    """Set the default handlers of some signals inside the block."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    with mock.patch.object(interrupts._installed, "by_signal", {}):
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Explained(TestCase):
    """Errors that a test raises."""

    def setUp(self) -> None:
        self.interrupts = Interrupts()
        self.interrupts.stop = self.stop = mock.Mock()

    def raised(self, kind: type[BaseException]) -> BaseException:
        try:
            raise kind
        except kind as error:
            return error

    def test_first(self) -> None:
        """The first interrupt becomes an error that names its signal. The run is stopped."""
        error = self.raised(KeyboardInterrupt)
        error.add_note("It waits here")
        found = self.interrupts.error_to_raise(error)
        self.assertIs(type(found), InterruptedRunError)
        self.assertEqual(str(found), "interrupted by Ctrl-C\nIt waits here")
        self.assertEqual((self.stop.call_count, self.interrupts.count), (1, 1))
        self.assertTrue(found.__suppress_context__)

    def test_second(self) -> None:
        """A second interrupt, also while the first is handled, stays KeyboardInterrupt."""
        self.interrupts.error_to_raise(self.raised(KeyboardInterrupt))
        second = self.raised(KeyboardInterrupt)
        self.assertIs(self.interrupts.error_to_raise(second), second)
        self.assertEqual(self.stop.call_count, 1)
        other = Interrupts()
        other.stop = self.stop
        second.__context__ = KeyboardInterrupt()
        self.assertIs(other.error_to_raise(second), second)
        self.assertEqual(self.stop.call_count, 1)

    def test_cause(self) -> None:
        """SIGTERM is called by its name."""
        self.interrupts.cause = "SIGTERM"
        found = self.interrupts.error_to_raise(self.raised(KeyboardInterrupt))
        self.assertEqual(str(found), "interrupted by SIGTERM")

    def test_others(self) -> None:
        """Other errors, and those of a run that can't be stopped, are unchanged."""
        for kind in (ValueError, SystemExit, asyncio.CancelledError):
            error = self.raised(kind)
            self.assertIs(self.interrupts.error_to_raise(error), error)
        error = self.raised(KeyboardInterrupt)
        self.assertIs(Interrupts().error_to_raise(error), error)
        self.assertEqual(self.stop.call_count, 0)


@skipIf(sys.platform == "win32", "no such signals there")
class Handlers(TestCase):
    """Handlers that are set inside a block."""

    def test_terminating(self) -> None:
        """SIGTERM is handled as SIGINT is. If SIGINT is ignored, it raises KeyboardInterrupt."""
        interrupted = Interrupts()
        with default(signal.SIGTERM, signal.SIGINT):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with interrupts.treat_sigterm_as_ctrl_c(interrupted):
                with self.assertRaises(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGTERM)
                self.assertEqual(interrupted.cause, "SIGTERM")
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                with self.assertRaises(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGTERM)
                seen: list[int] = []
                signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
                os.kill(os.getpid(), signal.SIGTERM)
                self.assertEqual(seen, [signal.SIGTERM])
            self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)

    def test_interrupting(self) -> None:
        """Both are reported inside the block. A foreign SIGINT handler is kept."""
        interrupted, seen = Interrupts(), []
        with (
            default(signal.SIGTERM, signal.SIGINT),
            interrupts.treat_sigterm_as_ctrl_c(interrupted),
        ):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with interrupts.interrupting(interrupted, seen.append):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
            self.assertEqual(seen, [signal.SIGINT, signal.SIGTERM])
            self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
            mine = mock.Mock()
            signal.signal(signal.SIGINT, mine)
            with interrupts.interrupting(interrupted, seen.append):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
            self.assertEqual((mine.call_count, seen[2:]), (1, [signal.SIGTERM]))
            os.kill(os.getpid(), signal.SIGTERM)
            self.assertEqual((mine.call_count, len(seen)), (2, 3))

    def test_telling(self) -> None:
        """SIGQUIT prints to stderr, or to a file descriptor."""
        with default(signal.SIGQUIT):
            with (
                mock.patch.object(sys, "__stderr__", io.StringIO()) as stream,
                interrupts.print_on_sigquit(lambda frame: f"in {frame.f_code.co_name}"),  # type: ignore[union-attr]
            ):
                os.kill(os.getpid(), signal.SIGQUIT)
            self.assertRegex(stream.getvalue(), r"^in \w+\n$")
            readable, writable = os.pipe()
            with interrupts.print_on_sigquit(lambda _: "what é", writable):
                os.kill(os.getpid(), signal.SIGQUIT)
            os.close(writable)
            with os.fdopen(readable, encoding="utf-8") as file:
                self.assertEqual(file.read(), "what é\n")

    def test_suspending(self) -> None:
        """SIGTSTP suspends the process. Then its seconds are known, and alarms come again."""
        calls: list[Any] = []

        def kill(pid: int, number: int) -> None:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            calls.append((number, alarms.SIGNAL in blocked))

        with (
            default(signal.SIGTSTP),
            interrupts.call_around_suspension(
                lambda: calls.append("before"), lambda seconds: calls.append(seconds)
            ),
        ):
            handler = signal.getsignal(signal.SIGTSTP)
            with mock.patch.object(interrupts.os, "kill", kill):
                with mock.patch.object(interrupts, "monotonic", side_effect=[10.0, 13.5]):
                    handler(signal.SIGTSTP, None)  # type: ignore[operator, misc]
        self.assertEqual(calls, ["before", (signal.SIGSTOP, True), 3.5])
        self.assertNotIn(alarms.SIGNAL, signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    def test_taken(self) -> None:
        """A foreign handler is kept, and so is one that a test sets inside the block."""
        mine = mock.Mock()
        with default(signal.SIGQUIT):
            signal.signal(signal.SIGQUIT, mine)
            with interrupts.print_on_sigquit(lambda _: ""):
                self.assertIs(signal.getsignal(signal.SIGQUIT), mine)
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
            with interrupts.print_on_sigquit(lambda _: ""):
                signal.signal(signal.SIGQUIT, mine)
            self.assertIs(signal.getsignal(signal.SIGQUIT), mine)

    def test_nested(self) -> None:
        """In a worker, ours replaces that of the main process, inside the block."""
        with default(signal.SIGQUIT), interrupts.print_on_sigquit(lambda _: ""):
            outer = signal.getsignal(signal.SIGQUIT)
            with interrupts.print_on_sigquit(lambda _: ""):
                self.assertIsNot(signal.getsignal(signal.SIGQUIT), outer)
            self.assertIs(signal.getsignal(signal.SIGQUIT), outer)
            with interrupts.print_on_sigquit(lambda _: ""):
                self.assertIsNot(signal.getsignal(signal.SIGQUIT), outer)

    def test_thread(self) -> None:
        """In another thread nothing is handled: Python handles signals in the main thread."""
        found: list[object] = []

        def work() -> None:
            with interrupts.print_on_sigquit(lambda _: ""):
                found.append(signal.getsignal(signal.SIGQUIT))

        with default(signal.SIGQUIT):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        self.assertEqual(found, [signal.SIG_DFL])

    def test_child(self) -> None:
        """A child process forked inside the block has only handlers that it sets itself."""
        with default(signal.SIGQUIT, signal.SIGTERM), interrupts.print_on_sigquit(lambda _: ""):
            with interrupts.treat_sigterm_as_ctrl_c(Interrupts()):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                child = os.fork()
                if not child:
                    handlers = map(signal.getsignal, (signal.SIGQUIT, signal.SIGTERM))
                    is_right = tuple(handlers) == (signal.SIG_DFL, signal.SIG_IGN)
                    os._exit(7 if is_right else 1)
                _, status = os.waitpid(child, 0)
                self.assertEqual(os.waitstatus_to_exitcode(status), 7)

    @skipIf(sys.platform == "win32", "no such signals")
    def test_released(self) -> None:
        """A child process handles no signal. A handler that replaced ours is kept."""
        with default(signal.SIGTERM), interrupts.treat_sigterm_as_ctrl_c(Interrupts()):
            interrupts._installed.uninstall()
            self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
        with default(signal.SIGTERM), interrupts.treat_sigterm_as_ctrl_c(Interrupts()):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            interrupts._installed.uninstall()
            self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_IGN)
        self.assertIsNone(interrupts._ignored(after_in_child=interrupts._installed.uninstall))


class Cancelling(TestCase):
    """Ctrl-C while a coroutine runs that asyncio would run."""

    def setUp(self) -> None:
        """Let Ctrl-C be handled by Python."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.loop = asyncio.new_event_loop()
        self.addCleanup(self.loop.close)

    def run_it(self, coroutine: Any) -> Any:
        """Run a coroutine, cancelled at Ctrl-C."""
        with Runner(self.loop, host=TaskHost) as runner, interrupts.cancelling(runner.host, 0.5):
            return runner.run(coroutine, lambda: None)

    async def interrupted(self, times: int = 1) -> None:
        """Press Ctrl-C, and wait."""
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(10)

    def test_cancelled(self) -> None:
        """The coroutine is cancelled. Then KeyboardInterrupt is raised, and says where it was."""
        with self.assertRaises(KeyboardInterrupt) as caught:
            self.run_it(self.interrupted())
        self.assertIn("test_interrupts.py", caught.exception.__notes__[0])
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_handled(self) -> None:
        """A coroutine that handles the cancellation goes on."""

        async def handles() -> str:
            try:
                await self.interrupted()
            except asyncio.CancelledError:
                return "handled"
            return "not cancelled"

        self.assertEqual(self.run_it(handles()), "handled")

    def test_twice(self) -> None:
        """The second Ctrl-C raises KeyboardInterrupt at once."""
        with self.assertRaises(KeyboardInterrupt):
            self.run_it(self.interrupted(times=2))

    def test_blocks(self) -> None:
        """Code that does not await is interrupted after the grace period."""

        async def blocks() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            began.append(time.monotonic())
            time.sleep(10)

        began: list[float] = []
        with self.assertRaises(KeyboardInterrupt):
            self.run_it(blocks())
        self.assertLess(time.monotonic() - began[0], 5)

    def test_other_cancellation(self) -> None:
        """A cancellation that Ctrl-C has not caused is raised as it is."""

        async def cancels() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        with self.assertRaises(asyncio.CancelledError):
            self.run_it(cancels())

    def test_own_handler(self) -> None:
        """A handler of the user's stays, whether it was set before or meanwhile."""

        async def sets() -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        self.run_it(sets())
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
        self.run_it(asyncio.sleep(0))
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
