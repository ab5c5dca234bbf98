"""The progress on a terminal: --aio-progress."""

from __future__ import annotations

import re
from unittest import TestCase, skipUnless

from tests.runs import Project
from tests.terminal import Terminal, has_terminals

CODE = """
import asyncio
import sys
import time
import unittest

class Account(unittest.TestCase):
    async def test_1_slow(self):
        await asyncio.sleep(0.15)

    async def test_2_prints(self):
        print("printed")
        sys.stderr.write("no end of a line")
        await asyncio.sleep(0.15)

    async def test_3_fails(self):
        await asyncio.sleep(0.15)
        print("unfinished", end="")
        self.fail("no money")

    def test_4_blocks(self):
        time.sleep(0.15)

    def test_5_errs(self):
        raise KeyError(1)

    @unittest.skip("later")
    def test_6_skipped(self):
        pass
"""
FAIL = "FAIL test_account.Account.test_3_fails, test_account.py:18: AssertionError: no money"
ERROR = "ERROR test_account.Account.test_5_errs, test_account.py:24: KeyError: 1"


def project(case: TestCase, **files: str) -> Project:
    """Return a project for which tqdm is not installed."""
    return Project(case, tqdm="raise ImportError", **files)


@skipUnless(has_terminals(), "there are no pseudo-terminals")
class Shown(TestCase):
    """What a terminal shows."""

    maxDiff = None

    def test_screen(self) -> None:
        """At the end, the screen has the failures as they came, and the same as without a terminal.

        Nothing else is left of the progress.
        """
        made = project(self, test_account=CODE)
        end = "no end of a line"
        for switches, printed in (
            ([], ["printed", end, "unfinished"]),
            (["--aio-workers=2"], ["printed", end, "unfinished"]),
            (["-B"], [end]),
            (["-v", "--aio-workers=2"], []),
        ):
            with self.subTest(switches):
                terminal = Terminal()
                code = terminal.nose2(*switches, folder=made.folder)
                piped = made.nose2(*switches)
                self.assertEqual(code, piped.returncode)
                head, line, report = terminal.screen.partition("=" * 70)
                expected = re.sub(r"\d+\.\d+ ?s", "", piped.output.partition(line)[2])
                self.assertEqual(re.sub(r"\d+\.\d+ ?s", "", report), expected)
                lines = head.replace(f"{end}u", f"{end}\nu").splitlines()
                self.assertLessEqual({FAIL, ERROR}, {*lines})
                self.assertNotIn("of 6 tests", head)
                if printed:
                    self.assertEqual({*lines} - {""}, {*printed, FAIL, ERROR})

    def test_line(self) -> None:
        """The line has the tests that are done, those that failed, and the one that runs."""
        terminal = Terminal()
        terminal.nose2(folder=project(self, test_account=CODE).folder)
        for text in ("0 of 6 tests, {}.test_1_slow", "3 of 6 tests, 1 failed, {}.test_4_blocks"):
            self.assertIn(text.format("test_account.Account"), terminal.drawn)

    def test_workers(self) -> None:
        """With workers, a failure is shown at once, and the slowest test of those that run."""
        code = """
            import asyncio
            import pathlib
            import unittest

            async def meet(own, other):
                pathlib.Path(own).touch()
                while not pathlib.Path(other).exists():
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.6)

            class Slow(unittest.TestCase):
                async def test_1(self):
                    await meet("slow", "failed")
                    print("slow is done")

            class Quick(unittest.TestCase):
                async def test_2(self):
                    await meet("quick", "slow")
                    self.fail("quick")

                def tearDown(self):
                    pathlib.Path("failed").touch()
        """
        terminal = Terminal()
        terminal.nose2("--aio-workers=2", folder=project(self, test_it=code).folder)
        self.assertIn("0 of 2 tests, 2 running, test_it.", "\n".join(terminal.drawn))
        self.assertIn("1 of 2 tests, 1 failed, test_it.Slow.test_1", "\n".join(terminal.drawn))
        fails = [match.start() for match in re.finditer("FAIL test_it.Quick", terminal.output)]
        self.assertEqual(len(fails), 1)
        self.assertLess(fails[0], terminal.output.index("slow is done"))

    def test_width(self) -> None:
        """The line is as long as the terminal is wide, less one, also after that has changed."""
        made = project(self, test_account=CODE)
        terminal = Terminal(30)
        terminal.nose2(folder=made.folder, on={"printed": lambda: terminal.resize(12)})
        self.assertIn("0 of 6 tests, test_account.Ac", terminal.drawn)
        self.assertRegex(terminal.drawn[-1], "^[45] of 6 test$")

    def test_off(self) -> None:
        """When it is off, there are dots in its place."""
        made, terminal = project(self, test_account=CODE), Terminal()
        terminal.nose2("--aio-progress=off", "test_account.Account.test_5_errs", folder=made.folder)
        self.assertEqual(terminal.drawn, [])
        self.assertRegex(terminal.output, "^E\r\n==")

    def test_interrupt(self) -> None:
        """Ctrl-C leaves no line behind."""
        code = """
            import time
            import unittest

            class Case(unittest.TestCase):
                def test_1_blocks(self):
                    time.sleep(10)

                def test_2(self):
                    pass
        """
        made, terminal = project(self, test_it=code), Terminal()
        terminal.nose2(folder=made.folder, on={"test_1_blocks": lambda: terminal.type("\x03")})
        self.assertNotIn("of 2 tests", terminal.screen.replace("^C", "\n"))
        self.assertIn("\nthe run was interrupted by Ctrl-C: 1 test did not run", terminal.screen)
