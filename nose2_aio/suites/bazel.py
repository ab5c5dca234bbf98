"""What Bazel asks of a test runner besides its shards, with ``shards = auto``.

These variables are described in Bazel's "Test encyclopedia":

``TEST_SHARD_STATUS_FILE``
    A file that the runner touches, to say that it knows shards.
``TEST_PREMATURE_EXIT_FILE``
    A file that exists as long as tests run. If it is left, a test has ended the process.
``XML_OUTPUT_FILE``
    The file for a report in the form of JUnit. nose2's plugin ``junitxml`` writes it, if it is on.
    Else Bazel writes one itself.
``TESTBRIDGE_TEST_ONLY``
    The value of ``--test_filter``: names or patterns of tests, classes or modules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nose2_aio.suites.names import is_load_failure, name_of

__all__ = ["begin", "filtered"]

_JUNIT = "nose2.plugins.junitxml"


class _PrematureExit:
    """A file that exists as long as tests run."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.touch()

    def afterTestRun(self, _: Any) -> None:  # noqa: N802 -- nose2's name
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def begin(session: Any) -> list[str]:
    """Do what Bazel asks for at the begin of a run; return lines on what could not be done."""
    status, exit_file, report = (
        os.environ.get(name)
        for name in ("TEST_SHARD_STATUS_FILE", "TEST_PREMATURE_EXIT_FILE", "XML_OUTPUT_FILE")
    )
    lines = []
    try:
        if status:
            Path(status).touch()
        if exit_file:
            session.hooks.register("afterTestRun", _PrematureExit(exit_file))
    except OSError as error:
        lines.append(f"shards: a file of Bazel could not be written: {error}")
    for plugin in session.plugins if report else ():
        if type(plugin).__module__ == _JUNIT:
            plugin.path = report
    return lines


def filtered(tests: Iterable[Any]) -> tuple[list[Any], str] | None:
    """Return the tests that ``TESTBRIDGE_TEST_ONLY`` selects, and a line; None if it isn't set.

    A test is selected if a part of its name is one of the words, which may have ``*`` and ``?``.
    """
    words = os.environ.get("TESTBRIDGE_TEST_ONLY", "").split()
    if not words:
        return None
    every = list(tests)
    patterns = [f"*.{word}[.:]*" for word in words]  # ":" is before the number of a parameter
    found = [
        test
        for test in every
        if is_load_failure(test) or any(fnmatchcase(f".{name_of(test)}.", one) for one in patterns)
    ]
    return found, f"TESTBRIDGE_TEST_ONLY: {len(found):,} of {len(every):,} tests"
