"""The checks at the end of each test: their names, defaults and descriptions.

`nose2_aio.reporting.inspections` has the function of each check.
"""

from typing import Literal, NamedTuple, TypedDict, get_args

__all__ = ["CHECKS", "MODES", "Check", "Mode", "Modes"]

Mode = Literal["fail", "warn", "ignore"]
"""What to do about a finding: fail the test, warn, or ignore it."""
MODES: tuple[Mode, ...] = get_args(Mode)


class Modes(TypedDict, total=False):
    """The arguments of the tag ``checks``, for type checkers: the names in `CHECKS`."""

    never_awaited: Mode
    never_awaited_mocks: Mode
    lost_exceptions: Mode
    leaked_tasks: Mode
    leaked_timers: Mode
    open_asyncgens: Mode
    open_transports: Mode


class Check(NamedTuple):
    """One check."""

    name: str
    """Its name, which is the key of its setting."""
    default: str
    """The default of its setting: one of `MODES`."""
    help: str
    """What it finds, as a clause: ``a timer was still set``."""


CHECKS = (
    Check("never-awaited", "fail", "a coroutine was created and never awaited"),
    Check(
        "never-awaited-mocks",
        "warn",
        "the call of an AsyncMock, or a coroutine given to a mock, was never awaited",
    ),
    Check(
        "lost-exceptions", "fail", "a task or a callback failed, and nobody asked for its exception"
    ),
    Check("leaked-tasks", "warn", "a task was still pending at the end"),
    Check("leaked-timers", "warn", "a timer was still set"),
    Check(
        "open-asyncgens", "warn", "an async generator was started, and neither finished nor closed"
    ),
    Check("open-transports", "warn", "a transport or a server was still open"),
)
"""All checks, in the order in which they are listed."""
