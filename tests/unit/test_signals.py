"""nose2_aio.signals"""

from __future__ import annotations

import contextvars
import signal
import threading
from collections.abc import Callable
from unittest import TestCase, mock, skipUnless

from nose2_aio import signals


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
        with signals.noted(note):
            error = elsewhere(lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            self.assertIsInstance(error, ValueError)
            self.assertEqual(note.call_count, 1)
            error = elsewhere(lambda: signal.set_wakeup_fd(-1))
            self.assertIsInstance(error, ValueError)
            self.assertEqual(note.call_count, 2)

    def test_main_thread(self) -> None:
        """In the main thread nothing is noted, and it works."""
        note = mock.Mock()
        before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        with signals.noted(note):
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
        with self.assertRaises(LookupError), signals.noted(mock.Mock()):
            for name, function in zip(names, before, strict=True):
                self.assertIsNot(getattr(signal, name), function)
                self.assertEqual(getattr(signal, name).__name__, name)
            raise LookupError
        self.assertEqual([getattr(signal, name) for name in names], before)

    @skipUnless(hasattr(signal, "siginterrupt"), "it is there on POSIX")
    def test_missing(self) -> None:
        """What a platform doesn't have is not made up."""
        with mock.patch.object(signal, "siginterrupt"):
            del signal.siginterrupt
            with signals.noted(mock.Mock()):
                self.assertFalse(hasattr(signal, "siginterrupt"))
            signal.siginterrupt = None  # type: ignore[assignment]  # for the patch to take away
