"""Many tests at once."""

from __future__ import annotations

import re
import signal
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase, skipIf, skipUnless

from tests.runs import SCENARIOS, Project, Run, nose2

FOLDER = SCENARIOS / "many"
HEAD = """
import asyncio, os, signal, sys, threading, time, unittest
import nose2_aio as aio

def say(*words):
    print(*words, flush=True)

async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)  # in a hurry they would let no other one begin

"""
LAYERS = ("--plugin", "nose2.plugins.layers")
JUNIT = ("--plugin", "nose2.plugins.junitxml", "--junit-xml")
SECONDS = re.compile(r"\d+\.\d+ ?s\b|(?<=\btime=\")[\d.]+|(?<=\btimestamp=\")[^\"]+")
NAMED_TASK = re.compile(r"\bTask-\d+")
TRACED = sys.gettrace() is not None and sys.version_info < (3, 12)
"""Python 3.11 then hangs in any traced thread while an exception waits for one that is in C."""
POSIX = skipIf(sys.platform == "win32", "no signals for one process there")


def steady(text: str) -> str:
    """A text without what differs from run to run: seconds, and numbers of tasks."""
    return NAMED_TASK.sub("Task-N", SECONDS.sub("N s", text))


class Running(TestCase):
    """Runs of small projects."""

    def project(self, code: str, **files: str) -> Project:
        project = Project(self, **files)
        project.write("test_it.py", HEAD + textwrap.dedent(code))
        return project

    def run_tests(self, code: str, *arguments: str, width: int | None = 8, **files: str) -> Run:
        """Run tests, so many at once; None: as the arguments say."""
        wide = [] if width is None else [f"--aio-concurrency={width}"]
        return self.project(code, **files).nose2(*wide, *arguments)

    def run_until(
        self, code: str, *signals: signal.Signals, arguments: tuple[str, ...] = ()
    ) -> Run:
        """Run tests, and send each signal when they say that they wait."""
        return self.project(code).signalled("--aio-concurrency=8", *arguments, signals=signals)

    def assert_passes(self, run: Run, count: int) -> None:
        self.assertEqual((run.returncode, run.ran), (0, count), run.output)

    def junit(self, project: Project) -> dict[str, ET.Element]:
        """The report of a project: its entries by their names."""
        tree = ET.parse(project.folder / "nose2-junit.xml")
        return {f"{one.get('classname')}.{one.get('name')}": one for one in tree.iter("testcase")}


class Same(Running):
    """Results are those of a serial run."""

    def outcome(self, width: int, *arguments: str) -> tuple[str, str]:
        """What a run of all kinds of tests prints, and its report as XML."""
        with TemporaryDirectory() as folder:
            report = Path(folder) / "junit.xml"
            run = nose2(
                "-v",
                f"--aio-concurrency={width}",
                *(*LAYERS, *JUNIT, f"--junit-xml-path={report}"),
                *("--plugin", "nose2.plugins.logcapture"),
                *arguments,
                folder=FOLDER,
            )
            return steady(run.output), steady(report.read_text())

    def assert_same(self, times: int, *arguments: str) -> tuple[str, str]:
        """Compare runs with a serial one, which is returned."""
        serial = self.outcome(1, *arguments)
        for _ in range(times):
            beside = self.outcome(16, *arguments)
            for one, other in zip(beside, serial, strict=True):
                self.assertEqual(one, other)
        return serial

    def test_same(self) -> None:
        """All that is printed is the same, and so is JUnit's report, but for times."""
        printed, _ = self.assert_same(5)
        self.assertIn(
            "FAILED (failures=13, errors=7, skipped=2, expected failures=1, "
            "unexpected successes=1)",
            printed,
        )
        for part in (
            "TimeLimitError: not done within",
            "DeadlockError: it can never finish",
            "LookupError: in setUpClass",
            "LookupError: in tearDownClass",
            "the coroutine forgotten was never awaited",
            "the task left (sleep) was still pending",
            "in a thread\n",
            "in the inner layer\n",
        ):
            self.assertIn(part, printed)

    def test_captured(self) -> None:
        """So it is where output is captured for each test, and what is logged."""
        printed, report = self.assert_same(1, "-B", "--log-capture")
        self.assertIn("on stdout 0\non stdout 1\non stdout 2\nin a thread\n", printed)
        for found in (printed, report):
            self.assertIn("many: WARNING: logged 0\nmany: WARNING: logged 1\n", found)


class Last(Running):
    """What is printed behind the last test of a class."""

    def test_printed(self) -> None:
        """It is printed there, ahead of what runs next, and though nothing does."""
        code = """
        class A(unittest.TestCase):
            @classmethod
            def tearDownClass(cls):
                print(cls.__name__, "torn down")

            async def test(self):
                await asyncio.sleep(0.01)

        class B(unittest.TestCase):
            def test(self):
                print("sync")

        class C(A):
            pass
        """
        run = self.run_tests(code)
        self.assert_passes(run, 3)
        printed = re.findall(r"A torn down|sync|C torn down", run.output)
        self.assertEqual(printed, ["A torn down", "sync", "C torn down"], run.output)


class Beside(Running):
    """What runs beside what."""

    def test_main_thread(self) -> None:
        """Sync tests, and those tagged so, run alone in the main thread."""
        run = self.run_tests(
            """
            running = 0

            def is_alone():
                return threading.current_thread() is threading.main_thread() and not running

            class Beside(unittest.TestCase):
                async def run_beside(self):
                    global running
                    assert threading.current_thread() is not threading.main_thread()
                    running += 1
                    await asyncio.sleep(0.02)
                    running -= 1
                test_1 = test_3 = test_5 = run_beside

                def test_2(self):
                    assert is_alone()

                @aio.serial
                async def test_4(self):
                    assert is_alone()
                    await asyncio.sleep(0.01)
                    assert is_alone()

            @aio.serial
            class Serial(unittest.IsolatedAsyncioTestCase):
                async def test_1(self):
                    await asyncio.sleep(0.01)
                    assert is_alone()
                test_2 = test_1
                def test_3(self):
                    assert is_alone()

            class Last(Beside):
                pass
            """
        )
        self.assert_passes(run, 13)

    def test_at_once(self) -> None:
        """So many run at once and no more, each on a loop and in a thread of its own."""
        run = self.run_tests(
            """
            running, seen, most = set(), set(), []

            class Case(unittest.TestCase):
                async def case(self):
                    loop = asyncio.get_running_loop()
                    assert loop not in running
                    running.add(loop)
                    seen.add(threading.get_ident())
                    if not most:
                        await until(lambda: len(running) == 4)
                    most.append(len(running))
                    await asyncio.sleep(0.005)
                    running.remove(loop)

            for number in range(40):
                setattr(Case, f"test_{number:02}", Case.case)

            class Last(unittest.TestCase):
                def test_most(self):
                    self.assertEqual(max(most), 4)
                    self.assertEqual(len(most), 40)
                    self.assertLessEqual(len(seen), 4)
                    names = {thread.name for thread in threading.enumerate()}
                    ours = {name for name in names if name.startswith("nose2_aio-")}
                    self.assertLessEqual(ours, {f"nose2_aio-{number}" for number in (1, 2, 3, 4)})
            """,
            width=4,
        )
        self.assert_passes(run, 41)

    @skipUnless(Path("/proc/self/fd").exists(), "no way to count files there")
    def test_files(self) -> None:
        """When all have run, no more files are open than before, and no thread is left."""
        project = self.project(
            """
            class Case(unittest.TestCase):
                async def case(self):
                    await asyncio.sleep(0.005)
                    await asyncio.to_thread(time.sleep, 0.001)

            for number in range(60):
                setattr(Case, f"test_{number:02}", Case.case)
            """,
            count="""
            import ctypes, os, threading, nose2  # some systems keep ctypes' library open
            def count():
                return len(os.listdir("/proc/self/fd"))
            before = count()
            nose2.main(module=None, exit=False)
            print("files", count() - before, "threads", threading.active_count() - 1)
            """,
        )
        run = project.python(
            *("count.py", "--no-user-config", "--plugin=nose2_aio", "--aio-concurrency=16")
        )
        self.assert_passes(run, 60)
        self.assertIn("files 0 threads 0\n", run.output)

    def test_exclusive(self) -> None:
        """Tests with a key in common run one after another; others beside them."""
        run = self.run_tests(
            """
            running, begun = [], []

            async def run(*keys):
                for key in keys:
                    assert running.count(key) == 0, running
                running.extend(keys)
                begun.extend(keys)
                if keys == ("a",) and not run.is_done:
                    run.is_done = True
                    await until(lambda: "c" in begun)  # it comes, though b waits for a
                await asyncio.sleep(0.01)
                for key in keys:
                    running.remove(key)
            run.is_done = False

            class Case(unittest.TestCase):
                @aio.exclusive("a")
                async def test_1(self):
                    await run("a")

                @aio.exclusive("a", "b")
                async def test_2(self):
                    await run("a", "b")

                @aio.exclusive("b")
                async def test_3(self):
                    await run("b")

                @aio.exclusive("a")
                async def test_4(self):
                    await run("a")

                @aio.exclusive("c")
                async def test_5(self):
                    await run("c")

            @aio.exclusive("a")
            class Whole(unittest.IsolatedAsyncioTestCase):
                async def test_1(self):
                    await run("a")

                @aio.exclusive("b")
                async def test_2(self):
                    await run("a", "b")
            """
        )
        self.assert_passes(run, 7)

    def test_units(self) -> None:
        """What shares fixtures or a loop runs in order in one place, beside others."""
        run = self.run_tests(
            """
            notes = {}

            def note(owner, what):
                notes.setdefault(owner, []).append((what, threading.get_ident()))

            class Fixtures:
                @classmethod
                async def setUpClass(cls):
                    cls.loop = asyncio.get_running_loop()
                    note(cls, "set up")

                @classmethod
                async def tearDownClass(cls):
                    note(cls, "torn down")

                async def test_1(self):
                    assert self.loop is asyncio.get_running_loop()
                    note(type(self), 1)
                    await until(lambda: len(notes) >= 3)  # those of the others have begun
                    note(type(self), 1)

                async def test_2(self):
                    assert self.loop is asyncio.get_running_loop()
                    note(type(self), 2)

            class First(Fixtures, unittest.TestCase):
                pass

            class Second(Fixtures, unittest.TestCase):
                pass

            class Third(Fixtures, unittest.TestCase):
                pass

            @aio.loop_scope("class")
            class Scope(unittest.TestCase):
                loops = set()
                async def test_1(self):
                    self.loops.add(asyncio.get_running_loop())
                    await asyncio.sleep(0.01)

                async def test_2(self):
                    self.loops.add(asyncio.get_running_loop())
                    await asyncio.sleep(0.01)
                    assert len(self.loops) == 1

            class Y_with_a_sync_one(Fixtures, unittest.TestCase):
                def test_3(self):
                    note(type(self), 3)

            class Z(unittest.TestCase):
                def test(self):
                    for owner in (First, Second, Third):
                        what, threads = zip(*notes[owner])
                        self.assertEqual(what, ("set up", 1, 1, 2, "torn down"))
                        self.assertEqual(len(set(threads)), 1)
                        self.assertNotIn(threading.get_ident(), threads)
                    what, threads = zip(*notes[Y_with_a_sync_one])
                    self.assertEqual(what, ("set up", 1, 1, 2, 3, "torn down"))
                    self.assertEqual(set(threads), {threading.get_ident()})
            """
        )
        self.assert_passes(run, 12)


class Holding_up(Running):
    """Tests that hold others up."""

    def test_blocked(self) -> None:
        """One that blocks is named; the others have their time all the same, and no more."""
        project = self.project(
            """
            class A(unittest.TestCase):
                async def test_blocks(self):
                    await until(lambda: len(begun) == 3)
                    time.sleep(1)

            begun = []

            class B(unittest.TestCase):
                async def test_block(self):
                    begun.append(1)
                    async with asyncio.timeout(0.8):
                        await asyncio.sleep(0.1)

                @aio.timeout(0.8)
                async def test_limit(self):
                    begun.append(1)
                    await asyncio.sleep(0.1)

            class C(unittest.IsolatedAsyncioTestCase):
                @aio.timeout(0.8)
                async def test_limit(self):
                    begun.append(1)
                    await asyncio.sleep(0.1)
            """
        )
        run = project.nose2("--aio-concurrency=8", *JUNIT)
        self.assert_passes(run, 4)
        found = re.findall(r"^.* blocked the loop .*$", run.output, re.MULTILINE)
        self.assertEqual(
            [line.partition(": ") for line in found],
            [
                (
                    "test_it.py:16 in test_blocks",
                    ": ",
                    "test_it.A.test_blocks blocked the loop for 1.0 s, and all others with it",
                )
            ],
        )
        for name, entry in self.junit(project).items():
            seconds = float(entry.get("time", "nan"))
            self.assertEqual(seconds > 0.9, name == "test_it.A.test_blocks", (name, seconds))

    def test_late(self) -> None:
        """One that blocks beyond its limit is ended, and the others are not."""
        run = self.run_tests(
            """
            begun = []

            class Case(unittest.TestCase):
                @aio.timeout(0.2)
                async def test_blocks(self):
                    await until(lambda: begun)
                    while True:
                        time.sleep(0.01)

                @aio.timeout(0.2)
                async def test_waits(self):
                    begun.append(1)
                    await asyncio.sleep(0.1)
            """,
            "--no-aio-retry-alone",
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 1), run.output)
        self.assertIn("ERROR: test_blocks", run.output)
        self.assertIn("TimeLimitError: not done within its time limit of 0.2 s", run.output)
        self.assertRegex(run.output, r"It runs here:\n  test_it.py:(19|20) in test_blocks  ")

    @skipIf(TRACED, "Python 3.11 hangs under a tracer until what is stuck comes back")
    def test_stuck(self) -> None:
        """One that nothing interrupts is left behind; the rest of its class says so."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    pass

                async def test_1(self):
                    pass

                @aio.timeout(0.1)
                async def test_2(self):
                    time.sleep(50)

                async def test_3(self):
                    say("never run")

            class Other(unittest.TestCase):
                @aio.timeout(0.5)
                async def test(self):
                    await asyncio.sleep(0.1)

            class Z(unittest.TestCase):
                def test_sync(self):
                    pass

                async def test_later(self):
                    await asyncio.sleep(0.01)
            """,
            "-v",
        )
        verdicts = {name.partition(".")[2]: found for name, found in run.verdicts.items()}
        self.assertEqual(
            verdicts,
            {
                "Case.test_1": "ok",
                "Case.test_2": "ERROR",
                "Case.test_3": "ERROR",
                "Other.test": "ok",
                "Z.test_later": "ok",
                "Z.test_sync": "ok",
            },
            run.output,
        )
        self.assertEqual((run.returncode, run.ran), (1, 6))
        late, missed = run.reports
        self.assertIn("TimeLimitError: not done within its time limit of 0.1 s (@timeout)", late)
        self.assertIn("It runs here:\n  test_it.py:23 in test_2  time.sleep(50)", late)
        self.assertIn("It could not be interrupted: its thread was left behind.", late)
        self.assertIn(
            "AbandonedLoopError: it was not run: test_it.Case.test_2 has left the thread behind "
            "that both of them run in",
            missed,
        )
        self.assertNotIn("never run", run.output)

    def test_nothing_comes(self) -> None:
        """A deadlock is found, and virtual time moves, whatever runs beside."""
        run = self.run_tests(
            """
            ended = []

            class Case(unittest.TestCase):
                async def test_busy(self):
                    await until(lambda: len(ended) == 2)

                async def test_deadlock(self):
                    try:
                        await asyncio.get_running_loop().create_future()
                    finally:
                        ended.append(1)

                async def test_thread(self):
                    def job():
                        while len(ended) < 2:
                            time.sleep(0.001)
                    await asyncio.to_thread(job)

                @aio.virtual_time
                async def test_virtual(self):
                    await asyncio.sleep(3600)
                    ended.append(1)
            """,
            "--no-aio-retry-alone",
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 4, 1), run.output)
        self.assertIn("ERROR: test_deadlock", run.reports[0])
        self.assertIn("DeadlockError: it can never finish", run.reports[0])


class Charging(Running):
    """What the checks find."""

    def test_checks(self) -> None:
        """It is charged to the test that has done it, whatever runs beside that."""
        run = self.run_tests(
            """
            async def lost():
                pass

            async def fails():
                raise LookupError("in a task")

            def new(number):
                async def test(self):
                    for part in range(5):
                        await asyncio.sleep(0.002)
                        if number % 5 == 1 and part == 2:
                            lost()
                        if number % 5 == 2 and part == 2:
                            class Circle: pass
                            circle = Circle()
                            circle.itself, circle.lost = circle, lost()
                            del circle
                        if number % 5 == 3 and part == 2:
                            asyncio.create_task(fails())
                    if number % 5 == 4:
                        asyncio.create_task(asyncio.sleep(50))
                return test

            class Case(unittest.TestCase):
                pass

            for number in range(20):
                setattr(Case, f"test_{number:02}", new(number))
            """,
            "--aio-leaked-tasks=fail",
            "--no-aio-retry-alone",
        )
        found = [re.search(r": test_(\d\d) ", report) for report in run.reports]
        failed = {int(one[1]) for one in found if one is not None}
        self.assertEqual(failed, {number for number in range(20) if number % 5}, run.output)
        self.assertEqual(len(run.reports), 16)
        for report in run.reports:
            number = int(report.partition(": test_")[2][:2])
            what = {
                1: "the coroutine lost was never awaited",
                2: "the coroutine lost was never awaited",
                3: "LookupError: in a task",
                4: "was still pending",
            }[number % 5]
            self.assertIn(what, report)


class Main(Running):
    """What only the main thread can do."""

    @POSIX
    def test_signals(self) -> None:
        """A test that sets a signal handler runs again there, alone, and that is told."""
        run = self.run_tests(
            """
            begun, got = [], []

            class Case(unittest.TestCase):
                async def test_1(self):
                    begun.append(threading.current_thread() is threading.main_thread())
                    print("begun")
                    await asyncio.sleep(0.01)
                    loop, came = asyncio.get_running_loop(), asyncio.Event()
                    loop.add_signal_handler(signal.SIGUSR1, came.set)
                    os.kill(os.getpid(), signal.SIGUSR1)
                    await came.wait()
                    loop.remove_signal_handler(signal.SIGUSR1)

                async def test_2(self):
                    await asyncio.sleep(0.02)

                async def test_3(self):
                    before = signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
                    os.kill(os.getpid(), signal.SIGUSR1)
                    await asyncio.sleep(0.01)
                    signal.signal(signal.SIGUSR1, before)
                    self.assertEqual(got, [1])

            class Fixtures(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    print("set up")

                async def test_1(self):
                    await asyncio.sleep(0.001)

                async def test_2(self):
                    signal.signal(signal.SIGUSR1, signal.SIG_DFL)

                async def test_3(self):
                    await asyncio.sleep(0.001)

            class Z(unittest.TestCase):
                def test(self):
                    self.assertEqual(begun, [False, True])
            """
        )
        self.assert_passes(run, 7)
        found = re.findall(r"^(\S+): it sets a signal handler, (.*)$", run.output, re.MULTILINE)
        rest = "which only the main thread can, so it ran there, alone; tag it with @aio.serial"
        names = ["Case.test_1", "Case.test_3", "Fixtures.test_2"]
        self.assertEqual(found, [(f"test_it.{name}", rest) for name in names])
        self.assertEqual(run.output.count("begun\n"), 1)
        self.assertEqual(run.output.count("set up\n"), 2)


INTERFERING = """
state = 0

class Case(unittest.TestCase):
    async def test_1(self):
        global state
        state = 1
        await until(lambda: state != 1 or not is_beside)
        self.assertEqual(state, 1)

    async def test_2(self):
        global state, is_beside
        state = 2
        await until(lambda: state == 9 or not is_beside)
        is_beside = False
        self.fail("always")

    async def test_3(self):
        time.sleep(0.3)

is_beside = True

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.known = 1

    async def test_1(self):
        global state
        state = self.known + 2
        with self.subTest(part=1):
            await until(lambda: state != 3 or not is_beside)
            self.assertEqual(state, 3)
        self.assertEqual(state, 3)

    async def test_2(self):
        pass

class Z(unittest.TestCase):
    async def test(self):
        global state
        await until(lambda: state == 3)
        state = 9
"""


class Suspects(Running):
    """Tests that fail beside others."""

    def test_interference(self) -> None:
        """One that passes alone says beside what it has failed, and is counted as that."""
        project = self.project(INTERFERING)
        run = project.nose2("--aio-concurrency=8", "-v", *JUNIT)
        self.assertEqual((run.returncode, run.ran), (1, 6), run.output)
        self.assertIn("FAILED (failures=1, interference=3)\n", run.output)
        heads = [report.splitlines()[0] for report in run.reports]
        self.assertEqual(
            heads,
            [
                "FAIL: test_2 (test_it.Case.test_2)",
                "INTERFERENCE: test_1 (test_it.Case.test_1)",
                "INTERFERENCE: test_1 (test_it.Fixtures.test_1) (part=1)",
                "INTERFERENCE: test_1 (test_it.Fixtures.test_1)",
            ],
        )
        note = "passes alone: it and these ran at the same time:\n  test_it."
        self.assertEqual([note in report for report in run.reports], [False, True, True, True])
        entries = {name: "".join(one.itertext()) for name, one in self.junit(project).items()}
        for name, text in entries.items():
            is_one = name.startswith(("test_it.Case.test_1", "test_it.Fixtures.test_1"))
            self.assertEqual(note in text, is_one, (name, text))
        # what was found of the run besides is told all the same
        self.assertIn("test_it.Case.test_3 blocked the loop for 0.3 s", run.output)
        self.assertRegex(run.output, r"\n6 coroutine tests: ")

    def test_no_retry(self) -> None:
        """Nothing is run again where the setting says so."""
        run = self.run_tests(INTERFERING, "--no-aio-retry-alone")
        self.assertEqual((run.returncode, run.ran), (1, 6), run.output)
        self.assertNotIn("interference", run.output.lower())
        self.assertNotIn("passes alone", run.output)
        self.assertIn("FAILED (failures=4)\n", run.output)

    def test_quiet(self) -> None:
        """What a test prints when it is run again is printed nowhere."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    print("printed")
                    print("printed", file=sys.stderr)
                    await asyncio.sleep(0.01)
                    self.fail()

                async def test_2(self):
                    await asyncio.sleep(0.02)
            """
        )
        self.assertEqual(run.output.count("printed\n"), 2, run.output)
        self.assertIn("FAILED (failures=1)\n", run.output)


TAKEN_DOWN = """
begun = []

class Case(unittest.TestCase):
    async def tearDown(self):
        await asyncio.sleep(0.001)
        print("torn down", self.id())

    async def test_1(self):
        await asyncio.sleep(0.01)

    async def test_2(self):
        await until(lambda: len(begun) == 2)
        BODY

    async def test_3(self):
        begun.append(3)
        try:
            await asyncio.sleep(60)
        finally:
            say("finally 3")

    def test_4(self):
        say("never run")

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        say("torn down", self.id())

    async def test_1(self):
        begun.append(1)
        try:
            await asyncio.sleep(60)
        finally:
            say("finally 1")
"""


class Ends(Running):
    """How a run ends early."""

    def test_fail_fast(self) -> None:
        """-F ends it behind the first that fails; what runs then is torn down, not reported."""
        run = self.run_tests(TAKEN_DOWN.replace("BODY", "self.fail()"), "-F")
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 1), run.output)
        self.assertIn("FAIL: test_2", run.output)
        self.assertIn("torn down test_it.Case.test_1\n", run.output)
        self.assertIn("torn down test_it.Case.test_2\n", run.output)
        self.assertNotIn("never run", run.output)
        self.assertNotIn("passes alone", run.output)

    def test_raised(self) -> None:
        """A test that raises KeyboardInterrupt by itself ends the run in good order."""
        run = self.run_tests(TAKEN_DOWN.replace("BODY", "raise KeyboardInterrupt"))
        self.assertEqual(run.returncode, 1, run.output)
        self.assertIn("InterruptedRunError: interrupted by Ctrl-C", run.output)
        self.assertIn("ERROR: test_2", run.output)
        self.assertNotIn("never run", run.output)
        self.assertRegex(run.output, r"\nRan \d tests? in ")

    @POSIX
    def test_interrupt(self) -> None:
        """Ctrl-C ends all that run where they wait: each is torn down, and says where."""
        code = """
class Case(unittest.TestCase):
    async def asyncSetUp(self):
        pass

    async def tearDown(self):
        await asyncio.sleep(0.001)
        say("torn down", self.id())
        ended.append(1)

    async def test_1(self):
        await asyncio.sleep(0.01)

    async def wait(self):
        begun.append(1)
        if len(begun) == 3:
            await until(lambda: ended)
            os.write(1, b"waiting\\\\n")
        try:
            await asyncio.sleep(60)
        finally:
            say("finally", self.id())

    test_2 = test_3 = wait

    def test_4(self):
        say("never run")

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        say("torn down", self.id())

    test_1 = Case.wait

begun, ended = [], []
""".replace("\\\\", "\\")
        run = self.run_until(code, signal.SIGINT, arguments=JUNIT)
        self.assertEqual((run.returncode, run.ran), (1, 4), run.output)
        waited = ["Case.test_2", "Case.test_3", "Isolated.test_1"]
        for name in waited:
            self.assertIn(f"finally test_it.{name}\n", run.output)
            self.assertIn(f"torn down test_it.{name}\n", run.output)
        self.assertIn("torn down test_it.Case.test_1\n", run.output)
        self.assertNotIn("never run", run.output)
        self.assertEqual(len(run.reports), 3)
        for report in run.reports:
            self.assertIn("InterruptedRunError: interrupted by Ctrl-C\n", report)
            self.assertRegex(report, r"It waits here:\n  test_it.py:\d+ in wait  await asyncio.sl")
        self.assertNotIn("nose2_aio/", run.output)

    @POSIX
    def test_interrupt_blocked(self) -> None:
        """So does one that blocks then, and those that wait for their turn."""
        run = self.run_until(
            """
class Case(unittest.TestCase):
    def tearDown(self):
        say("torn down", self.id())

    async def test_1(self):
        begun.append(1)
        await asyncio.sleep(60)

    async def test_2(self):
        await until(lambda: begun)
        os.write(1, b"waiting\\n")
        while True:
            time.sleep(0.01)

begun = []
""",
            signal.SIGINT,
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 2), run.output)
        for number, report in enumerate(run.reports, 1):
            self.assertIn("InterruptedRunError: interrupted by Ctrl-C", report)
            self.assertIn(f"torn down test_it.Case.test_{number}\n", run.output)

    @POSIX
    def test_interrupt_twice(self) -> None:
        """A second one ends it on the spot."""
        run = self.run_until(
            """
class Case(unittest.TestCase):
    async def tearDown(self):
        os.write(1, b"waiting\\n")
        await asyncio.sleep(60)

    async def test_1(self):
        os.write(1, b"waiting\\n")
        await asyncio.sleep(60)
""",
            signal.SIGINT,
            signal.SIGINT,
        )
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("\nKeyboardInterrupt\n", run.output)

    @POSIX
    def test_quit(self) -> None:
        """SIGQUIT tells of all that run, for how long and where they wait; the run goes on."""
        run = self.run_until(
            """
class Case(unittest.TestCase):
    async def test_1(self):
        begun.append(1)
        await until(lambda: len(begun) == 3)
        await asyncio.sleep(0.5)

    async def test_2(self):
        begun.append(1)
        await until(lambda: len(begun) == 3)
        asyncio.get_running_loop().call_later(0.1, os.write, 1, b"waiting\\n")
        await asyncio.sleep(0.5)

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        begun.append(1)
        await until(lambda: len(begun) == 3)
        await asyncio.sleep(0.5)

begun = []
""",
            signal.SIGQUIT,
        )
        self.assert_passes(run, 3)
        for name, line in (("Case.test_1", 17), ("Case.test_2", 23), ("Isolated.test", 29)):
            self.assertRegex(
                run.output,
                rf"\ntest_it\.{name} runs for \d\.\d\d s\n\n(It waits here|Task-\d \(\S+\)):\n"
                rf"  test_it\.py:{line} in {name.partition('.')[2]}  await asyncio.sleep\(0.5\)",
            )


class Ways(Running):
    """Other ways to run tests, at once."""

    def test_debugger(self) -> None:
        """-D stops where a test fails, and the run goes on when that is left."""
        project = self.project(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    self.fail("it")

                async def test_2(self):
                    await asyncio.sleep(0.05)

                def test_3(self):
                    pass
            """
        )
        project.write("typed", "p 'in' + 'side'\nc\n")
        run = project.python(
            "-c",
            "import os, sys; os.dup2(os.open('typed', os.O_RDONLY), 0); os.execv(sys.executable, "
            "[sys.executable, '-m', 'nose2', '--no-user-config', '--plugin', 'nose2_aio', "
            "'--aio-concurrency=8', '-D'])",
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 3, 1), run.output)
        self.assertIn("(Pdb)", run.output)
        self.assertIn("'inside'", run.output)
        self.assertIn("AssertionError: it", run.reports[0])

    def test_verbose(self) -> None:
        """-v tells of each test as soon as its turn comes, in the order of the suite."""
        project = self.project(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    await until(lambda: len(done) == 2)

                async def test_2(self):
                    await asyncio.sleep(0.002)
                    done.append(2)
                    self.fail()

                async def test_3(self):
                    done.append(3)

                async def test_4(self):
                    await until(lambda: "test_3" in printed())

            done = []

            def printed():
                with open("printed") as file:
                    return file.read()

            class Fixtures(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    pass

                async def test_1(self):
                    await until(lambda: "(test_it.Case.test_4) ... ok" in printed())

                async def test_2(self):
                    await until(lambda: "(test_it.Fixtures.test_1) ... ok" in printed())
            """
        )
        code = (
            "import os; os.dup2(os.open('printed', os.O_CREAT | os.O_WRONLY), 2);"
            "import nose2; nose2.main(module=None)"
        )
        options = ("--no-user-config", "--plugin=nose2_aio", "--aio-concurrency=8", "-v")
        run = project.python("-c", code, *options)
        printed = (project.folder / "printed").read_text()
        found = Run(run.returncode, printed)
        self.assertEqual(
            list(found.verdicts.items()),
            [
                ("test_it.Case.test_1", "ok"),
                ("test_it.Case.test_2", "FAIL"),
                ("test_it.Case.test_3", "ok"),
                ("test_it.Case.test_4", "ok"),
                ("test_it.Fixtures.test_1", "ok"),
                ("test_it.Fixtures.test_2", "ok"),
            ],
            printed,
        )

    def test_workers(self) -> None:
        """Each worker process of -N runs its share at once; nothing of that is lost."""
        code = """
        class Case(unittest.TestCase):
            async def run_beside(self):
                begun.append(1)
                await until(lambda: len(begun) >= 4)

            async def test_blocks(self):
                await asyncio.sleep(0.001)
                time.sleep(0.3)

            async def test_fails(self):
                await asyncio.sleep(0.01)
                self.fail("both ways")

            async def test_interferes(self):
                global is_alone
                known, is_alone = is_alone, True
                await asyncio.sleep(0.01)
                self.assertTrue(known)

        begun, is_alone = [], False

        def new(number):
            async def test(self):
                await self.run_beside()
            test.__name__ = f"test_run_{number:02}"
            setattr(Case, test.__name__, test)

        for number in range(16):
            new(number)

        class Fixtures(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.known = []

            async def test_1(self):
                self.known.append(1)

            async def test_2(self):
                self.assertEqual(self.known, [1])

        def test_sync():
            pass
        """
        run = self.run_tests(
            code, "--plugin=nose2.plugins.mp", "-N", "2", "-v", test_broken="import nowhere"
        )
        self.assertEqual((run.returncode, run.ran), (1, 23), run.output)
        found = run.verdicts
        self.assertEqual(len(found), 23, run.output)
        self.assertEqual(list(found.values()).count("ok"), 20, run.output)
        self.assertIn("FAILED (failures=1, errors=1, interference=1)", run.output)
        self.assertIn("INTERFERENCE: test_interferes", run.output)
        self.assertIn("passes alone: it and these ran at the same time", run.output)
        self.assertIn("test_blocks blocked the loop for 0.3 s", run.output)

    FACTORIES = """
    import asyncio

    def other():
        return Other()

    class Other(asyncio.SelectorEventLoop):
        pass
    """

    def test_loops(self) -> None:
        """On several loops each test runs once on each, beside others."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def case(self):
                    kind = type(asyncio.get_running_loop()).__name__
                    kinds.append(kind)
                    wanted = self.id().endswith("[other]")
                    self.assertEqual(kind == "Other", wanted)
                    await until(lambda: kinds.count(kind) == 3)

                test_1 = test_2 = test_3 = case

            kinds = []
            """,
            "--aio-loop=asyncio,factories.other",
            "-v",
            factories=self.FACTORIES,
        )
        self.assert_passes(run, 6)
        self.assertEqual(
            list(run.verdicts),
            [
                f"test_it.Case.test_{number}[{loop}]"
                for loop in ("asyncio", "other")
                for number in (1, 2, 3)
            ],
        )

    def test_shuffle(self) -> None:
        """--aio-shuffle has the same order, at once or not."""
        names = "".join(f"    test_{number} = case\n" for number in range(8))
        code = f"class Case(unittest.TestCase):\n    async def case(self): pass\n{names}"
        project = self.project(code)
        orders = []
        for arguments in (["--aio-shuffle=3"], ["--aio-shuffle=3", "--aio-concurrency=4"]):
            run = project.nose2("-v", *arguments)
            self.assert_passes(run, 8)
            self.assertIn("shuffled with --aio-shuffle=3\n", run.output)
            orders.append(list(run.verdicts))
        self.assertEqual(*orders)
        self.assertNotEqual(orders[0], sorted(orders[0]))

    def test_fixture_fails(self) -> None:
        """An error of a fixture of a class is its own, and that of a worse kind ends the run."""
        code = """
        class Bad(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                await until(lambda: begun)
                ERROR

            async def test(self):
                say("never run")

        class BadSync(unittest.TestCase):
            @classmethod
            def tearDownClass(cls):
                raise LookupError("in tearDownClass")

            async def test(self):
                await asyncio.sleep(0.001)

        class Good(unittest.TestCase):
            async def test(self):
                begun.append(1)
                try:
                    await asyncio.sleep(0.02)
                finally:
                    os.write(1, b"good ended\\n")

        begun = []
        """
        run = self.run_tests(code.replace("ERROR", "raise LookupError('in setUpClass')"))
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 2), run.output)
        self.assertIn("LookupError: in setUpClass", run.reports[0])
        self.assertIn("LookupError: in tearDownClass", run.reports[1])
        for error, text in {
            "raise SystemExit('out of here')": "out of here\n",
            "raise KeyboardInterrupt": "InterruptedRunError: interrupted by Ctrl-C\n",
        }.items():
            with self.subTest(error):
                run = self.run_tests(code.replace("ERROR", error))
                self.assertEqual(run.returncode, 1, run.output)
                self.assertIn(text, run.output)
                self.assertIn("good ended\n", run.output)
                self.assertNotIn("never run", run.output)
                self.assertRegex(run.output, r"\nRan \d tests? in ")


class Mistakes(Running):
    """What can't be run at once."""

    def assert_refused(self, message: str, *arguments: str, **files: str) -> None:
        run = self.run_tests("def test(): say('run')", *arguments, width=None, **files)
        self.assertEqual((run.returncode, run.output), (2, f"nose2: error: {message}\n"))

    def test_number(self) -> None:
        """It is a number of 1 or more, or ``auto``; tests/unit/test_settings.py has more."""
        self.assert_refused(
            "concurrency must be a whole number >= 1 or auto, got 'atuo' (--aio-concurrency)",
            "--aio-concurrency=atuo",
        )

    def test_auto(self) -> None:
        """``auto`` stands for 32."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def case(self):
                    begun.append(1)
                    while len(begun) < 32:
                        await asyncio.sleep(0.05)
            for number in range(32):
                setattr(Case, f"test_{number}", Case.case)
            begun = []
            """,
            "--aio-concurrency=auto",
            width=None,
        )
        self.assert_passes(run, 32)

    @skipIf(sys.platform == "win32", "there is no uvloop")
    def test_uvloop(self) -> None:
        """On a loop that doesn't tell when it waits there is none; that ends the run."""
        self.assert_refused(
            "concurrency must be 1 on uvloop.Loop, which has no selector of Python's to tell when "
            "it waits, got 8 (--aio-concurrency, --aio-loop)",
            "--aio-concurrency=8",
            "--aio-loop=uvloop.new_event_loop",
        )

    @skipIf(sys.platform == "win32", "there is no uvloop")
    def test_uvloop_tag(self) -> None:
        """Tests that are tagged with it run alone; that is told once."""
        run = self.run_tests(
            """
            running = 0

            class Case(unittest.TestCase):
                async def case(self):
                    global running
                    running += 1
                    await asyncio.sleep(0.01)
                    running -= 1
                test_1 = test_3 = test_5 = case

                @aio.loop("uvloop.new_event_loop")
                async def test_2(self):
                    assert running == 0
                    await asyncio.sleep(0.01)
                    assert running == 0

                test_4 = test_2
            """
        )
        self.assert_passes(run, 5)
        self.assertEqual(run.output.count("run alone"), 1, run.output)
        self.assertRegex(
            run.output,
            r"(?m)^tests on uvloop\.Loop run alone: it has no selector of Python's to tell when it "
            r"waits \(attribute loop of test_2, test_it\.py:2\d\)$",
        )
