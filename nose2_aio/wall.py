"""The time of day, moved along with a virtual clock: ``time.time()`` and ``datetime.now()``.

That is done by the package time-machine, where the user has it installed. Nothing else imports it.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

from nose2_aio.errors import InvalidValueError

__all__ = ["Wall"]

_NANO = 1_000_000_000


class Wall:
    """The time of day: it stands still between two moves.

    Raises `InvalidValueError` where time-machine isn't installed, saying where it was asked for.
    """

    def __init__(self, place: str) -> None:
        if importlib.util.find_spec("time_machine") is None:
            raise InvalidValueError(
                "virtual_time(wall=True) needs the package time-machine, which isn't installed: "
                f"pip install time-machine ({place})"
            )
        self._travel: Any = None
        self._coordinates: Any = None

    def begin(self) -> None:
        """Stop it."""
        import time_machine  # noqa: PLC0415 -- only who asks for it needs it

        self._travel = time_machine.travel(time.time(), tick=False)
        self._coordinates = self._travel.start()

    def move(self, seconds: float) -> None:
        """Move it on."""
        if self._coordinates is not None:
            # it cuts off what is less than a nanosecond
            self._coordinates.shift((round(seconds * _NANO) + 0.5) / _NANO)

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Have it go on as it does outside."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._coordinates = None
