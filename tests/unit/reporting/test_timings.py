"""nose2_aio.reporting.timings"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest import TestCase

from nose2_aio.reporting.timings import read_durations


class Durations(TestCase):
    """The report of an earlier run."""

    def test_read(self) -> None:
        """It has the seconds of tests. An invalid file counts as empty."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            self.assertEqual(read_durations(str(path)), {})
            path.write_text(json.dumps({"tests": [{"id": "a", "seconds": 2}]}))
            self.assertEqual(read_durations(str(path)), {"a": 2.0})
            for text in ("", "[]", '{"tests": 5}', '{"tests": [{"id": "a"}]}', '{"tests": ["a"]}'):
                path.write_text(text)
                self.assertEqual(read_durations(str(path)), {}, text)
        self.assertEqual(read_durations(""), {})
