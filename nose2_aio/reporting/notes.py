"""Notes: lines for the end of the run about what was asked for and can't be done."""

from __future__ import annotations

__all__ = ["Notes"]


class Notes:
    """Lines for the end of the run, each once, in the order in which they came."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def lines(self) -> list[str]:
        """The lines so far."""
        return list(self._lines)

    def add(self, *lines: str) -> None:
        """Add lines that are not there yet."""
        self._lines.update(dict.fromkeys(lines))

    def take(self) -> list[str]:
        """Return the lines, and forget them."""
        lines, self._lines = list(self._lines), {}
        return lines
