"""The shape of the package."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

import nose2_aio
from tests.runs import python

FOLDER = Path(nose2_aio.__file__).parent
MODULES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path for path in FOLDER.rglob("*.py")
}
"""The modules by name, ``workers.pool`` in a sub-package; packages end in ``__init__``."""


SUB_PACKAGES = (
    "introspection",
    "config",
    "eventloop",
    "reporting",
    "running",
    "cases",
    "suites",
    "workers",
)
"""Each may import those before it, and ``errors``."""
TOP = (
    "__init__",
    "__main__",
    "errors",
    "suite_execution",
    "feedback",
    "plugin",
    "run",
    "standalone",
    "testcase",
)


def imported(path: Path) -> set[str]:
    """Return the names of the package's modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nose2_aio":
            package = str(node.module).removeprefix("nose2_aio").removeprefix(".")
            for alias in node.names:
                inner = f"{package}.{alias.name}".removeprefix(".")
                found.add(inner if inner in MODULES else package)
    return found


class Imports(TestCase):
    """Which module may import which."""

    def test_sub_packages(self) -> None:
        """A sub-package imports ``errors``, itself, and the sub-packages before it."""
        for name, path in MODULES.items():
            package, _, inner = name.partition(".")
            if not inner:
                self.assertIn(name, TOP)
                continue
            allowed = {*SUB_PACKAGES[: SUB_PACKAGES.index(package) + 1], "errors"}
            with self.subTest(name):
                self.assertLessEqual({one.partition(".")[0] for one in imported(path)}, allowed)

    def test_errors(self) -> None:
        """The module ``errors``, which all may import, imports nothing."""
        self.assertEqual(imported(MODULES["errors"]), set())

    def test_no_circle(self) -> None:
        """No modules import each other in a circle, also inside of a sub-package."""
        waiting = {name: imported(path) for name, path in MODULES.items()}
        while waiting:
            free = {name for name, needs in waiting.items() if not needs & waiting.keys()}
            self.assertTrue(free, f"a circle of imports: {waiting}")
            waiting = {name: needs for name, needs in waiting.items() if name not in free}

    def test_purpose(self) -> None:
        """The ``__init__`` of a sub-package has a docstring and nothing else."""
        packages = [name for name in MODULES if name.endswith(".__init__")]
        self.assertCountEqual(packages, [f"{name}.__init__" for name in SUB_PACKAGES])
        for name in packages:
            self.assertEqual(len(ast.parse(MODULES[name].read_text()).body), 1, name)

    def test_size(self) -> None:
        """No module is longer than 400 lines; no function longer than 40, its docstring aside."""
        for name, path in MODULES.items():
            text = path.read_text()
            self.assertLessEqual(text.count("\n"), 400, name)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
                    length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                    self.assertLessEqual(length, 40, (name, node.name))

    def test_windows(self) -> None:
        """The package can be imported where there are only the signals of Windows."""
        gone = (
            "import signal\n"
            "for name in dir(signal):\n"
            "    if name[:3] == 'SIG' and name not in ('SIGINT', 'SIGTERM', 'SIGABRT'):\n"
            "        delattr(signal, name)\n"
        )
        run = python("-c", f"{gone}import nose2_aio", folder=Path(__file__).parent)
        self.assertEqual((run.returncode, run.output), (0, ""))

    def test_nose2(self) -> None:
        """Only the plugin, what executes its suite, starts it, or reads its files import nose2."""
        knowing = {
            name
            for name, path in MODULES.items()
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            and any(
                (part or "").split(".")[0] == "nose2"
                for part in [getattr(node, "module", ""), *(alias.name for alias in node.names)]
            )
        }
        self.assertEqual(
            knowing, {"__main__", "plugin", "standalone", "suite_execution", "workers.spawned"}
        )


class OneTest(TestCase):
    """The way of one plain coroutine test through the package."""

    def test_short(self) -> None:
        """It goes through at most 12 modules, and changes its module at most 30 times."""
        script = Path(__file__).parents[2] / "benchmarks" / "path.py"
        with TemporaryDirectory() as folder:
            run = python(str(script), folder=Path(folder))
        found = re.search(r"(\d+) modules, (\d+) changes of module\n$", run.output)
        assert found is not None, run.output
        self.assertLessEqual(int(found[1]), 12, run.output)
        self.assertLessEqual(int(found[2]), 30, run.output)
        self.assertGreater(int(found[2]), 10, run.output)


class Modules(TestCase):
    """What each module has."""

    def test_names(self) -> None:
        """Each module has an ``__all__`` without repetitions, and has all of its names."""
        for name in MODULES:
            if name.endswith(".__init__"):
                continue
            module = importlib.import_module(
                f"nose2_aio.{name}" if name != "__init__" else "nose2_aio"
            )
            exported = module.__all__
            self.assertEqual(len(exported), len(set(exported)), name)
            for one in exported:
                self.assertTrue(hasattr(module, one), (name, one))

    def test_annotations(self) -> None:
        """A module with a ``NamedTuple`` evaluates its annotations.

        As texts, ``NamedTuple`` would compile each of them: that takes most of the time.
        """
        for name, path in MODULES.items():
            text = path.read_text()
            if "(NamedTuple):" in text:
                self.assertNotIn("from __future__ import annotations", text, name)

    def test_public(self) -> None:
        """No public name looks like a test, other than a test case, and each has a docstring."""
        for name in nose2_aio.__all__:
            if not name.startswith("TestCase"):
                self.assertFalse(name.lower().startswith("test"), name)
            self.assertTrue(getattr(nose2_aio, name).__doc__, name)

    def test_hidden(self) -> None:
        """Only modules at the head of a report hide their frames (``__unittest``).

        In any other module, unittest would also cut off the user's frames that follow.
        """
        hidden = {n for n, path in MODULES.items() if "\n__unittest = True\n" in path.read_text()}
        self.assertEqual(
            hidden,
            {
                "cases.adapter",
                "cases.definitions",
                "cases.hooks",
                "cases.fixture_wrappers",
                "cases.guarding",
                "cases.isolated",
                "cases.invocation",
                "running.decorators",
                "workers.recording",
            },
        )
