"""Run coroutine tests for real: a nose2 plugin, and two engines for any runner."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nose2_aio import errors
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

_MODULES = {
    "cases.guarding": ("guard",),
    "running.async_contexts": (
        "enter_async_context",
        "enter_class_async_context",
        "enter_module_async_context",
    ),
    "running.decorators": ("run_forever", "run_until_complete"),
    "running.loop_contexts": ("child_loop", "clock", "current_loop", "virtual_clock"),
    "testcase": ("TestCase", "TestCaseMixin"),
}
"""The modules that take long to import, and the public names in them. See `__getattr__`."""

if TYPE_CHECKING:
    from nose2_aio.cases.guarding import guard
    from nose2_aio.running.async_contexts import (
        enter_async_context,
        enter_class_async_context,
        enter_module_async_context,
    )
    from nose2_aio.running.decorators import run_forever, run_until_complete
    from nose2_aio.running.loop_contexts import child_loop, clock, current_loop, virtual_clock
    from nose2_aio.testcase import TestCase, TestCaseMixin
else:  # type checkers would take it for a sign that any name is valid

    def __getattr__(name: str) -> Any:
        """Import the module of a public name when somebody first asks for it.

        nose2 asks for all names, to find the plugin. Other runners and editors ask for a few.
        """
        for module, names in _MODULES.items():
            if name in names:
                value = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
