"""nose2_aio.eventloop.debug_stacks"""

from __future__ import annotations

import sys
from asyncio import format_helpers
from traceback import StackSummary
from unittest import TestCase, mock

from nose2_aio.eventloop import debug_stacks
from nose2_aio.eventloop.debug_stacks import remembered

plain = debug_stacks._extract_stack


class Stacks(TestCase):
    """Stacks that debug mode saves."""

    def stack(self, depth: int = 0) -> StackSummary:
        """Return what asyncio saves now, as many calls further down."""
        if depth:
            return self.stack(depth - 1)
        return format_helpers.extract_stack()

    def test_same(self) -> None:
        """They are the same as without, the first time and later, with few and many frames."""
        for depth, most in ((0, 2000), (0, 3), (20, 2000)):
            for _ in range(2):
                stacks = []
                for block in (
                    remembered(),
                    mock.patch.object(format_helpers, "extract_stack", plain),
                ):
                    with block, mock.patch.object(debug_stacks, "_MAX", most):
                        stacks.append(self.stack(depth))
                self.assertEqual(*stacks)
                self.assertEqual([one.line for one in stacks[0]], [one.line for one in stacks[1]])
                self.assertIs(type(stacks[0]), StackSummary)

    def test_whole(self) -> None:
        """A stack can be taken from a frame, and be shorter than the limit."""
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
        with remembered():
            (line,) = format_helpers.extract_stack(frame, 5)
        self.assertEqual(line.filename, frame.f_code.co_filename)

    def test_each_line_once(self) -> None:
        """A line is looked up once, and nothing is remembered after the block."""
        self.enterContext(mock.patch.dict(debug_stacks._lines, clear=True))
        with mock.patch.object(debug_stacks, "_extract_stack", wraps=plain) as look_up:
            with remembered():
                for _ in range(9):
                    lines = {id(one) for one in self.stack()}
                self.assertEqual(look_up.call_count, len(lines))
                self.stack()
                self.assertEqual(look_up.call_count, len(lines) + 1)
            self.assertEqual(debug_stacks._lines, {})
