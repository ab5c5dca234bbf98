"""Follow one plain coroutine test through this package: its modules, in order.

    python benchmarks/path.py

Prints each call of a function of ours, from nose2's hook ``startTest`` to ``stopTest``, and then
how many modules it goes through, and how often a call goes from one module to another one. The
limits (12 modules, 30 changes) are held by a test.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import unittest
from types import FrameType
from typing import Any

from nose2.main import PluggableTestProgram

_PACKAGE = "nose2_aio"


class Path:
    """Records the calls of our functions while a test runs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        """Module and function of each call, in order."""

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call of one of our functions."""
        name = str(frame.f_globals.get("__name__"))
        if event == "call" and name.partition(".")[0] == _PACKAGE:
            self.calls.append((name, frame.f_code.co_qualname))

    @property
    def modules(self) -> list[str]:
        """The modules, each once, in the order of their first call."""
        return list(dict.fromkeys(name for name, _ in self.calls))

    @property
    def changes(self) -> int:
        """How often a call is in another module than the call before it."""
        return sum(one[0] != other[0] for one, other in itertools.pairwise(self.calls))


def follow() -> Path:
    """Run one coroutine test that follows another one; return the path of it."""
    path = Path()

    class Plain(unittest.TestCase):
        async def test_first(self) -> None:
            """Whatever is done once is done here."""

        async def test_second(self) -> None:
            pass

    class Profiled(PluggableTestProgram):
        def parseArgs(self, argv: Any) -> None:  # noqa: N802 -- unittest's
            super().parseArgs(argv)
            self.test = unittest.TestSuite([Plain("test_first"), Plain("test_second")])
            hooks = self.session.hooks.hooks
            start, stop = hooks["startTest"], hooks["stopTest"]

            def call_start(event: Any) -> Any:
                if event.test.id().endswith("second"):
                    sys.setprofile(path.profile)
                return start(event)

            def call_stop(event: Any) -> Any:
                try:
                    return stop(event)
                finally:
                    sys.setprofile(None)

            hooks["startTest"], hooks["stopTest"] = call_start, call_stop

    argv = ["nose2", "--plugin", "nose2_aio", "--aio-workers", "0", "-q", "-t"]
    with tempfile.TemporaryDirectory() as folder:  # without a file of tests that failed last
        Profiled(argv=[*argv, folder], exit=False, module=None)
    return path


def main() -> None:
    """Print the path."""
    path = follow()
    for name, function in path.calls:
        print(f"{name.removeprefix(f'{_PACKAGE}.'):<32} {function}")
    print(f"{len(path.modules)} modules, {path.changes} changes of module")


if __name__ == "__main__":
    main()
