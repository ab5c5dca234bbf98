"""A recorder: it stands for the result where tests run, and keeps what happens for later.

unittest tells a result what becomes of a test, at once; nose2's calls its plugins then. In a thread
of its own a test has a recorder for that. The main thread plays what is recorded to the result,
test by test: so all hooks are called there, in the order of the suite, as in a serial run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from nose2_aio import batons, copies, seams, writers
from nose2_aio.changes import Changes
from nose2_aio.errors import AbandonedLoopError
from nose2_aio.lanes import Lane
from nose2_aio.seconds import monotonic
from nose2_aio.writers import Output

__unittest = True

__all__ = ["Again", "Call", "Hook", "Ran", "Recorder"]


_FIXTURE_NEEDS_MAIN = "{}: one {}, which only the main thread can; tag the class with @aio.serial"
_NOT_RUN = "it was not run: {} has left the thread behind that both of them run in"


class Call(NamedTuple):
    """A call of a method of the result."""

    name: str
    args: tuple[Any, ...]
    moment: float
    """When, by `time.time`, as if nobody had held up the test."""


class Hook(NamedTuple):
    """A call of one of nose2's hooks."""

    call: Callable[[Any], Any]
    event: Any


class Again(NamedTuple):
    """A test that is to be run in the main thread instead."""

    test: Any
    copy: Any
    """As it was before it ran."""
    name: str
    reason: str


class Ran:
    """A test that has run, or runs."""

    __slots__ = ("began", "ended", "errors", "name", "state", "test")

    def __init__(self, test: Any, state: Any) -> None:
        self.test = test
        self.state = state
        """What is known of it before it runs."""
        self.name: str = test.id()
        self.began = self.ended = monotonic()
        self.errors: list[BaseException] = []
        """What it has failed with."""


class Recorder(Output):
    """Records what happens to the tests of one unit, and what they print and log."""

    failfast = False
    """unittest asks, to end a test at its first failing subtest."""

    def __init__(
        self,
        lane: Lane,
        tests: Iterable[Any],
        is_over: Callable[[], bool],
        tell: Callable[[Ran], None],
        *,
        has_fixtures: bool = False,
    ) -> None:
        """``tests`` are about to run, unless ``is_over``; ``tell`` is called when one has ended."""
        super().__init__(Changes(has_fixtures=has_fixtures))
        self._lane = lane
        self._is_over = is_over
        self._tell = tell
        self._held_up = 0.0
        self.pieces: deque[Any] = deque()
        """What has happened and was not played so far."""
        self.complete = 0
        """How many of them there are up to the end of the last test."""
        self.running: Ran | None = None
        """The test that runs."""
        self.needs_main = ""
        """What the test that runs has tried and only the main thread can do."""
        self._stops = False
        """Whether the run is to stop behind what runs."""
        self.has_failed = False
        """Whether anything has, be it a fixture."""
        self.has_passed = False
        """Whether a test has, or has failed as it should."""
        self._waiting = {id(test): (test, copies.state(test)) for test in tests}
        """The tests that have not begun, and what is known of them before they do."""
        self._cases = dict.fromkeys(type(test) for test, _ in self._waiting.values())
        self.is_closed = False
        """Whether nobody wants to know any more."""

    @property
    def shouldStop(self) -> bool:  # noqa: N802 -- unittest's name, as all below
        """Whether no further test is to begin."""
        return self.is_closed or self._is_over()

    def startTest(self, test: Any) -> None:  # noqa: N802
        """Note that a test begins, and have it run for real."""
        self.note_step()
        self._held_up = self._lane.keeper.held_up
        self.complete = len(self.pieces)
        _, state = self._waiting.pop(id(test), (test, None))
        self.running = Ran(test, state)
        self._call("startTest", test)
        self._lane.adapter.attach(test)

    def stopTest(self, test: Any) -> None:  # noqa: N802
        """Note that a test is over."""
        self.note_step()
        self._lane.adapter.detach()
        self._take_found()
        self._call("stopTest", test)
        if self.needs_main and self.running is not None:
            self._put_off(self.running)
        self._end_test()

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        """Note that a test has passed."""
        self.has_passed = True
        self._call("addSuccess", test)

    def addError(self, test: Any, error: Any) -> None:  # noqa: N802
        """Note an error, of a test or of a fixture of a class, a module or a layer."""
        self._fail(error)
        self._call("addError", test, error)

    def addFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Note that a test has failed."""
        self._fail(error)
        self._call("addFailure", test, error)

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:  # noqa: N802
        """Note what a subtest has come to."""
        if error is not None:
            self._fail(error)
        self._call("addSubTest", test, subtest, error)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        """Note that a test, or all of a class, was skipped."""
        self._call("addSkip", test, reason)

    def addExpectedFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Note that a test has failed, as it should."""
        self.has_passed = True
        self._call("addExpectedFailure", test, error)

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        """Note that a test has passed that should fail."""
        self._fail((None, AssertionError("unexpected success")))
        self._call("addUnexpectedSuccess", test)

    def addDuration(self, test: Any, elapsed: float) -> None:  # noqa: N802
        """Take no note: nose2 takes none."""

    def stop(self) -> None:
        """Have the run stop behind what runs, which has raised KeyboardInterrupt."""
        self._stops = True

    def add(self, piece: Any) -> None:
        """Note anything else: what was printed, the hook of a layer."""
        if not self.is_closed:
            self.pieces.append(piece)

    def __enter__(self) -> None:
        """Have what is written and logged in this thread, inside the block, be recorded too."""
        self._token = writers.current.set(self)
        writers.bind(self)
        self.changes.enter()

    def __exit__(self, *_: object) -> None:
        try:
            self.changes.end()
        finally:
            writers.bind(None)
            writers.current.reset(self._token)

    def take_hooks(self, suite: Any, at_once: Callable[[str, Any], None]) -> None:
        """Note the hooks of layers that a suite is going to call, if it is that of one.

        ``at_once`` does what we do there ourselves.
        """
        session = getattr(suite, "session", None)
        if session is not None:
            suite.session = _Session(_Hooks(session.hooks, self, at_once))
            for one in seams.tests_in(suite) or ():
                self.take_hooks(one, at_once)

    @property
    def name(self) -> str:
        """The name of the test that runs; between two of them, of the unit's fixtures."""
        if self.running is not None:
            return self.running.name
        return "the fixtures of " + " and ".join(one.__qualname__ for one in self._cases)

    def note_step(self) -> None:
        """Note that what has held up the others until now is over: a test, or a fixture."""
        turn = batons.mine()
        if turn is not None:
            turn.note_step(monotonic())

    def _put_off(self, ran: Ran) -> None:
        """Have a test be run in the main thread, when its turn comes, as if it had not run here."""
        while len(self.pieces) > self.complete:
            self.pieces.pop()
        reason, self.needs_main = self.needs_main, ""
        ran.errors.clear()
        self.pieces.append(Again(ran.test, copies.copied(ran.test, ran.state), ran.name, reason))

    def end(self) -> None:
        """Note that the unit is over."""
        if self.needs_main:  # a fixture
            self._lane.keeper.told[_FIXTURE_NEEDS_MAIN.format(self.name, self.needs_main)] = None
        self._take_found()
        self._note_stop()
        self.complete = len(self.pieces)

    def lose(self, error: BaseException) -> None:
        """End the test that runs with an error, and take note of nothing any more.

        Its thread is stuck: this is called from another one.
        """
        name = "a fixture"
        if self.running is not None:
            name = self.running.name
            self._report(self.running.test, error)
        for test, _ in self._waiting.values():
            missed = AbandonedLoopError(_NOT_RUN.format(name))
            if name == "a fixture":
                missed.__cause__ = error
            self._call("startTest", test)
            self._report(test, missed)
        self.complete = len(self.pieces)
        self.is_closed = True

    def _report(self, test: Any, error: BaseException) -> None:
        if error.__traceback__ is None:  # nose2 needs one
            error = _raised(error)
        name = "addExpectedFailure" if seams.is_expected_to_fail(test) else "addError"
        self._call(name, test, (type(error), error, error.__traceback__))
        self._call("stopTest", test)
        self._end_test()

    def _note_stop(self) -> None:
        if self._stops:
            self._stops = False
            self._call("stop")

    def _take_found(self) -> None:
        found = self._lane.take()
        if found is not None:
            self._call("found", found)

    def _end_test(self) -> None:
        ran, self.running = self.running, None
        self._note_stop()
        self.complete = len(self.pieces)
        if ran is not None:
            ran.ended = monotonic()
            self._tell(ran)

    def _fail(self, error: Any) -> None:
        self.has_failed = True
        if self.running is not None:
            self.running.errors.append(error[1])

    def _call(self, name: str, *args: Any) -> None:
        if not self.is_closed:
            held_up = self._lane.keeper.held_up - self._held_up
            self.pieces.append(Call(name, args, time.time() - held_up))


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


class _Session(NamedTuple):
    """Stands for nose2's session in the suite of a layer, which calls hooks by itself."""

    hooks: _Hooks


class _Hooks:
    """Stands for nose2's hooks there."""

    def __init__(self, hooks: Any, recorder: Recorder, at_once: Callable[[str, Any], None]) -> None:
        self._hooks = hooks.own if isinstance(hooks, _Hooks) else hooks
        self._recorder = recorder
        self._at_once = at_once

    @property
    def own(self) -> Any:
        """nose2's own."""
        return self._hooks

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        call = getattr(self._hooks, name)

        def hook(event: Any) -> None:
            self._at_once(name, event)
            self._recorder.add(Hook(call, event))

        return hook
