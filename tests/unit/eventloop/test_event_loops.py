"""nose2_aio.eventloop.event_loops: a closed loop hands its open files on to the next one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import weakref
from pathlib import Path
from typing import Any
from unittest import TestCase, mock, skipUnless

from nose2_aio.eventloop import event_loops, instrumented


class Wrapper:
    """A selector that a user has put around that of a loop."""

    def __init__(self, selector: Any) -> None:
        self.selector = selector

    def __getattr__(self, name: str) -> Any:
        return getattr(self.selector, name)


@skipUnless(sys.platform == "linux", "only Linux has epoll")
class Recycling(TestCase):
    """`event_loops.recycling`"""

    def setUp(self) -> None:
        """Recycle files, apart from the run of this test."""
        self.recycler = event_loops._Recycler()
        self.enterContext(mock.patch.object(event_loops, "_recycler", self.recycler))
        self.enterContext(mock.patch.object(event_loops, "_lost", []))
        self.unused = self.open_files()
        self.recycling = self.enterContext(contextlib.ExitStack())
        self.recycling.enter_context(event_loops.recycling())

    def open_files(self) -> int:
        """Return how many files are open."""
        return len([*Path("/proc/self/fd").iterdir()])

    def loop(self) -> Any:
        """Return a new loop, which the test has to close."""
        return event_loops.InstrumentedLoop()

    def check(self, loop: Any) -> None:
        """Fail unless a loop is like new, and another thread can wake it. Close it."""
        self.assertEqual(len(loop._selector.get_map()), 1)
        self.assertEqual(loop._selector.select(0), [])
        thread = threading.Timer(0.01, loop.call_soon_threadsafe, [loop.stop])
        thread.start()
        loop.run_forever()
        thread.join()
        loop.close()

    def test_taken_over(self) -> None:
        """Only the files are the same. Nothing keeps the closed loop."""
        first = self.loop()
        reader, selector, reference = first._ssock, first._selector, weakref.ref(first)
        self.check(first)
        first.close()
        with self.assertRaisesRegex(RuntimeError, "Event loop is closed"):
            first.call_soon_threadsafe(print)
        self.assertEqual((first._csock, selector.get_map()), (None, None))
        del first
        self.assertIsNone(reference())
        second = self.loop()
        self.assertIs(second._ssock, reader)
        self.assertIsNot(second._selector, selector)
        self.check(second)

    def test_one_at_a_time(self) -> None:
        """A second loop opens its own files. There are as many open files after it as before."""
        spare = self.open_files()
        self.assertEqual(spare, self.unused + 3)
        outer = self.loop()
        for _ in range(3):
            inner = self.loop()
            self.assertEqual(self.open_files(), spare + 3)
            self.check(inner)
            self.assertEqual(self.open_files(), spare)
        self.check(outer)
        self.assertEqual(self.open_files(), spare)

    def test_spoiled(self) -> None:
        """The files of a loop that has done more with them are closed. There are new ones."""
        for spoil in (
            self.leak_reader,
            self.lose_reader,
            self.set_signal_handler,
            self.unset_signal_handler,
            self.close_in_thread,
            self.fork,
            self.replace_selector,
            self.leave_byte,
            self.write_late,
        ):
            with self.subTest(spoil.__name__), contextlib.ExitStack() as self.kept:
                before = self.open_files()
                loop = self.loop()
                reader, epoll = loop._ssock, loop.__nose2_aio__.files.epoll
                spoil(loop)
                held = self.open_files()
                loop.close()
                if spoil != self.close_in_thread:
                    self.assertEqual(self.open_files(), held)
                after = self.loop()
                self.assertEqual((reader.fileno(), epoll.closed), (-1, True))
                self.check(after)
                self.kept.close()
                self.assertEqual(self.open_files(), before)

    def leak_reader(self, loop: Any) -> None:
        reader, writer = socket.socketpair()
        self.kept.callback(reader.close)
        self.kept.callback(writer.close)
        loop.add_reader(reader, print)

    def lose_reader(self, loop: Any) -> None:
        """The selector forgets a file that is closed. epoll has it while there is a copy."""
        reader, writer = os.pipe()
        self.kept.callback(os.close, os.dup(reader))
        self.kept.callback(os.close, writer)
        loop.add_reader(reader, print)
        os.close(reader)
        loop.remove_reader(reader)
        os.write(writer, b"x")

    def set_signal_handler(self, loop: Any) -> None:
        loop.add_signal_handler(signal.SIGUSR2, print)

    def unset_signal_handler(self, loop: Any) -> None:
        loop.add_signal_handler(signal.SIGUSR2, print)
        loop.remove_signal_handler(signal.SIGUSR2)

    def close_in_thread(self, loop: Any) -> None:
        thread = threading.Thread(target=loop.close)
        thread.start()
        thread.join()

    def fork(self, _: Any) -> None:
        self.recycler.after_fork()

    def replace_selector(self, loop: Any) -> None:
        loop._selector = Wrapper(loop._selector)

    def leave_byte(self, loop: Any) -> None:
        loop.call_soon_threadsafe(print)

    def write_late(self, loop: Any) -> None:
        """A thread is in the middle of ``call_soon_threadsafe`` when the loop is closed."""
        writer = loop._csock
        loop.close()
        writer.send(b"\0")

    def test_too_late(self) -> None:
        """A byte that comes when the next loop has the files wakes that for nothing."""
        first = self.loop()
        writer = first._csock
        first.close()
        for is_virtual in (False, True):
            with self.subTest(is_virtual=is_virtual), contextlib.closing(self.loop()) as loop:
                if is_virtual:
                    instrumented.make_virtual(loop)
                began = loop.time()
                writer.send(b"\0")
                loop.run_until_complete(asyncio.sleep(0.01))
                self.assertLess(abs(loop.time() - began - 0.01), 1e-9 if is_virtual else 5)
                loop.__nose2_aio__.on_deadlock = loop.stop
                writer.send(b"\0")
                loop.run_forever()
                self.assertEqual(loop._selector.select(0), [])

    def test_lost(self) -> None:
        """Files that somebody else has closed are not closed again: others have their numbers."""
        for which in range(3):
            with self.subTest(which):
                loop = self.loop()
                files = loop.__nose2_aio__.files
                numbers = [files.reader.fileno(), files.writer.fileno(), files.epoll.fileno()]
                loop.close()
                del files
                with Path(os.devnull).open() as other:
                    os.dup2(other.fileno(), numbers[which])
                loop = self.loop()
                self.assertNotIn(loop._ssock.fileno(), numbers)
                self.check(loop)
                for number in numbers:
                    os.fstat(number)  # it is open
                event_loops._lost.pop().close()
                os.close(numbers[0])
                os.close(numbers[1])

    def test_no_files(self) -> None:
        """If no spare files can be opened, a new loop tries to open its own, as asyncio does."""
        for error in (OSError, RuntimeError):
            loop = self.loop()
            self.unset_signal_handler(loop)
            with mock.patch.object(socket, "socketpair", side_effect=error):
                loop.close()
                self.assertIsNone(self.recycler.take())
        self.check(self.loop())
        self.assertEqual(self.open_files(), self.unused + 3)

    def test_end(self) -> None:
        """At the end, the spare files are closed. A loop that is still open keeps its files."""
        loop = self.loop()
        self.recycling.close()
        self.assertEqual(self.open_files(), self.unused + 3)
        self.check(loop)
        self.assertEqual(self.open_files(), self.unused)
        self.check(self.loop())
        self.recycling.enter_context(event_loops.recycling())
        with event_loops.recycling():
            self.check(self.loop())
        self.assertEqual(self.open_files(), self.unused + 3)
        self.recycling.close()
        self.assertEqual(self.open_files(), self.unused)

    def test_no_epoll(self) -> None:
        """On systems without epoll, nothing is recycled."""
        self.recycling.close()
        with mock.patch.object(event_loops, "select", spec=[]), event_loops.recycling():
            self.check(self.loop())
        self.assertEqual(self.open_files(), self.unused)

    def test_other_thread(self) -> None:
        """The loop of another thread has its own files."""
        spare = self.open_files()
        thread = threading.Thread(target=lambda: self.check(self.loop()))
        thread.start()
        thread.join()
        self.assertEqual(self.open_files(), spare)
        self.assertIsNotNone(self.recycler._spare)
