"""nose2_aio.feedback"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase

from nose2_aio.config.settings import Settings
from nose2_aio.feedback import Feedback


class Progress(TestCase):
    """When a terminal shows the progress."""

    def test_rules(self) -> None:
        """Not with ``-q``, with ``-v`` without workers, by setting, in CI, on a simple terminal."""
        for verbosity, given, environment, expected in (
            (1, {}, {}, True),
            (0, {}, {}, False),
            (2, {}, {}, False),
            (2, {"workers": 1}, {}, True),
            (0, {"workers": 1}, {}, False),
            (1, {"progress": "off"}, {}, False),
            (1, {}, {"CI": "true"}, False),
            (1, {}, {"CI": ""}, True),
            (1, {}, {"TERM": "dumb"}, False),
        ):
            run: Any = SimpleNamespace(settings=Settings(**given))
            with self.subTest(verbosity=verbosity, **given, **environment):
                self.assertEqual(Feedback(run, environment)._has_progress(verbosity), expected)
