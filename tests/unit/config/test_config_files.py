"""nose2_aio.config.config_files"""

from __future__ import annotations

from pathlib import Path
from unittest import TestCase

from nose2_aio.config import config_files


class Folders(TestCase):
    """The folder that a relative path in a file begins at."""

    def test_no_file(self) -> None:
        """If no file has the key, such as in a worker of nose2, it is the current one."""
        self.assertEqual(config_files._folder_of("baseline", None, []), Path())
