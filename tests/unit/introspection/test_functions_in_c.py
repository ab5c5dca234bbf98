"""The package, on a Python that has more functions in C: see nose2_aio.introspection.locations"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from unittest import TestCase

from nose2_aio.introspection import locations

PACKAGE = Path(locations.__file__).parents[1]
PROGRAM = '''
import asyncio, concurrent.futures.thread, threading, types, unittest
from unittest import TestCase, mock

class Builtin:
    """A function or method that has no code object."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __get__(self, instance, owner):
        return self if instance is None else types.MethodType(self, instance)

for owner, name in FUNCTIONS:
    if hasattr(owner, name):
        setattr(owner, name, Builtin(getattr(owner, name)))

import nose2_aio.plugin

@nose2_aio.run_until_complete
async def test():
    await asyncio.sleep(0)
    return await asyncio.to_thread(int)

assert test() == 0
'''


def code_of_calls() -> set[str]:
    """Return the arguments of each call of ``code_of`` in the package, as source text."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "code_of":
                owner, name = node.args
                if isinstance(name, ast.Constant):
                    found.add(f"{ast.unparse(owner)}, {name.value!r}")
    return found


class InC(TestCase):
    """Functions of the standard library without code objects."""

    def test_import(self) -> None:
        """The package can be imported, and runs a test."""
        calls = code_of_calls()
        self.assertIn("asyncio.Handle, '_run'", calls)
        self.assertIn("TestCase, 'run'", calls)
        functions = "".join(f"({call}), " for call in sorted(calls))
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("FUNCTIONS", f"[{functions}]")],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_at_import(self) -> None:
        """No module takes a code object at its import without ``code_of``."""
        for path in PACKAGE.rglob("*.py"):
            for statement in ast.parse(path.read_text()).body:
                if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    names = {getattr(node, "attr", "") for node in ast.walk(statement)}
                    self.assertNotIn("__code__", names, (path, statement.lineno))
