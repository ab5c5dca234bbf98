"""Virtual time: no timer fires early in random runs of ``benchmarks/early_timers.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import TestCase, skipUnless

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "early_timers.py"


@skipUnless(sys.platform == "linux", "the runs use what Linux has")
class EarlyTimers(TestCase):
    """Some of the runs, with the same seeds each time."""

    def test_runs(self) -> None:
        """Threads, processes and servers answer in time, whatever connects them to the loop."""
        run = subprocess.run(
            [sys.executable, SCRIPT, "--runs=8", "--kinds=exchange,datagrams,proxied,wake_ups"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
