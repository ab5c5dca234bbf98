"""The baseline file: what a suite is known to leave behind, one line for each finding.

A line names the test, the check and the finding, without anything that changes from run to run,
such as line numbers. Lines are sorted, so that the file can be kept with the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nose2_aio.errors import InvalidValueError

__all__ = ["check_new_path", "check_path", "line", "read", "write"]

_HEAD = "# What the tests are known to leave behind: see --aio-baseline of nose2_aio.\n"
_BETWEEN = "\t"
_PARTS = 3


def line(test: str, check: str, key: str) -> str:
    """Return the line for a finding of a check in a test."""
    return _BETWEEN.join(" ".join(text.split()) for text in (test, check, key))


def read(path: Path) -> list[str]:
    """Return the lines of a file; raise `ValueError` if one of them is not a finding."""
    lines = path.read_text("utf-8").split("\n")
    found = [text for text in lines if text and not text.startswith("#")]
    for text in found:
        if text.count(_BETWEEN) != _PARTS - 1:
            raise ValueError(f"{text!r} is no line of a baseline")
    return found


def write(path: Path, lines: Iterable[str]) -> None:
    """Write a file."""
    path.write_text(_HEAD + "".join(f"{text}\n" for text in sorted(lines)), "utf-8")


def check_path(text: str, *, name: str, place: str) -> str:
    """Return the path of a baseline; raise `InvalidValueError` if it can't be one."""
    path = Path(text)
    if not path.is_file():
        return check_new_path(text, name=name, place=place)
    try:
        read(path)
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"{name}: {text} can't be read: {error} ({place})") from None
    return text


def check_new_path(text: str, *, name: str, place: str) -> str:
    """Return the path of a file to write; raise `InvalidValueError` if it can't be written."""
    path = Path(text)
    if not text.strip() or path.is_dir():
        raise InvalidValueError(f"{name} must be the path of a file, got {text!r} ({place})")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise InvalidValueError(
            f"{name} must be in a directory that can be written to, got {text!r} ({place})"
        )
    return text
