"""nose2_aio.eventloop.own_files, and a selector that asks it"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import TestCase, mock, skipUnless

import nose2_aio as aio
from nose2_aio.eventloop import instrumented, selector, wakeup_sources
from nose2_aio.eventloop.virtual_clock import Clock, HeldTime
from tests.unit.introspection.test_file_ends import connect, drop_all

if sys.platform == "linux":
    from nose2_aio.eventloop.own_files import OwnFiles
    from nose2_aio.introspection import file_ends


def never(_: int) -> bool:
    """Say that the loop does not wait for room to write to a file."""
    return False


def run(main: Callable[[Clock], Awaitable[Any]]) -> Any:
    """Run a coroutine function in virtual time. Its argument is the clock."""
    with aio.virtual_clock() as loop:
        return loop.run_until_complete(main(aio.clock()))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each four bytes after a second. Close the connection after an idle minute."""
    try:
        while True:
            question = await asyncio.wait_for(reader.readexactly(4), 60)
            await asyncio.sleep(1)
            writer.write(question)
    except (TimeoutError, asyncio.IncompleteReadError):
        writer.close()


@skipUnless(sys.platform == "linux", "other systems don't tell whose a file is")
class Whose(TestCase):
    """Whose the other ends of files are."""

    def foreign(self, *files: Any) -> list[bool]:
        own = OwnFiles()
        numbers = [file if isinstance(file, int) else file.fileno() for file in files]
        found = own.foreign(numbers)
        self.assertEqual(own.foreign(numbers), found)  # from now on it is known
        self.check_rest(own)
        answer = [one in found for one in numbers]
        for one in numbers:
            own.forget(one)
        tables = [table for table in vars(own).values() if isinstance(table, (dict, set))]
        self.assertEqual([len(table) for table in tables], [0] * 6)
        return answer

    def check_rest(self, own: OwnFiles) -> None:
        """Check that nothing is on its way. Packets of other programs are in the same list."""
        self.assertIn(False, (own.is_anything_on_way(never) for _ in range(1000)))

    def test_own(self) -> None:
        """Files are own if both ends are open here, whether both are watched or one."""
        pipe = os.pipe()
        for one, other in (connect(), socket.socketpair()):
            with one, other:
                self.assertEqual(self.foreign(one, other), [False, False])
                self.assertEqual(self.foreign(one), [False])
        for files in (pipe, pipe[:1], pipe[1:]):
            self.assertNotIn(True, self.foreign(*files))
        for one in pipe:
            os.close(one)

    def test_datagrams(self) -> None:
        """A datagram socket is own on the loopback interface, or if it's connected to such one."""
        with (
            socket.socket(type=socket.SOCK_DGRAM) as server,
            socket.socket(type=socket.SOCK_DGRAM) as client,
            socket.socket(type=socket.SOCK_DGRAM) as anybody,
        ):
            server.bind(("127.0.0.1", 0))
            client.connect(server.getsockname())
            anybody.bind(("0.0.0.0", 0))
            self.assertEqual(self.foreign(server, client, anybody), [False, False, True])
            self.assertEqual(self.foreign(anybody), [True])
            server.close()
            self.assertEqual(self.foreign(client), [True])

    def test_not_accepted(self) -> None:
        """A connection that nobody has accepted yet is own, and is looked at again."""
        own = OwnFiles()
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            files = [client.fileno(), server.fileno()]
            for _ in range(2):
                self.assertEqual(own.foreign(files), set())
                self.check_rest(own)
            with mock.patch.object(file_ends, "tcp_info", return_value=None):
                self.assertTrue(own.is_anything_on_way(never))
            with server.accept()[0] as accepted:
                self.assertEqual(own.foreign(files), set())
                self.assertEqual(own._tcp, {client.fileno(): accepted.fileno()})

    def test_given_away(self) -> None:
        """If only another process has the other end, the file is not own."""
        ends = [*connect(), *socket.socketpair()]
        reader, writer = os.pipe()
        given = [ends[1].fileno(), ends[3].fileno(), writer]
        with subprocess.Popen(["sleep", "9"], pass_fds=given) as process:
            for one in given:
                os.close(one)
            self.assertEqual(self.foreign(ends[0], ends[2], reader), [True] * 3)
            process.kill()
        os.close(reader)
        for one in ends:
            one.detach() if one.fileno() in given else one.close()

    def test_handshake(self) -> None:
        """As long as the kernel has not put a connection into the queue, that holds time."""
        own = OwnFiles()
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            for is_queued in (False, True):
                with mock.patch.object(file_ends, "is_in_accept_queue", return_value=is_queued):
                    found = own.foreign([client.fileno()])
                self.assertEqual(client.fileno() in found, not is_queued)

    def test_closed(self) -> None:
        """If the other end was closed, the kernel still sends what is left: the file is foreign."""
        own = OwnFiles()
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            accepted, _ = server.accept()
            drop_all(client)
            accepted.send(b"lost")
            files = [client.fileno(), server.fileno()]
            self.assertEqual(own.foreign(files), set())
            accepted.close()
            self.assertTrue(own.is_anything_on_way(never))
            self.assertEqual(own.foreign(files), {client.fileno()})
            self.check_rest(own)
            self.assertEqual(self.foreign(client, server), [True, False])

    def test_inherited(self) -> None:
        """A file that was open before a fork may be open in the parent: it's not own."""
        one, other = socket.socketpair()
        with one, other, mock.patch.object(wakeup_sources.process_state, "inherited_files"):
            wakeup_sources.process_state.note_inherited_files()
            self.assertEqual(self.foreign(one), [True])

    def test_forked(self) -> None:
        """A file that was open when this process was forked may be open in the other one."""
        one, other = socket.socketpair()
        own = OwnFiles()
        with one, other:
            self.assertEqual(own.foreign([one.fileno()]), set())
            before = wakeup_sources.process_state.inherited_files
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            self.assertEqual(own.foreign([one.fileno()]), {one.fileno()})
            wakeup_sources.process_state.inherited_files = before
            self.assertEqual(own.foreign([one.fileno()]), set())

    def test_replaced(self) -> None:
        """If the other end is closed and its number used again, the file is looked at again."""
        one, other = connect()
        own = OwnFiles()
        with one, other:
            self.assertEqual(own.foreign([one.fileno()]), set())
            one.send(b"x")
            os.dup2(one.fileno(), other.fileno())
            self.assertTrue(own.is_anything_on_way(never))
            self.assertEqual(own.foreign([one.fileno()]), {one.fileno()})

    def test_room(self) -> None:
        """If the loop waits for room to write, it gets that with an acknowledgement."""
        one, other = connect()
        with one, other:
            for _ in range(50):  # after a while, acknowledgements are delayed
                one.send(b"a")
                other.recv(9)
                other.send(b"b")
                one.recv(9)
            one.send(b"c")
            for files in ([one], [other]):
                own = OwnFiles()
                own.foreign([file.fileno() for file in files])
                self.assertFalse(own.is_anything_on_way(never))
                self.assertTrue(own.is_anything_on_way(lambda file: file == one.fileno()))

    def test_on_way(self) -> None:
        """Bytes that are on their way are seen, whichever end is watched."""
        one, other = connect()
        with one, other:
            drop_all(other)
            one.send(b"lost")
            for files in ([one], [other], [one, other], [other, one]):
                own = OwnFiles()
                self.assertFalse(own.foreign([file.fileno() for file in files]))
                self.assertTrue(own.is_anything_on_way(never))


@skipUnless(sys.platform == "linux", "other systems don't tell whose a file is")
class Jumping(TestCase):
    """Virtual time with clients and servers."""

    def test_streams(self) -> None:
        """A client waits between its questions, the server before its answers. Both jump."""

        async def main(clock: Clock) -> None:
            for host in ("127.0.0.1", "::1"):
                start = clock.time()
                async with await asyncio.start_server(echo, host, 0) as server:
                    address = server.sockets[0].getsockname()
                    reader, writer = await asyncio.open_connection(*address[:2])
                    for _ in range(20):
                        await asyncio.sleep(30)
                        writer.write(b"ping")
                        self.assertEqual(await asyncio.wait_for(reader.read(4), 2), b"ping")
                    self.assertEqual(await reader.read(), b"")
                    writer.close()
                self.assertEqual(clock.time() - start, 20 * 31 + 60)

        began = time.monotonic()
        run(main)
        self.assertLess(time.monotonic() - began, 30)

    def test_silent_server(self) -> None:
        """A client gives up on a server that never accepts, or never answers."""

        async def main(clock: Clock) -> None:
            with socket.create_server(("127.0.0.1", 0)) as server:
                reader, writer = await asyncio.open_connection(*server.getsockname())
                with self.assertRaises(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 3600)
                accepted, _ = server.accept()
                with accepted:
                    writer.write(b"x" * 9_000_000)  # more than the buffers can hold
                    with self.assertRaises(TimeoutError):
                        await asyncio.wait_for(writer.drain(), 3600)
                writer.transport.abort()
            self.assertGreaterEqual(clock.time(), 7200)

        run(main)

    def test_lost(self) -> None:
        """A packet that the kernel has to send again comes before any timer."""

        async def main(clock: Clock) -> None:
            one, other = connect()
            drop_all(other)
            reader, writer = await asyncio.open_connection(sock=other)
            one.send(b"late")
            loop = asyncio.get_running_loop()
            # only real time passes until the kernel has sent it again
            _, got = await asyncio.gather(
                loop.run_in_executor(None, other.setsockopt, socket.SOL_SOCKET, 27, 0),
                asyncio.wait_for(reader.read(4), 20),
            )
            self.assertEqual(got, b"late")
            self.assertLess(clock.time(), 20)
            one.close()
            writer.close()

        run(main)

    def test_foreign(self) -> None:
        """An eventfd holds time, until it isn't watched any more."""

        async def main(clock: Clock) -> None:
            loop = asyncio.get_running_loop()
            event = os.eventfd(0)
            loop.add_reader(event, print)
            real = time.monotonic()
            await asyncio.sleep(0.05)
            self.assertGreaterEqual(time.monotonic() - real, 0.04)
            loop.remove_reader(event)
            os.close(event)
            await asyncio.sleep(3600)

        run(main)

    def test_told(self) -> None:
        """The clock tells that it is held by data which the kernel doesn't deliver."""

        async def main(clock: Clock) -> None:
            one, other = connect()
            drop_all(other)
            clock.held = HeldTime()
            _, writer = await asyncio.open_connection(sock=one)
            writer.write(b"lost")
            await asyncio.sleep(0.6)
            what = "data on its way between two sockets of this process"
            self.assertRegex(str(clock.held), f"^waited 0.[56] s for real .*, for {what}$")
            writer.close()
            other.close()

        run(main)

    def test_other_systems(self) -> None:
        """Where the system doesn't tell whose files are, each file holds time."""

        async def main(clock: Clock) -> None:
            async with await asyncio.start_server(echo, "127.0.0.1", 0):
                real = time.monotonic()
                await asyncio.sleep(0.05)
                self.assertGreaterEqual(time.monotonic() - real, 0.04)

        with (
            mock.patch.object(instrumented, "KNOWS_ENDS", False),
            mock.patch.object(selector, "KNOWS_ENDS", False),
        ):
            run(main)
