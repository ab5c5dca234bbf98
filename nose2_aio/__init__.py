"""Run coroutine tests for real: a nose2 plugin, and two engines for any runner."""

from nose2_aio.contexts import (
    enter_async_context,
    enter_class_async_context,
    enter_module_async_context,
)
from nose2_aio.decorators import run_forever, run_until_complete
from nose2_aio.errors import AioError
from nose2_aio.loops import child_loop, clock, current_loop, virtual_clock
from nose2_aio.plugin import AioPlugin
from nose2_aio.tags import (
    checks,
    exclusive,
    loop,
    loop_scope,
    retries,
    serial,
    sleep,
    timeout,
    virtual_time,
)

__all__ = [
    "AioError",
    "AioPlugin",
    "checks",
    "child_loop",
    "clock",
    "current_loop",
    "enter_async_context",
    "enter_class_async_context",
    "enter_module_async_context",
    "exclusive",
    "loop",
    "loop_scope",
    "retries",
    "run_forever",
    "run_until_complete",
    "serial",
    "sleep",
    "timeout",
    "virtual_clock",
    "virtual_time",
]
