"""nose2_aio.workers.spawned"""

from __future__ import annotations

from typing import Any
from unittest import TestCase, mock

from nose2_aio.suites.units import Unit
from nose2_aio.workers import role, spawned
from nose2_aio.workers.spawned import LoadRequest, SpawnedWorker


class Case(TestCase):
    def a(self) -> None: ...

    def b(self) -> None: ...

    def c(self) -> None: ...


def units(*names: str) -> list[Unit]:
    return [Unit([Case(name) for name in part], None, is_serial=True) for part in names]


class Serve(TestCase):
    """Units that a spawned worker has loaded."""

    def serve(self, here: list[Unit], there: list[Unit], **given: Any) -> mock.Mock:
        process = mock.Mock()
        request = LoadRequest([], "/", spawned.load_names(here), **given)
        self.describe = mock.Mock()
        SpawnedWorker(process, request).work(
            there, mock.sentinel.hooks, result=mock.sentinel.result, describe=self.describe
        )
        return process

    def test_same(self) -> None:
        """It runs them if they have the same names as in the main process."""
        there = units("ab", "c")
        process = self.serve(units("ab", "c"), there)
        process.work.assert_called_once_with(
            there, mock.sentinel.hooks, result=mock.sentinel.result, describe=self.describe
        )
        process.refuse.assert_not_called()

    def test_different(self) -> None:
        """Else it refuses, and names the first difference."""
        rule = "a worker process has loaded other tests than the main process: test"
        name = f"{__name__}.Case"
        for here, there, words in (
            (units("ab", "c"), units("ab", "b"), f"3 is {name}.b there, and {name}.c here"),
            (units("ba"), units("ab"), f"1 is {name}.a there, and {name}.b here"),
            (units("ab"), units("a"), f"2 is missing there, and {name}.b here"),
            (units("a"), units("a", "b"), f"2 is {name}.b there, and missing here"),
        ):
            process = self.serve(here, there)
            process.refuse.assert_called_once_with(f"{rule} {words}")
            process.work.assert_not_called()

    def test_one(self) -> None:
        """It may run a single test by its name. The other attributes of the unit stay."""
        there = units("ab", "c")
        process = self.serve(units("b"), there, is_single_test=True)
        ([found], _), _ = process.work.call_args
        self.assertEqual(found.tests, [there[0].tests[1]])
        self.assertTrue(found.is_serial)
        process = self.serve(units("b"), units("ab", "b"), is_single_test=True)
        process.work.assert_not_called()  # which one of them is meant isn't known
        process = self.serve(units("c"), units("ab"), is_single_test=True)
        process.work.assert_not_called()
        self.assertIn("1 is missing there", process.refuse.call_args.args[0])


class Names(TestCase):
    """Names of tests."""

    def test_name(self) -> None:
        """A test has its id, something else the name of its class."""
        self.assertEqual(spawned.load_name(Case("a")), f"{__name__}.Case.a")
        self.assertEqual(spawned.load_name(len), "builtin_function_or_method")

    def test_main_process(self) -> None:
        """The main process is no spawned worker."""
        self.assertIsNone(role.current_worker())


class Starts(TestCase):
    """The process itself."""

    def test_spawned(self) -> None:
        """It runs the same command line in the same folder, works, and ends."""
        calls: list[Any] = []

        def program(**given: Any) -> None:
            calls.append((given["argv"], given["exit"], role.current_worker() is not None))

        request = LoadRequest(["nose2", "-v"], "/somewhere", ["a"])
        with (
            mock.patch.object(spawned, "WorkerProcess") as process,
            mock.patch.object(spawned.os, "chdir") as chdir,
            mock.patch.object(spawned, "PluggableTestProgram", program),
            mock.patch.object(role, "_current", []),
        ):
            spawned.run_spawned(mock.sentinel.channel, request)
        process.assert_called_once_with(mock.sentinel.channel)
        process.return_value.end.assert_called_once_with()
        chdir.assert_called_once_with("/somewhere")
        self.assertEqual(calls, [(["nose2", "-v"], False, True)])
