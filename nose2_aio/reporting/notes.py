"""Notes: lines for the end of the run, such as on a setting that could not be applied."""

from __future__ import annotations

__all__ = ["Notes"]


class Notes:
    """Lines for the end of the run, without duplicates, in the order in which they were added."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def lines(self) -> list[str]:
        """The lines so far."""
        return list(self._lines)

    def add(self, *lines: str) -> None:
        """Add lines. A line that is there already is not added again."""
        self._lines.update(dict.fromkeys(lines))

    def take(self) -> list[str]:
        """Return the lines, and remove them."""
        lines, self._lines = list(self._lines), {}
        return lines
