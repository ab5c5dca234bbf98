"""The stacks that `faulthandler` writes: in C, so that it works where no Python code can run."""

from __future__ import annotations

import re
from traceback import FrameSummary

from nose2_aio.introspection import locations

__all__ = ["users_frame"]

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def users_frame(line: str) -> FrameSummary | None:
    """Return the frame that a line of a stack shows; None if it is no frame of the user's."""
    found = _FRAME.match(line)
    if not found or not locations.is_users(found[1]):
        return None
    return FrameSummary(found[1], int(found[2]), found[3])
