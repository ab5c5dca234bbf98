"""Find out whether a debugger is at work: nothing is limited then."""

from __future__ import annotations

import sys
from types import FrameType

from nose2_aio.introspection import locations

__all__ = ["is_debugged", "is_in_debugger"]

# by name: a debugger that is not used is not imported
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")


def is_debugged() -> bool:
    """Return True if a debugger traces this thread, or has registered with ``sys.monitoring``."""
    tracer = sys.gettrace()
    module = getattr(tracer, "__module__", None) or type(tracer).__module__
    if tracer is not None and module.partition(".")[0] in _DEBUGGERS:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def is_in_debugger(frame: FrameType | None) -> bool:
    """Return True if a debugger is in a stack, which may be that of another thread."""
    while frame is not None:
        if locations.package_of(frame) in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
