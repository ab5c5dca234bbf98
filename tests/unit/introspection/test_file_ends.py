"""nose2_aio.introspection.file_ends"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest import TestCase, mock, skipUnless

if sys.platform == "linux":
    from nose2_aio.introspection import file_ends
    from nose2_aio.introspection.file_ends import Kind

_ATTACH_FILTER = 26
"""``SO_ATTACH_FILTER``"""


def connect(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection, without blocking."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        accepted, _ = server.accept()
    client.setblocking(False)
    accepted.setblocking(False)
    return client, accepted


def drop_all(one: socket.socket) -> None:
    """Let a socket receive nothing any more: the kernel drops it."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0
    one.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HxxxxxxQ", 1, ctypes.addressof(program))
    )


@skipUnless(sys.platform == "linux", "these names are those of Linux")
class Names(TestCase):
    """The names of both ends."""

    def check_pair(self, one: int, other: int) -> None:
        ends = [file_ends.look_at(file) for file in (one, other)]
        assert ends[0] is not None and ends[1] is not None
        self.assertIn(ends[0].name, ends[1].others)
        self.assertIn(ends[1].name, ends[0].others)
        self.assertNotEqual(ends[0].name, ends[1].name)

    def test_pairs(self) -> None:
        """Each end knows the name of the other one."""
        for pair in (connect(), connect("::1"), socket.socketpair()):
            with pair[0], pair[1]:
                self.check_pair(pair[0].fileno(), pair[1].fileno())
        reader, writer = os.pipe()
        self.check_pair(reader, writer)
        os.close(reader)
        os.close(writer)
        with (
            socket.socket(type=socket.SOCK_DGRAM) as one,
            socket.socket(type=socket.SOCK_DGRAM) as other,
        ):
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            one.connect(other.getsockname())
            end, others = file_ends.look_at(one.fileno()), file_ends.look_at(other.fileno())
            assert end is not None and others is not None
            self.assertIn(others.name, end.others)
            self.assertTrue(others.is_open_to_all)
            other.connect(one.getsockname())
            self.check_pair(one.fileno(), other.fileno())

    def test_mixed(self) -> None:
        """A client of IPv4 is connected to a server of IPv6."""
        if not socket.has_dualstack_ipv6():
            self.skipTest("no IPv6")  # pragma: no cover -- machines without IPv6
        with (
            socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
            socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client,
            server.accept()[0] as accepted,
        ):
            self.check_pair(client.fileno(), accepted.fileno())

    def test_paths(self) -> None:
        """A Unix socket is connected to a path: to the listener at first, then to its peer."""
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            with (
                socket.socket(socket.AF_UNIX) as server,
                socket.socket(socket.AF_UNIX) as client,
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound,
            ):
                server.bind(path)
                server.listen()
                client.connect(path)
                end = file_ends.look_at(client.fileno())
                listener = file_ends.look_at(server.fileno())
                assert end is not None and listener is not None
                self.assertEqual(end.others, (listener.name,))
                self.assertTrue(listener.is_open_to_all)
                with server.accept()[0] as accepted:
                    self.check_pair(client.fileno(), accepted.fileno())
                end = file_ends.look_at(bound.fileno())
                assert end is not None
                self.assertEqual((end.others, end.is_open_to_all), ((), False))
                bound.bind(f"{folder}/bound")
                end = file_ends.look_at(bound.fileno())
                assert end is not None
                self.assertTrue(end.is_open_to_all)

    def test_unknown(self) -> None:
        """Other files have no known end, or nobody knows who is at the other one."""
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(f"{folder}/fifo")
            fifo = os.open(f"{folder}/fifo", os.O_RDWR)
            reader, writer = os.pipe()
            both = os.open(f"/proc/self/fd/{reader}", os.O_RDWR)
            event = os.eventfd(0)
            unconnected = socket.socket()
            netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
            for one in (fifo, both, event, unconnected.fileno(), netlink.fileno(), 99_999):
                self.assertIsNone(file_ends.look_at(one))
            unconnected.close()
            netlink.close()
            for one in (fifo, reader, writer, both, event):
                os.close(one)
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            for address in ((), ("0.0.0.0", 0)):
                if address:
                    one.bind(address)
                end = file_ends.look_at(one.fileno())
                assert end is not None
                self.assertEqual((end.name[0], end.is_open_to_all), (Kind.UDP, False))

    def test_accept_queue(self) -> None:
        """A connection is in the queue until somebody accepts it, also if it was half closed."""
        for host in ("127.0.0.1", "::1"):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with (
                socket.create_server((host, 0), family=family) as server,
                socket.create_connection(server.getsockname()[:2]) as client,
            ):
                end = file_ends.look_at(client.fileno())
                assert end is not None
                self.assertTrue(file_ends.is_in_accept_queue(end.name))
                client.shutdown(socket.SHUT_WR)
                self.assertTrue(file_ends.is_in_accept_queue(end.name))
                server.accept()[0].close()
                self.assertFalse(file_ends.is_in_accept_queue(end.name))
        for names in ((("fe80::1%lo", 1), ("::1", 1)), (("127.0.0.9", 1), ("127.0.0.9", 2))):
            self.assertFalse(file_ends.is_in_accept_queue((Kind.TCP, *names)))

    def test_refused(self) -> None:
        """The kernel may know nothing about a Unix socket, or have no module that tells it."""
        self.assertEqual(file_ends._inode_of_peer(0xFFFFFFFE), 0)


@skipUnless(sys.platform == "linux", "these names are those of Linux")
class Moving(TestCase):
    """What is on its way."""

    def setUp(self) -> None:
        self.one, self.other = connect()
        self.addCleanup(self.one.close)
        self.addCleanup(self.other.close)

    def is_on_way(self, *, is_room_awaited: bool = False) -> bool:
        ends = self.one.fileno(), self.other.fileno()
        return file_ends.is_on_way(*ends, is_room_awaited=is_room_awaited)

    def test_delivered(self) -> None:
        """Bytes that were read are not on their way, though the receiver acknowledges them late."""
        for _ in range(50):  # after a while, acknowledgements are delayed
            self.one.send(b"ping")
            self.assertEqual(self.other.recv(9), b"ping")
            self.other.send(b"pong")
            self.assertEqual(self.one.recv(9), b"pong")
            self.assertFalse(self.is_on_way())
            ends = self.other.fileno(), self.one.fileno()
            self.assertFalse(file_ends.is_on_way(*ends, is_room_awaited=False))

    def test_nagle(self) -> None:
        """Small writes wait for an acknowledgement, which may take 40 ms."""
        for _ in range(50):
            self.one.send(b"a")
            self.one.send(b"b")
            got = b""
            while self.is_on_way():
                with suppress(BlockingIOError):
                    got += self.other.recv(9)
            got += b"" if len(got) == 2 else self.other.recv(9)
            self.assertEqual(got, b"ab")
            self.other.send(b"c")  # from now on, acknowledgements are sent with data
            self.one.recv(9)

    def test_room(self) -> None:
        """Who waits for room to send gets it with an acknowledgement."""
        for _ in range(50):
            self.one.send(b"a")
            self.other.recv(9)
            self.other.send(b"b")
            self.one.recv(9)
        self.one.send(b"c")
        self.assertFalse(self.is_on_way())
        self.assertTrue(self.is_on_way(is_room_awaited=True))

    def test_end(self) -> None:
        """The end of a stream has come, if nothing has to be sent before it."""
        self.one.shutdown(socket.SHUT_WR)
        self.assertFalse(self.is_on_way())

    def test_lost_end(self) -> None:
        """The end of a stream that was lost is on its way."""
        drop_all(self.other)
        self.one.shutdown(socket.SHUT_WR)
        self.assertTrue(self.is_on_way())

    def test_lost(self) -> None:
        """Bytes that were sent and have not come are on their way: the kernel sends them again."""
        drop_all(self.other)
        self.one.send(b"lost")
        self.assertTrue(self.is_on_way())

    def test_kept(self) -> None:
        """Bytes that were not sent yet are on their way if the receiver has room for them."""
        self.one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.one.send(b"kept")
        self.assertTrue(self.is_on_way())
        self.one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        self.other.recv(9)
        self.assertFalse(self.is_on_way())

    def test_full(self) -> None:
        """Bytes that the receiver has no room for are not on their way, once all are known."""
        with self.assertRaises(BlockingIOError):
            while True:
                self.one.send(b"x" * 65536)
        while self.is_on_way():
            pass  # the last acknowledgement is delayed for 40 ms
        self.assertFalse(self.is_on_way())

    def test_closed(self) -> None:
        """Of a socket that is closed, nothing is known."""
        descriptor = self.one.fileno()
        self.one.close()
        ends = descriptor, self.other.fileno()
        self.assertTrue(file_ends.is_on_way(*ends, is_room_awaited=False))

    def test_unacknowledged(self) -> None:
        """Nobody has accepted a connection yet: what is sent is acknowledged by the kernel."""
        self.assertFalse(file_ends.is_unacknowledged(self.one.fileno()))
        drop_all(self.other)
        self.one.send(b"lost")
        self.assertTrue(file_ends.is_unacknowledged(self.one.fileno()))
        self.assertTrue(file_ends.is_unacknowledged(99_999))

    def test_backlog(self) -> None:
        """The kernel tells how many packets were not received yet, since Linux 5.10."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "softnet_stat")
            with mock.patch.object(file_ends, "_BACKLOG", str(path)):
                self.assertTrue(file_ends.has_backlog())
                for queued, expected in ((None, True), ("00000000", False), ("0000000a", True)):
                    line = " ".join(["00000001"] * 11 + ([queued] if queued else []))
                    path.write_text(f"{line}\n" * 2)
                    self.assertEqual(file_ends.has_backlog(), expected)
