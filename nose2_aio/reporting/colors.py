"""Colours of the report, on a terminal. They are those of CPython's unittest.

nose2 writes each word on an outcome with a call of its own. So the words can be coloured in the
stream that nose2 writes to. Without colours, nothing is changed.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["ColorStream"]

_GREEN, _YELLOW, _RED, _RESET = "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[0m"
_WORDS = re.compile(
    r"(?P<passed>\.|ok|OK)$"
    r"|(?P<other>s|x|u|skipped .*|expected failure|unexpected success)$"
    r"|(?P<failed>F|E|FAILED)$"
    r"|(?P<head>FAIL|ERROR|FLAKY)(?![^ :])"
)
"""Whole texts, and the beginnings of lines on failures."""
_COLORS = {"passed": _GREEN, "other": _YELLOW, "failed": _RED, "head": _RED}


class ColorStream:
    """Colours the words on outcomes that are written to a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> Any:
        """Write a text."""
        return self._stream.write(colored(text))


def colored(text: str) -> str:
    """Return a text with its colour, if it is or begins with a word on an outcome."""
    found = _WORDS.match(text)
    if found is None:
        return text
    word = found[0]
    return f"{_COLORS[str(found.lastgroup)]}{word}{_RESET}{text[len(word) :]}"
