"""Scopes: which runner a test or a fixture runs on, and when that runner is closed.

A run has layers, modules, classes and tests, one inside the other. Each is a scope, and a scope may
have a runner (`nose2_aio.running.runner` says how runners nest).

1. The first awaitable of a fixture or test opens its scope. A fixture that makes a loop current
   opens its scope, too. If a fixture of a scope is a coroutine function, or if ``loop-scope`` names
   the scope, it is opened before the first coroutine inside it.
2. A scope shares the loop of the nearest open scope around it. If there is none, the scope gets a
   new loop, which is closed with it. So a loop lives as long as the widest async fixture around a
   test.
3. Some scopes are open only because ``loop-scope`` names them. A test or fixture with another
   ``loop-scope`` does not share their loop.
4. Before something runs, the scopes that it isn't part of are closed. The scope of a layer is
   closed at the end of the layer, that of a class or a module after its cleanups, and that of the
   run at the end of the run.

Only open scopes are stored, the widest first. So a run without async fixtures stores none.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any
from unittest import TestCase

from nose2_aio.cases import scope_keys
from nose2_aio.cases.scope_keys import ScopeKey, ScopeLevel
from nose2_aio.config import loop_factories
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioError, DefinitionError
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.problems import CheckedProblems, Problems, current_problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import shutdown
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits

__all__ = ["NOT_RECORDED", "Scopes"]

NOT_RECORDED = object()
"""In place of the loop before the test, which is recorded only before a plain ``setUp``."""
_LEVELS = tuple(ScopeLevel)


class Scope:
    """An open scope."""

    __slots__ = ("is_from_loop_scope", "level", "owner", "runner")

    def __init__(self, level: ScopeLevel, owner: object, runner: Runner) -> None:
        self.level = level
        self.owner = owner
        self.runner = runner
        self.is_from_loop_scope = False
        """True if only ``loop-scope`` has opened it, not a fixture or a test."""

    def contains(self, scope_key: ScopeKey) -> bool:
        """Return True if this scope is the scope of a key, or is around it.

        Always True for the run and for layers: they are closed at their own end.
        """
        return self.level <= ScopeLevel.LAYER or scope_key.owner_at(self.level) is self.owner


class Scopes:
    """The open scopes of a run.

    ``error_for`` returns the error to raise for the problems of a scope wider than a test, or None.
    It is called when such a scope is closed, and after each of its fixtures.
    """

    has_factories = False
    """True if a tag or a setting names a loop factory for some test of the run."""
    test_problems: Problems | None = None
    """The problems of the test that runs."""
    module = ""
    """The module of the last test, or of the last fixture of a class or a module."""
    layered_test: TestCase | None = None
    """The test that layers have fixtures for. Its layers end its scope."""
    explain: Callable[[BaseException], BaseException] = staticmethod(lambda error: error)
    """Returns the error to report for Ctrl-C that has interrupted the end of a scope."""
    loop_before_test: object = NOT_RECORDED
    """The loop that was current when the test began, or `NOT_RECORDED`."""
    _repetition = 0
    """The number of the current repetition of the run: each uses other loop factories."""
    _key: ScopeKey | None = None
    """The key of the test that `key_of` was called with last."""

    def __init__(
        self,
        settings: Settings,
        error_for: Callable[[ScopeLevel, object, Problems], AioError | None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self.error_for = error_for
        self.options = RunnerOptions(
            TimeLimits(),
            settings.grace,
            settings.deadlocks == "fail",
            settings.debug,
            "deadlocks" in settings.places,
        )
        self.open: list[Scope] = []
        """The open scopes, the widest first."""
        self.abandoned_owners: set[object] = set()
        """The tests, classes and so on whose loop had to be abandoned."""
        self.has_wider_scopes = settings.loop_scope != "test"
        """True if a scope wider than a test may have to be opened. Tags are not counted."""
        self._with_async_fixture: set[tuple[ScopeLevel, object]] = set()
        """The level and the owner of scopes that have a coroutine function as a fixture."""

    def key_of(self, test: TestCase) -> ScopeKey:
        """Return the key of the scope of a test, its ``setUp``, ``tearDown`` and cleanups."""
        if self._key is None or self._key.test is not test:
            self._key = scope_keys.of_test(test, self._settings)
        return self._key

    def begin_repetition(self, repetition: int) -> None:
        """Close all scopes before another repetition of the run begins: it uses other loops."""
        if repetition != self._repetition:
            self.close_all()
        self._repetition = repetition

    def factory_for(self, level: ScopeLevel, owner: object, outer: Runner | None) -> Factory | None:
        """Return the loop factory of a scope; None for asyncio's.

        Raises `DefinitionError` if it differs from that of ``outer``, whose loop the scope shares.
        """
        if not self.has_factories:
            return None
        factory = scope_keys.loop_factory(level, owner, self._repetition, self._settings)
        if (
            outer is not None
            and not outer.is_given
            and not loop_factories.are_same(factory, outer.factory)
        ):
            raise DefinitionError(self._disagreement(owner, factory, outer))
        return factory

    def is_innermost(self, owner: object) -> bool:
        """Return True if the innermost scope belongs to ``owner``, and its loop is open.

        False if only ``loop-scope`` has opened it, or if its loop is closed.
        """
        if not self.open or self.open[-1].owner is not owner:
            return False
        scope = self.open[-1]
        return not scope.is_from_loop_scope and not scope.runner.loop.is_closed()

    def has_abandoned_loop(self, scope_key: ScopeKey) -> bool:
        """Return True if the loop of a scope was abandoned."""
        runner = self._runner_of_innermost_test(scope_key)
        if runner is None:
            scope = self._find(scope_key.level, scope_key)
            runner = None if scope is None else scope.runner
        if runner is not None and runner.is_abandoned:
            return True
        return bool(self.abandoned_owners) and scope_key.owner in self.abandoned_owners

    @property
    def is_in_use(self) -> bool:
        """True if a test or a fixture runs in the innermost scope, or if a loop is running."""
        return bool(self.open) and (self.open[-1].runner.is_calling or event_loops.is_running())

    def note_async_fixture(self, scope_key: ScopeKey) -> None:
        """Note that a fixture of a scope is a coroutine function."""
        self._with_async_fixture.add((scope_key.level, scope_key.owner))
        self.has_wider_scopes = True

    def has_async_fixture(self, scope_key: ScopeKey) -> bool:
        """Return True if a fixture of a scope is a coroutine function."""
        return (scope_key.level, scope_key.owner) in self._with_async_fixture

    def close_outside(self, scope_key: ScopeKey) -> None:
        """Close the scopes that don't contain the scope of a key, up to one that is in use."""
        while self.open and not (self.open[-1].contains(scope_key) or self.is_in_use):
            self._close_last()

    def close(self, scope_key: ScopeKey) -> None:
        """Close a scope, if it is open, with all scopes inside it.

        Nothing is closed while code runs in the innermost scope: then the user has called cleanups
        by hand. Raises an error if a check fails for one of the closed scopes.
        """
        scope = self._find(scope_key.level, scope_key)
        error = None
        if scope is not None and not self.is_in_use:
            while scope in self.open:
                error = self._close_last() or error
        if error is not None:
            raise tracebacks.trim(error)

    def close_innermost(self) -> None:
        """Close the innermost scope, which is that of a test, unless code runs in it."""
        if not self.is_in_use:
            self._close_last()

    def close_all(self, *, keep_run: bool = False) -> None:
        """Close all scopes. With ``keep_run``, leave that of the run open."""
        while self.open and not (keep_run and self.open[-1].level is ScopeLevel.RUN):
            try:
                self._close_last()
            except BaseException:
                self.close_all(keep_run=keep_run)
                raise

    def runner_for(self, scope_key: ScopeKey) -> Runner:
        """Return the runner of a scope. Open the scope, and those around it, if necessary."""
        found = self._runner_of_innermost_test(scope_key)
        if found is not None:
            return found
        self._close_scopes_of_closed_loops()
        self._open_around(scope_key)
        scope = self._find(scope_key.level, scope_key) or self._open_scope(
            scope_key.level, scope_key
        )
        scope.is_from_loop_scope = False
        return scope.runner

    def runner_around(self, scope_key: ScopeKey) -> Runner | None:
        """Return the runner of a scope, as `runner_for` does; None if no scope around is open."""
        found = self._runner_of_innermost_test(scope_key)
        if found is not None:
            return found
        self._close_scopes_of_closed_loops()
        if self.open and (
            self._find(scope_key.level, scope_key) or self._outer_runner(scope_key.level, scope_key)
        ):
            return self.runner_for(scope_key)
        return None

    def add(self, scope_key: ScopeKey, runner: Runner) -> None:
        """Add an open scope that has a runner already."""
        self.open.append(Scope(scope_key.level, scope_key.owner, runner))

    def use_loop(self, scope_key: ScopeKey, loop: AbstractEventLoop) -> None:
        """Run a scope on a loop that the user has created and will close."""
        self._open_around(scope_key)
        scope = self._find(scope_key.level, scope_key)
        outer = self._outer_runner(scope_key.level, scope_key) if scope is None else scope.runner
        context = None if outer is None else outer.context.copy()
        if scope is not None:
            self.close(scope_key)
            asyncio.set_event_loop(loop)
        self.add(scope_key, self._new_runner(scope_key.level, loop=loop, context=context))

    def loop_made_current(self, before: object) -> AbstractEventLoop | None:
        """Return the current loop if the user has made it current, so that we can run on it.

        ``before`` is the loop that was current before the user's code. None if this one is still
        current, or if the current loop is closed, running, or one of ours.
        """
        loop = event_loops.current()
        if loop is None or loop is before or loop.is_closed() or loop.is_running():
            return None
        return None if any(scope.runner.loop is loop for scope in self.open) else loop

    def _runner_of_innermost_test(self, scope_key: ScopeKey) -> Runner | None:
        """Return the runner of a test if its scope is the innermost one, and its loop is open."""
        if self.open and scope_key.test is not None:
            scope = self.open[-1]
            if scope.owner is scope_key.test and not scope.runner.loop.is_closed():
                return scope.runner
        return None

    def _open_around(self, scope_key: ScopeKey) -> None:
        """Open the wider scopes that have to be open before the scope of a key."""
        if self.open and self.open[-1].owner is scope_key.case is not None:
            return  # they were opened with the class
        if self._with_async_fixture or scope_key.loop_scope is not ScopeLevel.TEST:
            for level in _LEVELS[: scope_key.level]:
                self._open_early(level, scope_key)

    def _open_early(self, level: ScopeLevel, scope_key: ScopeKey) -> None:
        """Open a wider scope if it has an async fixture, or if ``loop-scope`` names it."""
        owner = scope_key.owner_at(level)
        has_async_fixture = (level, owner) in self._with_async_fixture
        is_named = level is scope_key.loop_scope and (owner is not None or level is ScopeLevel.RUN)
        if (has_async_fixture or is_named) and self._find(level, scope_key) is None:
            self._open_scope(level, scope_key).is_from_loop_scope = not has_async_fixture

    def _open_scope(self, level: ScopeLevel, scope_key: ScopeKey) -> Scope:
        outer = self._outer_runner(level, scope_key)
        loop = None
        if level is ScopeLevel.TEST and self.loop_before_test is not NOT_RECORDED:
            loop = self.loop_made_current(self.loop_before_test)
        if loop is None:
            factory = self.factory_for(level, scope_key.owner_at(level), outer)
            runner = self._new_runner(level, outer=outer, factory=factory)
        else:
            context = None if outer is None else outer.context.copy()
            runner = self._new_runner(level, loop=loop, context=context)
        scope = Scope(level, scope_key.owner_at(level), runner)
        self.open.append(scope)
        return scope

    def _disagreement(self, owner: object, factory: Factory | None, outer: Runner) -> str:
        """Return the message of the error for a scope whose loop factory isn't the outer one's."""
        level = next(scope.level for scope in self.open if scope.runner is outer)
        names = [one.name if one else "asyncio" for one in (factory, outer.factory)]
        if isinstance(owner, TestCase):
            owner = owner.id()
        remedy = "Tag the class" if level is ScopeLevel.CLASS else "Set loop for all"
        return (
            f"{locations.text_of(owner, str)}: it needs a loop of {names[0]}, "
            f"but it shares the loop of its {level.name.lower()}, which is one of {names[1]}.\n"
            f"{remedy}, or remove the reason for the shared loop: an async fixture, or loop-scope."
        )

    def _new_runner(self, level: ScopeLevel, **options: Any) -> Runner:
        problems = self.test_problems if level is ScopeLevel.TEST else CheckedProblems()
        runner = Runner(options=self.options, problems=problems, **options)
        if level is not ScopeLevel.TEST:
            runner.context.run(current_problems.set, runner.problems)
        return runner

    def _find(self, level: ScopeLevel, scope_key: ScopeKey) -> Scope | None:
        """Return the scope that a key has at a level; None if it is not open."""
        if self.open:
            owner = scope_key.owner_at(level)
            for scope in reversed(self.open):
                if scope.level is level and scope.owner is owner:
                    return scope
        return None

    def _outer_runner(self, level: ScopeLevel, scope_key: ScopeKey) -> Runner | None:
        """Return the runner of the nearest open scope around one.

        For a layer, that is the innermost open scope, since layers nest in each other. A scope that
        is open only because of ``loop-scope`` is skipped, unless the key asks for its level.
        """
        for scope in reversed(self.open):
            if scope.level >= level and level is not ScopeLevel.LAYER:
                continue
            if not scope.is_from_loop_scope or scope.level is scope_key.loop_scope:
                return scope.runner
        return None

    def _close_scopes_of_closed_loops(self) -> None:
        """Close the innermost scopes whose loop the user has closed."""
        while self.open and self.open[-1].runner.loop.is_closed():
            self._close_last()

    def _close_last(self) -> AioError | None:
        scope = self.open.pop()
        if scope.runner.is_abandoned:
            self.abandoned_owners.add(scope.owner)
        try:
            scope.runner.close()
        except KeyboardInterrupt as interrupt:
            shutdown.abandon(scope.runner.loop, is_closed=False)
            interrupt.add_note("\nWhat was left on its event loop was being shut down.")
            if scope.level is ScopeLevel.TEST:
                raise
            found = self.explain(interrupt)
            if not isinstance(found, AioError):
                raise
            return found if scope.level in (ScopeLevel.CLASS, ScopeLevel.MODULE) else None
        if scope.level is ScopeLevel.TEST:
            return None
        error = self.error_for(scope.level, scope.owner, scope.runner.problems)
        scope.runner.problems.is_checked = False
        return error
