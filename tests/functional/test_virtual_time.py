"""Virtual time: waiting for a timer takes no time. Real events keep their order."""

from __future__ import annotations

import re
import sys
import time
from unittest import TestCase

from tests.runs import Project

HEAD = """
import asyncio, datetime, os, queue, signal, socket, subprocess, sys, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
import nose2_aio as aio

"""
REAL = "0.2"
"""Seconds that take long enough to be seen."""


class Virtual(TestCase):
    """Projects with one module of tests."""

    def project(self, code: str, config: str = "") -> Project:
        """Return a project with one module."""
        made = Project(self, test_it="")
        made.write("test_it.py", HEAD + code)
        made.write("unittest.cfg", config)
        return made

    def assert_passes(self, code: str, *switches: str, config: str = "", count: int) -> None:
        """Assert that all tests pass, in almost no time."""
        began = time.monotonic()
        run = self.project(code, config).nose2(*switches)
        self.assertEqual(run.returncode, 0, run.output)
        self.assertEqual(run.ran, count)
        self.assertLess(time.monotonic() - began, 30)

    def test_tags(self) -> None:
        """A tag works on a function, class or base, with each kind of test and each engine."""
        self.assert_passes(
            """
class Plain(unittest.TestCase):
    async def setUp(self):
        self.addCleanup(self.clean)
        await asyncio.sleep(100)
    async def clean(self):
        await asyncio.sleep(100)
    async def tearDown(self):
        await asyncio.sleep(100)
    @aio.virtual_time
    async def test_until_complete(self):
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().time() == aio.clock().time() == 3700
    @aio.virtual_time()
    @aio.timeout(300)
    @aio.sleep(300)
    @aio.run_forever
    async def test_forever(self):
        start = aio.clock().time()
        assert start == 100
        async def callback():
            assert aio.clock().time() == start + 300
        return callback
    @aio.virtual_time(True)
    async def test_by_result(self):
        return lambda: self.assertEqual(aio.clock().time(), 101)

class Function(unittest.TestCase):
    @aio.virtual_time
    def test_generator(self):
        yield from asyncio.create_task(asyncio.sleep(50))
        self.assertEqual(aio.clock().time(), 50)

@aio.virtual_time
class Base(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(1000)
    @classmethod
    async def tearDownClass(cls):
        await asyncio.sleep(1000)

class Derived(Base):
    async def test_a(self):
        await asyncio.sleep(500)
        assert aio.clock().time() == 1500
    async def test_b(self):
        assert aio.clock().time() == 1500
    def test_sync(self):
        assert aio.clock().time() == 1500

@aio.virtual_time
class TestClass:
    async def setUp(self):
        await asyncio.sleep(100)
    async def test(self):
        assert aio.clock().time() == 100

@aio.virtual_time
class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(100)
    async def asyncTearDown(self):
        await asyncio.sleep(100)
    async def test(self):
        await asyncio.sleep(3600)
        assert aio.clock().time() == 3700
    def test_sync(self):
        assert aio.clock().time() == 100

@aio.virtual_time
async def test_function():
    await asyncio.sleep(3600)
    assert aio.clock().time() == 3600

@aio.virtual_time
async def test_advance():
    task = asyncio.create_task(asyncio.sleep(5, "done"))
    await aio.clock().advance(5)
    assert task.done()
""",
            count=12,
        )

    def test_setting(self) -> None:
        """The setting applies to fixtures of any scope. A tag can turn it off. The switch works."""
        code = """
async def setUpModule():
    await asyncio.sleep(1000)
async def tearDownModule():
    await asyncio.sleep(1000)

class Real(unittest.TestCase):
    @aio.virtual_time(False)
    async def test_real(self):
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert 1000 <= start < 1001, start
        await asyncio.sleep(0.02)
        assert 0.02 <= loop.time() - start < 1

class Virtual(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(1000)
    async def test(self):
        assert 2000 <= aio.clock().time() < 2001
        await asyncio.sleep(3600)

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        assert aio.clock().time() == 0
"""
        self.assert_passes(code, "--aio-virtual-time", count=3)
        config = "[aio]\nvirtual-time = true\n"
        self.assert_passes(code, config=config, count=3)
        run = self.project("async def test():\n    aio.clock()\n", config=config).nose2(
            "--no-aio-virtual-time"
        )
        self.assertIn("LoopError: time isn't virtual here", run.output)

    def test_wider_loops(self) -> None:
        """On a shared loop, each test has virtual time or not. The clock never goes back."""
        self.assert_passes(
            """
class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.beats = []
        async def beat():
            while True:
                await asyncio.sleep(10)
                cls.beats.append(1)
        cls.beating = asyncio.create_task(beat())
        cls.last = asyncio.get_running_loop().time()
    @classmethod
    async def tearDownClass(cls):
        cls.beating.cancel()
    def go_on(self):
        now = asyncio.get_running_loop().time()
        self.assertGreaterEqual(now, self.last)
        type(self).last = now
    @aio.virtual_time
    async def test_a(self):
        self.go_on()
        await asyncio.sleep(1000)
        self.assertIn(len(self.beats), (99, 100))
        self.go_on()
    async def test_b(self):
        self.go_on()
        await asyncio.sleep(0.02)
        self.assertIn(len(self.beats), (99, 100))
        self.go_on()
    @aio.virtual_time
    async def test_c(self):
        self.go_on()
        await asyncio.sleep(1000)
        self.assertIn(len(self.beats), (199, 200))

class Layer:
    @classmethod
    async def setUp(cls):
        await asyncio.sleep(100)
    @classmethod
    async def testSetUp(cls):
        await asyncio.sleep(100)

class Layered(unittest.TestCase):
    layer = Layer
    async def test(self):
        assert aio.clock().time() == 200
""",
            "--plugin",
            "nose2.plugins.layers",
            "--aio-virtual-time",
            "test_it.Shared",
            "test_it.Layered",
            count=4,
        )

    def test_given_loop(self) -> None:
        """A loop from setUp goes on from its own time. A foreign kind of loop is refused."""
        code = """
import selectors
class Given(unittest.TestCase):
    def setUp(self):
        self.loop = asyncio.SelectorEventLoop({})
        self.addCleanup(self.loop.close)
        asyncio.set_event_loop(self.loop)
    @aio.virtual_time
    async def test(self):
        start = self.loop.time()
        await asyncio.sleep(3600)
        assert round(self.loop.time() - start) == 3600
    @aio.timeout(0.1)
    async def test_limited(self):
        await asyncio.sleep(0.3)
    async def test_setting(self): pass
"""
        self.assert_passes(code.format(""), "test_it.Given.test", count=1)
        run = self.project(code.format("selectors.PollSelector()")).nose2("--aio-virtual-time")
        text = (
            "time can't be virtual on asyncio.unix_events._UnixSelectorEventLoop: it has no "
            "selector of Python's that could jump"
        )
        self.assertIn(
            f"LoopError: {text} (@virtual_time).\nTag the test with @aio.loop", run.output
        )
        self.assertIn("not done within its time limit of 0.1 s (@timeout)", run.output)
        self.assertEqual("".join(run.reports).count(text), 2)
        self.assertIn(f"{text}; it was real there\n", run.output)
        self.assertIn("FAILED (errors=2)", run.output)

    def test_any_runner(self) -> None:
        """Without the plugin, the decorators support the tag and the loop context."""
        project = self.project("""
class Any(unittest.TestCase):
    @aio.run_until_complete
    @aio.virtual_time
    async def test_tag(self):
        await asyncio.sleep(3600)
        assert aio.clock().time() == 3600
    @aio.run_until_complete(loop=aio.virtual_clock)
    async def test_context(self):
        await asyncio.sleep(3600)
        assert aio.clock().time() == 3600
    @aio.run_forever(timeout=300, loop=aio.virtual_clock)
    async def test_forever(self):
        return lambda: self.assertEqual(aio.clock().time(), 300)
    @aio.timeout(5)
    @aio.run_until_complete(loop=aio.virtual_clock)
    async def test_limit(self):
        await asyncio.sleep(5)
        with self.assertRaises(asyncio.CancelledError):
            await asyncio.sleep(5)
        raise KeyError
    @aio.run_until_complete(loop=lambda: aio.virtual_clock(wall=True))
    async def test_wall(self):
        start = time.time()
        await asyncio.sleep(3600)
        self.assertEqual(round(time.time() - start, 3), 3600)
""")
        for run in (project.python("-m", "unittest", "test_it"), project.nose2()):
            self.assertEqual(run.ran, 5)
            self.assertRegex(run.output, r"FAILED \((errors|failures)=1\)")
            self.assertIn("of 5 s of virtual time (@timeout)", run.output)

    def test_limits(self) -> None:
        """A tag counts virtual seconds, and the setting real seconds."""
        project = self.project(
            """
@aio.virtual_time
class Limits(unittest.TestCase):
    @aio.timeout(10)
    async def test_at_it(self):
        await asyncio.sleep(10)
    @aio.timeout(10)
    async def test_beyond(self):
        await asyncio.sleep(4)
        await asyncio.sleep(7)
    @aio.timeout(10)
    async def test_busy(self):
        time.sleep(0.1)
        await asyncio.sleep(9)
    async def test_for_ever(self):
        while True:
            await asyncio.sleep(0.5)
    async def test_held(self):
        await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("0.0.0.0", 0))
        await asyncio.sleep(100)
    async def test_blocks(self):
        time.sleep(100)
    @aio.timeout(10)
    async def test_spins(self):
        while True:
            await asyncio.sleep(0)
    @aio.timeout(0.3)
    async def test_for_real(self):
        async with await asyncio.start_server(print, "127.0.0.1", 0) as server:
            await asyncio.Event().wait()
    @aio.timeout(0)
    async def test_unlimited(self):
        await asyncio.sleep(3600)
        time.sleep(0.7)
    async def test_hour(self):
        await asyncio.sleep(3600)

@aio.virtual_time
class Isolated(unittest.IsolatedAsyncioTestCase):
    @aio.timeout(10)
    async def test_beyond(self):
        await asyncio.sleep(11)
    @aio.timeout(10)
    async def test_at_it(self):
        await asyncio.sleep(10)
    async def test_hour(self):
        await asyncio.sleep(3600)

@aio.virtual_time
class Long(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(3600)
    async def setUp(self):
        await asyncio.sleep(3600)
    @aio.run_forever(timeout=3600)
    async def test_hour(self): pass

@aio.virtual_time
class Fixture(unittest.TestCase):
    @classmethod
    @aio.timeout(10)
    async def setUpClass(cls):
        await asyncio.sleep(11)
    async def test(self): pass
""",
            "[aio]\ntime-limit = 0.5\n",
        )
        run = project.nose2("-v")
        failed = {name for name, outcome in run.outcomes.items() if outcome != "ok"}
        names = ("beyond", "for_ever", "held", "blocks", "spins", "for_real")
        self.assertLessEqual({f"test_it.Limits.test_{name}" for name in names}, failed)
        self.assertIn("FAILED (errors=8)", run.output)
        reports = "".join(run.reports)
        self.assertEqual(reports.count("not done within its time limit of 10 s of virtual"), 3)
        self.assertEqual(reports.count("not done within its time limit of 0.3 s of virt"), 1)
        self.assertEqual(
            reports.count(
                "TimeLimitError: not done within its time limit of 0.5 s of real time "
                "([aio] time-limit), though its time is virtual (@virtual_time)"
            ),
            4,
        )
        self.assertRegex(
            run.output,
            r"Its clock shows 0 s of virtual time, held by:\n"
            r"  the socket at 0\.0\.0\.0:\d+, opened at test_it.py:\d+ in test_held\n",
        )

    def test_never_overtakes(self) -> None:
        """An outside event comes before a timer that is later in real time."""
        self.assert_passes(
            f"""
REAL = {REAL}
pool = ThreadPoolExecutor(1)
@aio.virtual_time
class Outside(unittest.TestCase):
    def setUp(self):
        self.began = time.monotonic()
    def tearDown(self):
        self.assertGreaterEqual(time.monotonic() - self.began, REAL * 0.9)
        self.assertLess(aio.clock().time(), 20)
    async def test_executor(self):
        await asyncio.wait_for(asyncio.to_thread(time.sleep, REAL), 20)
    async def test_own_pool(self):
        for _ in range(3):
            job = pool.submit(time.sleep, REAL)
            await asyncio.wait_for(asyncio.wrap_future(job), 20)
    async def test_thread(self):
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        def call():
            time.sleep(REAL)
            loop.call_soon_threadsafe(event.set)
        threading.Thread(target=call).start()
        await asyncio.wait_for(event.wait(), 20)
    async def test_process(self):
        process = await asyncio.create_subprocess_exec("sleep", str(REAL))
        await asyncio.wait_for(process.wait(), 20)
    async def test_polled_process(self):
        process = subprocess.Popen(["sleep", str(REAL)])
        while process.poll() is None:
            await asyncio.sleep(0.01)
    async def test_socket(self):
        reader, writer = os.pipe()
        process = subprocess.Popen(["sh", "-c", f"sleep {{REAL}}; echo"], stdout=writer)
        os.close(writer)
        came = asyncio.Event()
        asyncio.get_running_loop().add_reader(reader, came.set)
        await asyncio.wait_for(came.wait(), 20)
        asyncio.get_running_loop().remove_reader(reader)
        os.close(reader)
        process.wait()
    async def test_alarm(self):
        event = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, event.set)
        signal.setitimer(signal.ITIMER_REAL, REAL)
        await asyncio.wait_for(event.wait(), 20)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGALRM)
    async def test_part_of_the_way(self):
        async with asyncio.timeout(3 * REAL):
            await asyncio.gather(asyncio.to_thread(time.sleep, REAL * 1.5), asyncio.sleep(REAL * 2))
            await asyncio.to_thread(time.sleep, REAL / 2)
    async def test_queue(self):
        asked, answered, loop = queue.Queue(), asyncio.Queue(), asyncio.get_running_loop()
        def answer():
            for _ in range(2):
                time.sleep(asked.get())
                loop.call_soon_threadsafe(answered.put_nowait, 1)
        threading.Thread(target=answer).start()
        await asyncio.sleep(10)
        for _ in range(2):
            asked.put(REAL)
            await asyncio.wait_for(answered.get(), 5)
    async def test_due_for_real(self):
        job = asyncio.get_running_loop().run_in_executor(None, time.sleep, 4 * REAL)
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(job), REAL)
        self.assertEqual(aio.clock().time(), REAL)
        self.assertLess(time.monotonic() - self.began, 4 * REAL)
        await job
""",
            count=10,
        )

    def test_handed_over(self) -> None:
        """A timer doesn't overtake a job just given to a pool or a thread."""
        self.assert_passes(
            """
@aio.virtual_time
class HandedOver(unittest.TestCase):
    def pool(self):
        pool = ThreadPoolExecutor(1)
        for _ in range(20):  # more than it has threads
            pool.submit(abs, 1)
        self.addCleanup(pool.shutdown)
        return pool
    async def test_jobs(self):
        pool = self.pool()
        for _ in range(500):
            async with asyncio.timeout(5):
                await asyncio.wrap_future(pool.submit(abs, 1))
    async def test_calls(self):
        pool, loop = self.pool(), asyncio.get_running_loop()
        for _ in range(500):
            answer = loop.create_future()
            pool.submit(loop.call_soon_threadsafe, answer.set_result, 1)
            await asyncio.wait_for(answer, 5)
    async def test_dropped(self):
        for _ in range(100):
            pool = ThreadPoolExecutor(1)
            await asyncio.wrap_future(pool.submit(abs, 1))
            job = pool.submit(time.sleep, 0.001)
            pool.shutdown(wait=False)
            del pool
            await asyncio.wait_for(asyncio.wrap_future(job), 5)
    async def test_threads(self):
        loop = asyncio.get_running_loop()
        for _ in range(200):
            answer = loop.create_future()
            call = loop.call_soon_threadsafe
            threading.Thread(target=call, args=(answer.set_result, 1)).start()
            await asyncio.wait_for(answer, 5)
""",
            count=4,
        )

    def test_nothing_left(self) -> None:
        """Finished work doesn't hold the clock: an unwaited child process, an idle pool."""
        self.assert_passes(
            """
from multiprocessing import shared_memory
pool = ThreadPoolExecutor(1)
@aio.virtual_time
async def test_idle():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    pool.submit(int).result()
    await asyncio.to_thread(int)
    await asyncio.create_subprocess_exec("true")
    shared_memory.SharedMemory(create=True, size=10).unlink()
    asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, int)
    await asyncio.sleep(3600)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGALRM)
    process.wait()
""",
            count=1,
        )

    def test_deadlock(self) -> None:
        """A deadlock fails at once and uses no CPU, also with a limit or checks ignored."""
        run = self.project("""
import resource, socket
@aio.virtual_time
class Dead(unittest.TestCase):
    async def test_event(self):
        await asyncio.sleep(5)
        await asyncio.Event().wait()
    async def test_for_ever(self):
        await asyncio.sleep(float("inf"))
    async def test_holds_a_file(self):
        anybody = socket.socket(type=socket.SOCK_DGRAM)
        anybody.bind(("0.0.0.0", 0))
        asyncio.get_running_loop().add_reader(anybody, print)
        began = time.process_time()
        try:
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 1)
        finally:
            asyncio.get_running_loop().remove_reader(anybody)
            anybody.close()
        self.assertLess(time.process_time() - began, 0.3)
    @classmethod
    def tearDownClass(cls):
        assert time.process_time() < 10
""").nose2("-v")
        self.assertEqual(
            run.outcomes,
            {
                "test_it.Dead.test_event": "ERROR",
                "test_it.Dead.test_for_ever": "ERROR",
                "test_it.Dead.test_holds_a_file": "ok",
            },
            run.output,
        )
        self.assertEqual("".join(run.reports).count("DeadlockError: it can never finish"), 2)
        run = self.project("""
@aio.virtual_time
@aio.timeout(10)
async def test_advance():
    await aio.clock().advance(20)
    print("behind it")

@aio.virtual_time
async def test_settle():
    job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.5))
    await aio.clock().settle()
""").nose2("--aio-time-limit=0.2")
        self.assertIn("in test_advance: moves the clock, 10 s to go", run.output)
        self.assertIn("in test_settle: waits until only timers are left to wait for", run.output)
        self.assertIn("its time limit of 10 s of virtual time (@timeout)", run.output)
        self.assertIn(", in test_advance\n    await aio.clock().advance(20)", run.output)
        self.assertNotIn("behind it\n", run.output)
        run = self.project("""
@aio.virtual_time
@aio.timeout(500)
async def test_event():
    await asyncio.Event().wait()
""").nose2("--aio-deadlocks=ignore")
        self.assertIn("its time limit of 500 s of virtual time (@timeout)", run.output)

    def test_held(self) -> None:
        """The end of the run says what held virtual time for long, and where that was made."""
        project = self.project(
            """
from nose2_aio.eventloop import virtual_clock
virtual_clock._MUCH = 0.05

async def child():
    process = await asyncio.create_subprocess_exec("sleep", "0.2", stdout=subprocess.PIPE)
    await process.communicate()

class Held(unittest.TestCase):
    async def test_thread(self):
        await asyncio.to_thread(time.sleep, 0.1)
        await asyncio.to_thread(time.sleep, 0.1)
        self.fail()
    async def test_child(self):
        await child()
    async def test_closed_pipe(self):
        read, write = os.pipe()
        pipe = os.fdopen(read, "rb", 0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, pipe)
        transport.close()
        os.close(write)
        anybody = socket.socket(type=socket.SOCK_DGRAM)
        anybody.bind(("0.0.0.0", 0))
        asyncio.get_running_loop().add_reader(anybody, print)
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().remove_reader(anybody)
        anybody.close()
    async def test_short(self):
        await asyncio.sleep(3600)
    @aio.virtual_time(False)
    async def test_real(self):
        await asyncio.to_thread(time.sleep, 0.1)

class Fixture(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await child()
    async def test_short(self):
        pass

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_child(self):
        await child()

class Standalone(aio.TestCase):
    @aio.virtual_time
    async def test_child(self):
        await child()
""",
            """
[unittest]
plugins = nose2_aio
          nose2.plugins.mp
[aio]
virtual-time = true
""",
        )
        named = r"(?:test_it\.|setUpClass \(test_it\.)(\w+(?:\.\w+)?)\)?"
        what = r"waited [\d.]+ s for real in virtual time, for (.*)"
        child = (
            r"the pipe \d+; (the thread asyncio-waitpid-\d+; )?"  # until Python 3.11
            r"the child process \d+ \(sleep\), started at test_it.py:10 in child"
        )
        job = "the executor job time.sleep, handed over at test_it.py:15 in test_thread; the .*"
        for switches in ([], ["--aio-workers=2"], ["-N", "2"]):
            run = project.nose2(*switches)
            found = dict(re.findall(rf"(?m)^{named} {what}$", run.output))
            expected = {
                "Fixture": child,
                "Held.test_child": child,
                "Held.test_closed_pipe": r"the socket at 0\.0\.0\.0:\d+, for builtins.print",
                "Held.test_thread": job,
                "Isolated.test_child": child,
                "Standalone.test_child": child,
            }
            self.assertEqual(set(found), set(expected), run.output)
            for name, pattern in expected.items():
                self.assertRegex(found[name], f"^{pattern}$")
        run = project.python("-m", "unittest", "test_it.Standalone")
        self.assertRegex(run.output, rf"test_it\.Standalone\.test_child {what}")

    def test_wall(self) -> None:
        """``wall`` moves the time of day in the test and its fixtures, and only there."""
        self.assert_passes(
            """
class Wall(unittest.TestCase):
    def setUp(self):
        self.start = datetime.datetime.now()
    @aio.timeout(100)
    async def tearDown(self):
        passed = datetime.datetime.now() - self.start
        self.assertEqual(passed, datetime.timedelta(hours=self.hours, seconds=1))
    @aio.virtual_time(wall=True)
    async def test(self):
        self.hours = 1
        await asyncio.sleep(1)
        stamp = time.time()
        await asyncio.sleep(3600)
        self.assertEqual(round(time.time() - stamp, 6), 3600)

@aio.virtual_time(wall=True)
class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(3600)
        cls.zero = time.time() - aio.clock().time()
    @classmethod
    async def tearDownClass(cls):
        cls.check(cls)
    def setUp(self):
        self.check()
    def check(self):
        assert round(time.time() - aio.clock().time() - self.zero, 6) == 0
    async def test_a(self):
        self.check()
        await asyncio.sleep(7200)
        self.check()
    async def test_b(self):
        self.check()

@aio.virtual_time
async def test_without():
    start = time.time()
    await asyncio.sleep(3600)
    assert time.time() - start < 100
""",
            count=4,
        )

    def test_wall_missing(self) -> None:
        """If time-machine is missing, the test says so. It is imported only on request."""
        run = self.project("""
class Wall(unittest.TestCase):
    @aio.virtual_time(wall=True)
    async def test(self): pass
    @aio.virtual_time(wall=True)
    def test_sync(self): pass
    async def test_other(self):
        assert "time_machine" not in sys.modules

class Isolated(unittest.IsolatedAsyncioTestCase):
    @aio.virtual_time(wall=True)
    async def test(self): pass

class SetUp(unittest.TestCase):
    async def setUp(self): pass
    @aio.virtual_time(wall=True)
    async def test(self): pass

import importlib.metadata
def version(name):
    raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.version = version
""").nose2("-v")
        self.assertIn("FAILED (errors=4)", run.output)
        self.assertEqual(
            "".join(run.reports).count(
                "InvalidValueError: virtual_time(wall=True) needs the package time-machine, 2.16 "
                "or later, and none is installed: pip install 'time-machine>=2.16' (@virtual_time)"
            ),
            4,
            run.output,
        )

    def test_mistakes(self) -> None:
        """A tag with a wrong value is refused, with its place."""
        for tag, text in {
            "@aio.virtual_time(1)": "@virtual_time is for functions and classes, got 1",
            "@aio.virtual_time(wall=1)": "wall must be True or False, got 1",
            "@aio.virtual_time(False, wall=True)": "wall=True is for virtual time alone",
        }.items():
            run = self.project(f"{tag}\nasync def test(): pass\n").nose2()
            self.assertIn(text, run.output)
            self.assertRegex(run.output, r"\(@virtual_time, test_it.py:5\)")
        run = self.project(
            "class Case(unittest.TestCase):\n"
            "    async def test(self): pass\n"
            "    test.virtual_time = 'yes'\n"
            "    def test_sync(self): pass\n"
            "    test_sync.virtual_time = 'no'\n"
        ).nose2()
        self.assertIn("virtual_time must be True, False or 'wall', got 'yes'", run.output)
        self.assertIn("(attribute virtual_time of test, test_it.py:6)", run.output)
        self.assertIn("FAILED (errors=2)", run.output)

    def test_selected(self) -> None:
        """``-A`` selects by the tag. Workers of nose2's mp support it."""
        project = self.project("""
@aio.virtual_time
async def test_tagged():
    await asyncio.sleep(3600)
    assert aio.clock().time() == 3600
async def test_other(): pass
""")
        run = project.nose2("--plugin", "nose2.plugins.attrib", "-A", "virtual_time")
        self.assertEqual((run.ran, run.returncode), (1, 0), run.output)
        run = project.nose2("--plugin", "nose2.plugins.mp", "-N", "2", "--aio-virtual-time")
        self.assertEqual((run.ran, run.returncode), (2, 0), run.output)

    def test_interrupted(self) -> None:
        """SIGQUIT shows the virtual time, and what holds the clock."""
        run = self.project("""
@aio.virtual_time
async def test():
    await asyncio.sleep(5)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("0.0.0.0", 0))
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGQUIT)).start()
    await asyncio.sleep(0.4)
    transport.close()
""").nose2()
        self.assertEqual(run.returncode, 0, run.output)
        self.assertRegex(
            run.output,
            r"Its clock shows 5 s of virtual time, held by:\n  the socket at 0\.0\.0\.0:",
        )


if sys.platform == "win32":
    del Virtual  # the loop has no selector of ours there
