"""Ctrl-C."""

from __future__ import annotations

import signal
import sys
from unittest import TestCase, skipIf

from tests.runs import Project, start


@skipIf(sys.platform == "win32", "no SIGINT for one process there")
class Interrupt(TestCase):
    """A run that is interrupted."""

    def test_waiting(self) -> None:
        """The test's finally blocks run, the run ends, its exit code isn't 0."""
        project = Project(
            self,
            test_it="""
            import asyncio

            async def test_waits():
                try:
                    print("waiting", flush=True)
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0)
                    print("cleaned up", flush=True)
            """,
        )
        process = start("-m", "nose2", "--plugin", "nose2_aio", folder=project.folder)
        assert process.stdout is not None
        while "waiting" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=30)
        self.assertIn("cleaned up", printed)
        self.assertIn("interrupted by Ctrl-C", printed)
        self.assertNotEqual(process.returncode, 0)
