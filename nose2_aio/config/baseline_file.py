"""The baseline file: the known findings of the checks in a suite, one finding a line.

A line names the test, the check and the finding. It has nothing that changes from run to run, such
as line numbers. Lines are sorted, so the file can be kept under version control with the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nose2_aio.errors import InvalidValueError

__all__ = [
    "check_new_path",
    "check_path",
    "format_field",
    "format_line",
    "read",
    "shown",
    "split_line",
    "write",
]

_HEADER = "# Known findings of the checks: see --aio-baseline of nose2_aio.\n"
_SEPARATOR = "\t"
_FIELDS = 3


def format_line(test: str, check: str, key: str) -> str:
    """Return the line for a finding of a check in a test."""
    return _SEPARATOR.join(map(format_field, (test, check, key)))


def format_field(text: str) -> str:
    """Return a text, such as the name of a test, as it stands in a line."""
    return " ".join(text.split())


def split_line(line: str) -> list[str]:
    """Return the test, the check and the key of a line."""
    return line.split(_SEPARATOR)


def read(path: Path) -> list[str]:
    """Return the lines of a file with findings.

    Raises `ValueError` for a line that is neither empty, a comment nor a finding, and `OSError`.
    """
    lines = path.read_text("utf-8").split("\n")
    found = [text for text in lines if text and not text.startswith("#")]
    for text in found:
        if text.count(_SEPARATOR) != _FIELDS - 1:
            raise ValueError(f"{text!r} is not a line of a baseline")
    return found


def write(path: Path, lines: Iterable[str]) -> None:
    """Write a file with these lines, sorted. Make its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_HEADER + "".join(f"{text}\n" for text in sorted(lines)), "utf-8")


def shown(path: str) -> str:
    """Return a path as messages show it: relative to the current directory, if it is in there."""
    folder = Path.cwd()
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def check_path(text: str, *, name: str, place: str) -> str:
    """Return the absolute path of a baseline, or of a file that can be written.

    Raises `InvalidValueError` for any other path.
    """
    path = Path(text)
    if not path.is_file():
        return check_new_path(text, name=name, place=place)
    try:
        read(path)
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"{name}: {text} can't be read: {error} ({place})") from None
    return str(path.absolute())


def check_new_path(text: str, *, name: str, place: str) -> str:
    """Return the absolute path of a file that can be written, maybe after making its folder.

    It is absolute, since a test may change the current directory. Raises `InvalidValueError` for
    any other path.
    """
    path = Path(text).absolute()
    if not text.strip() or path.is_dir():
        raise InvalidValueError(f"{name} must be the path of a file, got {text!r} ({place})")
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not os.access(nearest, os.W_OK) or (nearest != path and not nearest.is_dir()):
        raise InvalidValueError(
            f"{name} must be in a directory that can be written to, got {text!r} ({place})"
        )
    return str(path)
