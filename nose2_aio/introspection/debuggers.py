"""Find out whether a debugger is active."""

from __future__ import annotations

import sys
from types import FrameType

from nose2_aio.introspection.locations import package_of

__all__ = ["is_debugged", "is_in_debugger"]

_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")


def is_debugged() -> bool:
    """True if a debugger traces this thread, or has registered with `sys.monitoring`."""
    tracer = sys.gettrace()
    module = getattr(tracer, "__module__", None) or type(tracer).__module__
    if tracer is not None and module.partition(".")[0] in _DEBUGGERS:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def is_in_debugger(frame: FrameType | None) -> bool:
    """True if a debugger has a frame on this stack. The stack may be another thread's."""
    while frame is not None:
        if package_of(frame) in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
