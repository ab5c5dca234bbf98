"""nose2_aio.suites.arrangement"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import TestCase, TestSuite, mock

from nose2.suite import LayerSuite

from nose2_aio.cases import unittest_internals
from nose2_aio.config import settings
from nose2_aio.suites import arrangement
from nose2_aio.suites.last_failed import LastFailed

FAILED = LastFailed("/nowhere")


class Plain(TestCase):
    def a(self) -> None: ...

    def b(self) -> None: ...


class Fixtures(Plain):
    @classmethod
    def setUpClass(cls) -> None: ...


class Own(TestSuite):
    """Runs its tests itself."""

    def run(self, result: Any, debug: bool = False) -> Any:
        return super().run(result, debug)


def names(suite: Any) -> list[str]:
    """The class and the name of each test in a suite, in order."""
    tests = unittest_internals.flattened(suite)
    return [".".join(test.id().split(".")[-2:]) for test in tests]


def arranged(suite: Any, **given: str) -> tuple[list[str], list[str]]:
    """The names of the tests that are left, and the lines."""
    texts = {name.replace("_", "-"): text for name, text in given.items()}
    found = arrangement.arranged(suite, settings.resolve({}, texts), FAILED)
    return names(found.suite), found.lines


class Shards(TestCase):
    """A part of a suite."""

    def test_part(self) -> None:
        """The tests of other shards are removed, and suites that are empty then."""
        ran: list[str] = []
        marks = set()
        for number in (1, 2, 3):
            suite = TestSuite(
                [
                    TestSuite([Plain("a")]),
                    Own([Own([Plain("b")])]),
                    LayerSuite(None, [Fixtures("a"), Fixtures("b")], layer=Plain),
                ]
            )
            found, (line,) = arranged(suite, shard=f"{number}/3")
            count = len(found)
            self.assertRegex(
                line, rf"^shard {number} of 3: {count} of 4 tests \(division \w{{6}}\)$"
            )
            marks.add(line.split()[-1])
            self.assertLessEqual(len(list(suite)), 1)
            ran += found
        self.assertEqual(sorted(ran), ["Fixtures.a", "Fixtures.b", "Plain.a", "Plain.b"])
        self.assertEqual(len(marks), 1)

    def test_partial(self) -> None:
        """A shard is a part of the suite, unless it is the only one."""
        for shard, part in (("2/3", "it was shard 2 of 3"), ("1/1", "")):
            given = settings.resolve({}, {"shard": shard})
            self.assertEqual(arrangement.arranged(TestSuite(), given, FAILED).part, part)

    def test_empty(self) -> None:
        """A shard can be empty, and so can a suite."""
        for suite in (TestSuite(), Own([Plain("a")]), TestSuite([Plain("a")])):
            found = [arranged(suite, shard=f"{number}/2")[0] for number in (1, 2)]
            self.assertIn([], found)

    def test_durations(self) -> None:
        """The line has the time that the shard will take, with workers too."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "durations.txt"
            path = str(file)
            none = "has no durations yet, so all shards have about the same number of tests"
            name = f"{__name__}.Plain.a"
            for text, workers, about, note in (
                ("", "0", "", none),
                ("x\t1\t0\n", "0", "", none.replace("no durations yet", "none of these 3 tests")),
                (f"{name}\t2\t0\n", "0", ", about 6.0 s", ""),
                (f"{name}\t2\t2\n", "2", ", about 4.0 s", ""),
                (f"{name}\t2\t0\n", "9", ", about 6.0 s", ""),
                (f"{name}\t6\t0\n", "1", ", about 18 s", ""),
                (f"{name}\t6000\t6000\n", "9", ", about 12,000 s", ""),
            ):
                if text:
                    file.write_text(text)
                suite = TestSuite([Plain("a"), Fixtures("a"), Fixtures("b")])
                with mock.patch("os.cpu_count", lambda: None):
                    lines = arranged(suite, shard="1/1", durations_file=path, workers=workers)[1]
                self.assertRegex(lines[0], rf"^shard 1 of 1: 3 of 3 tests{about} \(division")
                notes = [f"durations-file: {path} {note}"] if note else []
                self.assertEqual(lines[1:], notes)

    def test_auto(self) -> None:
        """Without variables of a CI system, all tests run, and a line says so."""
        found, lines = arranged(TestSuite([Plain("a")]), shards="auto")
        self.assertEqual(found, ["Plain.a"])
        expected = "shards = auto, but no CI system has set its variables: all tests run"
        self.assertEqual(lines, [expected])


class Shuffled(TestCase):
    """Random orders."""

    def test_seed(self) -> None:
        """A seed always gives the same order. Another seed gives another order."""

        class Ten(TestCase):
            pass

        for number in range(10):
            setattr(Ten, f"t{number}", lambda _: None)

        def order(seed: int, **given: str) -> str:
            suite = TestSuite([Ten(f"t{number}") for number in range(10)])
            found, lines = arranged(suite, shuffle=str(seed), **given)
            self.assertEqual(lines, [])
            return "".join(name[-1] for name in found)

        self.assertEqual(order(0), "3752849160")
        self.assertEqual(order(0, loop_scope="run"), "3752849160")
        self.assertGreater(len({order(seed) for seed in range(20)}), 15)
        self.assertEqual("".join(sorted(order(2**40))), "0123456789")

    def test_order(self) -> None:
        """A line says how to repeat a shuffled order."""
        self.assertEqual(arrangement.order_note(settings.resolve({}, {})), [])
        found = settings.resolve({"shuffle": "7"}, {})
        self.assertEqual(arrangement.order_note(found), ["shuffled with --aio-shuffle=7"])
