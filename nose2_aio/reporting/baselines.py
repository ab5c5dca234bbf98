"""A baseline: findings that stand in its file are not reported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from nose2_aio.config import baseline_file
from nose2_aio.eventloop.problems import Finding

__all__ = ["Baseline", "line_of"]


def line_of(name: str, finding: Finding) -> str:
    """Return the line for a finding in the test ``name``."""
    key = re.sub(r"\b0x[0-9A-Fa-f]+|\d{6,}", "0x", finding.key)  # addresses, most likely
    return baseline_file.format_line(name, finding.check, key)


class Baseline:
    """The baseline of a run. Without a path it is empty, and never written."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.is_to_be_written = bool(path) and not self._path.exists()
        is_known = bool(path) and not self.is_to_be_written
        self._known = Counter(baseline_file.read(self._path) if is_known else ())

    def new(self, name: str, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings in a test that the file doesn't have, or has less often."""
        count: Counter[str] = Counter()
        found = []
        for one in findings:
            line = line_of(name, one)
            count[line] += 1
            if count[line] > self._known[line]:
                found.append(one)
        return found

    def write(self, lines: Iterable[str]) -> None:
        """Write the file."""
        baseline_file.write(self._path, lines)
