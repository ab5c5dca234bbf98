"""The time of day, moved together with a virtual clock: ``time.time()`` and ``datetime.now()``.

The package time-machine does it. The user has to install it; only this module imports it.
"""

from __future__ import annotations

import re
import time
from typing import Any

from nose2_aio.errors import InvalidValueError

__all__ = ["WallClock"]

_NANO = 1_000_000_000
_LEAST = (2, 16)
"""The first version that does not change `time.monotonic`, which time limits use."""


class WallClock:
    """The time of day. From `begin` to `end` it stands still, except for `move_to`.

    It is also a context manager. ``place`` is for messages: where the user has asked for it.
    Raises `InvalidValueError` if time-machine is not installed, or is too old.
    """

    def __init__(self, place: str) -> None:
        from importlib import metadata

        try:
            version = metadata.version("time-machine")
        except metadata.PackageNotFoundError:
            version = ""
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _LEAST:
            which = f"{version} is" if version else "none is"
            least = ".".join(map(str, _LEAST))
            raise InvalidValueError(
                f"virtual_time(wall=True) needs the package time-machine, {least} or later, and "
                f"{which} installed: pip install 'time-machine>={least}' ({place})"
            )
        self._place = place
        self._now = 0
        self._travel: Any = None
        self._coordinates: Any = None

    def begin(self) -> None:
        """Stop it; raise `InvalidValueError` if time-machine refuses."""
        import time_machine  # it may not be installed

        travel = time_machine.travel(time.time(), tick=False)
        try:
            self._coordinates = travel.start()
        except RuntimeError as error:  # the tested code has frozen the time already
            raise InvalidValueError(f"{error} ({self._place})") from None
        self._travel = travel
        self._now = time.time_ns()

    def now(self) -> int:
        """Return the nanoseconds since the epoch that it shows.

        Journeys in time that the tested code has begun since then do not count.
        """
        return self._now

    def move_to(self, moment: int) -> None:
        """Let it show ``moment``, in nanoseconds since the epoch."""
        if self._coordinates is not None:
            # time-machine cuts off fractions of a nanosecond
            self._coordinates.shift((moment - self._now + 0.5) / _NANO)
            self._now = moment

    def end(self) -> None:
        """Let it show the real time of day again."""
        if self._travel is None:
            return
        import time_machine  # it may not be installed

        # no public function stops any journey but the last; the names are those of 3.0 and before
        stack: Any = getattr(time_machine, "traveller_stack", None)
        stack = getattr(time_machine, "coordinates_stack", []) if stack is None else stack
        if self._coordinates in stack[:-1]:  # the tested code has begun another, and not ended it
            stack.remove(self._coordinates)
        else:
            self._travel.stop()
        self._travel = self._coordinates = None

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()
