"""What waiting costs in virtual time, as ratios in one run; and that it overtakes nothing.

usage: python benchmarks/waiting.py [--rounds N] [--repeats N]

1. A suite of tests that sleep 1 to 60 s each, in virtual time, against the same with sleep(0).
2. A test with an echo server, a subprocess, jobs of executors and calls from threads, under
   timeouts, repeated while other processes take all of the machine: how many time out falsely.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SLEEPS = """\
import asyncio, unittest

class Case(unittest.TestCase):
"""
SLEEP = """\
    async def test_{n}(self):
        await asyncio.sleep({seconds})
"""
OUTSIDE = """\
import asyncio, sys, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
from nose2.tools import params
import nose2_aio as aio

pool = ThreadPoolExecutor(2)

def work():
    time.sleep(0.01)
    return "done"

async def echo(reader, writer):
    while line := await asyncio.wait_for(reader.readline(), 5):
        writer.write(line)
        await writer.drain()
    writer.close()

class Outside(unittest.TestCase):
    @params(*range({repeats}))
    @aio.virtual_time
    async def test_all(self, _):
        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            for _ in range(3):
                writer.write(b"hello\\n")
                self.assertEqual(await asyncio.wait_for(reader.readline(), 5), b"hello\\n")
            writer.close()
            await writer.wait_closed()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "print(1)", stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 20)
        self.assertEqual(printed, b"1\\n")
        for job in (
            loop.run_in_executor(None, work),
            loop.run_in_executor(pool, work),
            asyncio.wrap_future(pool.submit(work)),
        ):
            self.assertEqual(await asyncio.wait_for(job, 5), "done")
        for slow in (True, False):
            answer = loop.create_future()
            def call():
                if slow:
                    work()
                loop.call_soon_threadsafe(answer.set_result, "done")
            threading.Thread(target=call).start()
            self.assertEqual(await asyncio.wait_for(answer, 5), "done")
        start = loop.time()
        await asyncio.sleep(3600)
        self.assertEqual(loop.time() - start, 3600)
"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default 5)")
    parser.add_argument("--tests", type=int, default=200, help="how many tests sleep")
    parser.add_argument("--repeats", type=int, default=300, help="how often to look outside")
    options = parser.parse_args()
    print(f"medians of {options.rounds} alternating runs, Python {sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as folder:
        suites(Path(folder), options.tests, options.rounds)
        outside(Path(folder), options.repeats)


def suites(folder: Path, tests: int, rounds: int) -> None:
    """Compare suites that sleep."""
    slept = [1 + number * 59 / max(tests - 1, 1) for number in range(tests)]
    ratios = []
    for _ in range(rounds):
        taken = [
            run(folder, SLEEPS + "".join(SLEEP.format(n=n, seconds=s) for n, s in enumerate(each)))
            for each in (slept, [0] * tests)
        ]
        ratios.append(taken[0] / taken[1])
    print(
        f"{tests} tests that sleep 1 to 60 s, {sum(slept):.0f} s in all: "
        f"{statistics.median(ratios):.2f} of the time of sleep(0)"
    )


def outside(folder: Path, repeats: int) -> None:
    """Count the tests that time out falsely, while others take all of the machine."""
    with load():
        seconds = run(folder, OUTSIDE.replace("{repeats}", str(repeats)))
    print(
        f"{repeats} tests with the real world in them, under load: none timed out, {seconds:.0f} s"
    )


@contextmanager
def load() -> Any:
    """Keep the machine busy inside the block: two processes that count, for each processor."""
    counting = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(counting) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(folder: Path, code: str) -> float:
    """Run a suite in virtual time; return the seconds that nose2 says."""
    (folder / "test_it.py").write_text(code)
    command = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "--plugin", "nose2_aio", "-q"]
    done = subprocess.run(
        [sys.executable, *command, "--aio-virtual-time"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Ran \d+ tests? in (.*)s", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"failed:\n{done.stderr[-4000:]}")
    return float(found[1])


if __name__ == "__main__":
    main()
