"""nose2_aio.sleepers"""

from __future__ import annotations

import math
import socket
from unittest import TestCase, mock

from nose2_aio import sleepers
from nose2_aio.sleepers import Sleepers


class Sleep(TestCase):
    """Who has woken, and when."""

    def setUp(self) -> None:
        """Have a clock that stands still, and nobody who sleeps."""
        self.now = 100.0
        patch = mock.patch.object(sleepers, "monotonic", lambda: self.now)
        patch.start()
        self.addCleanup(patch.stop)
        self.sleepers: Sleepers[str] = Sleepers()
        self.addCleanup(self.sleepers.close)

    def file(self) -> tuple[int, socket.socket]:
        """The number of a file, and what is to be written to if that is to have something."""
        reads, writes = socket.socketpair()
        self.addCleanup(reads.close)
        self.addCleanup(writes.close)
        return reads.fileno(), writes

    def wait_while(self, then: float, timeout: float) -> list[tuple[float, str]]:
        """Wait for so many seconds at most, but for real not at all: then it is ``then``."""
        select = self.sleepers._files.select
        asked: list[float | None] = []

        def selects(seconds: float | None = None) -> object:
            asked.append(seconds)
            self.now = then
            return select(0)

        with mock.patch.object(self.sleepers._files, "select", selects):
            found = self.sleepers.woken(timeout)
        self.asked = asked[0]
        return found

    def test_moment(self) -> None:
        """One wakes when its moment has come, and not before."""
        self.sleepers.add("late", self.file()[0], 2.0)
        self.sleepers.add("early", self.file()[0], 1.0)
        self.sleepers.add("at once", self.file()[0], 0.0)
        self.sleepers.add("never", self.file()[0], None)
        self.assertEqual(self.sleepers.woken(), [(100.0, "at once")])
        self.now = 100.9
        self.assertEqual(self.sleepers.woken(), [])
        self.now = 101.0
        self.assertEqual(self.sleepers.woken(), [(101.0, "early")])
        self.now = 150.0
        self.assertEqual(self.sleepers.woken(), [(102.0, "late")])
        self.assertEqual(self.sleepers.woken(), [])
        self.assertEqual(self.sleepers._soonest, math.inf)
        self.sleepers.add("again", self.file()[0], 3.0)
        self.now = 153.0
        self.assertEqual(self.sleepers.woken(), [(153.0, "again")])

    def test_file(self) -> None:
        """One wakes when its file has something; that may have been since the last look."""
        number, writes = self.file()
        self.sleepers.add("one", number, 9.0)
        self.now = 101.0
        self.assertEqual(self.sleepers.woken(), [])
        writes.send(b"x")
        self.now = 104.0
        self.assertEqual(self.sleepers.woken(), [(101.0, "one")])
        self.now = 200.0
        self.assertEqual(self.sleepers.woken(), [])
        self.sleepers.add("one", number, None)  # there is something still
        self.now = 202.0
        self.assertEqual(self.sleepers.woken(), [(200.0, "one")])

    def test_began(self) -> None:
        """Nobody has woken before it slept."""
        number, writes = self.file()
        writes.send(b"x")
        self.assertEqual(self.sleepers.woken(), [])
        self.now = 105.0
        self.sleepers.add("one", number, None)
        self.now = 106.0
        self.assertEqual(self.sleepers.woken(), [(105.0, "one")])

    def test_both(self) -> None:
        """Of a file and a moment the file counts, which was looked for before."""
        number, writes = self.file()
        self.sleepers.add("one", number, 1.0)
        writes.send(b"x")
        self.now = 105.0
        self.assertEqual(self.sleepers.woken(), [(100.0, "one")])

    def test_waits(self) -> None:
        """It waits up to the next moment, or for as long as it may; what came then came then."""
        number, writes = self.file()
        self.sleepers.add("file", number, None)
        self.assertEqual(self.wait_while(103.0, 3.0), [])
        self.assertEqual(self.asked, 3.0)
        self.sleepers.add("moment", self.file()[0], 1.0)
        self.assertEqual(self.wait_while(104.5, 3.0), [(104.5, "moment")])
        self.assertEqual(self.asked, 1.0)
        self.sleepers.add("moment", self.file()[0], 1.0)
        self.now = 106.0
        self.assertEqual(self.wait_while(106.0, 3.0), [(105.5, "moment")])  # when nobody looked
        self.assertEqual(self.asked, 0.0)
        writes.send(b"x")
        self.assertEqual(self.wait_while(109.0, 3.0), [(109.0, "file")])
