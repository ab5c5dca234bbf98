"""The selector of a loop that is watched: it waits, and knows when nothing can come any more.

It is asked by the loop to wait. In virtual time the `clock` says whether to. Where the loop would
wait for ever, it asks `wakers` first whether there are any.
"""

from __future__ import annotations

import math
import selectors
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import wakeup_sources
from nose2_aio.eventloop.state import LoopState
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitKind, WaitTimes

__all__ = ["InstrumentedSelector"]

_MOMENT = 0.05
"""Seconds between two looks whether there is a deadlock."""
_RECHECK = 0.25
"""Seconds until the next look whether what might wake a loop is still there."""


class InstrumentedSelector(selectors.DefaultSelector):
    """Waits for a loop: not beyond its alarm, and not for ever where nothing can come."""

    loop_state: LoopState

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for files, for so many seconds at most."""
        loop_state = self.loop_state
        left = math.inf
        if loop_state.alarm is not None:
            when, ring = loop_state.alarm
            left = when - monotonic()
            if left <= 0:
                loop_state.alarm = None
                ring()
                return super().select(0)
        clock = loop_state.clock
        if clock is not None and clock.is_virtual and timeout != 0:
            if clock.is_to_move() or not self._is_stuck():
                return self._select_virtually(clock, left)
            timeout = None  # what is never due is no timer
        if timeout is None and self._is_stuck():
            return self._look_again()
        idle = WaitKind.TIMERS
        if timeout is None and not self._is_awaited():
            # what kept the loop from being stuck may be gone soon, and say nothing
            timeout, idle = _RECHECK, WaitKind.THREADS
        if timeout is None or timeout > left:
            timeout = None if left == math.inf else left
        if loop_state.waits is None or timeout == 0:
            return self.wait(timeout)
        return self._note_wait(loop_state.waits, timeout, idle)

    def wait(self, timeout: float | None) -> list[Any]:
        """Wait for files for real, for so many seconds at most."""
        return super().select(timeout)

    def _select_virtually(self, clock: Clock, left: float) -> list[Any]:
        """Wait or jump, as the clock says; note what that took, and what it has saved."""
        events = clock.select(self, left)
        waits = self.loop_state.waits
        if waits is not None:
            skipped, waited, is_released = clock.take()
            waits.skipped += skipped
            if waited:
                waits.add(waited, WaitKind.THREADS if is_released else self._kind(events))
        return events

    def _note_wait(self, waits: WaitTimes, timeout: float | None, idle: WaitKind) -> list[Any]:
        """Wait, and note for how long, and what for; ``idle`` if nothing comes."""
        is_avoidable = waits.lines is not None and not (self.is_watching() or self.can_change())
        began = monotonic()
        events = self.wait(timeout)
        seconds = monotonic() - began
        if is_avoidable:
            waits.avoidable += seconds
        waits.add(seconds, self._kind(events) if events else idle)
        return events

    def _kind(self, events: list[Any]) -> WaitKind:
        """Return what has ended a wait."""
        if not events:
            return WaitKind.TIMERS
        own = next(iter(self.get_map()))  # what other threads write to comes first
        return WaitKind.THREADS if all(key.fd == own for key, _ in events) else WaitKind.FILES

    def is_watching(self) -> bool:
        """Tell whether there is a file to wait for that isn't the loop's own."""
        return len(self.get_map()) > 1

    def can_change(self) -> bool:
        """Tell whether something else may wake the loop by itself."""
        return (
            self._has_job() or wakeup_sources.process_can_wake() or wakeup_sources.alarm_can_wake()
        )

    def _is_stuck(self) -> bool:
        """Tell whether the loop seems to have nothing to wait for."""
        return not (
            self._is_awaited()
            or wakeup_sources.process_can_wake()
            or wakeup_sources.signal_can_wake()
        )

    def _is_awaited(self) -> bool:
        """Tell whether it waits for what tells of its end, or nobody asks whether it is stuck."""
        return self.loop_state.on_deadlock is None or self.is_watching() or self._has_job()

    def _has_job(self) -> bool:
        jobs = self.loop_state.jobs
        return jobs is not None and any(not job.done() for job in jobs)

    def _look_again(self) -> list[Any]:
        """Wait a little, and where nothing has come tell that nothing will.

        A thread may have called back at the very moment when it ended.
        """
        events = self.wait(_MOMENT)
        if not events and self._is_stuck() and self.loop_state.on_deadlock is not None:
            self.loop_state.on_deadlock()
        return events
