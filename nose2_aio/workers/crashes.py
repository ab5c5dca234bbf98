"""What to report when a worker process has died: the reason in words, and the last events."""

from __future__ import annotations

import pickle
import signal
import time
import traceback
from collections.abc import Collection
from traceback import FrameSummary
from typing import Any

from nose2_aio.cases import nose2_cases
from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import AioError, InterruptedRunError, TimeLimitError, WorkerDiedError
from nose2_aio.introspection import locations
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import (
    Call,
    Error,
    ErrorHolder,
    Event,
    Note,
    OutputText,
    PickledValue,
)
from nose2_aio.workers.output import read_unsent
from nose2_aio.workers.worker_handle import WorkerHandle

__all__ = [
    "describe_exit",
    "describe_fixtures",
    "error_for",
    "last_events",
    "same_class_as_first",
]


def describe_exit(exit_code: int) -> str:
    """Return the meaning of an exit code of `multiprocessing`, such as ``died of SIGSEGV``."""
    if exit_code >= 0:
        return f"ended with exit status {exit_code}"
    try:
        return f"died of {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"died of signal {-exit_code}"


def error_for(worker: WorkerHandle, test: Any, exit_code: int, limit: str, missed: int) -> Error:
    """Return the error for the test that a dead worker ran; for a fixture if ``test`` is None.

    ``limit`` is the time limit in words, "" if there is none. ``missed`` is how many tests won't
    run because of this.
    """
    frames = worker.stack()
    kind: type[AioError] = WorkerDiedError
    text = f"its worker process {describe_exit(exit_code)}"
    if worker.is_stuck:
        kind = TimeLimitError
        text = f"not done within {limit}" if limit else "stuck"
        text = f"{text}: nothing could interrupt it, so its worker process was killed"
    elif worker.is_being_killed:
        kind, text = InterruptedRunError, "its worker process was killed by Ctrl-C"
    elif test is not None and not frames:
        text = f"{text} ({locations.describe(nose2_cases.function_and_owner(test)[0])})"
    if missed:
        text = f"{text}; {missed} test{'s' * (missed > 1)} did not run"
    return _error(kind, text, frames)


def _error(kind: type[AioError], message: str, frames: list[FrameSummary]) -> Error:
    """Return an error in the form in which a worker sends it."""
    head = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    lines = [*(head if frames else ()), f"{kind.__module__}.{kind.__qualname__}: {message}\n"]
    value = PickledValue(pickle.dumps(kind(message)), message)
    return Error((pickle.dumps(kind),), value, "".join(lines))


def last_events(worker: WorkerHandle, unit: Unit, test: Any, error: Error) -> list[Event]:
    """Return the events that a dead worker could not send: its last output, its error, its loss.

    ``test`` is the test that ran; None for a fixture.
    """
    now = time.time()
    texts = [OutputText(*one) for one in read_unsent(worker.folder, worker.state)]
    lost = Note(_lost_teardown(test, unit))
    if test is None:
        return [
            *texts,
            Call("addError", ErrorHolder("_ErrorHolder", describe_fixtures(unit)), (error,), now),
            lost,
        ]
    position = worker.state.test
    began = now - (monotonic() - worker.state.since)
    start = [] if worker.started == position else [Call("startTest", position, (), began)]
    return [
        *start,
        *texts,
        Call("addError", position, (error,), now),
        Call("stopTest", position, (), now),
        lost,
    ]


def same_class_as_first(unit: Unit, positions: Collection[int]) -> frozenset[int]:
    """Return the positions of the tests that have the same class as the first one."""
    case = type(unit.tests[min(positions)])
    return frozenset(one for one in positions if type(unit.tests[one]) is case)


def describe_fixtures(unit: Unit) -> str:
    """Return a name for the fixtures of a unit, with the names of its classes."""
    cases = dict.fromkeys(type(test) for test in unit.tests)
    names = ", ".join(f"{case.__module__}.{case.__qualname__}" for case in cases)
    return f"fixtures of {names}"


def _lost_teardown(test: Any, unit: Unit) -> str:
    """Return a line that says which teardown a dead worker could not run."""
    name = describe_fixtures(unit) if test is None else test.id().partition("\n")[0]
    wider = ", and that of its class or module" if unit.has_fixtures and test is not None else ""
    return f"{name}: its worker process was lost, and so was its teardown{wider}"
