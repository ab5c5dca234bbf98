"""Many tests at once: what they patch is their own, and the ends of things."""

from __future__ import annotations

import signal
from unittest import skipIf

from tests.functional.test_concurrency import POSIX, TRACED, Running


class Patches(Running):
    """What a test patches, others don't see; its own jobs do."""

    def test_patches(self) -> None:
        """Attributes and mappings, shared patchers, ``stopall``, what comes back by itself."""
        run = self.run_tests(
            """
            import logging
            from unittest import mock
            from unittest.mock import patch
            import things

            @patch("things.send", return_value=1)
            async def helper(seconds, send):
                await asyncio.sleep(seconds)
                assert things.send() == 1

            class Shared(unittest.TestCase):
                async def test_1(self): await helper(0.01)
                async def test_2(self): await helper(0.02)
                async def test_3(self):
                    await asyncio.sleep(0.015)
                    self.assertEqual(things.send(), "sent")

            class Started(unittest.TestCase):
                def tearDown(self): patch.stopall()
                async def test_1(self):
                    patch("things.send", return_value="t").start()
                    await asyncio.sleep(0.05)
                    self.assertEqual(things.send(), "t")
                async def test_2(self): await asyncio.sleep(0.01)

            class Special(unittest.TestCase):
                async def test_1(self):
                    with patch.object(things.connect, "__defaults__", ("test",)):
                        await asyncio.sleep(0.02)
                        self.assertEqual(things.connect(), "test")
                async def test_2(self):
                    await asyncio.sleep(0.01)
                    self.assertEqual(things.connect(), "localhost")

            class Environment(unittest.TestCase):
                @patch.dict(os.environ, {"FIRST": "1"}, clear=True)
                async def test_1(self):
                    os.environ["SECOND"] = "2"
                    await asyncio.sleep(0.02)
                    self.assertEqual({**os.environ}, {"FIRST": "1", "SECOND": "2"})
                async def test_2(self):
                    await asyncio.sleep(0.01)
                    self.assertNotIn("FIRST", os.environ)
                    self.assertNotIn("SECOND", os.environ)
                    self.assertIn("PATH", os.environ)

            class Logging(unittest.TestCase):
                async def test_off(self):
                    logging.disable(logging.CRITICAL)
                    self.addCleanup(logging.disable, logging.NOTSET)
                    await asyncio.sleep(0.02)
                    self.assertEqual(logging.root.manager.disable, logging.CRITICAL)
                async def test_on(self):
                    with self.assertLogs("here"):
                        await asyncio.sleep(0.01)
                        logging.getLogger("here").warning("on")
                async def test_root(self):
                    with patch("logging.root"):
                        await asyncio.sleep(0.01)
            """,
            things="""
            def send(): return "sent"
            def connect(host="localhost"): return host
            """,
        )
        self.assert_passes(run, 12)

    def test_jobs(self) -> None:
        """While a job or a thread of the test runs it keeps its turn, and that is told."""
        run = self.run_tests(
            """
            import contextlib, io
            from unittest import mock
            import things

            class Case(unittest.TestCase):
                @mock.patch("things.send")
                async def test_job(self, send):
                    for number in range(3):
                        await asyncio.to_thread(things.slowly)
                    self.assertEqual(send.call_count, 3)

                @mock.patch("things.send")
                async def test_thread(self, send):
                    thread = threading.Thread(target=things.slowly, args=(0.7,))
                    thread.start()
                    while thread.is_alive():
                        await asyncio.sleep(0.4)
                    self.assertEqual(send.call_count, 1)

                async def test_busy(self):
                    with contextlib.redirect_stdout(io.StringIO()) as text:
                        job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.1))
                        while not job.done():
                            await asyncio.sleep(0)
                        await asyncio.to_thread(print, "here")
                    self.assertEqual(text.getvalue(), "here\\n")

                async def test_other(self):
                    for _ in range(20):
                        await asyncio.sleep(0.001)
                    self.assertFalse(things.sent)
            """,
            things="""
            import time
            sent = []
            def send(): sent.append(1)
            def slowly(seconds=0.02):
                time.sleep(seconds)
                send()
            """,
        )
        self.assert_passes(run, 4)
        self.assertIn(
            "test_it.Case.test_thread: it waited for a job or a thread while it had patched or "
            "redirected something, so all others waited too\n",
            run.output,
        )


class Ends(Running):
    """How it comes to its end."""

    def test_left_patched(self) -> None:
        """What can't be put back behind a test is an error of that, and not the end of the run."""
        run = self.run_tests(
            """
            from unittest import mock

            class Odd:
                def __getattr__(self, name): return 1
                def __delattr__(self, name): raise LookupError("no more")

            odd = Odd()

            class Case(unittest.TestCase):
                async def test_1(self):
                    mock.patch.object(odd, "value", 2).start()

                async def test_2(self):
                    await asyncio.sleep(0.01)
            """
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 1), run.output)
        self.assertIn("LookupError: no more", run.reports[0])

    def test_late_cleanups(self) -> None:
        """Cleanups that a test adds to its class or its module are called behind all of them."""
        run = self.run_tests(
            """
            class First(unittest.TestCase):
                async def test(self):
                    self.addClassCleanup(say, "class")
                    unittest.addModuleCleanup(say, "module")
                    await asyncio.sleep(0.01)

            class Last(unittest.TestCase):
                async def test(self):
                    await asyncio.sleep(0.02)
                    say("last")
            """
        )
        self.assert_passes(run, 2)
        self.assertIn("last\n", run.output)
        self.assertLess(run.output.index("last"), run.output.index("class\nmodule\n"))

    def test_idle_lanes(self) -> None:
        """Threads that had nothing to do go on when there is something again."""
        names = "\n".join(
            f"""
            class Case{number}(unittest.TestCase):
                async def test_1(self): await asyncio.sleep(0.01)
                async def test_2(self): await asyncio.sleep(0.01)
                def test_3(self): pass
            """
            for number in range(5)
        )
        self.assert_passes(self.run_tests(names, width=2), 15)

    @POSIX
    def test_few_files(self) -> None:
        """With few files to open, fewer run at once; the run says so."""
        run = self.run_tests(
            """
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            class Case(unittest.TestCase): ...
            for number in range(40):
                async def test(self): await asyncio.sleep(0.01)
                setattr(Case, f"test_{number}", test)
            """,
            width=60,
        )
        self.assert_passes(run, 40)
        self.assertIn(
            "concurrency: this process may open 64 files, so at most 8 tests run at once\n",
            run.output,
        )

    def test_fail_fast_slow_end(self) -> None:
        """What runs beside the one that ends the run gets the time to end."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    await asyncio.sleep(0.05)
                    self.fail()
                async def test_2(self):
                    try:
                        await asyncio.sleep(60)
                    finally:
                        await asyncio.sleep(0.2)
                        os.write(1, b"in good order\\n")
            """,
            "-F",
        )
        self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
        self.assertIn("in good order\n", run.output)

    @POSIX
    def test_own_handler(self) -> None:
        """A handler of Ctrl-C that is the user's stays; so does one that a test leaves behind."""
        run = self.run_tests(
            """
            got = []
            signal.signal(signal.SIGINT, lambda *_: got.append(1))
            class Case(unittest.TestCase):
                async def test_1(self):
                    os.kill(os.getpid(), signal.SIGINT)
                    await until(lambda: got)
            """
        )
        self.assert_passes(run, 1)
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                def test_1(self): signal.signal(signal.SIGINT, signal.SIG_IGN)
                async def test_2(self): await asyncio.sleep(0.01)
            """
        )
        self.assert_passes(run, 2)

    @POSIX
    def test_interrupt_alone(self) -> None:
        """Ctrl-C in what runs alone is what it is in a serial run."""
        run = self.run_until(
            """
            class Case(unittest.TestCase):
                async def test_1(self): await asyncio.sleep(0.01)
                @aio.serial
                async def test_2(self):
                    asyncio.get_running_loop().call_later(0.05, os.write, 1, b"waiting\\\\n")
                    await asyncio.sleep(60)
                async def test_3(self): await asyncio.sleep(0.01)
            """.replace("\\\\", "\\"),
            signal.SIGINT,
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 1), run.output)
        self.assertIn("InterruptedRunError: interrupted by Ctrl-C", run.reports[0])

    @POSIX
    def test_interrupt_draining(self) -> None:
        """Ctrl-C while one waits to run alone: neither that nor what has not begun runs."""
        run = self.run_until(
            """
            begun = []
            class Case(unittest.TestCase):
                async def test_00(self): await until(lambda: len(begun) == 7)
                def test_01(self): say("never")
                async def wait(self):
                    begun.append(1)
                    if len(begun) == 7:
                        asyncio.get_running_loop().call_later(0.5, os.write, 1, b"waiting\\n")
                    await asyncio.sleep(60)
            for number in range(2, 16):
                setattr(Case, f"test_{number:02}", Case.wait)
            """.replace("\\\\", "\\"),
            signal.SIGINT,
        )
        # test_00 leaves its place to one more, if the main thread hasn't seen by then that it ended
        self.assertIn(len(run.reports), (7, 8), run.output)
        self.assertEqual(run.returncode, 1, run.output)
        self.assertNotIn("never", run.output)

    @POSIX
    def test_interrupt_stuck(self) -> None:
        """A test that Ctrl-C can't interrupt is left behind; the others end in good order."""
        run = self.run_until(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    begun.append(1)
                    await asyncio.sleep(60)
                async def test_2(self):
                    await until(lambda: begun)
                    os.write(1, b"waiting\\\\n")
                    time.sleep(60)
            begun = []
            """.replace("\\\\", "\\"),
            signal.SIGINT,
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 2), run.output)
        self.assertIn("It waits here:", run.reports[0])
        self.assertIn("its thread was left behind", run.reports[1])

    def test_interrupting_test(self) -> None:
        """A test that raises KeyboardInterrupt ends the run, as if nothing had run beside it."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    await asyncio.sleep(0.05)
                    raise KeyboardInterrupt
                async def test_2(self):
                    await asyncio.sleep(60)
            class Later(unittest.TestCase):
                async def test_1(self): await asyncio.sleep(0.01)
                def test_2(self): say("never")
            """,
            width=2,
        )
        self.assertEqual((len(run.reports), run.ran), (1, 1), run.output)
        self.assertNotIn("never", run.output)

    def test_handler_in_thread(self) -> None:
        """A thread of the test's that can't set a signal handler is nobody's matter."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def test(self):
                    with self.assertRaises(ValueError):
                        await asyncio.to_thread(signal.signal, signal.SIGTERM, signal.SIG_DFL)
            """
        )
        self.assert_passes(run, 1)
        self.assertNotIn("signal handler", run.output)


class Odd(Running):
    """Odd tests beside others come to what they come to serially."""

    def test_unsendable(self) -> None:
        """An error that a worker process can't send is told all the same, with all beside it."""
        run = self.run_tests(
            """
            class Bad(Exception):
                def __init__(self, text):
                    super().__init__(text)
                    self.lock = threading.Lock()
            class Case(unittest.TestCase):
                async def test_1(self): raise Bad("bad")
                async def test_2(self): self.fail("real")
            class Other(unittest.TestCase):
                async def test_1(self): await asyncio.sleep(0.01)
                async def test_2(self): await asyncio.sleep(0.01)
            """,
            *("--plugin", "nose2.plugins.mp", "-N", "2"),
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 4, 2), run.output)
        self.assertIn("UnsentError: test_it.Bad: bad\n", run.output)
        self.assertIn("AssertionError: real", run.output)

    @POSIX
    def test_graceful(self) -> None:
        """What runs alone finds Python's own handler of SIGINT, as `asyncio.run` wants it."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                def test_handler(self):
                    self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
                def test_run(self):
                    async def main():
                        try:
                            signal.raise_signal(signal.SIGINT)
                            await asyncio.sleep(1)
                        except asyncio.CancelledError:
                            asyncio.current_task().uncancel()
                            return "graceful"
                    self.assertEqual(asyncio.run(main()), "graceful")
                async def test_beside(self): await asyncio.sleep(0.01)
            """
        )
        self.assert_passes(run, 3)

    @POSIX
    def test_interrupt_while_told(self) -> None:
        """Ctrl-C while a result is told ends the run, though nothing is waited for."""
        for times in 1, 2:
            run = self.run_tests(
                """
                class Case(unittest.TestCase):
                    async def test_1(self): pass
                    def test_2(self): say("never")
                """,
                *("--plugin", "interrupter"),
                interrupter=f"""
                import os, signal
                from nose2.events import Plugin
                class Interrupter(Plugin):
                    alwaysOn = True
                    def testOutcome(self, event):
                        for _ in range({times}):
                            os.kill(os.getpid(), signal.SIGINT)
                        print("told")
                """,
            )
            self.assertNotEqual(run.returncode, 0, run.output)
            self.assertNotIn("never", run.output)
            self.assertEqual("told" in run.output, times == 1, run.output)

    def test_strict_handlers(self) -> None:
        """What a handler of logs raises is the test's own failure, and the run goes on."""
        run = self.run_tests(
            """
            import logging
            class Strict(logging.Handler):
                def emit(self, record): raise self.error("unexpected: " + record.getMessage())
            log = logging.getLogger("app")
            log.addHandler(Strict())
            class Case(unittest.TestCase):
                @classmethod
                async def tearDownClass(cls): log.warning("behind it")
                async def test_1(self):
                    Strict.error = AssertionError
                    log.warning("boom")
                    await asyncio.sleep(0.01)
                async def test_2(self): await asyncio.sleep(0.01)
            class Later(unittest.TestCase):
                async def test_1(self):
                    await asyncio.sleep(0.1)
                    log.warning("late")
                    self.fail("by itself")
            """
        )
        self.assertEqual(run.returncode, 1, run.output)
        self.assertEqual(run.ran, 3, run.output)
        self.assertIn("FAIL: test_1 (test_it.Case", run.output)
        self.assertIn("AssertionError: unexpected: boom", run.output)
        self.assertIn("AssertionError: by itself", run.output)
        self.assertIn("could not be shown: AssertionError: unexpected: behind it", run.output)

    def test_skipped_again(self) -> None:
        """A test that is skipped when it is run again has not passed alone."""
        run = self.run_tests(
            """
            used = []
            class Case(unittest.TestCase):
                async def test_1(self):
                    if used: self.skipTest("used")
                    used.append(1)
                    await asyncio.sleep(0.01)
                    self.fail("really")
                async def test_2(self): await asyncio.sleep(0.02)
            """
        )
        self.assertIn("FAILED (failures=1)", run.output)

    def test_fixture_needs_main(self) -> None:
        """A class fixture that only the main thread can run fails; the end says what to tag."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                @classmethod
                def setUpClass(cls): signal.signal(signal.SIGTERM, signal.SIG_DFL)
                async def test(self): pass
            """
        )
        self.assertEqual((run.returncode, run.ran), (1, 0), run.output)
        self.assertIn(
            "the fixtures of Case: one sets a signal handler, which only the main thread can; "
            "tag the class with @aio.serial\n",
            run.output,
        )

    def test_wall(self) -> None:
        """What moves the time of day runs alone: there is one for all."""
        run = self.run_tests(
            """
            class Case(unittest.TestCase):
                async def test_1(self):
                    began = time.time()
                    await asyncio.sleep(0.1)
                    self.assertLess(time.time() - began, 60)
                @aio.virtual_time(wall=True)
                async def test_2(self):
                    for _ in range(10): await asyncio.sleep(3600)
            """
        )
        self.assert_passes(run, 2)

    @skipIf(TRACED, "an exception set for a traced thread that is in C hangs all of them")
    def test_left_behind(self) -> None:
        """A thread that was left behind goes no further; who is expected to fail may do so."""
        run = self.run_tests(
            """
            class Left(unittest.TestCase):
                @classmethod
                def tearDownClass(cls): say("torn down")
                def setUp(self): say("set up")
                @unittest.expectedFailure
                @aio.timeout(0.1)
                async def test_1(self): time.sleep(1.8)
                async def test_2(self): say("never")
            class Other(unittest.TestCase):
                async def test(self):
                    for _ in range(150): await asyncio.sleep(0.02)
            """
        )
        self.assertEqual((run.returncode, run.ran), (1, 3), run.output)
        self.assertIn("FAILED (errors=1, expected failures=1)", run.output)
        self.assertEqual(run.output.count("set up"), 1, run.output)
        self.assertNotIn("never", run.output)
        self.assertNotIn("torn down", run.output)
        self.assertNotIn("was never awaited", run.output)
