"""What waiting costs in virtual time if there are servers, as a ratio to the same without waits.

usage: python benchmarks/servers.py [--tests N] [--rounds N]

Each test has a server and clients that are connected by real sockets of the loopback interface. It
waits 1 to 60 s: for a keepalive, an idle timeout, a slow answer, or the next try. The same suite is
run with all waits at 0 and real time, alternately. That is its computing time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = """\
import asyncio, unittest
from nose2.tools import params

def waits():
    return [({unit} * (1 + number * 59 / {last}),) for number in range({count})]

async def connect(server):
    return await asyncio.open_connection(*server.sockets[0].getsockname())

class Servers(unittest.TestCase):
    async def serve(self, handle):
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.addCleanup(server.wait_closed)
        self.addCleanup(server.close)
        return server

    @params(*waits())
    async def test_keepalive(self, every):
        async def handle(reader, writer):
            while await asyncio.wait_for(reader.readline(), 2 * every or None):
                writer.write(b"pong\\n")
            writer.close()
        reader, writer = await connect(await self.serve(handle))
        for _ in range(5):
            writer.write(b"ping\\n")
            answer = await asyncio.wait_for(reader.readline(), 2 * every or None)
            self.assertEqual(answer, b"pong\\n")
            await asyncio.sleep(every)
        writer.close()

    @params(*waits())
    async def test_idle_timeout(self, limit):
        async def handle(reader, writer):
            try:
                await asyncio.wait_for(reader.readline(), limit)
            except TimeoutError:
                writer.write(b"bye\\n")
            writer.close()
        reader, writer = await connect(await self.serve(handle))
        self.assertEqual(await reader.readline(), b"bye\\n")
        writer.close()

    @params(*waits())
    async def test_slow_answer(self, seconds):
        async def handle(reader, writer):
            await reader.readline()
            await asyncio.sleep(seconds)
            writer.write(b"late\\n")
            writer.close()
        server = await self.serve(handle)
        for patience in (seconds / 2, None):
            reader, writer = await connect(server)
            writer.write(b"?\\n")
            try:
                answer = await asyncio.wait_for(reader.readline(), patience)
            except TimeoutError:
                answer = b""
            self.assertEqual(answer, b"" if patience is not None else b"late\\n")
            writer.close()

    @params(*waits())
    async def test_tries_again(self, pause):
        tries = []
        async def handle(reader, writer):
            tries.append(1)
            if len(tries) == 4:
                writer.write(b"welcome\\n")
            writer.close()
        server = await self.serve(handle)
        while True:
            reader, writer = await connect(server)
            answer = await reader.readline()
            writer.close()
            if answer:
                break
            await asyncio.sleep(pause)
        self.assertEqual(len(tries), 4)
"""
KINDS = 4
"""The test methods of the suite."""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tests", type=int, default=100, help="how many tests (default 100)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default 5)")
    options = parser.parse_args()
    each = options.tests // KINDS
    ratios, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            waiting = run(Path(folder), each, 1, "--aio-virtual-time")
            computing = run(Path(folder), each, 0)
            ratios.append(waiting / computing)
            seconds.append(waiting)
    print(
        f"{KINDS * each} tests with servers that wait 1 to 60 s each: "
        f"{statistics.median(ratios):.2f} of their computing time, "
        f"{statistics.median(seconds):.2f} s "
        f"(Python {sys.version.split()[0]}, median of {options.rounds})"
    )


def run(folder: Path, count: int, unit: int, *switches: str) -> float:
    """Run the suite, with waits in this unit of seconds; return the seconds that nose2 says."""
    text = SUITE
    for name, value in {"unit": unit, "last": max(count - 1, 1), "count": count}.items():
        text = text.replace(f"{{{name}}}", str(value))
    (folder / "test_it.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "nose2", "--no-user-config", "--plugin=nose2_aio", "-q", *switches],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Ran \d+ tests in (.*)s", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"failed:\n{done.stderr[-4000:]}")
    return float(found[1])


if __name__ == "__main__":
    main()
