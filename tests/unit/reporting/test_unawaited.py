"""nose2_aio.reporting.unawaited"""

from __future__ import annotations

import re
import warnings
from unittest import TestCase, mock

from nose2_aio.reporting import unawaited


class Caught(TestCase):
    """Who deals with Python's warning."""

    def test_filters(self) -> None:
        """Filters that are new and ignore it do, those of the whole run don't."""
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
