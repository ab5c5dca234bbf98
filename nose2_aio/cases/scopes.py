"""Scopes: which runner what the user wrote belongs to, and when that is closed.

A run has layers, modules, classes and tests, one inside the other. Each is a scope: it may have
a runner (`runners` says how they nest).

1. A scope is opened when the first of its own fixtures gives an awaitable, or makes a loop
   current; or, ahead of the first thing inside it, where one of its fixtures is declared
   to be a coroutine function, or where ``loop-scope`` says so. No other has a runner.
2. It is opened inside of the nearest open scope around it, and shares its loop. Where there is
   none it has a loop of its own, which lives until the scope is closed. So the loop lives as long
   as the widest async fixture in effect.
3. A scope that only ``loop-scope`` has opened is passed over by what has another one tagged.
4. To arrive somewhere closes all scopes that this is outside of. Those of layers are closed by
   their end; those of classes and modules by the end of their cleanups, and the run's by its own.

Only what is open is known here, the widest first: a run without async fixtures knows nothing.
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
from nose2_aio.eventloop.problems import Problems, current_problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits

__all__ = ["UNKNOWN", "Scopes"]


_LEVELS = tuple(ScopeLevel)


UNKNOWN = object()


class Scope:
    """An open scope."""

    __slots__ = ("is_wanted_only", "level", "owner", "runner")

    def __init__(self, level: ScopeLevel, owner: object, runner: Runner) -> None:
        self.level = level
        self.owner = owner
        self.runner = runner
        self.is_wanted_only = False
        """Whether ``loop-scope`` has opened it, not a fixture."""

    def contains(self, scope_key: ScopeKey) -> bool:
        """Tell whether a position lies in it, or may: layers are left by their own end."""
        return self.level <= ScopeLevel.LAYER or scope_key.owner(self.level) is self.owner


class Scopes:
    """The scopes that are open in a run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key: ScopeKey | None = None
        """That of the test that was asked for last."""
        self.options = RunnerOptions(
            TimeLimits(),
            settings.grace,
            settings.deadlocks == "fail",
            settings.debug,
            "deadlocks" in settings.places,
        )
        self.chooses: Callable[[ScopeLevel, Any, int], Factory | None] | None = None
        """Returns what makes the loop of a scope in a repetition, where somebody chose one."""
        self.repetition = 0
        """Which of the loops that were chosen the tests run on now."""
        self.judge: Callable[[ScopeLevel, object, Problems], AioError | None] = _leave_unjudged
        """Returns what to fail something with that is wider than a test, when it is over."""
        self.problems: Problems | None = None
        """That of the test that runs."""
        self.lost: set[object] = set()
        """What has lost its loop, which had to be abandoned: a test, its class."""
        self.open: list[Scope] = []
        """The widest first."""
        self._declared: set[tuple[ScopeLevel, Any]] = set()
        self.is_widened = settings.loop_scope != "test"
        """Whether a scope may have to be opened ahead, class tags aside."""
        self.last: TestCase | str = ""
        """The last test, or the module of the last fixture of a class or a module."""
        self.layered: TestCase | None = None
        """The test that layers have fixtures for: they end its scope."""
        self.current_before: object = UNKNOWN
        """The loop that was current when the test began, where that matters."""

    def key_of(self, test: TestCase) -> ScopeKey:
        """Return where a test stands, with its ``setUp``, ``tearDown`` and cleanups."""
        if self._key is None or self._key.test is not test:
            self._key = scope_keys.of_test(test, self._settings)
        return self._key

    def begin(self, repetition: int) -> None:
        """Begin a repetition of the run: on other loops, so all scopes are closed."""
        if repetition != self.repetition:
            self.close()
        self.repetition = repetition

    def factory(self, level: ScopeLevel, owner: object, outer: Runner | None) -> Factory | None:
        """Return what makes the loop of a scope, which is shared with the ``outer`` one.

        Raises `DefinitionError` where these have to be two.
        """
        if self.chooses is None:
            return None
        found = self.chooses(level, owner, self.repetition)
        if (
            outer is not None
            and not outer.is_given
            and not loop_factories.are_same(found, outer.factory)
        ):
            raise DefinitionError(self._disagreement(owner, found, outer))
        return found

    def is_innermost(self, owner: object) -> bool:
        """Whether the innermost scope is that of a test, or of a class with an open loop."""
        if not self.open or self.open[-1].owner is not owner:
            return False
        scope = self.open[-1]
        return not scope.is_wanted_only and not scope.runner.loop.is_closed()

    def has_lost(self, scope_key: ScopeKey) -> bool:
        """Whether what stands at a position had its loop abandoned."""
        scope = self._at(scope_key.level, scope_key)
        if scope is not None and scope.runner.is_abandoned:
            return True
        return scope_key.owner(scope_key.level) in self.lost

    def has(self, loop: AbstractEventLoop) -> bool:
        """Whether a loop is that of an open scope."""
        return any(scope.runner.loop is loop for scope in self.open)

    @property
    def are_taken(self) -> bool:
        """Whether a test or a fixture runs in the innermost one, or a loop does."""
        return bool(self.open) and (self.open[-1].runner.is_calling or event_loops.is_running())

    @property
    def module(self) -> str:
        """The module that we are in."""
        return self.last if isinstance(self.last, str) else type(self.last).__module__

    def declare(self, scope_key: ScopeKey) -> None:
        """Note that a fixture of a scope is a coroutine function."""
        self._declared.add((scope_key.level, scope_key.owner(scope_key.level)))
        self.is_widened = True

    def is_declared(self, scope_key: ScopeKey) -> bool:
        """Whether a fixture of a scope is a coroutine function."""
        return (scope_key.level, scope_key.owner(scope_key.level)) in self._declared

    def arrive(self, scope_key: ScopeKey) -> None:
        """Close the scopes that a position is outside of, unless something runs there."""
        while self.open and not (self.open[-1].contains(scope_key) or self.are_taken):
            self._close_last()

    def leave(self, scope_key: ScopeKey) -> None:
        """Close the scope of a position, where it is open, with all inside.

        But not where what runs there has called for it by hand. Raises what a check fails it with.
        """
        scope = self._at(scope_key.level, scope_key) if self.open else None
        error = None
        if scope is not None and not self.are_taken:
            while scope in self.open:
                error = self._close_last() or error
        if error is not None:
            raise tracebacks.trim(error)

    def close(self, *, but_run: bool = False) -> None:
        """Close all scopes, or all but that of the run."""
        while self.open and not (but_run and self.open[-1].level is ScopeLevel.RUN):
            try:
                self._close_last()
            except BaseException:
                self.close(but_run=but_run)
                raise

    def runner(self, scope_key: ScopeKey) -> Runner:
        """Return the runner of a position; open its scope if need be, and those around it."""
        found = self._innermost(scope_key)
        if found is not None:
            return found
        self._close_dead()
        self._open_around(scope_key)
        scope = self._at(scope_key.level, scope_key) or self._opened(scope_key.level, scope_key)
        scope.is_wanted_only = False
        return scope.runner

    def around(self, scope_key: ScopeKey) -> Runner | None:
        """Return the runner of a position if its scope, or one around it, is open."""
        found = self._innermost(scope_key)
        if found is not None:
            return found
        self._close_dead()
        if self.open and (
            self._at(scope_key.level, scope_key) or self._outer(scope_key.level, scope_key)
        ):
            return self.runner(scope_key)
        return None

    def keep(self, scope_key: ScopeKey, runner: Runner) -> None:
        """Have a runner that was made for a position be that of its scope."""
        self.open.append(Scope(scope_key.level, scope_key.owner(scope_key.level), runner))

    def give(self, scope_key: ScopeKey, loop: AbstractEventLoop) -> None:
        """Have the scope of a position run on a loop that the user has made, and will close."""
        self._open_around(scope_key)
        scope = self._at(scope_key.level, scope_key)
        outer = self._outer(scope_key.level, scope_key) if scope is None else scope.runner
        context = None if outer is None else outer.context.copy()
        if scope is not None:
            self.leave(scope_key)
            asyncio.set_event_loop(loop)
        self.keep(scope_key, self._new_runner(scope_key.level, loop=loop, context=context))

    def made_current(self, before: object) -> AbstractEventLoop | None:
        """Return the loop that the user has made current since ``before`` was, for us to run on."""
        loop = event_loops.current()
        if loop is None or loop is before or loop.is_closed() or loop.is_running():
            return None
        return None if self.has(loop) else loop

    def _innermost(self, scope_key: ScopeKey) -> Runner | None:
        """Return the runner of a test, if that is where we are."""
        if self.open and scope_key.test is not None:
            scope = self.open[-1]
            if scope.owner is scope_key.test and not scope.runner.loop.is_closed():
                return scope.runner
        return None

    def _open_around(self, scope_key: ScopeKey) -> None:
        """Open the scopes around a position that are to be opened ahead."""
        if self.open and self.open[-1].owner is scope_key.case is not None:
            return  # all has been opened with the class
        if self._declared or scope_key.wanted is not ScopeLevel.TEST:
            for level in _LEVELS[: scope_key.level]:
                self._open_ahead(level, scope_key)

    def _open_ahead(self, level: ScopeLevel, scope_key: ScopeKey) -> None:
        owner = scope_key.owner(level)
        is_declared = (level, owner) in self._declared
        is_wanted = level is scope_key.wanted and (owner is not None or level is ScopeLevel.RUN)
        if (is_declared or is_wanted) and self._at(level, scope_key) is None:
            self._opened(level, scope_key).is_wanted_only = not is_declared

    def _opened(self, level: ScopeLevel, scope_key: ScopeKey) -> Scope:
        outer = self._outer(level, scope_key)
        loop = self._made_current() if level is ScopeLevel.TEST else None
        if loop is None:
            factory = self.factory(level, scope_key.owner(level), outer)
            runner = self._new_runner(level, outer=outer, factory=factory)
        else:
            context = None if outer is None else outer.context.copy()
            runner = self._new_runner(level, loop=loop, context=context)
        scope = Scope(level, scope_key.owner(level), runner)
        self.open.append(scope)
        return scope

    def _disagreement(self, owner: object, wanted: Factory | None, outer: Runner) -> str:
        level = next(scope.level for scope in self.open if scope.runner is outer)
        names = [factory.name if factory else "asyncio" for factory in (wanted, outer.factory)]
        if isinstance(owner, TestCase):
            owner = owner.id()
        remedy = "Tag the class" if level is ScopeLevel.CLASS else "Set loop for all"
        return (
            f"{locations.text_of(owner, str)}: it is to run on a loop of {names[0]}, but its "
            f"{level.name.lower()} has one of {names[1]}, which it would have to share.\n"
            f"{remedy}, or take away what makes that loop: an async fixture, or loop-scope."
        )

    def _new_runner(self, level: ScopeLevel, **options: Any) -> Runner:
        problems = self.problems if level is ScopeLevel.TEST else None
        runner = Runner(options=self.options, problems=problems, **options)
        if level is not ScopeLevel.TEST:
            runner.context.run(current_problems.set, runner.problems)
        return runner

    def _made_current(self) -> AbstractEventLoop | None:
        """Return the loop that was made current since the test began, if one was."""
        if self.current_before is UNKNOWN:
            return None
        return self.made_current(self.current_before)

    def _at(self, level: ScopeLevel, scope_key: ScopeKey) -> Scope | None:
        if self.open:
            owner = scope_key.owner(level)
            for scope in reversed(self.open):
                if scope.level is level and scope.owner is owner:
                    return scope
        return None

    def _outer(self, level: ScopeLevel, scope_key: ScopeKey) -> Runner | None:
        for scope in reversed(self.open):
            if scope.level >= level and level is not ScopeLevel.LAYER:
                continue
            if not scope.is_wanted_only or scope.level is scope_key.wanted:
                return scope.runner
        return None

    def _close_dead(self) -> None:
        """Close the scopes whose loop somebody has closed."""
        while self.open and self.open[-1].runner.loop.is_closed():
            self._close_last()

    def _close_last(self) -> AioError | None:
        scope = self.open.pop()
        if scope.runner.is_abandoned:
            self.lost.add(scope.owner)
        scope.runner.close()
        if scope.level is ScopeLevel.TEST:
            return None
        return self.judge(scope.level, scope.owner, scope.runner.problems)


def _leave_unjudged(*_: object) -> AioError | None:
    return None
