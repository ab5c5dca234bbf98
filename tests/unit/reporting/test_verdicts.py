"""nose2_aio.reporting.verdicts"""

from __future__ import annotations

import sys
from unittest import TestCase

from nose2_aio.reporting import verdicts


class Blocked(TestCase):
    """The line on code that does not await."""

    def test_line(self) -> None:
        """It has the innermost line of the user's; without one there is none."""
        (line,) = verdicts.blocked(sys._getframe())
        self.assertRegex(line, r"^blocked at .*test_verdicts\.py:\d+ in test_line: the event loop ")
        self.assertEqual(verdicts.blocked(None), [])
