"""The outcomes of tests as soon as workers report them, and not in the order of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from nose2_aio.cases.outcome_recorder import OutcomeRecorder
from nose2_aio.reporting.outcomes import Listener
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import Call, Event
from nose2_aio.workers.replay import Clock, Replay

__all__ = ["LiveOutcomes"]


class LiveOutcomes:
    """Replays the events of each unit on a result of its own, which makes the outcomes.

    The times of these outcomes mean nothing: it isn't their result that has the clock.
    """

    def __init__(self, kind: type, units: Sequence[Unit], listener: Listener) -> None:
        """``kind`` is the class of nose2's result."""
        self._kind = kind
        self._units = units
        self._listener = listener
        self._replays: dict[int, Replay] = {}
        """By unit: the events of several units come in turns."""

    def take(self, unit: int, events: Sequence[Event]) -> None:
        """Take events of a unit."""
        replay = self._replays.get(unit)
        if replay is None:
            replay = self._replays[unit] = Replay(self._result(), self._units, Clock(), ())
        for event in events:
            if isinstance(event, Call):
                replay.play(unit, event)

    def _result(self) -> Any:
        """Return a result of nose2 whose only plugin makes outcomes."""
        recorder = OutcomeRecorder()
        recorder.listeners.append(self._listener)
        hooks = SimpleNamespace(
            startTest=recorder.startTest,
            setTestOutcome=lambda _: None,
            testOutcome=recorder.testOutcome,
            stopTest=recorder.stopTest,
        )
        return self._kind(SimpleNamespace(hooks=hooks))
