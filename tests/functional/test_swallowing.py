"""Reports say which task went on though it was cancelled, and at which line."""

from __future__ import annotations

import re
import sys
from unittest import TestCase

from tests.runs import Project

SWALLOWING = """
import asyncio, contextlib, unittest

class Uploader:
    async def send(self):
        while True:
            try:
                await asyncio.sleep(100)
            except ValueError:
                pass
            except asyncio.CancelledError:
                continue
    async def suppress(self):
        while True:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(100)
    async def clean(self):
        try:
            await asyncio.sleep(100)
        finally:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(100)
            await asyncio.sleep(100)
    async def catch_alias(self):
        for error in (asyncio.CancelledError, asyncio.CancelledError, asyncio.CancelledError):
            try:
                await asyncio.sleep(100)
            except error:
                pass

class Plain(unittest.TestCase):
    async def test_direct(self):
        await Uploader().send()
    async def test_alias(self):
        await Uploader().catch_alias()
    async def test_gather(self):
        uploader = Uploader()
        await asyncio.gather(uploader.suppress(), uploader.clean())
    async def test_group(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(Uploader().send(), name="a.bin")
    async def test_before(self):
        task = asyncio.create_task(Uploader().send(), name="mine")
        await asyncio.sleep(0)
        task.cancel()
        await task
    async def test_left(self):
        task = asyncio.create_task(Uploader().send(), name="left")
        await asyncio.sleep(0)
    async def test_ends(self):
        await asyncio.sleep(100)

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_direct(self):
        await Uploader().send()
"""
LINES = {
    "Plain.test_direct": ["stuck: the test was cancelled twice, and went on at 10 in send"],
    "Plain.test_alias": ["stuck: the test was cancelled twice, and went on at 27 in catch_alias"],
    "Plain.test_gather": [
        "stuck: T (Uploader.clean) was cancelled twice, and went on at 20 in clean",
        "stuck: T (Uploader.suppress) was cancelled twice, and went on at 14 in suppress",
    ],
    "Plain.test_group": [
        "stuck: a.bin (Uploader.send) was cancelled, and went on at 10 in send",
    ],
    "Plain.test_before": [
        "It was cancelled, and went on at 10 in send.",
        "stuck: mine (Uploader.send) was cancelled 3 times, and went on at 10 in send",
    ],
    "Plain.test_left": ["It was cancelled twice, and went on at 10 in send."],
    "Plain.test_ends": [],
    "Isolated.test_direct": ["stuck: the test was cancelled twice, and went on at 10 in send"],
}


class Swallowing(TestCase):
    """Cancellations that are swallowed."""

    maxDiff = None

    def test_each(self) -> None:
        """Each task that goes on is named, with the clause that has caught the CancelledError."""
        made = Project(self, test_it=SWALLOWING)
        for arguments in ((), ("--aio-workers", "2")):
            run = made.nose2("--aio-time-limit=0.1", "--aio-grace=0.1", *arguments)
            found = {}
            for report in run.reports:
                name = re.search(r"\(test_it\.(\w+\.test_\w+)\)", report)
                assert name is not None, run.output
                text = report.replace("test_it.py:", "")
                lines = re.findall(
                    r"^ *((?:stuck: .*|It) was cancelled\b.* went on.*)$", text, re.MULTILINE
                )
                found[name[1]] = sorted(re.sub(r"Task-\d+", "T", line) for line in lines)
            self.assertEqual(found.keys(), LINES.keys(), run.output)
            if sys.version_info >= (3, 12):
                self.assertEqual(found, LINES, run.output)
            else:
                expected = "stuck: the test was cancelled twice, and went on; it waits at 7 in send"
                self.assertEqual(found["Plain.test_direct"], [expected], run.output)
