"""Reports of hangs name the phase: setUp, tearDown, a cleanup, a fixture of a class or module."""

from __future__ import annotations

import re
import signal
import sys
from unittest import TestCase

from tests.runs import Project

HANGING = """
import asyncio, functools, time, unittest
import nose2_aio as aio

async def hang():
    await asyncio.Event().wait()

class Context:
    async def __aenter__(self):
        pass
    async def __aexit__(self, *_):
        await hang()

class Plain(unittest.TestCase):
    async def setUp(self):
        if "set_up" in self.id():
            await hang()
    async def tearDown(self):
        if "tear_down" in self.id():
            await hang()
    async def test_set_up(self): pass
    async def test_body(self):
        await hang()
    async def test_tear_down(self): pass
    async def test_fails_tear_down(self):
        self.fail()
    async def test_subtest_fails_tear_down(self):
        with self.subTest():
            self.fail()
        with self.subTest():
            pass
    def test_sync_tear_down(self): pass
    async def test_cleanup(self):
        self.addCleanup(hang)
    async def test_partial(self):
        self.addCleanup(functools.partial(hang))
    @aio.timeout(0.1)
    def test_blocks(self):
        self.addCleanup(lambda: time.sleep(9))
    async def test_context(self):
        await aio.enter_async_context(self, Context())

class Isolated(unittest.IsolatedAsyncioTestCase):
    def setUp(self): pass
    async def asyncSetUp(self):
        if "set_up" in self.id():
            await hang()
    async def asyncTearDown(self):
        if "tear_down" in self.id():
            await hang()
    async def test_set_up(self): pass
    async def test_body(self):
        await hang()
    async def test_tear_down(self): pass
    async def test_fails_tear_down(self):
        self.fail()
    async def test_cleanup(self):
        self.addAsyncCleanup(hang)
    async def test_context(self):
        await self.enterAsyncContext(Context())

class Bare(unittest.IsolatedAsyncioTestCase):
    async def test_cleanup(self):
        self.addAsyncCleanup(hang)

class SetUpClass(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.addClassCleanup(hang)
        await hang()
    async def test(self): pass

class TearDownClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        unittest.addModuleCleanup(hang)
    @classmethod
    async def tearDownClass(cls):
        await hang()
    async def test(self): pass
"""
PASSED = "; the test itself had passed"
PHASES = {
    "Plain.test_set_up": "setUp",
    "Plain.test_body": "",
    "Plain.test_tear_down": f"tearDown{PASSED}",
    "Plain.test_fails_tear_down": "tearDown",
    "Plain.test_subtest_fails_tear_down": "tearDown",
    "Plain.test_sync_tear_down": f"tearDown{PASSED}",
    "Plain.test_cleanup": f"the cleanup hang, registered at HERE in test_cleanup{PASSED}",
    "Plain.test_partial": f"the cleanup hang, registered at HERE in test_partial{PASSED}",
    "Plain.test_blocks": f"the cleanup <lambda>, registered at HERE in test_blocks{PASSED}",
    "Plain.test_context": (
        f"the cleanup Context.__aexit__, registered at HERE in test_context{PASSED}"
    ),
    "Isolated.test_set_up": "setUp or asyncSetUp",
    "Isolated.test_body": "",
    "Isolated.test_tear_down": f"asyncTearDown{PASSED}",
    "Isolated.test_fails_tear_down": "asyncTearDown",
    "Isolated.test_cleanup": f"the cleanup hang, registered at HERE in test_cleanup{PASSED}",
    "Isolated.test_context": (
        f"the cleanup Context.__aexit__, registered at HERE in test_context{PASSED}"
    ),
    "Bare.test_cleanup": f"the cleanup hang, registered at HERE in test_cleanup{PASSED}",
}
WIDER = {
    "setUpClass of test_it.SetUpClass",
    "the cleanup hang of test_it.SetUpClass, registered at HERE in setUpClass",
    "tearDownClass of test_it.TearDownClass",
    "the cleanup hang of test_it, registered at HERE in setUpClass",
}


def phase_of(report: str) -> str:
    """Return the phase that a report names, without line numbers; "" for none."""
    found = re.search(r"^It was in (.*)\.$", report, re.MULTILINE)
    return re.sub(r"test_it.py:\d+", "HERE", found[1]) if found else ""


class Phases(TestCase):
    """The phase that a report names."""

    def test_each(self) -> None:
        """Each phase is named, with workers too."""
        made = Project(self, test_it=HANGING)
        for arguments in ((), ("--aio-workers", "2")):
            run = made.nose2(*arguments)
            hangs = [one for one in run.reports if "can never finish" in one or "limit of" in one]
            found = {}
            wider = set()
            for report in hangs:
                name = re.search(r"\(test_it\.(\w+\.test_\w+)\)", report.partition("-----")[0])
                if name:
                    found[name[1]] = phase_of(report)
                else:
                    wider.add(phase_of(report))
            if sys.version_info >= (3, 12):
                self.assertEqual((found, wider), (PHASES, WIDER), run.output)
            else:
                self.assertEqual(found.keys(), PHASES.keys(), run.output)
                text = "It was in the cleanup: hang, test_it.py:4; the test itself had passed."
                self.assertIn(text, run.output)
                self.assertIn("It was in the cleanup of test_it: hang, test_it.py:4.", run.output)

    def test_signals(self) -> None:
        """Ctrl-C and SIGQUIT name the phase."""
        made = Project(
            self,
            test_it="""
                import asyncio, unittest

                class Case(unittest.TestCase):
                    async def tearDown(self):
                        print("waiting", flush=True)
                        loop = asyncio.get_running_loop()
                        loop.call_later(0.3, lambda: print("waiting", flush=True))
                        await asyncio.sleep(60)
                    async def test(self): pass
            """,
        )
        run = made.signalled(signals=[signal.SIGQUIT, signal.SIGINT])
        self.assertRegex(run.output, r"test_it\.Case\.test runs for [\d.]+ s, in tearDown\n")
        self.assertRegex(
            run.output,
            r"interrupted by Ctrl-C\nIt was in tearDown; the test itself had passed\.\n",
        )
