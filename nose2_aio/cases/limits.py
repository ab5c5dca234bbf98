"""The time limit of the test that runs, and its virtual time, by its tags and the settings."""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.running import decorators, plans
from nose2_aio.running.deadlines import Deadline, Limit, VirtualTime
from nose2_aio.running.engines import Engine
from nose2_aio.running.time_limits import TimeLimits

__all__ = ["Limits", "in_words", "is_tagged"]


def is_tagged(function: object, owner: type) -> bool:
    """Return True if a test function has attributes, which may be tags, or its class has tags."""
    return bool(getattr(function, "__dict__", None)) or hasattr(owner, tag_lookup.CLASS_ATTRIBUTE)


def in_words(test: TestCase | None, settings: Settings) -> str:
    """Return the limit in real time of a test, or of a fixture, for None; "" if it has none."""
    limit = plans.overall(settings)
    if test is not None:
        function, owner = nose2_cases.function_and_owner(test)
        limit = Deadline(*_time(_engine(function), function, owner, settings)).real_limit
    return f"its time limit of {limit.seconds:g} s ({limit.place})" if limit.seconds else ""


def _engine(function: Any) -> Engine:
    mark = decorators.decoration(function)
    return Engine.BY_RESULT if mark is None else mark.engine


def _time(
    engine: Engine, function: Any, owner: type, settings: Settings
) -> tuple[Limit, VirtualTime | None]:
    """Return the limit and the virtual time of a test."""
    mark = decorators.decoration(function)
    is_virtual = mark is not None and mark.is_virtual
    return (
        plans.limit(engine, function, owner, settings),
        plans.virtual(function, owner, settings, is_virtual=is_virtual),
    )


class Limits:
    """Begins the time of tests, one after another."""

    mistake: InvalidValueError | None = None
    """What is wrong with the tags of the test that runs."""

    def __init__(self, settings: Settings, time_limits: TimeLimits) -> None:
        self._settings = settings
        self._time_limits = time_limits
        self._overall = plans.overall(settings)
        self.are_for_all = bool(self._overall.seconds) or settings.virtual_time
        """True if the settings limit each test, or make its time virtual."""

    def begin(self, function: Any, owner: type) -> None:
        """Begin the time of a test, if it is limited or virtual."""
        engine = _engine(function)
        try:
            self._time_limits.begin(*_time(engine, function, owner, self._settings))
        except InvalidValueError as error:  # raised where the test is called
            self.mistake = error
            self._time_limits.begin(self._overall)
        deadline = self._time_limits.deadline
        if unittest_internals.is_isolated(owner) and engine is Engine.FOREVER and deadline:
            plan = plans.plan_for(engine, function, owner)  # nobody tells this engine of a deadline
            deadline.extend(plan.timeout + plan.sleep)

    def begin_before_set_up(self, test: TestCase) -> None:
        """Begin the time of a test before anything of it runs, unless its layers have begun it."""
        if self._time_limits.deadline is None:
            self.begin(*nose2_cases.function_and_owner(test))
        else:
            self._time_limits.restart_if_over()

    def check(self) -> None:
        """Raise the error for a test that has ended after its limit without awaiting."""
        deadline = self._time_limits.deadline
        if deadline is not None and deadline.is_over:
            self._time_limits.restart_if_over()
            raise deadline.lateness()
