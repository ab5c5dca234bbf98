"""Run coroutine tests for real: a nose2 plugin, and two engines for any runner."""

from nose2_aio import errors
from nose2_aio.cases.guarding import guard
from nose2_aio.config.tags import (
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
from nose2_aio.errors import *  # noqa: F403 -- all of them are public
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.plugin import AioPlugin
from nose2_aio.running.async_contexts import (
    enter_async_context,
    enter_class_async_context,
    enter_module_async_context,
)
from nose2_aio.running.decorators import run_forever, run_until_complete
from nose2_aio.running.loop_contexts import child_loop, clock, current_loop, virtual_clock
from nose2_aio.testcase import TestCase, TestCaseMixin

__version__ = "0.1.0"
__all__ = [
    "AioPlugin",
    "Clock",
    "TestCase",
    "TestCaseMixin",
    "checks",
    "child_loop",
    "clock",
    "current_loop",
    "enter_async_context",
    "enter_class_async_context",
    "enter_module_async_context",
    "exclusive",
    "guard",
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
__all__ += errors.__all__
