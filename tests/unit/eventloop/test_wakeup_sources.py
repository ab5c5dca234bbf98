"""nose2_aio.eventloop.wakeup_sources"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import queue
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from typing import Any
from unittest import TestCase, mock

from nose2_aio.eventloop import executors, wakeup_sources
from nose2_aio.eventloop.alarms import process_alarms
from nose2_aio.reporting import hang_report


def _can_wake() -> bool:
    wakeup_sources.process_state.childless_at = 0.0
    return wakeup_sources.process_can_wake() or wakeup_sources.signal_can_wake()


class WakeupSources(TestCase):
    """What can still wake a loop."""

    def setUp(self) -> None:
        """Wait until nothing can."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(1)
        self.wait_until(lambda: not _can_wake())

    def test_threads(self) -> None:
        """A thread that runs code can. An abandoned one, or one without a job, can't."""
        self.assertFalse(_can_wake())
        gate = threading.Lock()
        gate.acquire()
        thread = threading.Thread(target=gate.acquire)
        thread.start()
        self.assertTrue(_can_wake())
        assert thread.ident is not None
        executors.abandoned_threads.add(thread.ident)
        self.assertFalse(_can_wake())
        executors.abandoned_threads.clear()
        gate.release()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            time.sleep(0.01)
            self.assertFalse(_can_wake())
        self.assertTrue(executors._has_job(0))

    def test_greenlets(self) -> None:
        """The own thread is found although gevent has replaced the numbers of threads."""
        own = threading.get_ident()
        with mock.patch.object(threading, "get_ident", return_value=-1):
            self.assertNotIn(own, wakeup_sources.other_frames())

    def test_xdist(self) -> None:
        """The thread of a worker of pytest-xdist, which reads from its main process, can't."""
        gate = threading.Lock()
        gate.acquire()
        names = {"__name__": "execnet.gateway_base", "gate": gate}
        exec("def read(): gate.acquire()", names)
        thread = threading.Thread(target=names["read"])
        thread.start()
        self.assertFalse(_can_wake())
        gate.release()
        thread.join()

    def test_no_children(self) -> None:
        """It does not look for child processes again before one could have been started."""
        with (
            mock.patch.object(wakeup_sources, "other_frames", dict),
            mock.patch.object(wakeup_sources, "_has_foreign_thread", return_value=False),
            mock.patch.object(wakeup_sources.process_state, "childless_at", 0.0),
            mock.patch.object(wakeup_sources, "monotonic", return_value=5.0) as clock,
            mock.patch.object(wakeup_sources, "_has_child", return_value=False) as asked,
        ):
            for now, times in ((5.0, 1), (5.0 + wakeup_sources._BIRTH / 2, 1), (6.0, 2)):
                clock.return_value = now
                self.assertFalse(wakeup_sources.process_can_wake())
                self.assertEqual(asked.call_count, times, now)

    def test_idle(self) -> None:
        """A thread that waits to be notified can't until it is. With a timeout, it can."""
        waiting: queue.Queue[Any] = queue.Queue()
        condition, gate = threading.Condition(), threading.Event()

        def work() -> None:
            waiting.get()
            waiting.get(timeout=20)
            with condition:
                condition.wait()
            gate.wait()

        thread = threading.Thread(target=work)
        thread.start()
        self.wait_until(lambda: not _can_wake())
        waiting.put(1)
        self.assertTrue(_can_wake())
        time.sleep(0.05)
        self.assertTrue(_can_wake())  # it has a limit
        waiting.put(1)
        self.wait_until(lambda: not _can_wake())
        with condition:
            condition.notify()
            self.assertTrue(_can_wake())
        self.wait_until(lambda: not _can_wake())
        gate.set()
        self.assertTrue(_can_wake())
        thread.join()

    def test_nothing_kept(self) -> None:
        """No object of another thread is kept alive."""
        gate = threading.Lock()
        gate.acquire()

        class Thing:
            """An object that a thread refers to."""

        def work(thing: Thing) -> None:
            gate.acquire()

        thing = Thing()
        reference = weakref.ref(thing)
        thread = threading.Thread(target=work, args=(thing,))
        thread.start()
        del thing
        gc.disable()
        try:
            self.assertTrue(_can_wake())
            wakeup_sources.describe()
            hang_report.describe_loop(None)
            gate.release()
            thread.join()
            self.assertIsNone(reference())
        finally:
            gc.enable()

    def test_abandoned(self) -> None:
        """An abandoned thread can, if another thread waits, which it may notify."""
        gate, waiting = threading.Lock(), queue.Queue()
        gate.acquire()
        job = threading.Thread(target=gate.acquire)
        job.start()
        assert job.ident is not None
        executors.abandoned_threads.add(job.ident)
        consumer = threading.Thread(target=waiting.get)
        try:
            self.assertFalse(_can_wake())
            consumer.start()
            time.sleep(0.05)
            self.assertTrue(_can_wake())
        finally:
            executors.abandoned_threads.clear()
            gate.release()
            waiting.put(1)
            job.join()
            consumer.join()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition is true."""
        end = time.monotonic() + 20
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.001)

    def test_pools(self) -> None:
        """A thread of a pool can while there is a job for it, even if the pool is gone."""
        for is_dropped in (False, True):
            pool = ThreadPoolExecutor(1)
            for _ in range(20):
                pool.submit(int)
            pool.submit(int).result()
            self.wait_until(lambda: not _can_wake())
            job = pool.submit(time.sleep, 0.001)
            self.assertTrue(_can_wake())
            if is_dropped:
                pool.shutdown(wait=False)
                del pool
                self.assertTrue(_can_wake() or job.done())
            job.result()

    def test_tracker(self) -> None:
        """The resource tracker of multiprocessing can't."""
        resource_tracker.ensure_running()
        try:
            self.assertFalse(_can_wake())
        finally:
            resource_tracker._resource_tracker._stop()

    def test_foreign_threads(self) -> None:
        """A thread that Python did not start can, if it is new."""
        with mock.patch.object(
            wakeup_sources, "_count_threads", lambda: len(sys._current_frames()) + 3
        ):
            self.assertTrue(_can_wake())
            self.assertEqual(
                wakeup_sources.describe(),
                ["a thread that Python did not start, of a library that was used since the start"],
            )
            with mock.patch.object(wakeup_sources.process_state, "harmless_threads", 3):
                self.assertFalse(_can_wake())
        with mock.patch.object(os, "listdir", side_effect=OSError):
            with mock.patch.object(wakeup_sources.process_state, "counts_by_links", False):
                self.assertEqual(wakeup_sources._count_threads(), len(sys._current_frames()))

    def test_children(self) -> None:
        """A child process can."""
        reader, writer = os.pipe()
        child = os.posix_spawn(
            "/bin/cat",
            ["cat"],
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_CLOSE, writer)],
        )
        self.assertTrue(_can_wake())
        with mock.patch.object(os, "waitid", lambda *_: "one has ended"):
            self.assertTrue(_can_wake())
            with mock.patch.object(wakeup_sources, "_text", side_effect=OSError):
                self.assertTrue(_can_wake())
        os.close(writer)
        os.close(reader)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        self.assertFalse(_can_wake())
        os.waitpid(child, 0)
        self.assertFalse(_can_wake())

    def test_handlers(self) -> None:
        """A handler of the user's can, whatever it is; ours, Python's and asyncio's own can't."""

        def _on_sigint(*_: object) -> None: ...  # the name of asyncio's

        def on_signal(*_: object) -> None: ...

        on_signal.__module__ = "nose2_aio_extras"  # begins as our package does
        with asyncio.Runner() as runner:
            asyncios = functools.partial(runner._on_sigint, main_task=None)  # type: ignore[attr-defined]
        for handler, expected in (
            (asyncios, False),
            (process_alarms.handler, False),
            (signal.default_int_handler, False),
            (_on_sigint, True),
            (functools.partial(_on_sigint), True),
            (on_signal, True),
        ):
            before = signal.signal(signal.SIGINT, handler)
            try:
                self.assertIs(_can_wake(), expected, handler)
            finally:
                signal.signal(signal.SIGINT, before)
        for number in (signal.SIGUSR1, signal.SIGINT):
            for handler in (lambda *_: None, {}.setdefault):
                before = signal.signal(number, handler)
                self.assertTrue(_can_wake())
                signal.signal(number, before)
        self.assertFalse(_can_wake())
