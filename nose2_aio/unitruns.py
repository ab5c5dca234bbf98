"""A unit as it runs in a lane: what it does when its turn comes, and when that ends."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from nose2_aio import wakers
from nose2_aio.batons import Occupant
from nose2_aio.lanes import Lane
from nose2_aio.lookouts import Lookout
from nose2_aio.recorders import Recorder
from nose2_aio.units import Unit

__all__ = ["UnitRun"]

_STAYED = (
    "{}: it waited for a job or a thread while it had patched or redirected something, so all "
    "others waited too"
)
_BLOCKED = "{} blocked the loop for {:.1f} s, and all others with it"


class UnitRun(Occupant):
    """A unit that runs in the thread of a lane."""

    def __init__(
        self,
        unit: Unit,
        lane: Lane,
        recorder: Recorder,
        lookout: Lookout,
        has_others: Callable[[], bool],
    ) -> None:
        """``has_others`` tells whether there are others that are held up by what blocks here."""
        self.recorder = recorder
        self.lookout = lookout
        self.turn = lookout.turn
        self._unit = unit
        self._lane = lane
        self._has_others = has_others

    def __call__(self) -> None:
        """Run it to its end, in the thread that calls."""
        self.turn.occupant = self
        try:
            with self.recorder:
                self._execute()
        except Exception:  # such as what could not be put back: it must not end the run
            self.recorder.addError(self._unit.tests[-1], sys.exc_info())
        finally:
            self.turn.occupant = Occupant()

    def _execute(self) -> None:
        lane = self._lane
        lane.charges.filters = warnings.filters  # for fixtures ahead of its first test
        try:
            self._unit.suite(self.recorder)
        finally:
            lane.scopes.close()
            lane.adapter.close()
            self.recorder.note_step()

    def running(self) -> tuple[str, float]:
        """Return the name of the test that runs, and for how many seconds it has; "" for none."""
        return self._lane.adapter.running()

    def stays(self, *, has_job: bool) -> bool:
        """Tell whether its threads are to see what it has changed of the process."""
        return self.recorder.changes.are_any and (has_job or wakers.has_busy_thread())

    def leave(self) -> None:
        """Put aside what is its own, before others run."""
        self._lane.charges.collect_young()
        self.recorder.changes.leave()

    def come_back(self) -> None:
        """Put back what is its own."""
        self.recorder.changes.enter()

    def note_stayed(self) -> None:
        """Note that it has waited with its changes in place, and the others with it."""
        if self._has_others():
            self._tell(_STAYED.format(self.recorder.name))

    def note_held_up(self, seconds: float) -> None:
        """Put off its limits: others have held it up."""
        self._lane.keeper.put_off(seconds)

    def note_blocked(self, seconds: float) -> None:
        """Note that it has held up the others."""
        place = self.lookout.take_place()
        if self._has_others():
            text = _BLOCKED.format(self.recorder.name, seconds)
            self._tell(f"{place}: {text}" if place else text)

    def _tell(self, line: str) -> None:
        self._lane.keeper.told[line] = None
