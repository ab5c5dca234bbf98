"""Time limits: what takes longer is cancelled, and fails with the lines where it waited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NamedTuple

from nose2_aio.errors import TimeLimitError

__all__ = ["NO_LIMIT", "Limit", "bounded"]


class Limit(NamedTuple):
    """A time limit in seconds (0: none), and where it was set."""

    seconds: float = 0.0
    place: str = ""


NO_LIMIT = Limit()


async def bounded(awaitable: Awaitable[Any], limit: Limit) -> Any:
    """Await under a limit of more than 0 seconds.

    Raises `TimeLimitError` at the limit, with the traceback of the place that was cancelled.
    """
    ended: BaseException | None = None
    value = None
    try:
        async with asyncio.timeout(limit.seconds) as deadline:
            value = await awaitable
    except BaseException as error:
        if not deadline.expired():
            raise
        ended = error
    if not deadline.expired() and not _is_late(deadline):
        return value
    raise _exceeded(limit, ended)


def _is_late(deadline: asyncio.Timeout) -> bool:
    """Tell whether a limit passed unseen, while the loop was blocked."""
    when = deadline.when()
    return when is not None and asyncio.get_running_loop().time() > when


def _exceeded(limit: Limit, ended: BaseException | None) -> TimeLimitError:
    """The error for a limit, where ``ended`` is how the test left it."""
    error = TimeLimitError(f"not done within its time limit of {limit.seconds:g} s ({limit.place})")
    if isinstance(ended, TimeoutError) and isinstance(ended.__cause__, asyncio.CancelledError):
        error.__traceback__ = ended.__cause__.__traceback__
        error.__suppress_context__ = True
    elif ended is None:
        error.add_note("It ended all the same: it blocked the loop, or caught its cancellation.")
    else:
        error.__cause__ = ended
    return error
