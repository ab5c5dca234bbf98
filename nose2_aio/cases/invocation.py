"""Call the method of a test, and run the awaitable that it returns.

1. The method is called as unittest would call it. A class that wraps its coroutine tests itself
   returns no awaitable, and is left alone.
2. An awaitable runs in the scope of the test: on the loop and in the task of its ``setUp``, or on
   that of its class or module. A test without async fixtures gets a loop of its own.
3. If nothing can follow the test in its scope, the loop ends in the same run.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import generator_tests, nose2_cases, unittest_internals
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.limits import Limits
from nose2_aio.cases.nose2_cases import UserCall
from nose2_aio.cases.scope_keys import ScopeLevel
from nose2_aio.cases.scopes import NOT_RECORDED, Scopes
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.running import coroutines, decorators, hypothesis_examples, loop_contexts, plans
from nose2_aio.running.decorators import Decoration
from nose2_aio.running.engines import Body, Engine, Execution, Plan
from nose2_aio.running.host import always, never
from nose2_aio.running.runner import Runner

__unittest = True

__all__ = ["Invocation"]

_PLAN = Plan()
_TEAR_DOWN_HOOK = unittest_internals.TEAR_DOWN_HOOK
_cleanups_of = unittest_internals.cleanups_of_test
_TAGS = tag_lookup.CLASS_ATTRIBUTE


class Invocation:
    """Calls test methods, one after another."""

    def __init__(
        self,
        settings: Settings,
        scopes: Scopes,
        fixtures: FixtureCaller,
        attribution: Attribution,
        limits: Limits,
    ) -> None:
        self._settings = settings
        self._scopes = scopes
        self._fixtures = fixtures
        self._attribution = attribution
        self._limits = limits
        self._time_limits = scopes.options.time_limits

    def call(self, test: TestCase, method: Callable[[], Any]) -> None:
        """Call the method of a test."""
        call = None
        if getattr(method, "__qualname__", None) in nose2_cases.TESTS:
            call = nose2_cases.user_call(test, method)
        function, owner = (method, type(test)) if call is None else call[1:3]
        is_marked = bool(getattr(function, "__dict__", None))
        if is_marked or hasattr(owner, _TAGS):
            self._begin_tagged(function, owner)
        try:
            if self._limits.mistake is not None:
                raise self._limits.mistake
            if is_marked:
                value = self._call_marked(test, call or _plain(test, method))
            elif self._scopes.open:
                value = self._call_in_scope(test, method if call is None else call.call)
            else:
                value = method() if call is None else call.call()
            if value is not None:
                value = self._result(test, call or _plain(test, method), value)
            elif self._time_limits.deadline is not None:
                self._limits.check()
            self._fixtures.phases.has_passed = unittest_internals.has_passed(test)
        except BaseException as error:
            raise self._fixtures.error_to_report(error)  # noqa: B904 -- the same, without our frames
        if value is not None and (call is None or call.is_return_checked):
            # what unittest says, at the same place
            text = "It is deprecated to return a value that is not None from a test case"
            what = f" returned {type(value).__name__!r}" if sys.version_info >= (3, 14) else ""
            warnings.warn(f"{text} ({method}{what})", DeprecationWarning, stacklevel=4)

    def is_last(self, test: TestCase) -> bool:
        """Return True if nothing can follow the test, or its ``tearDown``, in its scope."""
        return (
            not _cleanups_of(test)
            and _TEAR_DOWN_HOOK not in test.__dict__
            and test is not self._scopes.layered_test
        )

    def _begin_tagged(self, function: Any, owner: type) -> None:
        if self._time_limits.deadline is None:
            self._limits.begin(function, owner)

    def _call_in_scope(self, test: TestCase, call: Callable[[], Any]) -> Any:
        """Call plain code, in the context of the scope that is open around it."""
        runner = None
        if not coroutines.is_declared(call):
            runner = self._scopes.runner_around(self._scopes.key_of(test))
        return call() if runner is None else runner.call(call)

    def _call_marked(self, test: TestCase, call: UserCall) -> Any:
        """Call a test that may have tags, a decorator of ours, or Hypothesis's."""
        tag_lookup.read_checks(call.function, call.owner)  # raises if one is wrong
        tag_lookup.read_loop(call.function, call.owner)
        mark = decorators.decoration(call.function)
        if mark is not None:
            with decorators.hosting_next_call(mark, lambda body: self._run(test, call, mark, body)):
                return call.call()
        if hypothesis_examples.has_examples(call.function, call.case):
            host = self._scopes.runner_for(self._scopes.key_of(test)).host
            with hypothesis_examples.examples(
                call.function,
                lambda body: self._run(test, call, None, body, is_last=never),
                lambda error: error is host.cancelled_for,
            ):
                return call.call()
        return self._call_in_scope(test, call.call)

    def _result(self, test: TestCase, call: UserCall, value: Any) -> Any:
        """Return the result of a test that returned a value: if that is an awaitable, run it."""
        if inspect.iscoroutine(value):
            try:
                return self._run(test, call, None, value)
            except BaseException:
                coroutines.close_unstarted(value)
                raise
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            mode = self._settings.generators
            value = generator_tests.call_as_coroutine(call.call, call.function, value, mode)
        if inspect.isawaitable(value):
            if isinstance(value, asyncio.Future):
                return self._run_on(
                    test, value.get_loop(), self._execution(call, None, lambda: value)
                )
            return self._run(test, call, None, lambda: value)
        coroutines.refuse_generator(value, call.function)
        return coroutines.checked(value, call.function)

    def _execution(self, call: UserCall, mark: Decoration | None, body: Body) -> Execution:
        self._attribution.begin_coroutine()
        plan = _PLAN
        is_tagged = getattr(call.function, "__dict__", None) or hasattr(call.owner, _TAGS)
        if mark is not None or is_tagged:
            engine = Engine.BY_RESULT if mark is None else mark.engine
            plan = plans.plan_for(engine, call.function, call.owner)
        return Execution(body, plan, call.case, self._time_limits.deadline)

    def _run(
        self,
        test: TestCase,
        call: UserCall,
        mark: Decoration | None,
        body: Body,
        is_last: Callable[[], bool] | None = None,
    ) -> Any:
        """Run the body of a test in its scope."""
        execution = self._execution(call, mark, body)
        scopes = self._scopes
        if mark is not None and not mark.shares_loop:
            with loop_contexts.given(mark.loop) as chosen:
                return self._run_on(test, chosen, execution)
        if mark is not None and scopes.open and scopes.runner_for(scopes.key_of(test)).is_given:
            return self._run_on(test, None, execution)  # a decorated test gets a new loop
        is_last = is_last or partial(self.is_last, test)
        if scopes.loop_before_test is NOT_RECORDED:
            if not (scopes.open or scopes.has_wider_scopes or hasattr(call.owner, _TAGS)):
                return self._run_in_no_scope(test, execution, is_last, None)
            if scopes.open and scopes.is_innermost(type(test)):
                return self._run_in_no_scope(test, execution, is_last, scopes.open[-1].runner)
        runner = scopes.runner_for(scopes.key_of(test))
        try:
            return runner.run(execution.main(), execution.stopped, is_last=is_last)
        finally:
            if not runner.is_open:
                scopes.close(scopes.key_of(test))

    def _run_in_no_scope(
        self,
        test: TestCase,
        execution: Execution,
        is_last: Callable[[], bool],
        outer: Runner | None,
    ) -> Any:
        """Run a test without fixtures of its own: it needs a scope only if something follows."""
        scopes = self._scopes
        factory = None
        if scopes.has_factories:
            factory = scopes.factory_for(ScopeLevel.TEST, test, outer)
        runner = Runner(
            outer=outer, factory=factory, options=scopes.options, problems=scopes.test_problems
        )
        try:
            return runner.run(execution.main(), execution.stopped, is_last=is_last)
        finally:
            if runner.is_abandoned:
                scopes.abandoned_owners.add(test)
            if runner.is_open:
                scopes.add(scopes.key_of(test), runner)
            else:
                runner.close()

    def _run_on(self, test: TestCase, loop: AbstractEventLoop | None, execution: Execution) -> Any:
        """Run a test on a loop, or on a new one; in the task of its scope if that has this loop."""
        scopes = self._scopes
        around = scopes.runner_around(scopes.key_of(test))
        if around is not None and around.loop is loop:
            return around.run(execution.main(), execution.stopped)
        factory = scopes.factory_for(ScopeLevel.TEST, test, None) if loop is None else None
        with Runner(
            loop, factory=factory, options=scopes.options, problems=scopes.test_problems
        ) as runner:
            return runner.run(execution.main(), execution.stopped, is_last=always)


def _plain(test: TestCase, method: Callable[[], Any]) -> UserCall:
    return UserCall(method, method, type(test), test, is_return_checked=True)
