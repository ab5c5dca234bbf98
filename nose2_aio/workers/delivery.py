"""Puts the events of workers into the order of the suite.

The events of a unit are delivered as soon as all units before it are complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from nose2_aio.workers.messages import Call, Collected, Event, NeedsTerminal, Note

__all__ = ["Delivery", "Receiver"]


class Receiver(Protocol):
    """An object that gets the events, unit by unit."""

    def preview(self, unit: int, events: Sequence[Event]) -> None:
        """Look at events as soon as they have come."""

    def receive(self, unit: int, event: Event) -> None:
        """Take an event."""

    def run_here(self, unit: int, test: int) -> None:
        """Run a test in the main process, now."""

    def merge(self, found: Any) -> None:
        """Take the findings, timings and notes of a worker."""

    def note(self, line: str) -> None:
        """Take a line for the end of the run."""

    @property
    def is_stopped(self) -> bool:
        """True if no other test may run."""

    @property
    def ends_at_failure(self) -> bool:
        """True if the first failure ends the run."""


class Delivery:
    """The events that wait until it is their unit's turn."""

    def __init__(self, receiver: Receiver, units: Iterable[int]) -> None:
        self._receiver = receiver
        self._turns = deque(sorted(units))
        """The units that are not completely delivered, in order."""
        self._events: dict[int, deque[Event]] = {}
        self._over: set[int] = set()

    @property
    def is_over(self) -> bool:
        """True if all units are completely delivered."""
        return not self._turns

    @property
    def current(self) -> int:
        """The unit whose turn it is."""
        return self._turns[0]

    def add(self, unit: int, events: Sequence[Event]) -> None:
        """Add events of a unit."""
        self._receiver.preview(unit, events)
        self._events.setdefault(unit, deque()).extend(events)

    def end(self, unit: int) -> None:
        """Note that a unit is over."""
        self._over.add(unit)

    def deliver(self) -> None:
        """Deliver the events whose turn it is."""
        while self._turns:
            self._deliver(self.current)
            if self.current not in self._over or self._receiver.is_stopped:
                return
            self._events.pop(self._turns.popleft(), None)

    def deliver_rest(self) -> None:
        """Deliver the remaining events: of units that never ended, or after a unit's end.

        If the run was stopped, deliver only those of the current unit.
        """
        stopped_in = [self.current] if self._turns else []
        for unit in stopped_in if self._receiver.is_stopped else sorted(self._events):
            self._deliver(unit)

    def _deliver(self, unit: int) -> None:
        events = self._events.get(unit)
        while events:
            event = events.popleft()
            is_start = isinstance(event, NeedsTerminal) or (
                isinstance(event, Call) and event.name == "startTest"
            )
            if is_start and self._receiver.is_stopped:
                events.clear()  # without workers, this test would not have begun
            elif isinstance(event, NeedsTerminal):
                self._receiver.run_here(unit, event.test)
            elif isinstance(event, Collected):
                self._receiver.merge(event.value)
            elif isinstance(event, Note):
                self._receiver.note(event.line)
            else:
                self._receiver.receive(unit, event)
