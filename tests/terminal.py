"""Run nose2 on a terminal: a pseudo-terminal of a given width, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.runs import TOP


def has_terminals() -> bool:
    """Return True if this machine has pseudo-terminals. A container may have none."""
    try:
        found = pty.openpty()
    except OSError:
        return False
    for one in found:
        os.close(one)
    return True


_NOSE2 = (sys.executable, "-m", "nose2", "--no-user-config", "--plugin", "nose2_aio")


class Terminal:
    """A terminal on which nose2 runs once."""

    def __init__(self, columns: int = 80) -> None:
        self.output = ""
        """All that was written to it."""
        self._main, self._side = pty.openpty()
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Change the width."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type a text, such as Ctrl-C."""
        os.write(self._main, text.encode())

    def nose2(
        self,
        *arguments: str,
        folder: Path,
        on: Mapping[str, Callable[[], None]] | None = None,
    ) -> int:
        """Run nose2 with the plugin; return its exit code.

        ``on`` has functions to call, each once, when a text has been written.
        """
        environment = {**os.environ, "PYTHONPATH": str(TOP), "NO_COLOR": "1", "TERM": "xterm"}
        environment.pop("CI", None)
        process = subprocess.Popen(
            [*_NOSE2, *arguments],
            cwd=folder,
            env=environment,
            stdin=self._side,
            stdout=self._side,
            stderr=self._side,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(self._side)
        try:
            self._read(dict(on or {}))
            return process.wait(10)
        finally:
            process.kill()
            os.close(self._main)

    def _read(self, actions: dict[str, Callable[[], None]]) -> None:
        data = b""
        while True:
            try:
                chunk = os.read(self._main, 65536)
            except OSError:  # on Linux, all programs on it have ended
                return
            if not chunk:  # the same on other systems
                return
            data += chunk
            self.output = data.decode(errors="ignore")
            for text in [one for one in actions if one in self.output]:
                actions.pop(text)()

    @property
    def drawn(self) -> list[str]:
        """The texts of the line that shows the progress."""
        parts = self.output.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return [one for one in parts if re.match(r"[^ ]* of \d", one)]

    @property
    def screen(self) -> str:
        """The lines on the screen at the end, as if the terminal was wide and high enough."""
        lines = []
        for written in self.output.replace("\r\n", "\n").split("\n"):
            line: list[str] = []
            for part in written.split("\r"):
                line[: len(part)] = part
            lines.append("".join(line).rstrip())
        return "\n".join(lines)
