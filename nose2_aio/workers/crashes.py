"""What a worker process died of: its exit status in words, and its last stack.

`faulthandler` writes the stack to a file: at a fatal signal, and when the main process asks for it.
It works while C code runs, which no Python code can interrupt.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import pickle
import re
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary
from typing import IO, Any, NoReturn

from nose2_aio import places
from nose2_aio.errors import AioError, InterruptedRunError, TimeLimitError, WorkerDiedError
from nose2_aio.units import Unit
from nose2_aio.workers.messages import Error

__all__ = [
    "DUMP",
    "described",
    "error",
    "fixtures_of",
    "lost_teardown",
    "note_exit",
    "note_stacks",
    "stack",
]

DUMP: int = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGXCPU
"""The signal that makes a worker write its stacks: tests are unlikely to use it."""
_FILE = "stacks"
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)")
_OURS = str(Path(__file__).parent.parent)


def note_stacks(folder: Path) -> IO[str]:
    """Write the stacks of this process to a file in ``folder``, when it comes to that."""
    file = (folder / _FILE).open("w", encoding="utf-8")
    faulthandler.enable(file)
    faulthandler.register(DUMP, file)
    return file


def note_exit(file: IO[str]) -> None:
    """Write the stack of whoever calls ``os._exit`` in this process to a file."""
    leave, own = os._exit, os.getpid()

    @functools.wraps(leave)
    def noting(status: int) -> NoReturn:
        if os.getpid() == own:  # a child process that a test has forked may leave
            faulthandler.dump_traceback(file)
        leave(status)

    os._exit = noting


def described(exit_code: int) -> str:
    """Return what an exit code of `multiprocessing` means: ``died of SIGSEGV``."""
    if exit_code >= 0:
        return f"ended with exit status {exit_code}"
    try:
        return f"died of {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"died of signal {-exit_code}"


def stack(folder: Path, thread: int) -> list[FrameSummary]:
    """Return the user's frames that a thread ran last, outermost first; [] if nothing is known."""
    found: list[FrameSummary] = []
    for identity, frames in _threads(folder):
        if identity == thread:
            found = frames
    return found


def error(kind: type[AioError], message: str, frames: list[FrameSummary]) -> Error:
    """Return an error as a worker would have sent it."""
    head = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    lines = [*(head if frames else ()), f"{kind.__module__}.{kind.__qualname__}: {message}\n"]
    return Error(kind, pickle.dumps(kind(message)), "".join(lines))


def of_limit(limit: str, frames: list[FrameSummary]) -> Error:
    """Return the error for a worker that was stuck beyond a time limit."""
    what = f"not done within {limit}" if limit else "stuck"
    why = "nothing could interrupt it, so its worker process was killed"
    return error(TimeLimitError, f"{what}: {why}", frames)


def of_interrupt(frames: list[FrameSummary]) -> Error:
    """Return the error for a worker that a second Ctrl-C has killed."""
    return error(InterruptedRunError, "its worker process was killed by Ctrl-C", frames)


def of_death(exit_code: int, place: str, frames: list[FrameSummary]) -> Error:
    """Return the error for a worker that has died by itself, while it ran what is at ``place``."""
    where = f" ({place})" if place and not frames else ""
    return error(WorkerDiedError, f"its worker process {described(exit_code)}{where}", frames)


def fixtures_of(unit: Unit) -> str:
    """Return how the fixtures of a unit are called."""
    cases = dict.fromkeys(type(test) for test in unit.tests)
    names = ", ".join(f"{case.__module__}.{case.__qualname__}" for case in cases)
    return f"fixtures of {names}"


def lost_teardown(test: Any, unit: Unit) -> str:
    """Return a line on the teardown that a worker could not run any more."""
    name = fixtures_of(unit) if test is None else test.id().partition("\n")[0]
    wider = ", and that of its class or module" if unit.has_fixtures and test is not None else ""
    return f"{name}: its worker process was lost, and so was its teardown{wider}"


def _threads(folder: Path) -> Iterator[tuple[int, list[FrameSummary]]]:
    try:
        text = (folder / _FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    identity: int | None = None
    frames: list[FrameSummary] = []
    for line in text.splitlines():
        head, frame = _THREAD.match(line), _FRAME.match(line)
        if head:
            if identity is not None:
                yield identity, frames
            identity, frames = int(head[1], 16), []
        elif frame and _is_users(frame[1]):
            frames.insert(0, FrameSummary(frame[1], int(frame[2]), frame[3]))
    if identity is not None:
        yield identity, frames


def _is_users(filename: str) -> bool:
    return places.is_users(filename) and not filename.startswith(_OURS)
