"""`run_until_complete` and `run_forever`: test functions that run themselves, under any runner.

A decorated function is a plain function that makes a loop, runs its body there and closes the
loop again. Called while a loop runs, it gives a coroutine instead, as the body itself would.
Under the plugin a decoration is a tag too: the plugin announces itself with `hosted`, and the next
call of that function hands its body over, to be run under the settings of the run, and on the
plugin's loop unless ``loop=`` chose another.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, overload

from nose2_aio.config import seconds
from nose2_aio.config.loop_factories import Factory, takes_no_arguments
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError, InvalidTypeError
from nose2_aio.eventloop import event_loops
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import coroutines, hypothesis_examples, loop_contexts, plans
from nose2_aio.running.engines import NO_CASE, Engine, Execution
from nose2_aio.running.host import always
from nose2_aio.running.loop_contexts import LoopContext
from nose2_aio.running.runner import Runner

__unittest = True

__all__ = [
    "Decoration",
    "decoration",
    "hosted",
    "is_declared",
    "run_forever",
    "run_until_complete",
]

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_ATTRIBUTE = "__nose2_aio_decoration__"


@dataclass(frozen=True, slots=True, eq=False)
class Decoration:
    """What a decorated function carries: its engine, and the context that gives its loop."""

    engine: Engine
    loop: LoopContext

    @property
    def shares_loop(self) -> bool:
        """True if no ``loop=`` was passed, so that the plugin may choose a loop."""
        return self.loop is loop_contexts.child_loop

    @property
    def is_virtual(self) -> bool:
        """True if ``loop=`` chose a loop in virtual time."""
        return self.loop is loop_contexts.virtual_clock

    @contextmanager
    def runner(self, factory: Factory | None) -> Iterator[Runner]:
        """Yield a runner on the loop that was chosen: by ``loop=``, or by a tag."""
        if factory is not None:
            with Runner(factory=factory) as runner:
                yield runner
            return
        with loop_contexts.given(self.loop) as loop, Runner(loop) as runner:
            yield runner


_BY_HAND = Settings()
"""What holds where no plugin has settings."""

_Body = Callable[[], Awaitable[Any]]
_Host = Callable[[_Body], Any]
_announced: ContextVar[tuple[Decoration, _Host] | None] = ContextVar("announced", default=None)


@overload
def run_until_complete(function: Callable[..., Any], /) -> Callable[..., Any]: ...
@overload
def run_until_complete(*, loop: LoopContext = ...) -> _Decorator: ...
def run_until_complete(
    function: Callable[..., Any] | None = None, /, *, loop: LoopContext = loop_contexts.child_loop
) -> Any:
    """Decorate a test so that each call runs it on an event loop to its end.

    Works bare and called, on coroutine, generator and plain functions; a plain function's body
    runs inside the running loop. The decorated function returns what the body returns.

    ``loop`` is a callable without arguments that returns a context manager giving the event
    loop: `child_loop` (the default) makes a fresh one for each call, `current_loop` gives the
    current one. The loop of any other than `child_loop` is left open.

    `timeout` tagged on the test is its time limit in seconds.

    The call raises what the body raises; `DefinitionError`, a `TypeError`, if the body returns
    a callable, since that would never run; `LoopStoppedError` if the body stops the loop;
    `TimeLimitError` at the time limit.
    """
    return _decorator("run_until_complete", function, Decoration(Engine.UNTIL_COMPLETE, loop), {})


@overload
def run_forever(function: Callable[..., Any], /) -> Callable[..., Any]: ...
@overload
def run_forever(
    *, timeout: float | None = ..., sleep: float | None = ..., loop: LoopContext = ...
) -> _Decorator: ...
def run_forever(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    sleep: float | None = None,
    loop: LoopContext = loop_contexts.child_loop,
) -> Any:
    """Decorate a test so that each call runs it on an event loop that keeps running after it.

    The body runs; the loop runs on for ``timeout`` seconds (default: 1); what the body returned,
    if it is callable, is called and awaited, with the test case if it takes an argument; the
    loop runs on for ``sleep`` seconds (default: 0).

    ``timeout`` and ``sleep`` are the tags of these names; ``loop`` is as for
    `run_until_complete`.

    The call raises what fails in the body, in the callback, or in anything else that runs on
    the loop meanwhile, several failures as one exception group; `LoopStoppedError` if the
    loop is stopped before the callback ran.
    """
    waits = {"timeout": timeout, "sleep": sleep}
    tagged = {name: value for name, value in waits.items() if value is not None}
    return _decorator("run_forever", function, Decoration(Engine.FOREVER, loop), tagged)


def decoration(function: object) -> Decoration | None:
    """Return what `run_until_complete` or `run_forever` left on a function, if one of them did."""
    found: Decoration | None = getattr(function, "__dict__", {}).get(_ATTRIBUTE)
    return found


def is_declared(function: Any, case: object) -> bool:
    """True if a test is declared to be a coroutine, and no ``loop=`` was chosen for it."""
    if getattr(function, "__dict__", None):
        mark = decoration(function)
        if mark is not None:
            return mark.shares_loop
        if hypothesis_examples.has_examples(function, case):
            return True
    return coroutines.is_declared(function)


@contextmanager
def hosted(mark: Decoration, host: _Host) -> Iterator[None]:
    """Pass the body of the decorated function to ``host`` on its next call inside the block.

    ``mark`` is the function's decoration. Only its next call is affected: if the test calls
    another decorated function, or itself again, that call runs on a loop of its own.
    """
    token = _announced.set((mark, host))
    try:
        yield
    finally:
        _announced.reset(token)


def _decorator(
    name: str, function: Callable[..., Any] | None, mark: Decoration, tagged: dict[str, float]
) -> Any:
    place = f"@{name}, {locations.of_caller()}"
    if not takes_no_arguments(mark.loop):
        raise InvalidTypeError(
            "loop= must be a callable without arguments that returns a context manager giving "
            f"an event loop, got {mark.loop!r} ({place})"
        )
    for tag, value in tagged.items():
        seconds.validate(value, name=tag, place=place)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function) or isinstance(function, type):
            raise InvalidTypeError(
                f"@{name} is for functions, got {function!r}; "
                f"its settings are given by name ({place})"
            )
        return _decorated(function, mark, tagged)

    return decorate if function is None else decorate(function)


def _decorated(
    function: Callable[..., Any], mark: Decoration, tagged: dict[str, float]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        body = functools.partial(coroutines.called, function, *args, **kwargs)
        host = _take_host(mark)
        if host is not None:
            return host(body)
        case = args[0] if args else NO_CASE
        execution = Execution(body, plans.made(mark.engine, run, type(case)), case)
        if event_loops.is_running():
            return _with_name_of(execution.main(), function)
        try:
            limit = plans.limit(mark.engine, run, type(case), _BY_HAND)
            virtual = plans.virtual(run, type(case), _BY_HAND, is_virtual=mark.is_virtual)
            factory = _factory(mark, run, type(case))
            with (
                mark.runner(factory) as runner,
                closing(runner.options.time_limits) as time_limits,
                time_limits.time(limit, virtual) as deadline,
            ):
                execution.deadline = deadline
                return runner.run(execution.main(), execution.stopped, is_last=always)
        except BaseException as error:
            _hide_from_unittest(at_head="__unittest" in sys._getframe(1).f_globals)
            raise tracebacks.trim(error)  # noqa: B904 -- the same error, without our frames

    run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    setattr(run, _ATTRIBUTE, mark)
    vars(run).update(tagged)
    return run


def _factory(mark: Decoration, function: Callable[..., Any], owner: type) -> Factory | None:
    """Return what is tagged to make the loop, where no ``loop=`` was given."""
    found = plans.factories(function, owner, _BY_HAND) if mark.shares_loop else {}
    if len(found) > 1:
        names = ", ".join(factory.name for factory in found.values())
        raise DefinitionError(
            f"{locations.describe(function)}: to run it on several loops ({names}) takes nose2 "
            "with the plugin.\nTag it with one."
        )
    return next(iter(found.values()), None)


def _take_host(mark: Decoration) -> _Host | None:
    announced = _announced.get()
    if announced is None or announced[0] is not mark:
        return None
    _announced.set(None)
    return announced[1]


def _with_name_of(coroutine: Any, function: Callable[..., Any]) -> Any:
    """Rename a coroutine after the user's function, for Python's warning if it is never awaited."""
    coroutine.__qualname__ = getattr(function, "__qualname__", coroutine.__qualname__)
    return coroutine


def _hide_from_unittest(*, at_head: bool) -> None:
    """Set whether unittest hides the frame of `run` in the report that it makes next.

    unittest leaves out such frames at the head of a report. Below a frame of the user's, it
    would leave out all that follows on one, up to the line that failed.
    """
    if at_head:
        globals()["__unittest"] = True
    else:
        globals().pop("__unittest", None)
