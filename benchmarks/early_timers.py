"""Look for timers that fire early in virtual time, in random runs with the real world in them.

usage: python benchmarks/early_timers.py [--runs N] [--first SEED] [--load]
       python benchmarks/early_timers.py --seed SEED

Each run has a loop in virtual time. On it are random exchanges with threads, child processes,
servers and so on (see `exchanges`), each under a timeout of 5 to 60 s, and a task that sleeps a
little again and again. Each exchange needs milliseconds of real time, so

1. no timeout may expire before that much real time has passed;
2. at the end the clock shows no more than the real seconds that have passed: each jump of it while
   somebody outside was about to answer would be seen.

Prints the seed of each run that has failed. The runs are those of other processes, so that one that
hangs or crashes is a failure, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import exchanges
from exchanges import Scene
from waiting import load

import nose2_aio as aio

PATIENCE = 75
"""Real seconds that one run may take."""


def main() -> None:
    """Run, and print the failures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="how many runs (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--load", action="store_true", help="while other processes take the machine"
    )
    parser.add_argument("--kinds", default="", help="only these exchanges, divided by commas")
    parser.add_argument("--seed", type=int, help="one run in this process, with its traceback")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    kinds = options.kinds.split(",") if options.kinds else []
    if options.seed is not None or options.inside:
        first = options.first if options.inside else options.seed
        run_inside(range(first, first + (options.runs if options.inside else 1)), kinds)
        return
    began = time.monotonic()
    with load() if options.load else contextlib.nullcontext():
        failed = run_outside(options.first, options.first + options.runs, options.kinds)
    print(
        f"{options.runs} runs on Python {sys.version.split()[0]}"
        f"{' under load' if options.load else ''}, {time.monotonic() - began:.0f} s: "
        f"{len(failed)} failed{''.join(f' {seed}' for seed in failed)}"
    )
    sys.exit(bool(failed))


def run_outside(first: int, end: int, kinds: str) -> list[int]:
    """Run some seeds in another process, in a new one after each failure; return the failed."""
    failed = []
    while first < end:
        command = [sys.executable, __file__, "--inside", f"--first={first}", f"--kinds={kinds}"]
        process = subprocess.Popen(
            [*command, f"--runs={end - first}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        assert process.stdout is not None
        seed, printed = first - 1, []
        with process:
            watchdog = watch(process)
            for line in process.stdout:
                if line.startswith("seed "):
                    watchdog.cancel()
                    watchdog = watch(process)
                    seed, printed = int(line.split()[1]), []
                    if seed % 1000 == 0:
                        print(f"seed {seed}", flush=True)
                else:
                    printed.append(line)
            watchdog.cancel()
        if process.returncode == 0:
            break
        failed.append(seed)
        print(f"--- seed {seed} has failed:\n{''.join(printed)}", flush=True)
        first = seed + 1
    return failed


def watch(process: subprocess.Popen[str]) -> threading.Timer:
    """Abort a process after `PATIENCE`; then it prints where it was."""
    timer = threading.Timer(PATIENCE, process.send_signal, [signal.SIGABRT])
    timer.daemon = True
    timer.start()
    return timer


def run_inside(seeds: range, kinds: list[str]) -> None:
    """Do the runs of some seeds; exit with 1 after the first one that fails."""
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        tls = make_tls(Path(folder))
        for seed in seeds:
            print(f"seed {seed}", flush=True)
            rng = random.Random(seed)  # noqa: S311
            try:
                run(Scene(rng, Path(folder), tls), kinds)
            except BaseException as error:  # noqa: BLE001 -- it is printed
                traceback.print_exception(error, file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)  # a thread may be left that never ends


def run(scene: Scene, kinds: list[str]) -> None:
    """Do one run."""
    errors: list[Any] = []
    with aio.virtual_clock() as loop:
        loop.set_exception_handler(lambda _, context: errors.append(context))
        loop.run_until_complete(exchange_all(scene, kinds))
    assert not errors, errors


async def exchange_all(scene: Scene, kinds: list[str]) -> None:
    """Start some exchanges at the same time."""
    loop, began = asyncio.get_running_loop(), time.monotonic()
    ticking = asyncio.create_task(tick(scene.rng.choice((0.003, 0.05, 0.4))))
    names = kinds or list(exchanges.ALL)
    weights = [exchanges.ALL[name][1] for name in names]
    chosen = scene.rng.choices(names, weights, k=scene.rng.choice((1, 1, 2, 4)))
    print(", ".join(chosen), flush=True)
    async with asyncio.TaskGroup() as group:
        for name in chosen:
            own = scene._replace(rng=random.Random(scene.rng.random()))  # noqa: S311
            group.create_task(under_timeout(own, name))
    ticking.cancel()
    shown, taken = loop.time(), time.monotonic() - began
    assert shown <= taken, f"the clock shows {shown:.4f} s after {taken:.4f} s"


async def under_timeout(scene: Scene, name: str) -> None:
    """Do one exchange. It may time out only if that takes as long in real time."""
    began, seconds = time.monotonic(), scene.rng.uniform(5, 60)
    try:
        await asyncio.wait_for(exchanges.ALL[name][0](scene), seconds)
    except TimeoutError:
        taken = time.monotonic() - began
        if taken >= seconds:
            print(f"{name} took {taken:.1f} s of real time")
            return
        raise AssertionError(f"{name}: {seconds:.1f} s were over after {taken:.4f} s") from None
    except BaseException as error:
        error.add_note(f"in {name}")
        raise


async def tick(seconds: float) -> None:
    """Sleep for ever, a little at a time."""
    while True:  # noqa: ASYNC110 -- it is the timers that matter
        await asyncio.sleep(seconds)


def make_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """Return the contexts of a server and of a client; None if there is no command openssl."""
    if shutil.which("openssl") is None:
        return None
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


if __name__ == "__main__":
    main()
