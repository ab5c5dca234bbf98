"""A baseline: what a suite is known to leave behind, so that only what is new is told.

A file of text, one line for each thing: the test, the check and what it is, without anything that
changes from run to run, such as line numbers. It is sorted, to be kept with the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nose2_aio.errors import InvalidValueError
from nose2_aio.ledgers import Finding

__all__ = ["Baseline", "checked", "line_of"]

_HEAD = "# What the tests are known to leave behind: see --aio-baseline of nose2_aio.\n"
_BETWEEN = "\t"
_LINE = _BETWEEN.join(("{}", "{}", "{}"))


def line_of(name: str, finding: Finding) -> str:
    """Return the line for what was found in a test."""
    return _LINE.format(name, finding.check, " ".join(finding.key.split()))


def checked(text: str, *, name: str, place: str) -> str:
    """Return the path of a baseline; raise `InvalidValueError` if it can't be one."""
    path = Path(text)
    if not text.strip() or path.is_dir():
        raise InvalidValueError(f"{name} must be the path of a file, got {text!r} ({place})")
    if path.exists():
        try:
            _read(path)
        except (OSError, ValueError) as error:
            raise InvalidValueError(f"{name}: {text} can't be read: {error} ({place})") from None
    elif not os.access(path.absolute().parent, os.W_OK):
        raise InvalidValueError(
            f"{name} must be in a directory that can be written to, got {text!r} ({place})"
        )
    return text


class Baseline:
    """The baseline of a run, as it stands in its file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.is_to_be_written = bool(path) and not self._path.exists()
        self._known = frozenset() if self.is_to_be_written or not path else _read(self._path)

    def is_new(self, name: str, finding: Finding) -> bool:
        """Tell whether something that was found in a test doesn't stand in it."""
        return line_of(name, finding) not in self._known

    def write(self, lines: Iterable[str]) -> None:
        """Write it."""
        text = _HEAD + "".join(f"{line}\n" for line in sorted(set(lines)))
        self._path.write_text(text, "utf-8")


def _read(path: Path) -> frozenset[str]:
    lines = path.read_text("utf-8").splitlines()
    found = frozenset(line for line in lines if line and not line.startswith("#"))
    for line in found:
        if line.count(_BETWEEN) != _LINE.count(_BETWEEN):
            raise ValueError(f"{line!r} is no line of a baseline")
    return found
