"""A baseline: findings that stand in its file are not reported.

At the end of the run, lines say what became of the known findings. One that was not found again is
stale if its test has passed. If the test did not run or did not pass, nothing is known of it. The
findings of fixtures, and of tests that are gone, can only be stale if all tests ran.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest import TestCase

from nose2_aio.config import baseline_file
from nose2_aio.config.checks import CHECKS
from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.problems import Finding
from nose2_aio.reporting.outcomes import Listener, Outcome

__all__ = ["Baseline"]

_MAX_STALE = 20
"""How many stale findings are shown."""
_LOADERS = ("nose2.loader", "unittest.loader")
"""They have the test cases that stand for modules that could not be loaded."""


class Baseline(Listener):
    """The baseline of a run. Without a path it is empty, and never written."""

    def __init__(self, settings: Settings) -> None:
        self._path = Path(settings.baseline)
        self._shown = baseline_file.shown(settings.baseline)
        self._is_used = bool(settings.baseline)
        self._modes = {check.name: settings.mode(check) for check in CHECKS}
        self._is_new = not self._path.is_file()
        self.is_to_be_written = self._is_used and (self._is_new or settings.baseline_update)
        """True if the file is written at the end of the run. Then no finding fails a test."""
        self._known = Counter(() if self._is_new else baseline_file.read(self._path))
        self.found: Counter[str] = Counter()
        """The lines of all findings so far, also of those that the file has."""
        self._passes: dict[str, bool] = {}
        """The tests that ended, and if they have passed each time, by their names in the file."""
        self._ended = 0
        """How many tests have ended."""
        self._is_incomplete = False
        """True if a fixture or a module failed or was skipped: tests are missing."""

    def new(self, name: str, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings in a test that the file doesn't have, or has less often."""
        if not self._is_used:
            return list(findings)
        count: Counter[str] = Counter()
        new = []
        for one in findings:
            key = re.sub(r"\b0x[0-9A-Fa-f]+|\d{6,}", "0x", one.key)  # addresses, most likely
            line = baseline_file.format_line(name, one.check, key)
            count[line] += 1
            if count[line] > self._known[line]:
                new.append(one)
        self.found |= count  # a test that runs twice has each finding once
        return new

    def take(self) -> Counter[str]:
        """Return the lines of the findings so far, and forget them."""
        found, self.found = self.found, Counter()
        return found

    def end(self, outcome: Outcome) -> None:
        """Note if a test has passed."""
        test = outcome.test
        if not isinstance(test, TestCase) or type(test).__module__ in _LOADERS:
            self._is_incomplete = True
            return
        self._ended += 1
        name = baseline_file.format_field(test.id())
        has_passed = outcome.status in ("passed", "expected failure")
        self._passes[name] = has_passed and self._passes.get(name, True)

    def report(self, part: str, planned: int) -> list[str]:
        """Return lines on the known findings for the end of the run; write the file, if needed.

        ``part`` says which part of the suite was to run, and is "" for all of it. ``planned`` is
        the number of its tests.
        """
        if not self._is_used:
            return []
        if not part and (self._is_incomplete or self._ended < planned):
            part = "not all tests ran"
        missing = self._known - self.found
        stale = Counter(
            {line: n for line, n in missing.items() if self._is_stale(line, is_partial=bool(part))}
        )
        unchecked = missing - stale
        lines = [self._write(stale) if self.is_to_be_written else self._summary(stale)]
        if unchecked:
            kept = "kept" if self.is_to_be_written else "not checked"
            lines.append(
                f"{_findings(unchecked)} {kept}, since their tests did not run or did not pass"
            )
        if part:
            lines.append(f"this run was partial: {part}")
        if stale and not self.is_to_be_written:
            lines.append("these are stale, --aio-baseline-update removes them:")
        lines = [f"baseline: {line}" for line in lines]
        if not self.is_to_be_written:
            shown = [
                f"  {'  '.join(baseline_file.split_line(line))}"
                for line in sorted(stale.elements())
            ]
            left = len(shown) - _MAX_STALE
            lines += [*shown[:_MAX_STALE], *([f"  and {left} more"] if left > 0 else [])]
        return [*lines, ""]

    def _is_stale(self, line: str, *, is_partial: bool) -> bool:
        """True if a known finding that was not found would have been found again."""
        name, check, _ = baseline_file.split_line(line)
        if self._modes.get(check) == "ignore":
            return False
        if name in self._passes:
            return self._passes[name]
        below = [passed for one, passed in self._passes.items() if one.startswith(f"{name}.")]
        return not is_partial and all(below) and not _is_elsewhere(name)

    def _write(self, stale: Counter[str]) -> str:
        """Write the file, and say what has changed."""
        written = (self._known - stale) | self.found
        try:
            baseline_file.write(self._path, written.elements())
        except OSError as error:
            return f"{self._shown} could not be written: {error}"
        if self._is_new:
            return f"wrote {_findings(written)} to {self._shown}"
        added = (written - self._known).total()
        return f"{self._shown} has {_findings(written)} now: {added} added, {stale.total()} removed"

    def _summary(self, stale: Counter[str]) -> str:
        """Say what the file has hidden."""
        hidden = (self._known & self.found).total()
        return (
            f"{self._shown} has {_findings(self._known)}: {hidden} found again and not reported, "
            f"{stale.total()} stale"
        )


def _is_elsewhere(name: str) -> bool:
    """Return True if a name is in a module that exists, but wasn't loaded for this run."""
    parts = name.split(".")
    modules = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    missing = next((one for one in modules if one not in sys.modules), "")
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(missing) is not None
    return False


def _findings(lines: Counter[str]) -> str:
    count = lines.total()
    return f"{count} finding{'s' * (count != 1)}"
