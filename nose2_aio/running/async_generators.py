"""Close the async generators that are left on a loop, one by one.

1. A generator that uses another one is closed before that: its ``finally`` block may need it. It
   uses another one if it refers to it, such as by an ``async for`` or an ``async with``.
2. Otherwise the last one that was started is closed first, like cleanups.
3. An error goes to the exception handler of the loop, as with asyncio. The next one is closed.

asyncio closes all of them at the same time.
"""

from __future__ import annotations

import gc
from asyncio import AbstractEventLoop
from collections.abc import Coroutine, Iterator
from types import AsyncGeneratorType, CodeType, FunctionType, ModuleType
from typing import Any, TypeAlias
from unittest import TestCase

from nose2_aio.eventloop import instrumented

__all__ = ["Generator", "closing", "in_order"]

Generator: TypeAlias = "AsyncGeneratorType[Any, Any]"

_DEPTH = 5
"""How many references lead from a generator to one that it enters with ``async with``."""
_MAX_OBJECTS = 2000
"""How many objects are looked at, at most."""
_SHARED = (ModuleType, type, FunctionType, CodeType, TestCase)
"""Through these, almost everything refers to everything."""


def in_order(loop: AbstractEventLoop) -> Iterator[Generator]:
    """Yield the generators that are open on a loop, in the order in which to close them."""
    loop_state = instrumented.state_of(loop)
    created = () if loop_state is None else loop_state.created
    generators = [one.thing for one in created if type(one.thing) is AsyncGeneratorType]
    generators = [one for one in generators if one.ag_frame is not None]
    used: dict[Generator, list[Generator]] = {}
    if len(generators) > 1:
        used = {one: _used_by(one, generators) for one in generators}
    while True:
        generators = [one for one in generators if one.ag_frame is not None and not one.ag_running]
        if not generators:
            return
        needed = {other for one in generators for other in used.get(one, ())}
        unused = [one for one in generators if one not in needed]
        generator = (unused or generators)[-1]
        generators.remove(generator)
        yield generator


def closing(loop: AbstractEventLoop, generator: Generator) -> Coroutine[Any, Any, None]:
    """Return a coroutine that closes a generator."""
    coroutine: Any = _close(loop, generator)
    coroutine.__qualname__ = f"{generator.__qualname__}.aclose"  # if it hangs, that is reported
    return coroutine  # type: ignore[no-any-return]


async def _close(loop: AbstractEventLoop, generator: Generator) -> None:
    try:
        await generator.aclose()
    except Exception as error:
        # asyncio's words
        text = f"an error occurred during closing of asynchronous generator {generator!r}"
        loop.call_exception_handler({"message": text, "exception": error, "asyncgen": generator})


def _used_by(generator: Generator, generators: list[Generator]) -> list[Generator]:
    """Return the other generators that one refers to."""
    seen = {id(generator)}
    layer: list[Any] = [generator]
    for _ in range(_DEPTH):
        found = {id(one): one for one in gc.get_referents(*layer) if not isinstance(one, _SHARED)}
        layer = [one for key, one in found.items() if key not in seen]
        seen |= found.keys()
        if len(seen) > _MAX_OBJECTS:
            break
    return [one for one in generators if one is not generator and id(one) in seen]
