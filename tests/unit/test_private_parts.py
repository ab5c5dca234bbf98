"""The private parts of others: the tables of tests/private_parts.py."""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import dis
import fnmatch
import importlib
import pkgutil
import re
import socket
import sys
import types
from collections.abc import Coroutine, Iterator
from typing import Any
from unittest import TestCase, mock

import nose2.plugins.junitxml
import nose2.result

from nose2_aio.introspection import await_chains
from tests.private_parts import BEHAVIOURS, DOCUMENTED, OWN, PRIVATE_NAMES, PrivateName
from tests.unit.test_package import MODULES

PACKAGES = (
    "asyncio",
    "atexit",
    "concurrent",
    "multiprocessing",
    "nose2",
    "selectors",
    "signal",
    "threading",
    "time_machine",
    "unittest",
    "warnings",
)
"""Those whose private methods a class of ours may override."""


def is_private(name: str) -> bool:
    """True for a name with one leading underscore, except ``_``."""
    return re.fullmatch(r"_[^\W_*][\w*]*|_\*\w+", name) is not None


def defined(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module defines, imports from our package, or sets on ``self``."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                yield name
            case ast.Name(name, ast.Store()) | ast.arg(name):
                yield name


def used(tree: ast.AST) -> Iterator[str]:
    """Yield the names of attributes, and the texts that may be names, also between dots.

    A text that is put together, such as ``f"_{name}Func"``, has a ``*`` for each part.
    """
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(_, name):
                yield name
            case ast.ImportFrom() | ast.Import():
                for alias in node.names:
                    yield from alias.name.split(".")
                yield from (getattr(node, "module", None) or "").split(".")
            case ast.Constant(str(text)) if id(node) not in parts:
                yield from text.split(".")
            case ast.JoinedStr(values):
                yield "".join(
                    str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "*"
                    for part in values
                )


def supers(tree: ast.AST) -> Iterator[str]:
    """Yield the names of attributes of ``super()``: they are defined here, and by somebody else."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Call(ast.Name("super")), name):
                yield name


def uses() -> set[tuple[str, str]]:
    """Return each private name that a module of ours uses and doesn't define, with the module."""
    found = set()
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text())
        names = set(used(tree)) - set(defined(tree)) | set(supers(tree))
        found |= {(name, module) for name in names if is_private(name) and name not in DOCUMENTED}
    return found


def overridden() -> set[tuple[str, str]]:
    """Return the private methods of others that classes of ours override, with the module."""
    found = set()
    for module in MODULES:
        if module.endswith("__init__"):
            continue
        for kind in vars(importlib.import_module(f"nose2_aio.{module}")).values():
            bases = kind.__mro__ if isinstance(kind, type) else ()
            theirs = [one for one in bases if one.__module__.partition(".")[0] in PACKAGES]
            for base in bases:
                if base.__module__.startswith("nose2_aio."):
                    found |= {
                        (name, base.__module__.removeprefix("nose2_aio."))
                        for name in vars(base)
                        if is_private(name)
                        and name != "_abc_impl"
                        and any(hasattr(one, name) for one in theirs)
                    }
    return found


def resolved(path: str) -> Any:
    """Import a module, or return what stands in one. Raises `AttributeError` if it is gone."""
    module, _, rest = path.partition(".")
    found = importlib.import_module(module)
    for name in rest.split(".") if rest else ():
        if isinstance(found, types.ModuleType) and not hasattr(found, name):
            found = importlib.import_module(f"{found.__name__}.{name}")
        else:
            found = getattr(found, name)
    return found


def names_in(owner: Any) -> set[str]:
    """Return the names of attributes, also those that methods use, and of inner functions."""
    found = set(dir(owner)) | {
        one.name for one in pkgutil.iter_modules(getattr(owner, "__path__", ()))
    }
    bases = getattr(owner, "__mro__", ())
    functions = [owner, *(one for base in bases for one in vars(base).values())]
    functions = [getattr(one, "__func__", one) for one in functions]
    codes = [one.__code__ for one in functions if hasattr(one, "__code__")]
    for code in codes:
        found |= {one.argval for one in dis.get_instructions(code) if one.opname.endswith("_ATTR")}
        inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
        found |= {one.co_name for one in inner}
        codes += inner
    return found


def is_needed(row: PrivateName) -> bool:
    """True if the running Python must have the name."""
    first, last = (tuple(map(int, one.split("."))) for one in row.pythons.split("-"))
    return first <= sys.version_info[:2] and (last == (3, 15) or sys.version_info[:2] <= last)


class Names(TestCase):
    """Names with one leading underscore."""

    maxDiff = None

    def test_listed(self) -> None:
        """The table has each private name of others that a module uses, and no more."""
        listed = {(row.name, row.module) for row in PRIVATE_NAMES}
        self.assertEqual(len(listed), len(PRIVATE_NAMES), "a row stands there twice")
        self.assertEqual(uses() - OWN, listed, "tests/private_parts.py lists them")
        self.assertLessEqual(OWN, uses())

    def test_overridden(self) -> None:
        """The table has each private method of others that a class overrides."""
        self.assertLessEqual(overridden(), {(row.name, row.module) for row in PRIVATE_NAMES})
        self.assertIn(("_asyncgen_firstiter_hook", "eventloop.instrumented"), overridden())

    def test_still_there(self) -> None:
        """Each name still exists. Where one is gone, the module that uses it needs another way."""
        for row in filter(is_needed, PRIVATE_NAMES):
            where = f"Python {sys.version.split()[0]} has no {row.owner}.{row.name} any more"
            message = f"{where}. nose2_aio.{row.module} uses it: {row.reason}"
            with self.subTest(row.name, module=row.module):
                try:
                    names = names_in(resolved(row.owner))
                except (AttributeError, ImportError):
                    self.fail(message)
                self.assertTrue(fnmatch.filter(names, row.name), message)

    def test_told(self) -> None:
        """A name that is gone is not found, so the test above fails with the reason."""
        row = PrivateName("_gone", "m", "asyncio.Task", "why")
        self.assertFalse(fnmatch.filter(names_in(resolved(row.owner)), row.name))
        self.assertTrue(is_needed(row))
        self.assertFalse(is_needed(row._replace(pythons="3.9-3.10")))
        with self.assertRaises(AttributeError):
            resolved("asyncio.Task.gone")

    def test_found(self) -> None:
        """Each way to use a private name is found; names of our own are not."""
        tree = ast.parse(
            "from a import _1\n"
            "x._2, getattr(x, '_3'), vars(x)['_4'], patch('a._5'), f'_{x}6'\n"
            "f'{x}_no', 'a _no', x.__no__\n"
            "class C:\n"
            "    def _7(self): self._own = super()._7()\n"
            "x._own\n"
        )
        names = set(used(tree)) - set(defined(tree)) | set(supers(tree))
        private = {name for name in names if is_private(name)}
        self.assertEqual(private, {"_1", "_2", "_3", "_4", "_5", "_*6", "_7"})


class Behaviours(TestCase):
    """What no name shows."""

    def test_tests(self) -> None:
        """Each row of the table names a test that exists, and a module that exists."""
        for row in BEHAVIOURS:
            self.assertIn(row.module, MODULES)
            self.assertTrue(resolved(row.test), row)

    async def locals_of(self, coroutine: Coroutine[Any, Any, Any]) -> dict[str, Any]:
        """Return the locals of the innermost frame of a coroutine that waits."""
        task = asyncio.create_task(coroutine)
        for _ in range(3):
            await asyncio.sleep(0)
        *_, frame = await_chains.frames(task)
        names = dict(frame.f_locals)
        task.cancel()
        await asyncio.wait([task])
        return names

    async def test_sleep(self) -> None:
        """``asyncio.sleep`` has its timer as ``h``, and its loop as ``loop``."""
        names = await self.locals_of(asyncio.sleep(5))
        self.assertIsInstance(names["h"], asyncio.TimerHandle)
        self.assertIs(names["loop"], asyncio.get_running_loop())

    async def test_wait(self) -> None:
        """``asyncio.wait`` has its tasks as ``fs``."""
        task = asyncio.create_task(asyncio.sleep(0.01))
        names = await self.locals_of(asyncio.wait([task]))
        self.assertEqual(list(names["fs"]), [task])
        await task

    async def test_wait_for(self) -> None:
        """``asyncio.wait_for`` has the future that it waits for as ``fut``."""
        inner = asyncio.get_running_loop().create_future()
        names = await self.locals_of(asyncio.wait_for(inner, 5))
        self.assertIs(names["fut"], inner)

    async def test_task_group(self) -> None:
        """A task group that waits for its tasks has itself as ``self``."""
        group = asyncio.TaskGroup()

        async def groups() -> None:
            async with group:
                group.create_task(asyncio.sleep(5))

        names = await self.locals_of(groups())
        self.assertIs(names["self"], group)

    async def test_sockets(self) -> None:
        """The loop's methods for sockets have the socket as ``sock``."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        names = await self.locals_of(asyncio.get_running_loop().sock_recv(ours, 1))
        self.assertIs(names["sock"], ours)

    async def test_job(self) -> None:
        """The future of a job has a callback of ``_chain_future``."""
        future: Any = asyncio.wrap_future(concurrent.futures.Future())
        names = [callback.__qualname__ for callback, _ in future._callbacks]
        future.cancel()
        self.assertTrue(any(name.startswith("_chain_future.") for name in names), names)

    async def test_wrap_future(self) -> None:
        """``asyncio.wrap_future`` calls ``create_future`` of the loop by itself."""
        self.assertIn("create_future", asyncio.wrap_future.__code__.co_names)

    async def test_to_thread(self) -> None:
        """``asyncio.to_thread`` submits a partial of ``Context.run`` and the user's function."""
        with mock.patch.object(asyncio.get_running_loop(), "run_in_executor") as submit:
            with self.assertRaises(TypeError):  # a mock can't be awaited
                await asyncio.to_thread(int)
        _, job = submit.call_args.args
        self.assertEqual((job.func.__qualname__, job.args), ("Context.run", (int,)))

    def test_time(self) -> None:
        """nose2 and its JUnit plugin ask the module ``time``, by its name in theirs."""
        for kind in (nose2.result.PluggableTestResult, nose2.plugins.junitxml.JUnitXmlReporter):
            self.assertIn("time", names_in(kind))  # time.time
            self.assertTrue(callable(sys.modules[kind.__module__].time.time))
