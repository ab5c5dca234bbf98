"""nose2_aio.mainthread"""

from __future__ import annotations

import bdb
import contextvars
import signal
import threading
from collections.abc import Callable
from unittest import TestCase, mock, skipUnless

from nose2_aio import mainthread
from nose2_aio.errors import LoopError


def elsewhere(function: Callable[[], object]) -> BaseException | None:
    """What a function raises in another thread."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    thread.start()
    thread.join()
    return found[0] if found else None


class Noted(TestCase):
    """Attempts to set a signal handler."""

    def test_other_thread(self) -> None:
        """In another thread it is noted, and fails as ever."""
        note = mock.Mock()
        with mainthread.noted(note):
            error = elsewhere(lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            self.assertIsInstance(error, ValueError)
            self.assertEqual(note.call_count, 1)
            error = elsewhere(lambda: signal.set_wakeup_fd(-1))
            self.assertIsInstance(error, ValueError)
            self.assertEqual(note.call_count, 2)
        self.assertEqual(note.call_args_list, [mock.call("sets a signal handler")] * 2)

    def test_main_thread(self) -> None:
        """In the main thread nothing is noted, and it works."""
        note = mock.Mock()
        before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        with mainthread.noted(note):
            handler = lambda *_: None
            self.assertIs(signal.signal(signal.SIGTERM, handler), before)
            self.assertIs(signal.getsignal(signal.SIGTERM), handler)
            self.assertIs(signal.signal(signalnum=signal.SIGTERM, handler=before), handler)
        note.assert_not_called()

    def test_restored(self) -> None:
        """Behind the block they are as they were, however it ends."""
        names = [
            name for name in ("signal", "set_wakeup_fd", "siginterrupt") if name in dir(signal)
        ]
        before = [getattr(signal, name) for name in names]
        with self.assertRaises(LookupError), mainthread.noted(mock.Mock()):
            for name, function in zip(names, before, strict=True):
                self.assertIsNot(getattr(signal, name), function)
                self.assertEqual(getattr(signal, name).__name__, name)
            raise LookupError
        self.assertEqual([getattr(signal, name) for name in names], before)

    def test_debugger(self) -> None:
        """A debugger is asked for in vain where a test runs in another thread, and only there."""
        traced = mock.Mock(__name__="set_trace")
        with mock.patch.object(bdb.Bdb, "set_trace", traced):
            for is_test in (True, False):
                note = mock.Mock(return_value=is_test)
                with mainthread.noted(note):
                    error = elsewhere(lambda: bdb.Bdb().set_trace())
                note.assert_called_once_with("asks for a debugger")
                self.assertEqual(type(error), LoopError if is_test else type(None))
                self.assertEqual(traced.call_count, int(not is_test))
            self.assertIs(bdb.Bdb.set_trace, traced)
        self.assertEqual(traced.call_args.args[1].f_code.co_name, "<lambda>")

    @skipUnless(hasattr(signal, "siginterrupt"), "it is there on POSIX")
    def test_missing(self) -> None:
        """What a platform doesn't have is not made up."""
        with mock.patch.object(signal, "siginterrupt"):
            del signal.siginterrupt
            with mainthread.noted(mock.Mock()):
                self.assertFalse(hasattr(signal, "siginterrupt"))
            signal.siginterrupt = None  # type: ignore[assignment]  # for the patch to take away
