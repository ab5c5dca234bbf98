"""Run a test runner on a small project, in a process of its own, as a user would."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.fork_server import PATIENCE, ForkServer, reset_signals

for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)  # or each run would print annotations
TOP = Path(__file__).parent.parent
SCENARIOS = Path(__file__).parent / "support" / "scenario"

_ENTRY = re.compile(
    r"(?P<name>.*?) \.\.\. "
    r"(?P<outcome>ok|FAIL|ERROR|skipped .*?|expected failure|unexpected success)$",
    re.DOTALL | re.MULTILINE,
)
_REPORT = "\n" + "=" * 70 + "\n"
"""What is above each report of a failure."""
_LINES = re.compile(r"\n(?=(?:ERROR|FAIL|FLAKY) )")
"""What is before the lines on failures, below their reports."""


@unittest.skip("to see whether it is started")
class _Skipped(unittest.TestCase):
    def runTest(self) -> None: ...


_result = unittest.TestResult()
_Skipped().run(_result)
STARTS_SKIPPED = _result.testsRun == 1
"""False on Python 3.12.1: there a skipped test is not started, and nose2 prints no name for it."""
CAN_FORK = sys.platform == "linux" and os.environ.get("TESTS_FORK") != "0"
LOAD = ("--no-user-config", "--plugin", "nose2_aio")
"""Arguments of nose2 that load the plugin."""


class Run(NamedTuple):
    """The outcome of a run."""

    returncode: int
    output: str
    """What it printed, on stdout and then on stderr."""

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcomes that ``-v`` prints, by ``module.Class.test:index[loop]``."""
        found = {}
        head = self.output.partition(_REPORT)[0]  # or what follows would be searched for more
        for entry in _ENTRY.finditer(head):
            name = entry["name"].strip().rpartition(" ... ")[2]
            qualified = re.search(r" \(([^\n()]*)", name)
            loop = re.search(r"\) (\[\S+\])$", name, re.MULTILINE)
            name = qualified[1] if qualified else name
            outcome = entry["outcome"]
            found[name.splitlines()[0] + (loop[1] if loop else "")] = (
                "skipped" if outcome.startswith("skipped") else outcome
            )
        return found

    @property
    def reports(self) -> list[str]:
        """The text of each failure, with its traceback."""
        printed = self.output.partition("\n" + "-" * 70 + "\nRan ")[0]
        return _LINES.split(printed)[0].split(_REPORT)[1:]

    @property
    def ran(self) -> int:
        """The number of tests that ran."""
        found = re.findall(r"^Ran (\d+) test", self.output, re.MULTILINE)
        return int(found[-1]) if found else -1


def nose2(*arguments: str, folder: Path, plugin: bool = True) -> Run:
    """Run nose2 in a folder, with the plugin unless that is configured there."""
    if not plugin:  # what nose2 drops without the plugin is nobody's surprise here
        command = ("-W", "ignore::RuntimeWarning", "-m", "nose2", "--no-user-config", *arguments)
        return python(*command, folder=folder)
    run = run_nose2(*LOAD, *arguments, folder=folder)
    return Run(run.returncode, run.stdout)


def run_nose2(
    *arguments: str, folder: Path, stderr: int = subprocess.STDOUT
) -> subprocess.CompletedProcess[str]:
    """Run nose2 in a folder; ``stderr`` is where its stderr goes, as in ``subprocess.run``.

    The process is forked by a `ForkServer`. A new one is started if ``TESTS_FORK=0`` is in the
    environment, or if the test has changed the environment.
    """
    environment = _environment()
    changed = dict(environment.items() ^ _ENVIRONMENT.items())
    # in a worker process, coverage has its settings in the environment once more
    if CAN_FORK and not changed.keys() - {"COVERAGE_PROCESS_CONFIG"}:
        return _fork_server(os.getpid()).run(*arguments, folder=folder, stderr=stderr)
    return subprocess.run(
        [sys.executable, "-m", "nose2", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE,
        check=False,
        preexec_fn=reset_signals,
    )


@functools.cache
def _fork_server(_: int) -> ForkServer:
    """Return the server of a process."""
    return ForkServer(_ENVIRONMENT)


def python(*arguments: str, folder: Path) -> Run:
    """Run Python in a folder."""
    process = start(*arguments, folder=folder)
    try:
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Run(process.returncode, printed)


def signalled(*arguments: str, signals: Iterable[signal.Signals], folder: Path) -> Run:
    """Run Python in a folder; send each signal when a test says that it waits."""
    process = start(*arguments, folder=folder)
    assert process.stdout is not None
    printed = ""
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        for number in signals:
            line = ""
            while not line.endswith("waiting\n"):
                line = process.stdout.readline()
                assert line, printed
                printed += line
            time.sleep(0.05)  # until it does
            process.send_signal(number)
        printed += process.stdout.read()  # `communicate` would forget what was read ahead
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    return Run(process.returncode, printed)


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start Python in a folder; its stderr goes to its stdout."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=reset_signals,  # noqa: PLW1509 -- it takes no lock
    )


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(TOP), os.environ.get("PYTHONPATH", "")]))
    # "CI": then Hypothesis has no deadlines
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "CI": "true"}


_ENVIRONMENT = _environment()


class Project:
    """A folder with a test project. It is removed at the end of the test."""

    def __init__(self, case: object, **files: str) -> None:
        folder = tempfile.TemporaryDirectory()
        case.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        for name, text in files.items():
            self.write(f"{name}.py", text)

    def write(self, name: str, text: str) -> None:
        """Write a file after dedenting its text."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))

    def nose2(self, *arguments: str, plugin: bool = True) -> Run:
        """Run nose2 in the folder."""
        return nose2(*arguments, folder=self.folder, plugin=plugin)

    def signalled(self, *arguments: str, signals: Iterable[signal.Signals]) -> Run:
        """Run nose2 in the folder. Send each signal when a test says "waiting"."""
        return signalled("-m", "nose2", *LOAD, *arguments, signals=signals, folder=self.folder)

    def python(self, *arguments: str) -> Run:
        """Run Python in the folder."""
        return python(*arguments, folder=self.folder)
