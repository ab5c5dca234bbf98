"""The time of day, moved along with a virtual clock: ``time.time()`` and ``datetime.now()``.

That is done by the package time-machine, where the user has it installed. Nothing else imports it.
"""

from __future__ import annotations

import re
import time
from typing import Any

from nose2_aio.errors import InvalidValueError

__all__ = ["WallClock"]

_NANO = 1_000_000_000
_LEAST = (2, 16)
"""The first version that leaves `time.monotonic` alone, which limits go by."""


class WallClock:
    """The time of day: between its begin and its end it stands still, but for its moves.

    Raises `InvalidValueError` where time-machine isn't installed, or is too old. ``place`` says
    where it was asked for.
    """

    def __init__(self, place: str) -> None:
        from importlib import metadata  # noqa: PLC0415 -- only who asks for it needs it

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
        """Stop it; raises `InvalidValueError` where time-machine refuses."""
        import time_machine  # noqa: PLC0415 -- only who asks for it needs it

        travel = time_machine.travel(time.time(), tick=False)
        try:
            self._coordinates = travel.start()
        except RuntimeError as error:  # somebody else has frozen the time
            raise InvalidValueError(f"{error} ({self._place})") from None
        self._travel = travel
        self._now = time.time_ns()

    def now(self) -> int:
        """Return the nanoseconds that it shows, where nobody has gone on from there."""
        return self._now

    def move_to(self, moment: int) -> None:
        """Have it show so many nanoseconds."""
        if self._coordinates is not None:
            # what is less than a nanosecond is cut off
            self._coordinates.shift((moment - self._now + 0.5) / _NANO)
            self._now = moment

    def end(self) -> None:
        """Have it go on as it does outside."""
        if self._travel is None:
            return
        import time_machine  # noqa: PLC0415 -- only who asks for it needs it

        # nothing public stops any but the last one; the name is that of 3.0, and the one before
        stack: Any = getattr(time_machine, "traveller_stack", None)
        stack = getattr(time_machine, "coordinates_stack", []) if stack is None else stack
        if self._coordinates in stack[:-1]:  # somebody has gone on from here, and not come back
            stack.remove(self._coordinates)
        else:
            self._travel.stop()
        self._travel = self._coordinates = None

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()
