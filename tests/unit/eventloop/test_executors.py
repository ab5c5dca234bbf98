"""nose2_aio.eventloop.executors"""

from __future__ import annotations

import contextvars
import functools
import threading
import time
from unittest import TestCase

from nose2_aio.eventloop.executors import Executor


def job_function(_: object) -> None:
    """A job of an executor."""


class Executors(TestCase):
    """Our default executor."""

    def setUp(self) -> None:
        """Create an executor."""
        self.executor = Executor()
        self.addCleanup(self.executor.shutdown, wait=False)

    def test_jobs(self) -> None:
        """Jobs return values or raise errors. Idle threads are reused. `shutdown` ends them."""
        self.assertEqual(self.executor.submit(int, "5").result(), 5)
        with self.assertRaises(ValueError):
            self.executor.submit(int, "no").result()
        time.sleep(0.01)
        self.assertEqual(self.executor.submit(int, "6").result(), 6)
        self.assertEqual(len(self.executor._own_threads), 1)
        self.executor.shutdown()
        self.assertFalse(self.executor._own_threads[0].is_alive())
        with self.assertRaises(RuntimeError):
            self.executor.submit(int)

    def test_width(self) -> None:
        """The number of threads is limited. Jobs that wait for a thread can be cancelled."""
        self.executor._max_threads = 1
        gate = threading.Event()
        first, second = self.executor.submit(gate.wait), self.executor.submit(int)
        self.assertEqual(len(self.executor._own_threads), 1)
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.assertTrue(second.cancelled())
        gate.set()
        self.assertTrue(first.result())

    def test_text(self) -> None:
        """The text of a job has the name of its function, and where it was submitted."""
        gate = threading.Event()
        future = self.executor.submit(gate.wait)
        while not self.executor.running:
            time.sleep(0.001)
        (job,) = self.executor.running.values()
        self.assertRegex(
            str(job), r"^wait, .*handed over at tests/unit/eventloop/test_executors.py:\d+ in t"
        )
        self.assertEqual(str(job._replace(origin=(), function=int)), "builtins.int")
        submitted = functools.partial(contextvars.copy_context().run, job_function, 5)
        self.assertRegex(str(job._replace(function=submitted)), r"^job_function, ")
        job_function.__qualname__ = "Context.run"  # the user's own function of this name
        own = functools.partial(job_function, int)
        self.addCleanup(setattr, job_function, "__qualname__", "job_function")
        self.assertRegex(str(job._replace(function=own)), r"^job_function, ")
        gate.set()
        future.result()
