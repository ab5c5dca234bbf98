"""`run_until_complete` and `run_forever`: test functions that run themselves, under any runner.

1. A decorated function is a plain function. It makes a loop, runs its body there, and closes it.
2. If a loop runs already, it returns a coroutine, as the body itself would.
3. The plugin calls a decorated test inside of `hosting_next_call`. Then the function hands its body
   to the plugin. It runs the body with the settings of the run, on its own loop unless ``loop=``
   chose one.
"""

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeAlias, TypeVar, overload

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
    "hosting_next_call",
    "is_declared",
    "run_forever",
    "run_until_complete",
]

_Parameters = ParamSpec("_Parameters")
_Value = TypeVar("_Value")
_Async: TypeAlias = Awaitable[_Value] | Generator[Any, Any, _Value]
"""What a coroutine function returns, or a generator function that is one."""
_Callback: TypeAlias = Callable[..., object] | None
_Forever: TypeAlias = Callable[_Parameters, _Async[_Callback] | _Callback]
"""What `run_forever` decorates: its body may return a callable."""


class _UntilComplete(Protocol):
    """The decorator that ``run_until_complete(loop=…)`` returns."""

    @overload
    def __call__(
        self, function: Callable[_Parameters, _Async[_Value]], /
    ) -> Callable[_Parameters, _Value]: ...
    @overload
    def __call__(
        self, function: Callable[_Parameters, _Value], /
    ) -> Callable[_Parameters, _Value]: ...


_ATTRIBUTE = "__nose2_aio_decoration__"


class Decoration(NamedTuple):
    """The decoration of a function: its engine, and the function that returns its loop context."""

    engine: Engine
    loop: LoopContext

    @property
    def shares_loop(self) -> bool:
        """True if the decorator chose no loop: the plugin may choose one."""
        return self.loop is loop_contexts.child_loop

    @property
    def is_virtual(self) -> bool:
        """True if the decorator chose a loop in virtual time."""
        return self.loop is loop_contexts.virtual_clock

    @contextmanager
    def runner(self, factory: Factory | None) -> Iterator[Runner]:
        """Yield a runner on the loop of ``factory``, or on the loop of ``loop=``."""
        if factory is not None:
            with Runner(factory=factory) as runner:
                yield runner
            return
        with loop_contexts.given(self.loop) as loop, Runner(loop) as runner:
            yield runner


_NO_SETTINGS = Settings()
"""The settings of a function that runs without the plugin."""

_Body = Callable[[], Awaitable[Any]]
_Host = Callable[[_Body], Any]
_announced: ContextVar[tuple[Decoration, _Host] | None] = ContextVar("announced", default=None)


@overload
def run_until_complete(
    function: Callable[_Parameters, _Async[_Value]], /
) -> Callable[_Parameters, _Value]: ...
@overload
def run_until_complete(
    function: Callable[_Parameters, _Value], /
) -> Callable[_Parameters, _Value]: ...
@overload
def run_until_complete(*, loop: LoopContext = ...) -> _UntilComplete: ...
def run_until_complete(
    function: Callable[..., Any] | None = None, /, *, loop: LoopContext = loop_contexts.child_loop
) -> Any:
    """Decorate a test so that each call runs it on an event loop to its end.

    ::

        @aio.run_until_complete
        async def test_connect():
            assert await connect()

    Works with and without parentheses, on coroutine, generator and plain functions. A plain
    function is called while the loop runs. The decorated function returns what the body returns. If
    a loop runs already where it is called, it returns a coroutine.

    ``loop`` is a callable without arguments that returns a context manager. The context manager
    yields an event loop. `child_loop`, the default, makes a new loop for each call and closes it.
    `current_loop` yields the current loop, and leaves it open.

    The tag `timeout` on the test is its time limit in seconds. With `run_forever`, it is a wait.

    The call raises the error of the body. It raises `DefinitionError` (a `TypeError`) if the body
    returns a callable, which would never be called, `LoopStoppedError` if the body stops the loop,
    and `TimeLimitError` at the time limit.
    """
    return _decorator("run_until_complete", function, Decoration(Engine.UNTIL_COMPLETE, loop), {})


@overload
def run_forever(function: _Forever[_Parameters], /) -> Callable[_Parameters, None]: ...
@overload
def run_forever(
    *, timeout: float | None = ..., sleep: float | None = ..., loop: LoopContext = ...
) -> Callable[[_Forever[_Parameters]], Callable[_Parameters, None]]: ...
def run_forever(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    sleep: float | None = None,
    loop: LoopContext = loop_contexts.child_loop,
) -> Any:
    """Decorate a test so that each call runs it on an event loop that goes on after it.

    ::

        @aio.run_forever(timeout=0.1)
        async def test_server():
            server = await start()
            return server.stop

    1. The body runs.
    2. The loop goes on for ``timeout`` seconds (default: 1).
    3. If the body returned a callable, it is called and awaited. If it takes an argument, it gets
       the test case.
    4. The loop goes on for ``sleep`` seconds (default: 0).

    ``timeout`` and ``sleep`` set the tags of these names. So here, a tag `timeout` of the test or
    its class is a wait and no time limit. ``loop`` is as for `run_until_complete`.

    The call raises the error of the body, of the callable, or of anything else that fails on the
    loop meanwhile; several errors as one exception group. It raises `LoopStoppedError` if the loop
    is stopped before the callable has run.
    """
    waits = {"timeout": timeout, "sleep": sleep}
    tagged = {name: value for name, value in waits.items() if value is not None}
    return _decorator("run_forever", function, Decoration(Engine.FOREVER, loop), tagged)


def decoration(function: object) -> Decoration | None:
    """Return the decoration of a function; None if neither decorator is on it."""
    found: Decoration | None = getattr(function, "__dict__", {}).get(_ATTRIBUTE)
    return found


def is_declared(function: Any, case: object) -> bool:
    """Return True if a test is declared as a coroutine, and no decorator chose a loop for it."""
    if getattr(function, "__dict__", None):
        mark = decoration(function)
        if mark is not None:
            return mark.shares_loop
        if hypothesis_examples.has_examples(function, case):
            return True
    return coroutines.is_declared(function)


@contextmanager
def hosting_next_call(mark: Decoration, host: _Host) -> Iterator[None]:
    """Inside the block, let the next call of the function with this decoration call ``host``.

    ``host`` gets the body, and runs it. Only that one call does this: another decorated function
    that the test calls by hand, or itself again, runs on a loop of its own.
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
        body = functools.partial(coroutines.call_and_await, function, *args, **kwargs)
        host = _take_host(mark)
        if host is not None:
            return host(body)
        case = args[0] if args else NO_CASE
        execution = Execution(body, plans.plan_for(mark.engine, run, type(case)), case)
        if event_loops.is_running():
            return _with_name_of(execution.main(), function)
        try:
            limit = plans.limit(mark.engine, run, type(case), _NO_SETTINGS)
            virtual = plans.virtual(run, type(case), _NO_SETTINGS, is_virtual=mark.is_virtual)
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
    """Return the loop factory that a tag names, if the decorator has no ``loop=``."""
    found = plans.factories(function, owner, _NO_SETTINGS) if mark.shares_loop else {}
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
    """Give a coroutine the name of the function, for Python's warning if nobody awaits it."""
    coroutine.__qualname__ = getattr(function, "__qualname__", coroutine.__qualname__)
    return coroutine


def _hide_from_unittest(*, at_head: bool) -> None:
    """Let unittest hide the frame of `run` in the next report, or not.

    unittest leaves out such frames at the head of a report. Below a frame of the user's, it
    would leave out all that follows on one, up to the line that failed.
    """
    if at_head:
        globals()["__unittest"] = True
    else:
        globals().pop("__unittest", None)
