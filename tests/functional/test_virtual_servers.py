"""Virtual time with clients and servers in one test: hours of waiting take no real time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from unittest import TestCase, skipUnless

from tests.runs import Project

HEAD = """
import asyncio, os, socket, ssl, subprocess, threading, time, unittest
import nose2_aio as aio

"""
CERTIFICATE = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@skipUnless(sys.platform == "linux", "other systems don't tell whose a file is")
class Servers(TestCase):
    """Projects with one module of tests."""

    def assert_passes(self, code: str, *switches: str, count: int) -> None:
        """Assert that all tests pass, in almost no time."""
        project = Project(self, test_it="")
        project.write("test_it.py", HEAD + code)
        began = time.monotonic()
        run = project.nose2("--aio-virtual-time", *switches)
        self.assertEqual((run.returncode, run.ran), (0, count), run.output)
        self.assertLess(time.monotonic() - began, 30)

    def test_waits(self) -> None:
        """Keepalives, idle timeouts, retries and silent servers, over each kind of connection."""
        self.assert_passes(
            """
async def serve(reader, writer):
    try:
        while True:
            writer.write(await asyncio.wait_for(reader.readexactly(4), 600))
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError):
        writer.close()

class Waits(unittest.TestCase):
    async def exchange(self, server, reader, writer):
        async with server:
            start = aio.clock().time()
            for _ in range(20):
                await asyncio.sleep(599)
                writer.write(b"ping")
                self.assertEqual(await asyncio.wait_for(reader.readexactly(4), 5), b"ping")
            self.assertEqual(await reader.read(), b"")
            self.assertEqual(aio.clock().time() - start, 20 * 599 + 600)
            writer.close()
            await writer.wait_closed()
    async def test_tcp(self):
        for host in ("127.0.0.1", "::1"):
            server = await asyncio.start_server(serve, host, 0)
            address = server.sockets[0].getsockname()[:2]
            await self.exchange(server, *await asyncio.open_connection(*address))
    async def test_all_interfaces(self):
        server = await asyncio.start_server(serve, None, 0, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        await self.exchange(server, *await asyncio.open_connection("127.0.0.1", port))
    async def test_unix(self):
        path = f"{self.id()}.sock"
        server = await asyncio.start_unix_server(serve, path)
        await self.exchange(server, *await asyncio.open_unix_connection(path))
        if os.path.exists(path):
            os.remove(path)
    async def test_datagrams(self):
        loop, lost = asyncio.get_running_loop(), [True] * 5
        class Server(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport
            def datagram_received(self, data, address):
                if lost:
                    lost.pop()
                else:
                    loop.call_later(30, self.transport.sendto, data, address)
        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data, address):
                came.set_result(data)
        came = loop.create_future()
        server, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        client, _ = await loop.create_datagram_endpoint(
            Client, remote_addr=server.get_extra_info("sockname"))
        for delay in (60, 120, 240, 480, 960, 1920):
            client.sendto(b"question")
            try:
                await asyncio.wait_for(asyncio.shield(came), delay)
            except TimeoutError:
                pass
        self.assertEqual(aio.clock().time(), 60 + 120 + 240 + 480 + 960 + 30)
        client.close(), server.close()
    async def test_pipe(self):
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        reader, writer = os.pipe()
        loop.add_reader(reader, came.set)
        loop.call_later(3600, os.write, writer, b".")
        await asyncio.wait_for(came.wait(), 3601)
        loop.remove_reader(reader), os.close(reader), os.close(writer)
    async def test_silent(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            reader, writer = await asyncio.open_connection(*server.getsockname())
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(reader.read(), 3600)
            accepted, _ = server.accept()
            with accepted, self.assertRaises(TimeoutError):
                writer.write(bytes(9_000_000))  # more than the buffers can hold
                await asyncio.wait_for(writer.drain(), 3600)
            writer.transport.abort()
    async def test_half_closed(self):
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.shutdown(socket.SHUT_WR)
        self.assertEqual(await reader.read(), b"")
        asyncio.get_running_loop().call_later(3600, theirs.close)
        await asyncio.sleep(7200)
        writer.close()
    @aio.run_forever(timeout=3600)
    async def test_server_runs_for_ever(self):
        self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return self.server.close
class Isolated(unittest.IsolatedAsyncioTestCase):
    exchange, test_tcp = Waits.exchange, Waits.test_tcp
class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.server = await asyncio.start_server(serve, "127.0.0.1", 0)
    @classmethod
    async def tearDownClass(cls):
        cls.server.close()
        await cls.server.wait_closed()
    async def test_idle(self):
        address = self.server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        self.assertEqual(await reader.read(), b"")
        writer.close()
    test_idle_again = test_idle
""",
            "--aio-time-limit=20",
            count=11,
        )

    @skipUnless(shutil.which("openssl"), "it makes the certificate")
    def test_tls(self) -> None:
        """TLS changes nothing."""
        with tempfile.TemporaryDirectory() as folder:
            files = ("-keyout", f"{folder}/key", "-out", f"{folder}/cert", "-subj", "/CN=localhost")
            subprocess.run(["openssl", *CERTIFICATE, *files], capture_output=True, check=True)
            self.assert_passes(
                f"""
async def serve(reader, writer):
    await asyncio.sleep(3600)
    writer.write(await reader.readexactly(4))
    await asyncio.sleep(3600)
    writer.close()

async def test_tls():
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain("{folder}/cert", "{folder}/key")
    theirs = ssl.create_default_context(cafile="{folder}/cert")
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ours) as server:
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=theirs, server_hostname="localhost")
        writer.write(b"ping")
        assert await reader.read() == b"ping"
        assert aio.clock().time() == 7200
        writer.close()
""",
                "--aio-time-limit=20",
                count=1,
            )

    def test_outside(self) -> None:
        """What another process or thread has in hand comes before any timer."""
        self.assert_passes(
            """
REAL = 0.2
class Outside(unittest.TestCase):
    def setUp(self):
        self.began = time.monotonic()
    def tearDown(self):
        self.assertGreaterEqual(time.monotonic() - self.began, REAL * 0.9)
    async def test_process(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            with subprocess.Popen(["sh", "-c", f"sleep {REAL}; echo"], stdout=client):
                client.close()
                reader, writer = await asyncio.open_connection(sock=server.accept()[0])
                self.assertEqual(await asyncio.wait_for(reader.read(), 20), b"\\n")
                writer.close()
    async def test_grandchild(self):
        for ours, theirs in ([one.detach() for one in socket.socketpair()], os.pipe()):
            child = await asyncio.create_subprocess_shell(
                f"(sleep {REAL}; echo >&{theirs}) &", pass_fds=[theirs])
            await child.wait()
            os.close(theirs)
            came = asyncio.Event()
            asyncio.get_running_loop().add_reader(ours, came.set)
            await asyncio.wait_for(came.wait(), 20)
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)
    async def test_forked(self):
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(REAL)
                theirs.send(b".")
            os._exit(0)
        os.wait()
        reader, writer = await asyncio.open_connection(sock=ours)
        self.assertEqual(await asyncio.wait_for(reader.read(1), 20), b".")
        writer.close(), theirs.close()
    async def test_thread(self):
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        thread = threading.Timer(REAL, theirs.send, [b"."])
        thread.start()
        self.assertEqual(await asyncio.wait_for(reader.read(1), 20), b".")
        thread.join(), writer.close(), theirs.close()
""",
            count=4,
        )
