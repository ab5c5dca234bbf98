"""What the main process does with the events of workers: replay them, or look for an outcome."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from unittest import TestCase

from nose2_aio.cases.outcome_recorder import OutcomeRecorder
from nose2_aio.suites.units import Unit
from nose2_aio.workers.live_outcomes import LiveOutcomes
from nose2_aio.workers.messages import Call, Event
from nose2_aio.workers.replay import Replay
from nose2_aio.workers.worker_process import WorkerHooks

__all__ = ["PassDetector", "ReplayReceiver", "RunHooks"]

_NEEDS_TERMINAL = "{}: it asks for a debugger, so it ran in the main process"


class RunHooks(WorkerHooks, Protocol):
    """The functions that the main process calls during a run, and its workers around each unit."""

    is_replaying: bool
    """True while events of a worker are replayed on nose2's result."""
    outcomes: OutcomeRecorder

    def merge(self, collected: Any) -> None:
        """Add the findings, timings and notes of a worker."""

    def note(self, line: str) -> None:
        """Take a line for the end of the run."""

    def interrupting(self, interrupt: Callable[[int], None]) -> AbstractContextManager[None]:
        """Call ``interrupt`` with the number of the signal for Ctrl-C and SIGTERM in the block."""

    def limit_of(self, test: TestCase | None) -> str:
        """Return the time limit of a test in words; that of a fixture for None."""


class ReplayReceiver:
    """Replays events on nose2's result. It is a `nose2_aio.workers.delivery.Receiver`."""

    def __init__(self, replay: Replay, units: Sequence[Unit], hooks: RunHooks) -> None:
        self._replay = replay
        self._units = units
        self._hooks = hooks
        self.merge = hooks.merge
        self.note = hooks.note
        kind = type(replay.result)
        self._early = [LiveOutcomes(kind, units, one) for one in hooks.outcomes.early_listeners]

    @property
    def is_stopped(self) -> bool:
        """True if no other test may run, and all events of the last test were replayed."""
        return bool(self._replay.result.shouldStop) and not self._replay.is_in_test

    @property
    def ends_at_failure(self) -> bool:
        """True with ``-F``."""
        return bool(self._replay.result.failfast)

    def preview(self, unit: int, events: Sequence[Event]) -> None:
        """Show the outcomes of tests to those that want them at once."""
        for one in self._early:
            one.take(unit, events)

    def receive(self, unit: int, event: Event) -> None:
        """Replay an event."""
        self._hooks.is_replaying = True
        try:
            self._replay.play(unit, event)
        finally:
            self._hooks.is_replaying = False

    def run_here(self, unit: int, test: int) -> None:
        """Run a test in the main process, because it asks for a debugger."""
        one = self._units[unit]
        self._hooks.note(_NEEDS_TERMINAL.format(one.tests[test].id()))
        suite = one.part([test])
        handler = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._hooks.begin_unit(one.repetition)
        try:
            suite(self._replay.result)
        finally:
            self._hooks.end_unit()
            signal.signal(signal.SIGINT, handler)


class PassDetector:
    """Finds out whether a test passes. It is a `nose2_aio.workers.delivery.Receiver`."""

    is_stopped = False
    ends_at_failure = True

    def __init__(self) -> None:
        self._has_failed = False
        self._has_succeeded = False

    @property
    def has_passed(self) -> bool:
        """True if the test has passed, and its fixtures too."""
        return self._has_succeeded and not self._has_failed

    def preview(self, _: int, __: Sequence[Event]) -> None:
        """Do nothing: the test was counted at its first try."""

    def receive(self, _: int, event: Event) -> None:
        """Look for an outcome."""
        if isinstance(event, Call):
            self._has_succeeded |= event.name in ("addSuccess", "addExpectedFailure")
            failures = ("addError", "addFailure", "addUnexpectedSuccess")
            self._has_failed |= event.name in failures
            self._has_failed |= event.name == "addSubTest" and event.args[1] is not None

    def run_here(self, _: int, __: int) -> None:
        """Do nothing: a test that asks for a debugger does not run again."""

    def merge(self, _: Any) -> None:
        """Do nothing: the findings of the first try were reported."""

    def note(self, _: str) -> None:
        """Do nothing: the notes of the first try were reported."""
