"""If a report goes to a terminal, and if it has colours: by the rules of CPython's unittest."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["has_colors", "terminal_of"]


def terminal_of(stream: Any) -> int | None:
    """Return the file descriptor of the terminal that a stream writes to; None if it is none."""
    try:
        descriptor: int = stream.fileno()
    except (AttributeError, OSError, ValueError):  # None, not a file, closed
        return None
    return descriptor if os.isatty(descriptor) else None


def has_colors(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return True if the report is to be coloured. ``is_terminal`` is True if a terminal gets it.

    The first of these rules decides: ``PYTHON_COLORS`` is 0 or 1; ``NO_COLOR`` is set;
    ``FORCE_COLOR`` is set; ``TERM`` is ``dumb``. Else it is True for a terminal.
    """
    if not sys.flags.ignore_environment:
        if environment.get("PYTHON_COLORS") in ("0", "1"):
            return environment["PYTHON_COLORS"] == "1"
        if environment.get("NO_COLOR"):
            return False
        if environment.get("FORCE_COLOR"):
            return True
        if environment.get("TERM") == "dumb":
            return False
    # older consoles of Windows show the codes
    return os.name == "posix" and is_terminal
