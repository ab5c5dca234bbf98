"""Is this a coroutine test, and how does one become a coroutine function.

A generator function is a coroutine test when it is tagged, or when its body has ``yield from``
and no plain ``yield``. The source's syntax tree tells: bytecode is no basis for it (the
instruction that would is gone in Python 3.15).
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import types
from collections.abc import Awaitable, Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from nose2_aio.errors import DefinitionError
from nose2_aio.introspection import locations

__all__ = [
    "as_coroutine_function",
    "called",
    "checked",
    "delegates",
    "explained",
    "is_declared",
]


def as_coroutine_function(function: FunctionType) -> FunctionType:
    """Return a coroutine function that runs the generator function ``function``.

    ``function`` itself becomes a generator-based coroutine (`types.coroutine`), so that whoever
    reaches it otherwise (``super().test_x()``, a decorator around it) gets an awaitable too.
    """
    types.coroutine(function)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await explained(function(*args, **kwargs), function)

    wrapper.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


async def called(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call any kind of function inside the running loop, and await what it gives if it can be.

    Any generator function counts as a coroutine here. Raises `DefinitionError` for an async
    generator function.
    """
    inner = locations.unwrap(function)
    if inspect.isgeneratorfunction(inner):
        types.coroutine(inner)
    result = checked(function(*args, **kwargs), function)
    if inspect.isawaitable(result):
        return await explained(result, function)
    if inspect.isgenerator(result):
        raise DefinitionError(
            f"{locations.describe(function)}: it gave the generator {result.__qualname__}, "
            "which nobody would run.\n"
            f"Decorate {result.__name__} with types.coroutine."
        )
    return result


def is_declared(function: Any) -> bool:
    """True if a function or method is defined with ``async def``, also inside a partial."""
    code = getattr(function, "__code__", None)
    if code is None or function.__dict__:
        return inspect.iscoroutinefunction(function)
    return bool(code.co_flags & inspect.CO_COROUTINE)


def checked(result: Any, function: Callable[..., Any]) -> Any:
    """Return what a test gave; raise `DefinitionError` if that is an async generator."""
    if isinstance(result, types.AsyncGeneratorType):
        raise DefinitionError(
            f"{locations.describe(function)}: an async generator function can't be a test, "
            "its body would never run.\n"
            "Take the 'yield' out of it, or make it a helper that a test iterates."
        )
    return result


def delegates(code: CodeType) -> bool:
    """True if a body has ``yield from`` and no plain ``yield``.

    False where the source can't be read.
    """
    return {
        type(node)
        for node in _yields(_definitions(code.co_filename).get((code.co_name, code.co_firstlineno)))
    } == {ast.YieldFrom}


async def explained(awaitable: Awaitable[Any], function: Callable[..., Any]) -> Any:
    """Await; where the loop was handed a value that it can't wait for, say what that means."""
    try:
        return await awaitable
    except RuntimeError as error:
        # asyncio's own words, from Task.__step
        if not str(error).startswith("Task got bad yield: "):
            raise
        yielded = str(error).partition(": ")[2]
        raise DefinitionError(
            f"{locations.describe(function)}: run as a coroutine, it yielded {yielded}.\n"
            "If it generates tests for nose2, use a plain 'yield' in its body and no tag, "
            "or set 'generators = nose2' in [aio]."
        ) from None


@functools.lru_cache(maxsize=8)
def _definitions(filename: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """Functions of a file by name and first line, which is that of the first decorator."""
    try:
        module = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    return {
        (node.name, min([node.lineno, *(one.lineno for one in node.decorator_list)])): node
        for node in functions
    }


def _yields(definition: ast.FunctionDef | None) -> Iterator[ast.AST]:
    """The ``yield`` and ``yield from`` nodes of a function's own body."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    waiting: list[ast.AST] = list(definition.body) if definition else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            yield node
        if not isinstance(node, scopes):
            waiting += ast.iter_child_nodes(node)
