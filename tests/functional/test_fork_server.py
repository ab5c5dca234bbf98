"""The tests' own fork server: what it forks is as a process that was started."""

from __future__ import annotations

import signal
from unittest import TestCase, skipUnless

from tests.runs import CAN_FORK, LOAD, Project
from tests.workers import without_times

CODE = """
import __main__
import asyncio, atexit, gc, logging, os, signal, sys, threading, time, unittest, warnings, weakref

class Case(unittest.TestCase):
    def test_state(self):
        signals = signal.SIGPIPE, signal.SIGCHLD, signal.SIGHUP
        print(os.getcwd(), sys.argv, sys.orig_argv, sys.path, sys.flags, sys.warnoptions)
        print(warnings.filters, logging.root.handlers, sys.meta_path)
        print(sorted(set(vars(__main__)) - {"__annotations__"}), __main__.__file__)
        print(sys.stdin, sys.stdout, sys.stderr, sorted(os.listdir("/proc/self/fd")))
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
        print(sorted(os.environ.items()), threading.active_count(), gc.get_threshold())
        print([signal.getsignal(one) for one in signals])
    def test_interrupt(self):
        raise KeyboardInterrupt
    def test_killed(self):
        print("killed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    async def test_end(self):
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (time.sleep(0.02), print("thread"))).start()
        weakref.finalize(unittest, print, "finalized")
    def test_exit(self):
        os._exit(7)
"""


@skipUnless(CAN_FORK, "nothing is forked here")
class Forked(TestCase):
    """A forked run, compared with a started one."""

    maxDiff = None

    def test_same(self) -> None:
        """State of the process, output and exit status are the same."""
        project = Project(self, test_it=CODE)
        for name, status in (
            ("state", 0),
            ("interrupt", 1),
            ("killed", -signal.SIGKILL),
            ("end", 0),
            ("exit", 7),
        ):
            with self.subTest(name):
                arguments = ("-v", f"test_it.Case.test_{name}")
                forked = project.nose2(*arguments)
                started = project.python("-m", "nose2", *LOAD, *arguments)
                self.assertEqual(without_times(forked.output), without_times(started.output))
                self.assertEqual((forked.returncode, started.returncode), (status, status))
