"""Random exchanges between the event loop of a test and somebody else, for `early_timers`.

An exchange is a script of steps, such as "A sends 3,000 bytes" or "B closes its half". Both ends
play the same script. One end is on the loop. The other end belongs to an `ACTORS` entry: the same
loop, a thread, a loop in a thread, a child process, or a grandchild whose parent has ended.
They are connected by a `WIRES` entry: TCP, Unix sockets, socket pairs or pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import signal
import socket
import ssl
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

WIRES = ("tcp4", "tcp6", "unix", "abstract", "own address", "mptcp", "pair", "pipes")
ACTORS = ("loop", "loop", "loop", "thread", "loop in thread", "child", "grandchild")
SIZES = (1, 1, 50, 1000, 10_000, 100_000)
STEPS = 8
_PACING = getattr(socket, "SO_MAX_PACING_RATE", 47)
_MPTCP = 262
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork")


class Scene(NamedTuple):
    """What an exchange may use."""

    rng: random.Random
    folder: Path
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None
    """The contexts of a server and of a client."""

    def delay(self) -> float:
        """Return real seconds that somebody else takes: mostly none, sometimes many."""
        return self.rng.choice((0, 0, 0.0005, 0.002, 0.01, 0.03, 0.12))

    def flip(self, probability: float = 0.5) -> bool:
        """Return True or False by chance."""
        return self.rng.random() < probability

    def new_path(self) -> str:
        """Return a path that no file has."""
        return str(self.folder / f"{self.rng.getrandbits(60):x}")


class Step(NamedTuple):
    """What one side does; the other side does its part."""

    kind: str
    """``send``, ``both`` (both sides send at once), ``pause`` (in real time) or ``end``."""
    side: int
    """0 is the side of the loop."""
    size: int = 0
    chunk: int = 1
    seconds: float = 0.0


def random_script(scene: Scene) -> list[Step]:
    """Return steps. Both sides have closed their half after the last one."""
    rng, steps = scene.rng, []
    for _ in range(rng.randint(1, STEPS)):
        kind = rng.choice(("send", "send", "send", "pause", "both"))
        size = rng.choice(SIZES) * (10 if kind == "both" else 1)
        chunk = rng.choice((max(1, size // 50), max(1, size // 4), size))
        steps.append(Step(kind, rng.randint(0, 1), size, chunk, scene.delay()))
    first = rng.randint(0, 1)
    steps.append(Step("end", first))
    late = [Step("send", 1 - first, rng.choice(SIZES), 4000) for _ in range(rng.choice((0, 1, 2)))]
    return [*steps, *late, Step("end", 1 - first)]


# --- the side of somebody else, with blocking calls


class Blocking:
    """An end of a wire in a thread or in another process."""

    def __init__(self, reading: int, writing: int, sock: socket.socket | None = None) -> None:
        self.reading, self.writing, self.sock = reading, writing, sock
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)

    def play(self, script: list[Step], side: int) -> None:
        """Do the steps of one side."""
        for step in script:
            is_own = step.side == side
            if step.kind == "pause" and is_own:
                time.sleep(step.seconds)
            elif step.kind == "both":
                self.move(step.size, step.size, step.chunk)
            elif step.kind == "send":
                self.move(step.size * is_own, step.size * (not is_own), step.chunk)
            elif step.kind == "end" and is_own:
                self.shut()
            elif step.kind == "end" and os.read(self.wait(self.reading, select.POLLIN), 1):
                raise AssertionError("no end of file")
        self.close()

    def move(self, to_send: int, to_receive: int, chunk: int) -> None:
        """Send and receive a number of bytes at the same time."""
        while to_send or to_receive:
            poll = select.poll()
            if to_receive:
                poll.register(self.reading, select.POLLIN)
            if to_send:
                mask = select.POLLOUT | (select.POLLIN if to_receive else 0)
                poll.register(self.writing, mask if self.sock else select.POLLOUT)
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                if to_receive:
                    got = len(os.read(self.reading, to_receive))
                    assert got, "an early end of file"
                    to_receive -= got
            with contextlib.suppress(BlockingIOError):
                if to_send:
                    to_send -= os.write(self.writing, bytes(min(to_send, chunk)))

    def wait(self, descriptor: int, event: int) -> int:
        """Wait until a file is ready; return it."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.poll()
        return descriptor

    def shut(self) -> None:
        """Close the half that is written to."""
        if self.sock is None:
            os.close(self.writing)
        else:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both halves."""
        if self.sock is None:
            os.close(self.reading)
        else:
            self.sock.close()


# --- the side of the loop


class Streams:
    """An end of a wire with asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, size: int, chunk: int) -> None:
        """Send a number of bytes."""
        for start in range(0, size, chunk):
            self.writer.write(bytes(min(chunk, size - start)))
            await self.writer.drain()

    async def receive(self, size: int) -> None:
        """Receive a number of bytes."""
        await self.reader.readexactly(size)

    async def shut(self) -> None:
        """Close the half that is written to."""
        with contextlib.suppress(OSError):
            self.writer.write_eof()

    async def receive_end(self) -> None:
        """Wait for the end of file."""
        assert await self.reader.read() == b"", "no end of file"

    async def close(self) -> None:
        """Close both halves."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Raw:
    """An end of a wire with the loop's ``sock_`` methods."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.loop = sock, asyncio.get_running_loop()

    async def send(self, size: int, chunk: int) -> None:
        """Send a number of bytes."""
        for start in range(0, size, chunk):
            await self.loop.sock_sendall(self.sock, bytes(min(chunk, size - start)))

    async def receive(self, size: int) -> None:
        """Receive a number of bytes."""
        while size:
            got = len(await self.loop.sock_recv(self.sock, min(size, 50_000)))
            assert got, "an early end of file"
            size -= got

    async def shut(self) -> None:
        """Close the half that is written to."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    async def receive_end(self) -> None:
        """Wait for the end of file."""
        assert await self.loop.sock_recv(self.sock, 1) == b"", "no end of file"

    async def close(self) -> None:
        """Close both halves."""
        self.sock.close()


async def play(end: Streams | Raw, script: list[Step], side: int) -> None:
    """Do the steps of one side."""
    for step in script:
        is_own = step.side == side
        if step.kind == "both":
            await asyncio.gather(end.send(step.size, step.chunk), end.receive(step.size))
        elif step.kind == "send":
            await (end.send(step.size, step.chunk) if is_own else end.receive(step.size))
        elif step.kind == "end":
            await (end.shut() if is_own else end.receive_end())
        elif step.kind == "pause" and is_own:
            for _ in range(round(step.seconds * 100)):
                await asyncio.sleep(0)
    await end.close()


# --- wires


def make_socket(wire: str) -> socket.socket:
    """Return a new socket."""
    if wire in {"unix", "abstract"}:
        return socket.socket(socket.AF_UNIX)
    if wire == "tcp6":
        return socket.socket(socket.AF_INET6)
    if wire == "mptcp":
        with contextlib.suppress(OSError):
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP)
    return socket.socket(socket.AF_INET)


def own_host() -> str:
    """Return an address of this machine that isn't a loopback one, if there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        with contextlib.suppress(OSError):
            one.connect(("198.51.100.1", 9))
            return str(one.getsockname()[0])
        return "127.0.0.2"


def listen(scene: Scene, wire: str, backlog: int = 100) -> socket.socket:
    """Return a listening socket."""
    listener = make_socket(wire)
    tune(scene, listener)
    hosts = {"tcp6": "::1", "own address": own_host(), "mptcp": "127.0.0.1"}
    if wire == "unix":
        listener.bind(scene.new_path())
    elif wire == "abstract":
        listener.bind(f"\0{os.getpid()}-{scene.rng.getrandbits(60):x}")
    else:
        host = hosts.get(wire) or scene.rng.choice(("127.0.0.1", "127.0.0.3", ""))
        listener.bind((host, 0))
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> Any:
    """Return the address to connect to."""
    address = listener.getsockname()
    if isinstance(address, tuple) and address[0] == "0.0.0.0":  # noqa: S104 -- it is compared
        return ("127.0.0.1", *address[1:])
    return address


def tune(scene: Scene, sock: Any, *, is_connected: bool = False) -> None:
    """Set random options of a socket, among them those that make the kernel wait."""
    rng = scene.rng
    if scene.flip(0.2):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, rng.choice((4096, 100_000)))
    if scene.flip(0.2):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rng.choice((20_000, 100_000)))
    if sock.family == socket.AF_UNIX or not is_connected:
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, scene.flip())
        if scene.flip(0.1):
            sock.setsockopt(socket.SOL_SOCKET, _PACING, 5_000_000)
        if scene.flip(0.1):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)


# --- actors


def fork(
    get: Callable[[], Any],
    act: Callable[[Any], None],
    keep: tuple[int, ...],
    *,
    is_grandchild: bool,
) -> int:
    """Fork a process that calls ``act`` on the result of ``get``; return its number.

    It has no files open but ``keep`` and new ones. A grandchild is forked after ``get``, by a
    process that has ended when this returns.
    """
    child = os.fork()
    if child:
        if is_grandchild:
            os.waitpid(child, 0)
        return child
    code = 1
    try:
        first = 3
        for number in sorted(keep):
            os.closerange(first, number)
            first = number + 1
        os.closerange(first, 1000)
        gotten = get()
        if is_grandchild and os.fork():
            os._exit(0)
        act(gotten)
        code = 0
    finally:
        os._exit(code)


@asynccontextmanager
async def acting(
    actor: str, get: Callable[[], Any], act: Callable[[Any], None], keep: tuple[int, ...]
) -> AsyncIterator[None]:
    """Have a thread or a process call two functions, as `fork` does; at the end, wait for it."""
    if "thread" in actor:
        errors: list[BaseException] = []

        def call() -> None:
            try:
                act(get())
            except BaseException as error:  # noqa: BLE001 -- it is raised below
                errors.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        yield
        thread.join()
        if errors:
            raise errors[0]
        return
    child = fork(get, act, keep, is_grandchild=actor == "grandchild")
    yield
    if actor == "child":
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222 -- it has nothing left to do
        assert status == 0, f"the child has failed: {status}"


# --- one exchange


async def exchange(scene: Scene) -> None:
    """Play a random script over a random wire with a random actor."""
    wire, actor = scene.rng.choice(WIRES), scene.rng.choice(ACTORS)
    script = random_script(scene)
    print(f"{wire} with {actor}")
    on_loops = actor in {"loop", "loop in thread"}
    tls = scene.tls is not None and on_loops and wire != "pipes" and scene.flip(0.3)
    if tls:  # it has no half-closed connections
        script = [step for step in script if step.kind != "end"]
    if wire == "pipes":
        await over_pipes(actor, script)
    else:
        await over_sockets(scene, wire, actor, script, tls=tls)


async def over_pipes(actor: str, script: list[Step]) -> None:
    """Play a script over two pipes."""
    (our_reading, writing), (reading, our_writing) = os.pipe(), os.pipe()

    async def side(number: int, *files: int) -> None:
        await play(await open_pipes(*files), script, number)

    if actor == "loop":
        await asyncio.gather(side(0, our_reading, our_writing), side(1, reading, writing))
        return

    def act(_: Any) -> None:
        if actor == "loop in thread":
            asyncio.run(side(1, reading, writing))
        else:
            Blocking(reading, writing).play(script, 1)

    async with acting(actor, lambda: None, act, (reading, writing)):
        if "thread" not in actor:
            os.close(reading)
            os.close(writing)
        await side(0, our_reading, our_writing)


async def over_sockets(
    scene: Scene, wire: str, actor: str, script: list[Step], *, tls: bool
) -> None:
    """Play a script over a connection. Either side may be the one that listens."""
    server = scene.rng.randint(0, 1)
    ends = socket.socketpair() if wire == "pair" else None
    listener = None if ends else listen(scene, wire)
    scenes = [scene._replace(rng=random.Random(scene.rng.random())) for _ in range(2)]  # noqa: S311

    async def side(number: int) -> None:
        if ends:
            sock = ends[number]
            sock.setblocking(False)
        else:
            sock = await connected(wire, listener, is_server=number == server)
        own = scenes[number]
        await play(await open_end(own, sock, is_server=number == server, tls=tls), script, number)

    def get() -> Any:
        if ends or actor == "loop in thread":
            return ends and ends[1]
        return None if server == 1 else connected_blocking(wire, listener, is_server=False)

    def act(sock: Any) -> None:
        if actor == "loop in thread":
            asyncio.run(side(1))
            return
        sock = sock or connected_blocking(wire, listener, is_server=True)
        tune(scenes[1], sock, is_connected=True)
        Blocking(sock.fileno(), sock.fileno(), sock).play(script, 1)

    with contextlib.ExitStack() as closing:
        if listener:
            closing.enter_context(listener)
        if actor == "loop":
            await asyncio.gather(side(0), side(1))
            return
        kept = ends[1] if ends else listener
        async with acting(actor, get, act, (kept.fileno(),)):
            if ends and "thread" not in actor:
                ends[1].close()
            await side(0)


async def connected(wire: str, listener: socket.socket, *, is_server: bool) -> socket.socket:
    """Return a connected socket of the loop that is running."""
    loop = asyncio.get_running_loop()
    if is_server:
        return (await loop.sock_accept(listener))[0]
    client = make_socket(wire)
    client.setblocking(False)
    if wire != "mptcp":
        await loop.sock_connect(client, address_of(listener))
    elif client.connect_ex(address_of(listener)):  # asyncio can't resolve its kind of address
        await until_ready(client, is_writing=True)
    return client


async def until_ready(file: Any, *, is_writing: bool = False) -> None:
    """Wait until a file can be read, or written to."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    add, remove = loop.add_reader, loop.remove_reader
    if is_writing:
        add, remove = loop.add_writer, loop.remove_writer
    add(file, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        remove(file)


def connected_blocking(wire: str, listener: socket.socket, *, is_server: bool) -> socket.socket:
    """Return a connected socket."""
    if is_server:
        select.select([listener], [], [])
        return listener.accept()[0]
    client = make_socket(wire)
    client.connect(address_of(listener))
    return client


async def open_end(scene: Scene, sock: socket.socket, *, is_server: bool, tls: bool) -> Any:
    """Return an end of a wire, given a connected socket."""
    tune(scene, sock, is_connected=True)
    if not tls and scene.flip(0.4):
        return Raw(sock)
    limit = scene.rng.choice((16, 2**16))
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    context = scene.tls[not is_server] if tls and scene.tls else None
    if is_server:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
    else:
        transport, _ = await loop.create_connection(
            lambda: protocol, sock=sock, ssl=context, server_hostname="localhost" if tls else None
        )
    end = Streams(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    tune(scene, transport.get_extra_info("socket"), is_connected=True)
    return end


async def open_pipes(reading: int, writing: int) -> Streams:
    """Return an end of a pair of pipes."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb", 0))
    transport, _ = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(writing, "wb", 0)
    )
    return _Pipes(reader, asyncio.StreamWriter(transport, _, reader, loop))


class _Pipes(Streams):
    async def shut(self) -> None:
        self.writer.close()


# --- what is no script


async def datagrams(scene: Scene) -> None:  # noqa: C901 -- its parts share what is drawn
    """Send datagrams to a socket that sends them back, on the loop or elsewhere."""
    rng, loop = scene.rng, asyncio.get_running_loop()
    family = rng.choice((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX))
    ours, theirs = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    for one in (ours, theirs):
        one.setblocking(False)
        one.bind(scene.new_path() if family == socket.AF_UNIX else (host, 0))
    if scene.flip():
        ours.connect(theirs.getsockname())
        if scene.flip():
            theirs.connect(ours.getsockname())
    bursts = [rng.randint(1, 5) for _ in range(rng.randint(1, 10))]
    size = rng.choice((1, 1000, 9000))

    async def send() -> None:
        for burst in bursts:
            for _ in range(burst):
                await loop.sock_sendto(ours, bytes(size), theirs.getsockname())
            for _ in range(burst):
                data, _ = await loop.sock_recvfrom(ours, size)
                assert len(data) == size

    async def answer() -> None:
        for _ in range(sum(bursts)):
            data, address = await loop.sock_recvfrom(theirs, size)
            await loop.sock_sendto(theirs, data, address)

    def act(_: Any) -> None:
        theirs.setblocking(True)
        for _ in range(sum(bursts)):
            data, address = theirs.recvfrom(size)
            time.sleep(scene.delay() / 10)
            theirs.sendto(data, address)

    with ours, theirs:
        actor = rng.choice(("loop", "loop", "thread", "child", "grandchild"))
        if actor == "loop":
            await asyncio.gather(send(), answer())
            return
        async with acting(actor, lambda: None, act, (theirs.fileno(),)):
            await send()


async def proxied(scene: Scene) -> None:  # noqa: C901
    """Send through a chain of servers of the loop; some clients come at the same time."""
    rng = scene.rng
    wire = rng.choice(("tcp4", "tcp6", "unix", "abstract", "own address"))
    context = scene.tls if scene.flip(0.3) else None
    kind = {"ssl": context[0]} if context else {}

    async def connect(address: Any) -> Any:
        options: dict[str, Any] = {}
        if context:
            options = {"ssl": context[1], "server_hostname": "localhost"}
        if isinstance(address, tuple):
            return await asyncio.open_connection(*address[:2], **options)
        return await asyncio.open_unix_connection(address, **options)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(5000):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        address = None
        for _ in range(rng.randint(1, 3)):
            # the first server sends back; each other one forwards to the one before
            async def handle(reader: Any, writer: Any, address: Any = address) -> None:
                if address is None:
                    await forward(reader, writer)
                    return
                next_reader, next_writer = await connect(address)
                await asyncio.gather(forward(reader, next_writer), forward(next_reader, writer))

            listener = listen(scene, wire)
            start = asyncio.start_server if listener.family != socket.AF_UNIX else None
            start = start or asyncio.start_unix_server
            await stack.enter_async_context(await start(handle, sock=listener, **kind))
            address = address_of(listener)

        async def talk() -> None:
            reader, writer = await connect(address)
            for _ in range(rng.randint(1, 5)):
                size = rng.choice(SIZES)
                writer.write(bytes(size))
                await reader.readexactly(size)
            writer.close()

        await asyncio.gather(*(talk() for _ in range(rng.randint(1, 4))))


async def overfull(scene: Scene) -> None:
    """Connect more often than a listening socket has room for; the kernel tries again later."""
    wire, loop = scene.rng.choice(("tcp4", "tcp6", "unix")), asyncio.get_running_loop()
    listener = listen(scene, wire, 0)
    count = scene.rng.randint(2, 4)

    async def connect(delay: int) -> None:
        for _ in range(delay):
            await asyncio.sleep(0)
        with make_socket(wire) as one:
            one.setblocking(False)
            while one.connect_ex(address_of(listener)) not in {0, 115}:  # noqa: ASYNC110
                await asyncio.sleep(0)  # a Unix socket has to try again
            await until_ready(one, is_writing=True)
            await loop.sock_sendall(one, b".")  # or the kernel tries again after a minute only
            assert await loop.sock_recv(one, 1)

    async def accept() -> None:
        for _ in range(3 * count):
            await asyncio.sleep(0)
        for _ in range(count):
            with (await loop.sock_accept(listener))[0] as one:
                await loop.sock_recv(one, 1)
                await loop.sock_sendall(one, b".")

    with listener:
        await asyncio.gather(accept(), *(connect(2 * number) for number in range(count)))


async def wake_ups(scene: Scene) -> None:
    """Wait for what is no socket: callbacks of threads, jobs, processes and special files."""
    wake_up = scene.rng.choice(_WAKE_UPS)
    print(wake_up.__name__)
    await wake_up(scene)


async def _from_thread(scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(scene.rng.randint(1, 5)):
        answer, delay = loop.create_future(), scene.delay()

        def call(answer: Any = answer, delay: float = delay) -> None:
            time.sleep(delay)
            loop.call_soon_threadsafe(answer.set_result, None)

        threading.Thread(target=call, daemon=True).start()
        await answer


async def _from_jobs(scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:
        await asyncio.gather(
            *(asyncio.to_thread(time.sleep, scene.delay()) for _ in range(3)),
            loop.run_in_executor(pool, time.sleep, scene.delay()),
            asyncio.wrap_future(pool.submit(time.sleep, scene.delay())),
        )
        await loop.getaddrinfo("localhost", 80)


async def _from_program(scene: Scene) -> None:
    command = f"sleep {scene.delay()}; cat; (sleep {scene.delay()}; echo late) &"
    process = await asyncio.create_subprocess_exec("sh", "-c", command, stdin=-1, stdout=-1)
    printed, _ = await process.communicate(b"early\n")
    assert printed == b"early\nlate\n", printed


async def _from_alarm(_: Scene) -> None:
    if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        return  # the process has only one, and another exchange waits for it
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    loop.add_signal_handler(signal.SIGALRM, rung.set)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        await rung.wait()
    finally:
        loop.remove_signal_handler(signal.SIGALRM)


async def _from_terminal(scene: Scene) -> None:
    """The kernel passes on what is written to a terminal a little later."""
    try:
        master, slave = os.openpty()
    except FileNotFoundError:
        return  # the system has no terminals
    for _ in range(scene.rng.randint(1, 10)):
        os.write(slave, b"hello\n")
        await until_ready(master)
        os.read(master, 100)
        os.write(master, b"hello\n")
        await until_ready(slave)
        os.read(slave, 100)
        await until_ready(master)  # the echo
        os.read(master, 100)
    os.close(master)
    os.close(slave)


async def _from_timer(_: Scene) -> None:
    if sys.version_info >= (3, 13):
        timer = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK)
        os.timerfd_settime(timer, initial=0.02)
        with contextlib.closing(select.epoll()) as outer:  # a file that watches a file
            outer.register(timer)
            await until_ready(outer)
        os.close(timer)


async def _from_process_file(scene: Scene) -> None:
    """The file of a process that is no child."""
    reading, writing = os.pipe()

    def act(_: Any) -> None:
        os.write(writing, b"%d\n" % os.getpid())
        time.sleep(0.05 + scene.delay())

    async with acting("grandchild", lambda: None, act, (writing,)):
        number = int(os.read(reading, 20))
        with contextlib.suppress(ProcessLookupError):
            file = os.pidfd_open(number)
            await until_ready(file)
            os.close(file)
        os.close(reading)
        os.close(writing)


async def _from_passed_socket(scene: Scene) -> None:
    """A child process that gets a socket in a message, and a grandchild that inherits it."""
    ours, theirs = socket.socketpair()
    sending, receiving = socket.socketpair()

    def get() -> Any:
        _, files, _, _ = socket.recv_fds(receiving, 1, 1)
        return socket.socket(fileno=files[0])

    def act(one: socket.socket) -> None:
        time.sleep(scene.delay())
        one.sendall(b"here")

    socket.send_fds(sending, [b"."], [theirs.fileno()])
    theirs.close()
    actor = scene.rng.choice(("child", "grandchild"))
    with ours, sending, receiving:
        ours.setblocking(False)
        async with acting(actor, get, act, (receiving.fileno(),)):
            assert await asyncio.get_running_loop().sock_recv(ours, 4) == b"here"


async def _with_blocking_client(scene: Scene) -> None:
    """The test itself has a socket that no loop watches."""
    listener, done = listen(scene, scene.rng.choice(("tcp4", "unix"))), asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readexactly(5))
        await writer.drain()
        writer.close()
        done.set()

    start = asyncio.start_unix_server if listener.family == socket.AF_UNIX else asyncio.start_server
    async with await start(handle, sock=listener):
        with socket.socket(listener.family) as client:
            client.connect(address_of(listener))
            client.sendall(b"he")
            await asyncio.sleep(0)
            client.sendall(b"llo")  # Nagle's algorithm keeps it back
            await done.wait()
            assert client.recv(5) == b"hello"


async def ordered(scene: Scene) -> None:
    """A timer that is due in real time before somebody answers fires before; a later one after."""
    loop, fired = asyncio.get_running_loop(), list[str]()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def act(_: Any) -> None:
        time.sleep(0.4)
        theirs.send(b".")

    with ours, theirs:
        actor = scene.rng.choice(("thread", "child", "grandchild"))
        async with acting(actor, lambda: None, act, (theirs.fileno(),)):
            timers = [loop.call_later(delay, fired.append, f"{delay} s") for delay in (0.05, 2)]
            if actor != "thread":
                theirs.close()
            await loop.sock_recv(ours, 1)
            assert fired == ["0.05 s"], fired
            timers[1].cancel()


_WAKE_UPS: tuple[Callable[[Scene], Any], ...] = (
    _from_thread,
    _from_jobs,
    _from_program,
    _from_alarm,
    _from_terminal,
    _from_timer,
    _from_process_file,
    _from_passed_socket,
    _with_blocking_client,
)
ALL: dict[str, tuple[Callable[[Scene], Any], float]] = {
    "exchange": (exchange, 10),
    "datagrams": (datagrams, 4),
    "proxied": (proxied, 4),
    "wake_ups": (wake_ups, 4),
    "ordered": (ordered, 0.2),
    "overfull": (overfull, 0.1),
}
"""The exchanges by name, and how often each is chosen, compared with the others."""
