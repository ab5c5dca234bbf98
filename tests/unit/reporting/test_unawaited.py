"""nose2_aio.reporting.unawaited"""

from __future__ import annotations

import re
import warnings
from unittest import TestCase, mock

from nose2_aio.reporting import unawaited


class Caught(TestCase):
    """Tests that deal with Python's warning themselves."""

    def test_filters(self) -> None:
        """A new filter that ignores the warning counts. A filter of the whole run doesn't."""
        for message, is_caught in (
            (None, True),
            (re.compile("coroutine .* was never awaited"), True),
            (re.compile("something else"), False),
            ("a text", False),
        ):
            one = ("ignore", message, RuntimeWarning, None, 0)
            with mock.patch.object(warnings, "filters", [one]):
                found = unawaited._is_caught(warnings.filters, [])
                self.assertIs(found, is_caught, message)
                self.assertFalse(unawaited._is_caught(warnings.filters, [one]))
                self.assertTrue(unawaited._is_caught([], [one]))
