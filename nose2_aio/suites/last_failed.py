"""The tests that failed when they last ran, for ``--aio-last-failed`` and ``--aio-failed-first``.

1. They stand in ``.nose2_aio/failed.txt``, in the top-level folder of the run, one name a line. For
   a fixture that has failed, that is the name of its class, module or layer: all tests of that.
2. At the end of each run, the names of tests that have failed are added, and those of tests that
   have ended without a failure are removed. A test that did not run keeps its name there.
3. If nothing changes, nothing is written. So there is no file as long as no test fails.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from unittest import TestCase

from nose2_aio.reporting.failures import LABELS
from nose2_aio.suites.names import base_name, is_load_failure, name_of, owners_of

__all__ = ["LastFailed"]

_CATEGORIES = (*LABELS, "unexpectedSuccesses")
"""The categories of nose2's report whose tests have failed."""
_FIXTURE = r"layer (\S+)|\w+ \((\S+)\)"
"""The names that reports have for a layer, and for a fixture of a class, module or layer."""


class LastFailed:
    """The tests that failed last."""

    def __init__(self, folder: str | None) -> None:
        """``folder`` is the top-level folder of the run; None for the current one."""
        self._file = Path(folder or "", ".nose2_aio", "failed.txt").absolute()
        try:
            self._names = set(self._file.read_text("utf-8").split("\n")) - {""}
        except (OSError, UnicodeDecodeError):
            self._names = set()
        self._selected = self._names | set(map(base_name, self._names))
        self._ended: set[str] = set()
        """Those of the names whose tests have ended."""

    def has(self, test: Any) -> bool:
        """Return True if a test failed last, on any of its loops."""
        names = self._selected
        return bool(names) and (name_of(test) in names or not names.isdisjoint(owners_of(test)))

    def begin(self, hooks: Any) -> None:
        """Begin to record what fails, in the main process."""
        hooks.register("beforeSummaryReport", self)
        if self._names:  # else no name can be removed
            hooks.register("testOutcome", self)

    def testOutcome(self, event: Any) -> None:  # noqa: N802 -- nose2's name
        """Note that a test has ended."""
        test = getattr(event.test, "test_case", event.test)  # the test of a subtest
        if isinstance(test, TestCase):
            self._ended |= self._selected.intersection((name_of(test), *owners_of(test)))

    def beforeSummaryReport(self, event: Any) -> None:  # noqa: N802 -- nose2's name
        """Write the file, if something has changed."""
        failed = {
            _failed_name(one.test)
            for category in _CATEGORIES
            for one in event.reportCategories.get(category, ())
            if not is_load_failure(one.test)
        }
        kept = {one for one in self._names if self._ended.isdisjoint((one, base_name(one)))}
        if failed | kept == self._names:
            return
        try:
            self._write(failed | kept)
        except OSError as error:
            event.stream.writeln(f"last-failed: the failed tests could not be saved: {error}")

    def _write(self, names: set[str]) -> None:
        folder = self._file.parent
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_text("".join(f"{name}\n" for name in sorted(names)), "utf-8", "backslashreplace")
        new.replace(self._file)


def _failed_name(test: Any) -> str:
    """Return the name to save for a test or a fixture that has failed."""
    name = name_of(getattr(test, "test_case", test))
    match = re.fullmatch(_FIXTURE, name)
    return name if match is None else match[1] or match[2]
