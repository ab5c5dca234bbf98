"""nose2_aio.running.deadlines"""

from __future__ import annotations

import math
import sys
import types
from unittest import TestCase, mock

from nose2_aio.eventloop.virtual_clock import HeldTime
from nose2_aio.running.deadlines import Deadline, Limit, VirtualTime

SOON = Limit(0.01, "here")
PASSED = Limit(1e-9, "here")


class Deadlines(TestCase):
    """A deadline."""

    def test_error(self) -> None:
        """The error names the limit and its place, and shows what was going on."""
        deadline = Deadline(SOON)
        self.assertEqual(str(deadline.error()), "not done within its time limit of 0.01 s (here)")
        deadline.report = "It waits here."
        self.assertTrue(str(deadline.error()).endswith("(here)\n\nIt waits here."))
        self.assertEqual(len(deadline.lateness().__notes__), 1)

    def test_time(self) -> None:
        """A deadline passes. It can be extended and lifted."""
        deadline = Deadline(PASSED)
        self.assertTrue(deadline.is_over)
        deadline.extend(5)
        self.assertFalse(deadline.is_over)
        deadline.extend(-5)
        self.assertTrue(deadline.is_over)
        deadline.lift()
        self.assertFalse(deadline.is_over)

    def test_virtual(self) -> None:
        """In virtual time, the setting counts real time, beside a tag that is not 0."""
        setting, tag, none = (
            SOON,
            Limit(5, "@timeout", is_tagged=True),
            Limit(0, "", is_tagged=True),
        )
        virtual = VirtualTime("@virtual_time", HeldTime(), setting)
        for limit, real, left in (
            (setting, setting, math.inf),
            (tag, setting, 5),
            (none, none, math.inf),
        ):
            deadline = Deadline(limit, virtual)
            self.assertEqual((deadline.real_limit, deadline.virtual_left), (real, left))
        self.assertEqual(Deadline(none, virtual).when, math.inf)
        deadline = Deadline(tag, virtual)
        before = deadline.when
        deadline.extend(3600)
        self.assertEqual((deadline.when, deadline.virtual_left), (before, 3605))

    def test_debugger(self) -> None:
        """Under a debugger it never passes. A profiler or coverage tool is no debugger."""
        deadline = Deadline(PASSED)
        for module, is_over in (("bdb", False), ("pydevd.tracing", False), ("coverage", True)):
            tracer = types.SimpleNamespace(__module__=module)
            with mock.patch.object(sys, "gettrace", lambda tracer=tracer: tracer):
                self.assertIs(deadline.is_over, is_over, module)
        monitoring = mock.Mock(DEBUGGER_ID=0)
        for tool, is_over in (("pdb", False), (None, True)):
            monitoring.get_tool.return_value = tool
            with mock.patch.object(sys, "monitoring", monitoring, create=True):
                self.assertIs(deadline.is_over, is_over, tool)
        with mock.patch.object(sys, "monitoring", None, create=True):
            self.assertTrue(deadline.is_over)
