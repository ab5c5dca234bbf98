"""Look up each line once that asyncio's debug mode saves, and not for each callback again.

In debug mode, asyncio saves the innermost frames of the stack for each callback. With the lines of
files that takes 30 µs. Most callbacks are scheduled at lines that were saved before. What is saved
stays the same. Tasks and futures are written in C, and save their stacks themselves.
"""

from __future__ import annotations

import sys
from asyncio import constants, format_helpers
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import FrameSummary, StackSummary
from types import CodeType, FrameType

__all__ = ["remembered"]

_MAX = 2000
"""How many lines are remembered. Then all are forgotten."""

_lines: dict[tuple[int, int], tuple[CodeType, FrameSummary]] = {}
"""By the ``id()`` of the code, and the offset of the instruction that it was at."""
_extract_stack = format_helpers.extract_stack


@contextmanager
def remembered() -> Iterator[None]:
    """Remember lines of stacks inside the block."""
    before = format_helpers.extract_stack
    format_helpers.extract_stack = _extract_remembered
    try:
        yield
    finally:
        format_helpers.extract_stack = before
        _lines.clear()


def _extract_remembered(f: FrameType | None = None, limit: int | None = None) -> StackSummary:
    """Return the innermost frames of a stack, as the function of asyncio does."""
    frame: FrameType | None = sys._getframe(1) if f is None else f
    found = StackSummary()
    for _ in range(constants.DEBUG_STACK_DEPTH if limit is None else limit):
        if frame is None:
            break
        key = id(frame.f_code), frame.f_lasti
        known = _lines.get(key)
        if known is None:
            if len(_lines) >= _MAX:
                _lines.clear()
            known = _lines[key] = frame.f_code, _extract_stack(frame, limit=1)[0]
        found.append(known[1])
        frame = frame.f_back
    found.reverse()
    return found
