"""Step in where unittest calls a test and its fixtures, which may return an awaitable.

unittest calls each of them through a private method of the test case, a *hook*
(`unittest_internals`): ``_callSetUp``, ``_callTestMethod``, ``_callTearDown``, ``_callCleanup``.
`hooks` replaces those of the test and of cleanups. Those of ``setUp`` and ``tearDown`` are replaced
by `Adapter.attach` on the instance, when a test starts.

1. Our hook calls what unittest would call. Only if that returns an awaitable, we run it
   (`invocation` for tests, `fixture_calls` for fixtures). The result decides, not the declaration:
   a class that runs its coroutine tests itself returns no awaitable, and keeps its results. Only
   before ``setUp`` a declaration counts: it says that the loop is needed.
2. ``setUp``, the test, ``tearDown`` and the cleanups of a test run in one task, in its scope.
3. The scope ends with the test if nothing follows. Otherwise it ends after the last cleanup.
4. After the last cleanup the checks look for what the test has left. We raise their error in one
   more cleanup, so that unittest reports it for this test.
5. If a class overrides a hook, we leave that. IsolatedAsyncioTestCase is the exception: see
   `isolated`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.definitions import Definitions
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.invocation import Invocation
from nose2_aio.cases.isolated import IsolatedCases
from nose2_aio.cases.limits import Limits, is_tagged
from nose2_aio.cases.phases import CLEANUP, Phase
from nose2_aio.cases.scopes import NOT_RECORDED, Scopes
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError
from nose2_aio.eventloop import event_loops
from nose2_aio.introspection import locations
from nose2_aio.reporting.inspections import inspect_after_test
from nose2_aio.reporting.timings import Timings
from nose2_aio.running import coroutines, decorators
from nose2_aio.running.host import never
from nose2_aio.running.slow_tests import Running

__unittest = True

__all__ = ["Adapter"]

_TEST_HOOK = unittest_internals.TEST_HOOK
_NO_SET_UP = TestCase.setUp
_NO_TEAR_DOWN = TestCase.tearDown


class Adapter:
    """Steps in at the hooks of test cases, one test at a time."""

    test: TestCase | None = None
    """The test that runs, or that ran last."""
    waiting_test: TestCase | None = None
    """The test that runs, until its method is called. None if its class calls that itself."""
    do_cleanups: Callable[[TestCase], Any] = TestCase.doCleanups
    """Calls the cleanups of a test, as unittest does."""
    tell: Callable[[], None] | None = None
    """Called at the end of each test; what it raises fails the test."""
    _began = 0.0
    """When the test began, by the real clock; 0 between two tests."""

    def __init__(
        self,
        settings: Settings,
        scopes: Scopes,
        fixtures: FixtureCaller,
        attribution: Attribution,
        timings: Timings,
    ) -> None:
        self.attribution = attribution
        self.definitions = Definitions(attribution)
        self._scopes = scopes
        self._fixtures = fixtures
        self._timings = timings
        self._time_limits = scopes.options.time_limits
        self._limits = Limits(settings, self._time_limits)
        self.invocation = Invocation(settings, scopes, fixtures, attribution, self._limits)
        self._isolated = IsolatedCases(settings, scopes.options, fixtures)

    def close(self) -> None:
        """End the last test, after all of them."""
        self.attribution.close()
        self.test = self.waiting_test = None
        self._time_limits.close()

    @property
    def is_busy(self) -> bool:
        """True while unittest runs the test."""
        return self.test is not None and unittest_internals.is_running(self.test)

    def running(self) -> Running | None:
        """Return the fixture or the test that runs; None between two of them."""
        if self._fixtures.running is not None:
            return self._fixtures.running
        return Running(self.test.id(), self._began) if self.test and self._began else None

    def attach(self, test: TestCase) -> None:
        """Replace the hooks of a test case that is about to run."""
        if self._scopes.layered_test is not test:  # or its layers have begun it
            self._begin(test)
        case = type(test)
        has_default_hook = getattr(case, _TEST_HOOK, None) is getattr(TestCase, _TEST_HOOK)
        if has_default_hook:
            self.waiting_test = test
            if case.setUp is not _NO_SET_UP or case.tearDown is not _NO_TEAR_DOWN:
                self._replace_fixture_hooks(test, case)
        elif unittest_internals.is_isolated(case):
            self._isolated.attach(test, self.attribution.problems)
        elif isinstance(test, TestCase):
            self._check_fixtures(test)
        else:
            return
        if case in self.definitions.suspicions:
            self.definitions.attach(test)
        scopes, limits = self._scopes, self._limits
        if scopes.open and not scopes.is_innermost(case):
            scopes.close_outside(scopes.key_of(test))
        if limits.are_for_all or limits.mistake is not None or not has_default_hook:
            limits.begin_before_set_up(test)
            if limits.mistake is not None:
                self.fail(test, limits.mistake)

    def fail(self, test: TestCase, error: BaseException) -> None:
        """Let a test that is about to run fail with an error, before its ``setUp``."""
        test.__dict__[unittest_internals.SET_UP_HOOK] = partial(_fail, test, error)

    def detach(self) -> None:
        """End the time of the test, when unittest is done with it."""
        if self._time_limits.deadline is not None and self._scopes.layered_test is None:
            self._end_time()

    def begin_layered(self, test: TestCase) -> None:
        """Begin a test before the fixtures that its layers have for it."""
        self._begin(test)
        self._scopes.layered_test = test
        self._scopes.close_outside(self._scopes.key_of(test))
        function, owner = nose2_cases.function_and_owner(test)
        if self._limits.are_for_all or is_tagged(function, owner):
            self._limits.begin(function, owner)

    def end_layered(self, test: TestCase) -> None:
        """End a test after the fixtures that its layers have for it."""
        self._scopes.layered_test = None
        self._began = 0.0
        self.detach()
        self._scopes.close(self._scopes.key_of(test))

    def call_cleanup(
        self, test: TestCase, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> None:
        """Call a cleanup, in place of ``_callCleanup``."""
        self._time_limits.restart_if_over()
        number = len(unittest_internals.cleanups_of_test(test))
        self._fixtures.phases.current = Phase(CLEANUP, test, function, number)
        try:
            self._fixtures.call(self._scopes.key_of(test), never, function, *args, **kwargs)
            self._limits.check()
        except BaseException as error:
            raise self._fixtures.error_to_report(error)  # noqa: B904 -- the same, without our frames

    def end(self, test: TestCase, *, is_passed: Any) -> Any:
        """End a test after its last cleanup; return whether it has passed, as ``doCleanups`` does.

        ``is_passed`` says whether it has passed so far.
        """
        attribution, scopes = self.attribution, self._scopes
        is_layered = scopes.layered_test is test  # then its layers end it
        if self._time_limits.deadline is not None and not is_layered:
            self._end_time()
        if scopes.open and scopes.open[-1].owner is test and not is_layered:
            is_passed = self._attempt(test, is_passed, scopes.close_innermost)
        attribution.end()
        if scopes.open and is_layered:
            inspect_after_test(attribution.problems, scopes.open[-1].runner.loop)
        if self._isolated.test is test:
            end = partial(self._isolated.end, test, attribution.problems, is_passed=is_passed)
            is_passed = self._attempt(test, is_passed, end)
        has_begun = self.waiting_test is not test  # or its setUp has failed
        if has_begun and type(test) in self.definitions.uncalled:
            check = partial(self.definitions.check, test, is_passed=is_passed)
            is_passed = self._attempt(test, is_passed, check)
        # its layers may need its attributes
        if attribution.has_problems(test, keeps_attributes=is_layered):
            check = partial(attribution.check, test, is_passed=is_passed)
            is_passed = self._attempt(test, is_passed, check)
        if self.tell is not None:
            is_passed = self._attempt(test, is_passed, self.tell)
        if self._time_limits.waits is not None:
            self._note_waits(test)
        if not is_layered:
            self._began = 0.0
        return is_passed

    def _end_time(self) -> None:
        """End the time of the test. If it was virtual, and was held for long, a note says so."""
        virtual = self._time_limits.virtual
        if self.test is not None and virtual is not None and virtual.held.holders is not None:
            name = self.test.id().partition("\n")[0]
            self._time_limits.notes.add(f"{name} {virtual.held}")
        self._time_limits.end()

    def _note_waits(self, test: TestCase) -> None:
        waits, self._time_limits.waits = self._time_limits.waits, None
        is_async = self.attribution.has_run_coroutine or self._isolated.test is test
        if waits is not None and is_async:
            self._timings.note(test.id(), monotonic() - self._began, waits)

    def _begin(self, test: TestCase) -> None:
        self.attribution.begin(test)
        if self._time_limits.deadline is not None:
            self._end_time()
        self.test = test
        self._limits.mistake = None
        phases = self._fixtures.phases
        phases.current, phases.has_passed = None, False
        if self._timings.is_recorded:
            self._time_limits.waits = self._timings.begin()
        self._began = monotonic()
        slow = self._time_limits.slow
        if slow is not None and self._began >= slow.lost_at:
            slow.start(self._began)
        scopes = self._scopes
        scopes.test_problems = self.attribution.problems
        scopes.module = type(test).__module__
        scopes.loop_before_test = NOT_RECORDED

    def _replace_fixture_hooks(self, test: TestCase, case: type[TestCase]) -> None:
        has_set_up = case.setUp is not _NO_SET_UP and nose2_cases.has_fixture(test, "setUp")
        if case.tearDown is not _NO_TEAR_DOWN and nose2_cases.has_fixture(test, "tearDown"):
            self._replace(test, unittest_internals.TEAR_DOWN_HOOK, self._call_tear_down)
            # an async tearDown needs the task and the context of setUp
            has_set_up = has_set_up or coroutines.is_declared(case.tearDown)
        if has_set_up:
            self._replace(test, unittest_internals.SET_UP_HOOK, self._call_set_up)

    def _replace(self, test: TestCase, hook: str, call: Callable[[TestCase], None]) -> None:
        if unittest_internals.has_default_hook(type(test), hook):
            test.__dict__[hook] = partial(call, test)

    def _call_set_up(self, test: TestCase) -> None:
        """Call ``setUp``, in place of ``_callSetUp``."""
        del test.__dict__[unittest_internals.SET_UP_HOOK]
        scopes, phases = self._scopes, self._fixtures.phases
        phases.current = Phase("setUp", test)
        function, owner = nose2_cases.function_and_owner(test)
        if self._time_limits.deadline is None and is_tagged(function, owner):
            self._limits.begin(function, owner)
        try:
            if self._limits.mistake is not None:
                raise self._limits.mistake
            is_coroutine = decorators.is_declared(function, test)
            if is_coroutine:
                self.attribution.begin_coroutine()
            if is_coroutine or coroutines.is_declared(type(test).tearDown):
                scopes.runner_for(scopes.key_of(test))  # its loop is current while setUp runs
            elif not scopes.open:
                scopes.loop_before_test = event_loops.current()
            self._call_fixture(test, "setUp")
            phases.current = None
        except BaseException as error:
            test.__dict__.pop(unittest_internals.TEAR_DOWN_HOOK, None)
            raise self._fixtures.error_to_report(error)  # noqa: B904 -- the same, without our frames

    def _call_tear_down(self, test: TestCase) -> None:
        """Call ``tearDown``, in place of ``_callTearDown``."""
        del test.__dict__[unittest_internals.TEAR_DOWN_HOOK]
        self._fixtures.phases.current = Phase("tearDown", test)
        self._time_limits.restart_if_over()
        try:
            self._call_fixture(test, "tearDown")
            self._limits.check()
        except BaseException as error:
            raise self._fixtures.error_to_report(error)  # noqa: B904 -- the same, without our frames

    def _call_fixture(self, test: TestCase, name: str) -> None:
        fixture = getattr(test, name)
        key = self._scopes.key_of(test)
        call_inner = nose2_cases.inner_fixture_call(fixture)
        if call_inner is not None:
            call_inner(partial(self._fixtures.call, key, never), test, fixture)
            return
        is_last = partial(self.invocation.is_last, test) if name == "tearDown" else never
        if self._scopes.open:
            self._fixtures.call(key, is_last, fixture)
            return
        value = fixture()
        if value is not None:
            self._fixtures.finish_call(key, is_last, value, fixture)

    def _check_fixtures(self, test: TestCase) -> None:
        """Let a test fail if its class calls its tests itself, but not its async fixtures."""
        if not unittest_internals.is_set_up_by_unittest(type(test)):
            return
        for fixture in filter(coroutines.is_declared, (test.setUp, test.tearDown)):
            message = (
                f"{locations.describe(fixture)}: {type(test).__name__} overrides "
                f"{unittest_internals.TEST_HOOK} to call its tests by itself, so its fixtures are "
                "not awaited.\nRemove that, or make the fixture a plain function."
            )
            self.fail(test, DefinitionError(message))

    def _attempt(self, test: TestCase, is_passed: Any, end: Callable[[], None]) -> Any:
        """Do a last step of a test; if that fails, the test does. Return whether it has passed."""
        try:
            end()
        except BaseException as error:
            fail = partial(_raise, self._fixtures.error_to_report(error))
            own = test.__dict__
            before = own.get(unittest_internals.CLEANUP_HOOK)
            own[unittest_internals.CLEANUP_HOOK] = fail  # or the report would show its frames
            test.addCleanup(fail)
            try:
                return self.do_cleanups(test)
            finally:
                del own[unittest_internals.CLEANUP_HOOK]
                if before is not None:
                    own[unittest_internals.CLEANUP_HOOK] = before
        return is_passed


def _raise(error: BaseException, *_: Any) -> None:
    """Raise an error, as a cleanup, so that unittest reports it for the test."""
    raise error


def _fail(test: TestCase, error: BaseException) -> None:
    del test.__dict__[unittest_internals.SET_UP_HOOK]
    raise error
