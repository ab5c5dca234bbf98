"""What ``import nose2_aio`` loads, and what a plain run loads."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

import nose2_aio
from tests.runs import python

PRINT = "print(*(name for name in sys.modules if name not in known), sep='\\n')\n"
IMPORT = f"import asyncio, nose2.main, sys; known = {{*sys.modules}}; import nose2_aio; {PRINT}"
RUN = f"""
import asyncio, ctypes, sys
from nose2.main import PluggableTestProgram
from nose2.plugins import DEFAULT_PLUGINS
for name in DEFAULT_PLUGINS:
    __import__(name)
known = {{*sys.modules}}
arguments = ["nose2", "-q", "--no-user-config", "--plugin", "nose2_aio"]
PluggableTestProgram(module=None, argv=arguments, exit=False)
{PRINT}
"""
TESTS = """
from unittest import TestCase

class Plain(TestCase):
    async def test_coroutine(self): ...

    def test_function(self): ...
"""
AT_IMPORT = {
    *("nose2_aio", "nose2_aio.errors", "nose2_aio.plugin", "nose2_aio.workers.role"),
    *(f"nose2_aio.{package}" for package in ("config", "eventloop", "introspection", "workers")),
    *(f"nose2_aio.eventloop.{name}" for name in ("virtual_clock", "wall_clock")),
    "nose2_aio.introspection.locations",
}
"""The modules that ``import nose2_aio`` loads, besides those of `nose2_aio.config`."""
RARE = (
    *("nose2_aio.reporting.colors", "nose2_aio.reporting.live_line"),
    *("nose2_aio.suites.units", "nose2_aio.suites.shards"),
    *("bdb", "hashlib", "json", "multiprocessing", "pickle", "random", "sysconfig", "tempfile"),
)
"""Modules that are needed for a feature, but for no plain run."""


def loaded(program: str) -> set[str]:
    """Return the modules that a program loads in a folder with two tests."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "test_plain.py").write_text(TESTS)
        run = python("-c", program, folder=Path(folder))
    return set(run.output.split())


class Imports(TestCase):
    """Modules that are loaded although nobody needs them make each run slower."""

    def test_import(self) -> None:
        """``import nose2_aio`` loads the settings, the tags and the plugin."""
        found = loaded(IMPORT)
        ours = {name for name in found if name.startswith("nose2_aio")}
        config = {name for name in ours if name.startswith("nose2_aio.config.")}
        self.assertEqual(ours - config, AT_IMPORT)
        self.assertLessEqual(found - ours, {"numbers"})

    def test_run(self) -> None:
        """A plain run loads no worker processes. It loads what reports of failures need."""
        found = loaded(RUN)
        self.assertIn("nose2_aio.running.runner", found)
        workers = {name for name in found if name.startswith("nose2_aio.workers.")}
        self.assertEqual(workers, {"nose2_aio.workers.retries", "nose2_aio.workers.role"})
        self.assertEqual(found & {*RARE}, set())

    def test_public(self) -> None:
        """Names that are imported when they are used are there for all kinds of imports."""
        names: dict[str, object] = {}
        exec("from nose2_aio import *", names)
        self.assertLessEqual({*nose2_aio.__all__}, {*names})
        self.assertLessEqual({*nose2_aio.__all__}, {*dir(nose2_aio)})
        with self.assertRaisesRegex(AttributeError, "module 'nose2_aio' has no attribute 'tset'"):
            _ = nose2_aio.tset
