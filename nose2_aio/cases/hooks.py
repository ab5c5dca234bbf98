"""Replaces the hooks of TestCase by which unittest calls tests and cleanups, while a run lasts.

They call the `Adapter` for the test that it steps in at, and do what unittest does for any other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.cases.adapter import Adapter
from nose2_aio.cases.attribution import Attribution
from nose2_aio.reporting import unawaited
from nose2_aio.running import async_contexts

__unittest = True

__all__ = ["in_charge", "replaced"]

_ADAPTER = "__nose2_aio_adapter__"
"""The attribute of our ``doCleanups`` with the adapter that it belongs to."""
_RUN_CODE = unittest_internals.RUN_CODE


@contextmanager
def replaced(adapter: Adapter) -> Iterator[None]:
    """Inside the block, an adapter steps in at tests, and dropped coroutines are recorded."""
    adapter.attribution.warnings_filters = unawaited.active_filters()
    adapter.do_cleanups = TestCase.doCleanups
    hooks = _hooks(adapter)
    before = {name: getattr(TestCase, name) for name in hooks}
    for name, hook in hooks.items():
        setattr(TestCase, name, hook)
    try:
        with (
            _recording_drops(adapter.attribution),
            adapter.attribution.shortened_log(),
            unittest_internals.replaced_enter_context(async_contexts.enter_context),
        ):
            yield
    finally:
        for name, hook in before.items():
            setattr(TestCase, name, hook)
        adapter.close()


def _hooks(adapter: Adapter) -> dict[str, Callable[..., Any]]:
    """Return what replaces the methods of TestCase, by name."""
    do_plain_cleanups = adapter.do_cleanups

    def call_test(test: TestCase, method: Callable[[], Any]) -> None:
        if test is adapter.waiting_test:
            adapter.waiting_test = None
            adapter.invocation.call(test, method)
        else:
            unittest_internals.call_test_method(test, method)

    def call_cleanup(test: TestCase, function: Any, /, *args: Any, **kwargs: Any) -> None:
        if test is adapter.test:
            adapter.call_cleanup(test, function, *args, **kwargs)
        else:
            unittest_internals.call_cleanup(test, function, *args, **kwargs)

    def do_cleanups(test: TestCase) -> Any:
        is_passed = do_plain_cleanups(test)
        frame = sys._getframe(1)
        if test is adapter.test and (
            frame.f_code is _RUN_CODE or unittest_internals.is_called_by_run(frame)
        ):
            return adapter.end(test, is_passed=is_passed)
        return is_passed

    setattr(do_cleanups, _ADAPTER, adapter)
    return {
        unittest_internals.TEST_HOOK: call_test,
        unittest_internals.CLEANUP_HOOK: call_cleanup,
        "doCleanups": do_cleanups,
    }


def in_charge() -> Adapter | None:
    """Return the adapter that steps in now; None if none does."""
    found: Adapter | None = getattr(TestCase.doCleanups, _ADAPTER, None)
    return found


@contextmanager
def _recording_drops(attribution: Attribution) -> Iterator[None]:
    if not attribution.are_unawaited_checked:
        yield
        return
    known = attribution.known_filters
    if known is None:
        known = attribution.known_filters = list(unawaited.active_filters())

    def note(coroutine: Any, is_late: bool) -> bool:  # noqa: FBT001 -- a callback
        return attribution.note_unawaited(coroutine, is_late=is_late)

    with (
        unawaited.intercept_drops(note, lambda: attribution.warnings_filters, known),
        unawaited.intercept_mock_calls(attribution.note_handed),
    ):
        yield
