"""nose2_aio.config.durations_file"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import TestCase

from nose2_aio.config import durations_file
from nose2_aio.config.durations_file import Duration
from nose2_aio.config.shards import Shard
from nose2_aio.errors import InvalidValueError


class Files(TestCase):
    """Durations files."""

    def setUp(self) -> None:
        """Make a folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "in" / "durations.txt"

    def test_written(self) -> None:
        """What was written is read. Files can be merged one after the other."""
        self.assertEqual(durations_file.read(""), {})
        self.assertEqual(durations_file.read(str(self.path)), {})
        durations_file.write(
            self.path, {"b": Duration(2, 1), "a": Duration(1.00004, 0), "\udcff": Duration(3, 0)}
        )
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])
        lines = self.path.read_text().splitlines()[1:]
        self.assertEqual(
            lines, ["a\t1.0000\t0.0000", "b\t2.0000\t1.0000", "\\udcff\t3.0000\t0.0000"]
        )
        self.assertEqual(durations_file.read(str(self.path))["b"], Duration(2, 1))
        self.path.write_text(self.path.read_text() + "\n# more\nb\t3\t2\n")
        self.assertEqual(durations_file.read(str(self.path))["b"], Duration(3, 2))
        durations_file.write(self.path, {"a\u2028b\x0c": Duration(1, 0)})
        self.assertEqual(list(durations_file.read(str(self.path))), ["a\u2028b\x0c"])

    def test_shards(self) -> None:
        """Each shard writes a file of its own."""
        for shard, name in ((None, "durations.txt"), (Shard(2, 4), "durations-2-of-4.txt")):
            found = durations_file.own_path(str(self.path), shard)
            self.assertEqual(found, self.path.with_name(name))

    def test_refused(self) -> None:
        """A file of another format is refused, and a folder."""
        self.path.parent.mkdir()
        for text in (
            "test",
            "test\t1",
            "test\tfast\t1",
            "test\t1\tx",
            "a\tnan\t0",
            "a\tinf\t0",
            "a\t1\t2",
            "{}",
        ):
            self.path.write_text(text)
            with self.assertRaises(InvalidValueError) as caught:
                durations_file.check_path(str(self.path), name="durations-file", place="here")
            expected = (
                f"durations-file: {self.path} can't be read: {text!r} is not a line of a durations "
                "file (here)"
            )
            self.assertEqual(str(caught.exception), expected)
        with self.assertRaises(InvalidValueError):
            durations_file.check_path(str(self.path.parent), name="durations-file", place="here")
