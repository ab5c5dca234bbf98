"""What holds for all runners of a run."""

from asyncio import AbstractEventLoop
from typing import NamedTuple

from nose2_aio.config.settings import GRACE
from nose2_aio.eventloop import instrumented
from nose2_aio.running.time_limits import TimeLimits

__all__ = ["RunnerOptions"]


class RunnerOptions(NamedTuple):
    """What holds for all runners of a run."""

    time_limits: TimeLimits
    grace: float = GRACE
    """Seconds that a cancelled coroutine gets to finish."""
    fails_deadlocks: bool = True
    debug: bool = False
    """True if loops run in asyncio's debug mode."""
    asks_for_deadlocks: bool = False
    """True if the user has set ``deadlocks``."""

    def note_blind(self, loop: AbstractEventLoop) -> None:
        """Add a note if deadlocks are to fail, and none can be found on this loop."""
        if self.asks_for_deadlocks and self.fails_deadlocks and not instrumented.has_selector(loop):
            name = instrumented.class_name(loop)
            self.time_limits.notes.add(
                f"deadlocks = fail: none can be found on {name}, which has no selector of "
                "Python's. Set a time-limit."
            )
