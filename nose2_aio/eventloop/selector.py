"""The selector of an instrumented loop. It waits, and finds out when nothing can wake the loop.

The event loop calls `InstrumentedSelector.select` in each pass. That does one of these:

1. If the alarm of the loop is due, call its function.
2. In virtual time, let the clock decide whether to wait or to jump to the next timer.
3. If the loop would wait for ever, look for wake-up sources. If there are none twice in a row, it
   is a deadlock.
4. Otherwise wait, but not longer than until the alarm.
"""

from __future__ import annotations

import math
import select
import selectors
import sys
from collections.abc import Collection
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import wakeup_sources
from nose2_aio.eventloop.state import LoopState
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitKind, WaitTimes
from nose2_aio.introspection import sockets

__all__ = ["KNOWS_ENDS", "InstrumentedSelector"]

_HAS_EPOLL = hasattr(select, "epoll")
_SECOND_LOOK = 0.05
"""Seconds between the two looks that find a deadlock."""
KNOWS_ENDS = sys.platform == "linux"
"""True if the system tells where the other end of a file is."""
_RECHECK = 0.25
"""Seconds until the next look whether a thread or a process that might wake a loop still exists."""


class InstrumentedSelector(selectors.DefaultSelector):
    """Waits for files, but not beyond the loop's alarm, and not for ever in a deadlock."""

    loop_state: LoopState
    """The state of the loop that it belongs to."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file."""
        self.loop_state.is_bare = False
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch a file no more."""
        key = super().unregister(fileobj)
        if self.loop_state.own_files is not None:
            self.loop_state.own_files.forget(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for files, ``timeout`` seconds at most; None: without a limit."""
        loop_state = self.loop_state
        left = math.inf
        if loop_state.alarm is not None:
            when, on_alarm = loop_state.alarm
            left = when - monotonic()
            if left <= 0:
                loop_state.alarm = None
                on_alarm()
                timeout = 0
        if timeout == 0:
            return self.wait(0)
        clock = loop_state.clock
        if clock is not None and clock.is_virtual:
            if clock.can_move() or not self._is_stuck():
                return self._select_virtually(clock, left)
            timeout = None  # the next timer is at infinity: it is never due
        if timeout is None and self._is_stuck():
            return self._look_again()
        idle = WaitKind.TIMERS
        if timeout is None and not self._expects_event():
            # the thread or process that might wake the loop may end without an event
            timeout, idle = _RECHECK, WaitKind.THREADS
        if timeout is None or timeout > left:
            timeout = None if left == math.inf else left
        if loop_state.waits is None:
            return self.wait(timeout)
        return self._record_wait(loop_state.waits, timeout, idle)

    def wait(self, timeout: float | None) -> list[Any]:
        """Wait for files in real time, ``timeout`` seconds at most; None: without a limit."""
        # typeshed doesn't have this attribute; to use it takes a third of the time of ``select``
        if timeout == 0 and _HAS_EPOLL and not self._selector.poll(0, 1):  # type: ignore[attr-defined]
            return []
        return super().select(timeout)

    def has_files(self) -> bool:
        """Return True if it waits for a file other than the loop's own."""
        return len(self.get_map()) > 1

    def foreign_files(self) -> Collection[int]:
        """Return the descriptors of the watched files that something outside may make ready."""
        if not self.has_files():
            return ()
        watched: list[Any] = list(self.get_map())[1:]  # the first is the loop's own
        if not KNOWS_ENDS:
            return watched
        loop_state = self.loop_state
        if loop_state.own_files is None:
            from nose2_aio.eventloop.own_files import OwnFiles

            loop_state.own_files = OwnFiles()
        return loop_state.own_files.foreign(watched)

    def can_be_woken(self) -> bool:
        """Return True if anything but such a file may wake the loop."""
        return (
            self._has_job()
            or wakeup_sources.process_can_wake()
            or wakeup_sources.alarm_can_wake()
            or self._is_anything_on_way()
        )

    def describe_outside(self) -> list[str]:
        """Return what outside of the loop may wake it, in words, and where that was made.

        In virtual time, the files are those that hold it. In real time, they are all, without the
        connections of which both ends are watched.
        """
        state = self.loop_state
        keys = list(self.get_map().values())[1:]  # the first one is the loop's own
        if state.clock is not None and state.clock.is_virtual:
            foreign = self.foreign_files()
            files = [key for key in keys if key.fd in foreign and not sockets.is_of_child(key.fd)]
        else:
            files = wakeup_sources.without_pairs(keys)
        is_on_way = self._is_anything_on_way()
        return [
            *(wakeup_sources.describe_file(key, state.origin_of_file(key.fd)) for key in files),
            *state.describe_jobs(),
            *wakeup_sources.describe(state.origin_of_child),
            *(["data on its way between two sockets of this process"] if is_on_way else []),
        ]

    def _is_anything_on_way(self) -> bool:
        own_files = self.loop_state.own_files
        return own_files is not None and own_files.is_anything_on_way(self._awaits_room)

    def _awaits_room(self, descriptor: int) -> bool:
        """Return True if the loop waits until it can write to a file."""
        key = self.get_map().get(descriptor)
        return key is not None and bool(key.events & selectors.EVENT_WRITE)

    def _select_virtually(self, clock: Clock, left: float) -> list[Any]:
        """Wait or jump, as the clock decides. Record how long it waited, and what it skipped."""
        events = self.wait(0) if self.has_files() else []
        if events:
            return events  # no need to look at everything outside
        events = clock.select(self, left)
        waits = self.loop_state.waits
        if waits is not None:
            skipped, waited, is_released = clock.take_waits()
            waits.skipped += skipped
            if waited:
                waits.add(waited, WaitKind.THREADS if is_released else self._kind(events))
        return events

    def _record_wait(self, waits: WaitTimes, timeout: float | None, idle: WaitKind) -> list[Any]:
        """Wait, and record for how long and for what: ``idle`` if there is no event."""
        is_avoidable = waits.lines is not None and not (self.foreign_files() or self.can_be_woken())
        began, events = monotonic(), []
        try:
            events = self.wait(timeout)
        finally:  # Ctrl-C may interrupt it
            seconds = monotonic() - began
            if is_avoidable:
                waits.avoidable += seconds
            waits.add(seconds, self._kind(events) if events else idle)
        return events

    def _kind(self, events: list[Any]) -> WaitKind:
        """Return what has ended a wait."""
        if not events:
            return WaitKind.TIMERS
        own = next(iter(self.get_map()))  # the loop's own file, which other threads write to
        return WaitKind.THREADS if all(key.fd == own for key, _ in events) else WaitKind.FILES

    def _is_stuck(self) -> bool:
        """Return True if nothing seems to be able to wake the loop, and somebody wants to know."""
        return not (
            self._expects_event()
            or wakeup_sources.process_can_wake()
            or wakeup_sources.signal_can_wake()
        )

    def _expects_event(self) -> bool:
        """Return True if a file or a job will end the wait, or if deadlocks don't matter."""
        return self.loop_state.on_deadlock is None or self.has_files() or self._has_job()

    def _has_job(self) -> bool:
        jobs = self.loop_state.jobs
        return jobs is not None and any(not job.done() for job in jobs)

    def _look_again(self) -> list[Any]:
        """Wait a little and look again. If nothing has changed, it is a deadlock.

        A thread may have scheduled a callback just before it ended.
        """
        events = self.wait(_SECOND_LOOK)
        if not events and self._is_stuck() and self.loop_state.on_deadlock is not None:
            self.loop_state.on_deadlock()
        return events
