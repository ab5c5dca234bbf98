"""The stacks that `faulthandler` writes: in C, so that it works where no Python code can run."""

from __future__ import annotations

import re
from traceback import FrameSummary

from nose2_aio.introspection import locations
from nose2_aio.introspection.await_chains import Line

__all__ = ["users_frame", "users_lines"]

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def users_frame(line: str) -> FrameSummary | None:
    """Return the frame that a line of a stack shows; None if it is no frame of the user's."""
    found = _FRAME.match(line)
    if not found or not locations.is_users(found[1]):
        return None
    return FrameSummary(found[1], int(found[2]), found[3])


def users_lines(text: str) -> list[Line]:
    """Return the user's lines of the stack of one thread, outermost first."""
    frames = [users_frame(line) for line in reversed(text.splitlines())]
    return [
        Line(locations.line_in(one.filename, one.lineno, one.name), one.line or "")
        for one in frames
        if one is not None
    ]
