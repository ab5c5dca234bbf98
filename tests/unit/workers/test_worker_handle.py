"""nose2_aio.workers.worker_handle"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import TestCase, mock, skipIf

from nose2_aio.introspection import locations
from nose2_aio.workers import stack_dumps, worker_handle
from nose2_aio.workers.messages import Assignment, Channel, OutputText, Report
from nose2_aio.workers.worker_handle import WorkerHandle

CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def echoes(link: Channel, word: str) -> None:
    """Send back each assignment as a report, until there are no more."""
    while orders := pickle.loads(link.connection.recv_bytes()):
        report = Report(orders[0].unit, [OutputText(1, f"{word} {link.folder.name}")])
        link.connection.send_bytes(report.to_bytes())


def blocks(link: Channel) -> None:
    """Begin a group of processes with a child in it, and never end."""
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    child = os.fork()
    if child:
        grandchild = os.fork()
        if not grandchild:
            os.setsid()  # it leaves the group
            time.sleep(60)
        link.connection.send_bytes(Report(child, [OutputText(1, str(grandchild))]).to_bytes())
    time.sleep(60)


def dumps(link: Channel) -> None:
    """Sleep, and write the stacks when it is asked for them."""
    file = stack_dumps.write_at_signals(link.folder)
    link.connection.send_bytes(Report(0, []).to_bytes())
    time.sleep(60)
    file.close()


def leaves(link: Channel, code: int) -> None:
    os._exit(code)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@skipIf(sys.platform == "win32", "no such signals there")
class Handles(TestCase):
    """A handle of a process."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, target: Any, *args: object) -> WorkerHandle:
        found = WorkerHandle(CONTEXT, self.folder / "worker-1", target, *args)  # type: ignore[arg-type]
        self.addCleanup(found.close)
        self.addCleanup(found.kill_now)
        return found

    def test_orders(self) -> None:
        """It gets assignments and sends reports. Then it ends by itself."""
        worker = self.start(echoes, "from")
        self.assertFalse(worker.is_busy or worker.has_reported)
        worker.send(Assignment(3), Assignment(4))
        self.assertEqual(worker.receive(), Report(3, [OutputText(1, "from worker-1")]))
        self.assertTrue(worker.is_busy and worker.has_reported)
        self.assertEqual(list(worker.assignments), [Assignment(3), Assignment(4, number=1)])
        self.assertEqual(worker.process.name, "worker-1")
        worker.dismiss()
        self.assertEqual(worker.wait(), 0)

    def test_taken_back(self) -> None:
        """Assignments that it has not begun can be taken back."""
        worker = self.start(leaves, 0)
        worker.send(Assignment(3), Assignment(4))
        worker.send(Assignment(5))
        worker.state.begin_assignment(0)
        self.assertEqual(worker.take_back(), [Assignment(4, number=1), Assignment(5, number=2)])
        self.assertEqual(list(worker.assignments), [Assignment(3)])

    def test_dead(self) -> None:
        """Sending assignments to a dead worker is no error."""
        worker = self.start(leaves, 5)
        worker.process.join()
        worker.send(Assignment(0))
        worker.dismiss()
        worker.signal(signal.SIGINT)
        with self.assertRaises((EOFError, OSError)):
            worker.receive()
        self.assertEqual(worker.wait(), 5)
        self.assertEqual(worker.stack(), [])

    @skipIf(sys.platform != "linux", "the child processes of a process are listed in /proc")
    def test_kill(self) -> None:
        """A kill also kills its child processes, even those in other process groups."""
        worker = self.start(blocks)
        report = worker.receive()
        children = [report.unit, int(report.events[0].text)]  # type: ignore[union-attr]
        time.sleep(0.02)  # until one has left
        self.assertTrue(all(map(is_alive, children)))
        worker.kill_now()
        self.assertEqual(worker.wait(), -signal.SIGKILL)
        end = time.monotonic() + 5
        while any(map(is_alive, children)) and time.monotonic() < end:
            time.sleep(0.005)
        self.assertFalse(any(map(is_alive, children)))

    def test_stuck(self) -> None:
        """A stuck worker gets time to write its stacks before it is killed."""
        worker = self.start(dumps)
        worker.receive()
        worker.kill(is_stuck=True)
        self.assertTrue(worker.is_stuck and worker.is_being_killed)
        worker.finish_kill()
        self.assertTrue(worker.process.is_alive())
        end = time.monotonic() + 5
        while worker.process.is_alive() and time.monotonic() < end:
            worker.finish_kill()
            time.sleep(0.005)
        self.assertEqual(worker.wait(), -signal.SIGKILL)
        with mock.patch.object(locations, "is_users", lambda name: name == __file__):
            self.assertEqual(worker.stack()[-1].name, "dumps")

    def test_end(self) -> None:
        """A worker that doesn't end is killed after a while."""
        worker = self.start(blocks)
        worker.receive()
        with mock.patch.object(worker_handle, "_EXIT_TIME", 0.02):
            self.assertEqual(worker.wait(), -signal.SIGKILL)
