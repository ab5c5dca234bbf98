"""Coroutine functions: what is one, and how a generator function becomes one.

A generator function is a coroutine test if it is tagged, or if its body has ``yield from`` and no
plain ``yield``. The syntax tree of its source shows that. Bytecode does not: Python 3.15 has no
instruction for ``yield from``.
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
    "await_or_explain",
    "call_and_await",
    "checked",
    "close_unstarted",
    "delegates",
    "is_declared",
    "refuse_generator",
]


def as_coroutine_function(function: FunctionType) -> FunctionType:
    """Return a coroutine function that runs the generator function ``function``.

    ``function`` itself becomes a generator-based coroutine (`types.coroutine`). So another way to
    call it (``super().test_x()``, a decorator around it) returns an awaitable too.
    """
    types.coroutine(function)

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await await_or_explain(function(*args, **kwargs), function)

    run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]


async def call_and_await(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call any kind of function while the loop runs; await the result if it is awaitable.

    A generator function counts as a coroutine function here. Raises `DefinitionError` for an async
    generator function.
    """
    inner = locations.unwrap(function)
    if inspect.isgeneratorfunction(inner):
        types.coroutine(inner)
    result = checked(function(*args, **kwargs), function)
    if inspect.isawaitable(result):
        return await await_or_explain(result, function)
    if inspect.isgenerator(result):
        raise DefinitionError(
            f"{locations.describe(function)}: it gave the generator {result.__qualname__}, "
            "which nobody would run.\n"
            f"Decorate {result.__name__} with types.coroutine."
        )
    return result


def is_declared(function: Any) -> bool:
    """Return True if a function or method is defined with ``async def``, also under a partial."""
    code = getattr(function, "__code__", None)
    if code is None or function.__dict__:
        return inspect.iscoroutinefunction(function)
    return bool(code.co_flags & inspect.CO_COROUTINE)


def checked(result: Any, function: Callable[..., Any]) -> Any:
    """Return the result of a test; raise `DefinitionError` if it is an async generator."""
    if isinstance(result, types.AsyncGeneratorType):
        raise DefinitionError(
            f"{locations.describe(function)}: an async generator function can't be a test, "
            "its body would never run.\n"
            "Take the 'yield' out of it, or make it a helper that a test iterates."
        )
    return result


def refuse_generator(result: Any, function: Callable[..., Any]) -> None:
    """Raise `DefinitionError` if a generator function is a test that nobody has iterated."""
    if isinstance(result, types.GeneratorType) and inspect.isgeneratorfunction(function):
        raise DefinitionError(
            f"{locations.describe(function)}: a generator function with a plain 'yield' can't be a "
            "test here, its body would never run.\n"
            "Write async def and await, or let nose2's plugin 'generators' load it."
        )


def close_unstarted(coroutine: Any) -> None:
    """Close a coroutine that was never started, so that Python doesn't warn of it.

    One that was started and did not end is left alone, for ever: to close it would raise
    GeneratorExit in code that may catch every exception.
    """
    if not coroutine.cr_suspended:
        coroutine.close()


def delegates(code: CodeType) -> bool:
    """Return True if a body has ``yield from`` and no plain ``yield``.

    False if its source can't be read.
    """
    return {
        type(node)
        for node in _yields(_definitions(code.co_filename).get((code.co_name, code.co_firstlineno)))
    } == {ast.YieldFrom}


async def await_or_explain(awaitable: Awaitable[Any], function: Callable[..., Any]) -> Any:
    """Await; if the awaitable yields a value that the loop can't wait for, explain that."""
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
    """Return the functions of a file by name and first line: that of the first decorator."""
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
    """Yield the ``yield`` and ``yield from`` nodes of a function's own body."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    waiting: list[ast.AST] = list(definition.body) if definition else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            yield node
        if not isinstance(node, scopes):
            waiting += ast.iter_child_nodes(node)
