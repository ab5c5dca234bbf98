"""Where unittest calls what may give an awaitable: see what it gives, and run that.

unittest calls each test, and each fixture of it, through seams of its test case (`seams`). `attach`
puts ours in their place, on the one instance that is about to run:

1. What the seam was to call is called as ever.
2. Only where that gives an awaitable we step in, and run it to its end, in the test's scope:
   ``setUp``, the test, ``tearDown`` and cleanups share one task. Declarations are not asked: a
   class that wraps its coroutine tests by itself, wherever it does that, gives none.
   Cleanups can be called by hand too, so there the class has ours as long as the run lasts.
3. Where nothing can follow the test, its scope ends with it. Otherwise it ends when unittest has
   called all cleanups. There the checks look at what was left, too: what goes wrong is raised by
   one more cleanup, so that it is the test's own error.
4. A class that has a seam of its own keeps it. Of these we know IsolatedAsyncioTestCase: it gets
   time limits, and runs what it would drop, since it asks for declarations.

Some kinds of test case drop what the user's functions give (`kinds`). For those we know what they
are about to call, and that is called in their stead.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import (
    generator_tests,
    nose2_cases,
    returned,
    scope_keys,
    unittest_internals,
)
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.isolated import IsolatedCases
from nose2_aio.cases.nose2_cases import UserCall
from nose2_aio.cases.scopes import UNKNOWN, ScopeKey, ScopeLevel, Scopes
from nose2_aio.config import tag_lookup
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError, InvalidValueError
from nose2_aio.eventloop import event_loops
from nose2_aio.introspection import locations
from nose2_aio.reporting import unawaited
from nose2_aio.reporting.inspections import inspect_after_test
from nose2_aio.reporting.timings import Timings
from nose2_aio.running import coroutines, decorators, hypothesis_examples, loop_contexts, plans
from nose2_aio.running.decorators import Decoration
from nose2_aio.running.engines import Engine, Execution
from nose2_aio.running.host import always, never
from nose2_aio.running.runner import Runner

__unittest = True

__all__ = ["Adapter", "stepping_in"]

_NO_SET_UP = TestCase.setUp
_NO_TEAR_DOWN = TestCase.tearDown


@contextmanager
def stepping_in(adapter: Adapter) -> Iterator[None]:
    """Step in at the cleanups of tests inside the block, and at what nobody awaits."""
    adapter.attribution.filters = unawaited.active_filters()
    before = getattr(TestCase, unittest_internals.CLEANUP)
    plain: Callable[[TestCase], Any] = TestCase.doCleanups
    adapter._clean = plain

    def call_cleanup(test: TestCase, function: Any, /, *args: Any, **kwargs: Any) -> None:
        if test is adapter._test:
            adapter._call_cleanup(test, function, *args, **kwargs)
        else:
            unittest_internals.PLAIN_CLEANUP(test, function, *args, **kwargs)

    def do_cleanups(test: TestCase) -> Any:
        done = plain(test)
        if test is adapter._test and unittest_internals.is_end(sys._getframe(1)):
            return adapter._end(test, done)
        return done

    setattr(TestCase, unittest_internals.CLEANUP, call_cleanup)
    TestCase.doCleanups = do_cleanups  # type: ignore[assignment,method-assign]
    try:
        with _noting(adapter.attribution):
            yield
    finally:
        setattr(TestCase, unittest_internals.CLEANUP, before)
        TestCase.doCleanups = plain  # type: ignore[assignment,method-assign]
        adapter.close()


def _noting(attribution: Attribution) -> AbstractContextManager[None]:
    if not attribution.collects:
        return nullcontext()

    def note(coroutine: Any, is_late: bool) -> bool:  # noqa: FBT001 -- a callback
        return attribution.note_unawaited(coroutine, is_late=is_late)

    return unawaited.intercept_drops(note, lambda: attribution.filters)


class Adapter:
    """Steps in at the seams of test cases, one test at a time."""

    _test: TestCase | None = None
    """The test that runs, or that ran last."""
    _mistake: InvalidValueError | None = None
    """What is wrong with its tags."""
    _here: ScopeKey | None = None
    """Where the test stands that needed to know last."""
    _began = 0.0
    _clean: Callable[[TestCase], Any] = TestCase.doCleanups
    """Calls the cleanups of a test, and nothing else."""

    def __init__(
        self,
        settings: Settings,
        scopes: Scopes,
        fixtures: FixtureCaller,
        attribution: Attribution,
        timings: Timings,
    ) -> None:
        self.attribution = attribution
        self._settings = settings
        self._scopes = scopes
        self._fixtures = fixtures
        self._timings = timings
        self._time_limits = scopes.options.time_limits
        self._overall = plans.overall(settings)
        self._is_timed = bool(self._overall.seconds) or settings.virtual_time
        self._isolated = IsolatedCases(settings, scopes.options, fixtures.explained)

    def close(self) -> None:
        """End the books of the last test, behind all of them."""
        self.attribution.close()
        self._test = None
        self._time_limits.close()

    def attach(self, test: TestCase) -> None:
        """Have a test case run its test and fixtures for real, the next time that it runs."""
        if self._scopes.layered is not test:  # its layers have begun it
            self._begin(test)
        case = type(test)
        seam = getattr(case, unittest_internals.TEST, None)
        if seam is None:
            return
        if seam is unittest_internals.PLAIN:
            test.__dict__[unittest_internals.TEST] = partial(self._call_test, test)
            if case.setUp is not _NO_SET_UP and nose2_cases.has_fixture(test, "setUp"):
                self._take(test, unittest_internals.SET_UP, self._call_set_up)
            if case.tearDown is not _NO_TEAR_DOWN and nose2_cases.has_fixture(test, "tearDown"):
                self._take(test, unittest_internals.TEAR_DOWN, self._call_tear_down)
                if coroutines.is_declared(case.tearDown):  # its task and context begin with setUp
                    self._take(test, unittest_internals.SET_UP, self._call_set_up)
        elif seam is unittest_internals.ISOLATED:
            self._isolated.attach(test, self.attribution.problems)
        else:
            _check_fixtures(test)
        if self._scopes.open and not self._scopes.is_innermost(case):
            self._scopes.arrive(self._at(test))
        if self._is_timed or seam is not unittest_internals.PLAIN or self._mistake is not None:
            self._begin_time_ahead(test)

    def _begin(self, test: TestCase) -> None:
        """Begin with a test."""
        self.attribution.begin(test)
        if self._time_limits.deadline is not None:
            self._time_limits.end()
        self._test = test
        self._mistake = None
        if self._timings.is_recorded:
            self._time_limits.waits = self._timings.begin()
        self._began = monotonic()
        scopes = self._scopes
        scopes.problems = self.attribution.problems
        scopes.last = test
        scopes.current_before = UNKNOWN

    def detach(self) -> None:
        """Note that unittest is done with the test."""
        if self._time_limits.deadline is not None and self._scopes.layered is None:
            self._time_limits.end()

    def running(self) -> tuple[str, float]:
        """Return the name of the test that runs, and for how many seconds it has; "" for none."""
        if self._test is None:
            return "", 0.0
        return self._test.id(), monotonic() - self._began

    def _begin_time_ahead(self, test: TestCase) -> None:
        """Begin the time of a test before anything of it runs, unless its layers have."""
        if self._time_limits.deadline is None:
            self._begin_time(*nose2_cases.target(test))
        else:
            self._time_limits.renew()
        if self._mistake is not None:
            test.__dict__[unittest_internals.SET_UP] = partial(_fail, test, self._mistake)

    def _begin_time(self, function: Any, owner: type) -> None:
        """Begin the time that a test has, if that is limited or virtual."""
        mark = decorators.decoration(function)
        engine = Engine.BY_RESULT if mark is None else mark.engine
        try:
            limit = plans.limit(engine, function, owner, self._settings)
            virtual = plans.virtual(
                function, owner, self._settings, is_virtual=mark is not None and mark.is_virtual
            )
            self._time_limits.begin(limit, virtual)
        except InvalidValueError as error:  # the test itself is going to say so
            self._mistake = error
            self._time_limits.begin(self._overall)
        if (
            unittest_internals.is_isolated(owner)
            and engine is Engine.FOREVER
            and self._time_limits.deadline
        ):
            plan = plans.made(engine, function, owner)  # nobody tells the engine of a deadline
            self._time_limits.deadline.extend(plan.timeout + plan.sleep)

    def _take(self, test: TestCase, seam: str, call: Callable[[TestCase], None]) -> None:
        if unittest_internals.keeps(type(test), seam):
            test.__dict__[seam] = partial(call, test)

    def begin_layered(self, test: TestCase) -> None:
        """Arrive at a test for which layers have fixtures, before these are called."""
        self._begin(test)
        self._scopes.layered = test
        self._scopes.arrive(scope_keys.of_test(test, self._settings))
        function, owner = nose2_cases.target(test)
        if self._is_timed or _may_be_tagged(function, owner):
            self._begin_time(function, owner)

    def end_layered(self, test: TestCase) -> None:
        """Leave a test behind the fixtures that layers have for it."""
        self._scopes.layered = None
        self.detach()
        self._scopes.leave(scope_keys.of_test(test, self._settings))

    def _at(self, test: TestCase) -> ScopeKey:
        """Where a test stands."""
        if self._here is None or self._here.test is not test:
            self._here = scope_keys.of_test(test, self._settings)
        return self._here

    def _call_set_up(self, test: TestCase) -> None:
        """What stands for ``_callSetUp``."""
        del test.__dict__[unittest_internals.SET_UP]
        scopes = self._scopes
        function, owner = nose2_cases.target(test)
        if self._time_limits.deadline is None and _may_be_tagged(function, owner):
            self._begin_time(function, owner)
        try:
            if self._mistake is not None:
                raise self._mistake
            is_coroutine = decorators.is_declared(function, test)
            if is_coroutine:
                self.attribution.begin_awaiting()
            if is_coroutine or coroutines.is_declared(type(test).tearDown):
                scopes.runner(self._at(test))  # its loop is current while setUp runs
            elif not scopes.open:
                scopes.current_before = event_loops.current()
            self._call_fixture(test, "setUp")
        except BaseException as error:
            test.__dict__.pop(unittest_internals.TEAR_DOWN, None)
            raise self._fixtures.explained(error)  # noqa: B904 -- the same, without our frames

    def _call_tear_down(self, test: TestCase) -> None:
        """What stands for ``_callTearDown``."""
        del test.__dict__[unittest_internals.TEAR_DOWN]
        self._time_limits.renew()
        try:
            self._call_fixture(test, "tearDown")
            self._check_lateness()
        except BaseException as error:
            raise self._fixtures.explained(error)  # noqa: B904 -- the same, without our frames

    def _call_fixture(self, test: TestCase, name: str) -> None:
        fixture = getattr(test, name)
        kind = nose2_cases.fixture(fixture)
        if kind is not None:
            kind(partial(self._fixtures.call, self._at(test), never), test, fixture)
            return
        is_last = self._is_last if name == "tearDown" else never
        if self._scopes.open:
            self._fixtures.call(self._at(test), is_last, fixture)
            return
        value = fixture()
        if value is not None:
            self._fixtures.settle(self._at(test), is_last, value, fixture)

    def _call_cleanup(
        self, test: TestCase, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> None:
        """What stands for ``_callCleanup``."""
        self._time_limits.renew()
        try:
            self._fixtures.call(self._at(test), never, function, *args, **kwargs)
            self._check_lateness()
        except BaseException as error:
            raise self._fixtures.explained(error)  # noqa: B904 -- the same, without our frames

    def _end(self, test: TestCase, done: Any) -> Any:
        """End the test when unittest has done its cleanups, and have it fail if that fails.

        Return whether it has passed, as ``doCleanups`` does.
        """
        self.attribution.end()
        if self._time_limits.deadline is not None and self._scopes.layered is not test:
            self._time_limits.end()
        scopes = self._scopes
        if scopes.open and scopes.open[-1].owner is test is not scopes.layered:
            done = self._attempt(test, done, lambda: scopes.leave(self._at(test)))
        elif scopes.open and scopes.layered is test:  # its layers are to end it
            inspect_after_test(self.attribution.problems, scopes.open[-1].runner.loop)
        if self._isolated.test is test:
            done = self._attempt(test, done, self._isolated.inspect)
        if self.attribution.have_any(test):
            done = self._attempt(test, done, lambda: self.attribution.judge(test, is_passed=done))
        if self._time_limits.waits is not None:
            self._note_cost(test)
        return done

    def _note_cost(self, test: TestCase) -> None:
        """Note what a test has cost, if it was one for a loop."""
        waits, self._time_limits.waits = self._time_limits.waits, None
        if waits is not None and (self.attribution.has_awaited or self._isolated.test is test):
            self._timings.note(test.id(), monotonic() - self._began, waits)

    def _attempt(self, test: TestCase, done: Any, end: Callable[[], None]) -> Any:
        """Do what is done at the end of the test, and have it fail if that fails."""
        try:
            end()
        except BaseException as error:
            unittest_internals.fail(test, self._fixtures.explained(error))
            return self._clean(test)
        return done

    def _is_last(self) -> bool:
        """Tell whether nothing can follow the test, or its ``tearDown``, in its scope."""
        test = self._test
        assert test is not None
        return (
            unittest_internals.count_cleanups(test) == 0
            and unittest_internals.TEAR_DOWN not in test.__dict__
            and test is not self._scopes.layered
        )

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        """What stands for ``_callTestMethod``."""
        del test.__dict__[unittest_internals.TEST]
        called = nose2_cases.called(test, method)
        function, owner = (method, type(test)) if called is None else called[1:3]
        is_marked = bool(getattr(function, "__dict__", None))
        if self._time_limits.deadline is None and (is_marked or tag_lookup.has_tags(owner)):
            self._begin_time(function, owner)
        try:
            if self._mistake is not None:
                raise self._mistake
            if is_marked:
                tag_lookup.read_checks(function, owner)  # a wrong one is told of in any case
                tag_lookup.read_loop(function, owner)
                called = called or _plain(test, method)
                value = self._call_marked(test, called)
            elif self._scopes.open:
                value = self._call_inside(test, method if called is None else called.call)
            else:
                value = method() if called is None else called.call()
            if value is None:
                if self._time_limits.deadline is not None:
                    self._check_lateness()
            else:
                value = self._outcome(test, called or _plain(test, method), value)
        except BaseException as error:
            raise self._fixtures.explained(error)  # noqa: B904 -- the same, without our frames
        if value is not None and (called is None or called.speaks):
            returned.warn_of(value, test, method)

    def _check_lateness(self) -> None:
        """Have a test fail that has ended too late, though it didn't await."""
        deadline = self._time_limits.deadline
        if deadline is not None and deadline.is_over:
            self._time_limits.renew()
            raise deadline.lateness()

    def _call_inside(self, test: TestCase, call: Callable[[], Any]) -> Any:
        """Call plain code, in the context of the scope that is open around it."""
        runner = None if coroutines.is_declared(call) else self._scopes.around(self._at(test))
        return call() if runner is None else runner.call(call)

    def _call_marked(self, test: TestCase, called: UserCall) -> Any:
        """Call a test that may be decorated by one of ours, or by Hypothesis."""
        mark = decorators.decoration(called.function)
        if mark is not None:
            with decorators.hosted(mark, partial(self._run, test, called, mark)):
                return called.call()
        if hypothesis_examples.has_examples(called.function, called.case):
            run = partial(self._run_example, test, called)
            with hypothesis_examples.examples(called.function, run):
                return called.call()
        return self._call_inside(test, called.call)

    def _outcome(self, test: TestCase, called: UserCall, value: Any) -> Any:
        """Return what a test comes to: where it gave an awaitable, run that."""
        if inspect.iscoroutine(value):
            try:
                return self._run(test, called, None, lambda: value)
            finally:
                value.close()  # where it could not even be begun
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            mode = self._settings.generators
            value = generator_tests.called_again(called.call, called.function, value, mode)
        if inspect.isawaitable(value):
            loop = value.get_loop() if isinstance(value, asyncio.Future) else None
            return self._run(test, called, None, lambda: value, loop)
        return coroutines.checked(value, called.function)

    def _run(  # noqa: PLR0913 -- what a test is run with
        self,
        test: TestCase,
        called: UserCall,
        mark: Decoration | None,
        body: Callable[[], Awaitable[Any]],
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        is_last: Callable[[], bool] | None = None,
    ) -> Any:
        self.attribution.begin_awaiting()
        engine = Engine.BY_RESULT if mark is None else mark.engine
        plan = plans.made(engine, called.function, called.owner)
        execution = Execution(body, plan, called.case)
        execution.deadline = self._time_limits.deadline
        if mark is not None and not mark.shares_loop:
            with loop_contexts.given(mark.loop) as chosen:
                return self._run_on(test, chosen, execution)
        if mark is not None and self._is_on_given_loop(test):
            return self._run_on(test, None, execution)  # who decorates it wants a fresh one
        if loop is not None:
            return self._run_on(test, loop, execution)
        is_last = is_last or self._is_last
        scopes = self._scopes
        if scopes.are_idle and not tag_lookup.has_tags(called.owner):
            return self._run_bare(test, execution, is_last, None)
        if scopes.current_before is UNKNOWN and scopes.is_innermost(type(test)):
            return self._run_bare(test, execution, is_last, scopes.open[-1].runner)
        runner = scopes.runner(self._at(test))
        try:
            return runner.run(execution.main(), execution.stopped, is_last=is_last)
        finally:
            if not runner.is_open:
                scopes.leave(self._at(test))

    def _run_bare(
        self,
        test: TestCase,
        execution: Execution,
        is_last: Callable[[], bool],
        outer: Runner | None,
    ) -> Any:
        """Run a test that has no fixture of its own: it needs no scope unless it goes on."""
        scopes = self._scopes
        factory = scopes.factory(ScopeLevel.TEST, test, outer)
        runner = Runner(
            outer=outer, factory=factory, options=scopes.options, problems=scopes.problems
        )
        try:
            return runner.run(execution.main(), execution.stopped, is_last=is_last)
        finally:
            if runner.is_abandoned:
                scopes.lost.add(test)
            if runner.is_open:
                scopes.keep(self._at(test), runner)
            else:
                runner.close()

    def _run_on(
        self, test: TestCase, loop: asyncio.AbstractEventLoop | None, execution: Execution
    ) -> Any:
        """Run a test on a loop, or on a fresh one; in its own task if that is on the same loop."""
        around = self._scopes.around(self._at(test))
        if around is not None and around.loop is loop:
            return around.run(execution.main(), execution.stopped)
        scopes = self._scopes
        factory = scopes.factory(ScopeLevel.TEST, test, None) if loop is None else None
        with Runner(
            loop, factory=factory, options=scopes.options, problems=scopes.problems
        ) as runner:
            return runner.run(execution.main(), execution.stopped, is_last=always)

    def _is_on_given_loop(self, test: TestCase) -> bool:
        return bool(self._scopes.open) and self._scopes.runner(self._at(test)).is_given

    def _run_example(
        self, test: TestCase, called: UserCall, body: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Run one of the examples that Hypothesis has for a test, as long as that isn't over."""
        ended_for = self._scopes.runner(self._at(test)).ended_for
        if ended_for is not None:
            raise ended_for
        return self._run(test, called, None, body, is_last=never)


def _may_be_tagged(function: Any, owner: type) -> bool:
    return bool(getattr(function, "__dict__", None)) or tag_lookup.has_tags(owner)


def _check_fixtures(test: TestCase) -> None:
    """Have a test fail whose class calls its tests by itself, if it has an async fixture."""
    for name in ("setUp", "tearDown"):
        fixture = getattr(test, name)
        if unittest_internals.calls_fixtures(type(test)) and coroutines.is_declared(fixture):
            test.__dict__[unittest_internals.SET_UP] = partial(_refuse, test, fixture)


def _fail(test: TestCase, error: BaseException) -> None:
    del test.__dict__[unittest_internals.SET_UP]
    raise error


def _refuse(test: TestCase, fixture: Any) -> None:
    del test.__dict__[unittest_internals.SET_UP]
    raise DefinitionError(
        f"{locations.describe(fixture)}: {type(test).__name__} overrides {unittest_internals.TEST} to call its "
        "tests by itself, so its fixtures are not awaited.\n"
        "Take that away, or make the fixture a plain function."
    )


def _plain(test: TestCase, method: Callable[[], Any]) -> UserCall:
    return UserCall(method, method, type(test), test, speaks=True)
