"""A baseline: what a suite is known to leave behind, so that only what is new is told.

A file of text, one line for each thing: the test, the check and what it is, without anything that
changes from run to run, such as line numbers. It is sorted, to be kept with the tests.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from nose2_aio.errors import InvalidValueError
from nose2_aio.ledgers import Finding

__all__ = ["Baseline", "checked", "checked_new", "line_of"]

_HEAD = "# What the tests are known to leave behind: see --aio-baseline of nose2_aio.\n"
_BETWEEN = "\t"
_LINE = _BETWEEN.join(("{}", "{}", "{}"))


def line_of(name: str, finding: Finding) -> str:
    """Return the line for what was found in a test."""
    key = re.sub(r"\b0x[0-9A-Fa-f]+|\d{6,}", "0x", finding.key)  # addresses, most likely
    # the names of tests with parameters have several lines
    return _LINE.format(" ".join(name.split()), finding.check, " ".join(key.split()))


def checked(text: str, *, name: str, place: str) -> str:
    """Return the path of a baseline; raise `InvalidValueError` if it can't be one."""
    path = Path(text)
    if not path.is_file():
        return checked_new(text, name=name, place=place)
    try:
        _read(path)
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"{name}: {text} can't be read: {error} ({place})") from None
    return text


def checked_new(text: str, *, name: str, place: str) -> str:
    """Return the path of a file to write; raise `InvalidValueError` if it can't be one."""
    path = Path(text)
    if not text.strip() or path.is_dir():
        raise InvalidValueError(f"{name} must be the path of a file, got {text!r} ({place})")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise InvalidValueError(
            f"{name} must be in a directory that can be written to, got {text!r} ({place})"
        )
    return text


class Baseline:
    """The baseline of a run, as it stands in its file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.is_to_be_written = bool(path) and not self._path.exists()
        is_known = bool(path) and not self.is_to_be_written
        self._known = Counter(_read(self._path) if is_known else ())

    def new(self, name: str, findings: Iterable[Finding]) -> list[Finding]:
        """Return what was found in a test and doesn't stand in it, or not that often."""
        count: Counter[str] = Counter()
        found = []
        for one in findings:
            line = line_of(name, one)
            count[line] += 1
            if count[line] > self._known[line]:
                found.append(one)
        return found

    def write(self, lines: Iterable[str]) -> None:
        """Write it."""
        text = _HEAD + "".join(f"{line}\n" for line in sorted(lines))
        self._path.write_text(text, "utf-8")


def _read(path: Path) -> list[str]:
    lines = path.read_text("utf-8").split("\n")
    found = [line for line in lines if line and not line.startswith("#")]
    for line in found:
        if line.count(_BETWEEN) != _LINE.count(_BETWEEN):
            raise ValueError(f"{line!r} is no line of a baseline")
    return found
