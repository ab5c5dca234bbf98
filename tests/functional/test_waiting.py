"""The timings: a line with ``-v``, a table, and a report in JSON."""

from __future__ import annotations

import json
import re
from unittest import TestCase

from tests.runs import Project, Run

CODE = """
import asyncio, threading, time, unittest
import nose2_aio as aio

class Waits(unittest.TestCase):
    async def setUp(self):
        await asyncio.sleep(0.01)
    async def test_timers(self):
        for _ in range(2):
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.15)
    async def test_files(self):
        async def handle(reader, writer):
            await asyncio.sleep(0.1)
            writer.close()
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await reader.read()
            writer.close()
            process = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.1; echo", stdout=-1)
            await process.stdout.read(1)
            await process.wait()
    async def test_threads(self):
        await asyncio.to_thread(time.sleep, 0.2)
    async def test_runs(self):
        time.sleep(0.3)
    @aio.virtual_time
    async def test_virtual(self):
        await asyncio.sleep(3600)
        await asyncio.to_thread(time.sleep, 0.05)
    def test_sync(self): pass

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        await asyncio.sleep(0.12)

class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls): pass
    async def test(self):
        await asyncio.sleep(0.11)
"""
SUMMARY = re.compile(
    r"^(\d+) coroutine tests?: (\S+) s in all, (\S+) s of it waiting"
    r"(?:, (\S+) s were saved by virtual time)?$",
    re.MULTILINE,
)


class Waiting(TestCase):
    """A run of tests that wait for each kind of thing."""

    def run_it(self, *arguments: str, code: str = CODE) -> Run:
        """Run the project."""
        self.project = Project(self, test_it=code)
        return self.project.nose2(*arguments)

    def test_summary(self) -> None:
        """With ``-v``, the run ends with a line on coroutine tests, and on these only."""
        run = self.run_it("-v")
        self.assertEqual(run.returncode, 0, run.output)
        found = SUMMARY.search(run.output.splitlines()[-1])
        assert found is not None, run.output
        count, total, waiting, saved = map(float, found.groups())
        self.assertEqual((count, saved), (7, 3600.01))
        self.assertLess(waiting, total - 0.3 + 0.01)
        self.assertGreater(waiting, 0.35 + 0.2 + 0.2 + 0.05 + 0.12 + 0.11)
        self.assertIsNone(SUMMARY.search(self.run_it().output))
        quiet = self.run_it("-v", code="def test(): pass\n")
        self.assertIsNone(SUMMARY.search(quiet.output))
        alone = self.run_it("-v", code="async def test(): pass\n")
        self.assertRegex(
            alone.output, r"\n1 coroutine test: 0.\d\d s in all, 0.00 s of it waiting\n"
        )

    def test_timeout_on_class(self) -> None:
        """A long wait before the callback, by the tag of a class that is no limit there."""
        code = """
import asyncio, unittest
import nose2_aio as aio
from nose2_aio.running import engines
engines.TIMEOUT = 0  # or this test would wait for more than a second

@aio.timeout(0.2)
class Base: pass

class Case(Base, unittest.TestCase):
    async def test_callback(self):
        return lambda: None
    async def test_complete(self): pass
    @aio.run_forever
    async def test_forever(self): pass
    @aio.run_forever(timeout=0.01)
    async def test_own(self): pass
    @aio.virtual_time
    async def test_virtual(self):
        return lambda: None
"""
        names = ("Case.test_callback", "Case.test_forever")
        lines = [f"test_it.{name} waited 0.2 s (@timeout on class Base)" for name in names]
        for switches in (("-v",), ("-v", "--aio-workers=2"), ("-v", "--aio-loop=uvloop")):
            if "uvloop" in switches[-1]:
                code = code.replace("    @aio.virtual_time\n", "    @aio.timeout(0)\n")
            run = self.run_it(*switches, code=code)
            self.assertEqual(run.returncode, 0, run.output)
            told = [line for line in run.output.splitlines() if " waited " in line]
            self.assertEqual([re.sub(r"\[\w+\]", "", line) for line in told], lines)
            is_unknown = " s in all, waiting not known\n" in run.output
            self.assertEqual(is_unknown, "uvloop" in switches[-1], run.output)
        for switches in ((), ("--aio-durations=0",)):
            self.assertNotIn(" waited ", self.run_it(*switches, code=code).output)

    def test_durations(self) -> None:
        """The table has the slowest tests: what each waited for, where, and possible savings."""
        run = self.run_it("--aio-durations", "3", "test_it.Waits")
        table = run.output.partition("The slowest 3 coroutine tests, in seconds:\n\n")[2]
        masked = re.sub(r"\d\.\d\d", "0.00", table.partition("\n\n")[0])
        lines = dict.fromkeys(masked.splitlines())
        for line in (
            "   total   waiting    timers       I/O   threads   running",
            "    0.00      0.00      0.00      0.00      0.00      0.00  test_it.Waits.test_timers",
            "          0.00 s at test_it.py:9 in test_timers  await asyncio.sleep(0.1)",
            "          virtual time would save 0.00 s",
            "    0.00      0.00      0.00      0.00      0.00      0.00  test_it.Waits.test_runs",
        ):
            self.assertIn(line, lines, table)
        self.assertNotIn("coroutine tests: ", run.output)
        run = self.run_it("--aio-durations=0", "test_it.Waits.test_virtual")
        self.assertIn("The slowest coroutine test, in seconds:\n", run.output)
        self.assertIn("virtual time has saved 3600.01 s", run.output)
        self.assertNotIn("virtual time would save", run.output)
        run = self.run_it("--aio-durations=5", code="def test(): pass\n")
        self.assertNotIn("slowest", run.output)

    def test_report(self) -> None:
        """The report has all timings in seconds, also from worker processes."""
        for arguments in ((), ("--plugin", "nose2.plugins.mp", "-N", "2")):
            run = self.run_it("--aio-report", "report.json", *arguments)
            self.assertEqual(run.returncode, 0, run.output)
            report = json.loads((self.project.folder / "report.json").read_text())
            totals = report["totals"]
            self.assertEqual((totals["coroutine_tests"], totals["waiting_unknown"]), (7, 0))
            tests = {test["id"].removeprefix("test_it."): test for test in report["tests"]}
            self.assertEqual(len(tests), 8)
            self.assertAlmostEqual(totals["seconds"], sum(t["seconds"] for t in tests.values()), 4)
            for name, kind, least in (  # a busy machine takes some of it away
                ("Waits.test_timers", "timers", 0.3),
                ("Waits.test_files", "io", 0.03),
                ("Waits.test_threads", "threads", 0.15),
                ("Isolated.test", "timers", 0.08),
                ("Shared.test", "timers", 0.08),
            ):
                test = tests[name]
                self.assertGreaterEqual(test["waiting"][kind], least, name)
                self.assertEqual(max(test["waiting"], key=test["waiting"].get), "total")
                self.assertAlmostEqual(
                    test["seconds"], test["waiting"]["total"] + test["running"], 4
                )
            timers = tests["Waits.test_timers"]
            self.assertEqual(timers["longest_wait"]["place"], "test_it.py:9 in test_timers")
            self.assertEqual(timers["longest_wait"]["source"], "await asyncio.sleep(0.1)")
            self.assertGreaterEqual(timers["longest_wait"]["seconds"], 0.15)
            self.assertGreaterEqual(timers["virtual_time_would_save"], 0.3)
            self.assertEqual(tests["Waits.test_threads"]["virtual_time_would_save"] // 0.1, 0)
            self.assertGreater(tests["Waits.test_runs"]["running"], 0.3)
            self.assertEqual(tests["Waits.test_virtual"]["virtual_time_saved"], 3600.01)
            self.assertEqual(
                tests["Isolated.test"]["longest_wait"]["place"], "test_it.py:34 in test"
            )
            self.assertEqual(totals["virtual_time_saved"], 3600.01)

    def test_virtual(self) -> None:
        """In virtual time, each wait counts for what ended it, each jump for its test."""
        code = """
import asyncio, time, unittest
import nose2_aio as aio

@aio.virtual_time
class Virtual(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(3600)
    async def test_a_thread(self):
        await asyncio.to_thread(time.sleep, 0.3)
    async def test_b_both(self):
        await asyncio.gather(asyncio.to_thread(time.sleep, 0.2), asyncio.sleep(0.5))
    @aio.virtual_time(False)
    async def test_c_real(self):
        await asyncio.sleep(0.1)
"""
        self.run_it("--aio-report", "report.json", code=code)
        report = json.loads((self.project.folder / "report.json").read_text())
        thread, both, real = report["tests"]
        self.assertGreater(thread["waiting"]["threads"], 0.2)
        self.assertLess(thread["waiting"]["timers"], 0.01)
        self.assertEqual(thread["virtual_time_saved"], 0)
        self.assertAlmostEqual(both["waiting"]["total"] + both["virtual_time_saved"], 0.5, 4)
        self.assertGreaterEqual(real["virtual_time_would_save"], 0.1)

    def test_not_written(self) -> None:
        """If the report can't be written, a line says so."""
        code = "async def test(): open('build', 'x').close()\n"
        run = self.run_it("--aio-report=build/report.json", code=code)
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertIn("The report could not be written: [Errno 17] File exists", run.output)

    def test_long(self) -> None:
        """Long or multi-line names stay on one line."""
        run = self.run_it(
            "-v",
            "--aio-durations=1",
            "--aio-virtual-time",
            code="""
import asyncio
from nose2.tools import params
@params("one\\ntwo")
async def test(_):
    await asyncio.sleep(1e300)
""",
        )
        self.assertRegex(run.output, r"(?m)\d\.\d\d  test_it.test:1 'one.*two'$")
        self.assertIn("virtual time has saved 1e+300 s\n", run.output)

    def test_mistakes(self) -> None:
        """A value that is no number or path ends the run before any test."""
        for arguments, text in {
            ("--aio-durations", "-1"): "durations must be a whole number >= 0, got '-1'",
            ("--aio-durations", "1.5"): "durations must be a whole number >= 0, got '1.5'",
            ("--aio-report", "."): "report must be the path of a file, got '.' (--aio-report)",
            ("--aio-report", "test_it.py/a"): "report must be in a directory that can be written",
            ("--aio-report", ""): "report must be the path of a file, got '' (--aio-report)",
        }.items():
            run = self.run_it("=".join(arguments))
            self.assertEqual((run.returncode, run.ran), (2, -1))
            self.assertIn(text, run.output)
