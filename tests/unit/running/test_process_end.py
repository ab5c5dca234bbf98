"""nose2_aio.running.process_end"""

from __future__ import annotations

import atexit
import os
import threading
from unittest import TestCase, mock

from nose2_aio.running import process_end


class ProcessEnd(TestCase):
    """In this process, which does not end here."""

    def setUp(self) -> None:
        self.reading, self.writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.calls = mock.Mock()
        for owner, name in ((os, "_exit"), (atexit, "_run_exitfuncs")):
            patch = mock.patch.object(owner, name, getattr(self.calls, name))
            patch.start()
            self.addCleanup(patch.stop)

    def printed(self) -> str:
        os.close(self.writing)
        with open(self.reading, closefd=False) as file:
            return file.read()

    def test_blocked(self) -> None:
        """A thread that blocks is told, then the functions at exit are called."""
        event = threading.Event()
        thread = threading.Thread(target=event.wait, name="blocked")
        thread.start()
        process_end._leave([thread], 0.0, 3, self.writing)
        event.set()
        thread.join()
        self.assertEqual(self.calls.mock_calls, [mock.call._run_exitfuncs(), mock.call._exit(3)])
        self.assertIn("(exit-grace: 0 s):\n  thread blocked\n", self.printed())

    def test_watch(self) -> None:
        """The threads that there are now are watched by threads of our own."""
        event, exited = threading.Event(), threading.Event()
        self.calls._exit.side_effect = lambda _: exited.set()
        thread = threading.Thread(target=event.wait, name="blocked")
        thread.start()
        process_end.watch(0.0, 3, self.writing)
        self.assertTrue(exited.wait(10))
        event.set()
        thread.join()
        self.assertEqual(self.calls.mock_calls, [mock.call._run_exitfuncs(), mock.call._exit(3)])
        self.assertIn("\n  thread blocked", self.printed())

    def test_ended(self) -> None:
        """If everything has ended in time, the process ends by itself."""
        thread = threading.Thread()
        thread.start()
        thread.join()
        process_end._leave([thread], 0.0, 3, self.writing)
        self.assertEqual((self.calls.mock_calls, self.printed()), ([], ""))

    def test_no_program(self) -> None:
        """If no program has called the runner, nothing is registered."""
        os.close(self.writing)
        with mock.patch.object(threading, "_register_atexit") as register:
            thread = threading.Thread(target=process_end.guard, args=(None, 0.0))
            thread.start()
            thread.join()
        register.assert_not_called()
