"""nose2_aio.config.shards"""

from __future__ import annotations

from unittest import TestCase

from nose2_aio.config import shards
from nose2_aio.config.shards import Shard
from nose2_aio.errors import InvalidValueError


class Given(TestCase):
    """``--aio-shard``."""

    def test_valid(self) -> None:
        """``I/N`` is shard I of N."""
        for text, found in {"1/1": Shard(1, 1), " 2/4 ": Shard(2, 4), "04/4": Shard(4, 4)}.items():
            self.assertEqual(shards.parse(text, name="shard", place="here"), found)
        self.assertEqual(str(Shard(2, 4)), "shard 2 of 4")

    def test_invalid(self) -> None:
        """Any other text is refused."""
        rule = "shard must be I/N, two whole numbers with 1 <= I <= N, such as 2/4, got"
        for text in (
            "0/4",
            "5/4",
            "1/0",
            "0/0",
            "x",
            "",
            "2",
            "-1/4",
            "1/2/3",
            "1 of 2",
            "²/4",
            "1/9999999",
        ):
            with self.subTest(text), self.assertRaises(InvalidValueError) as caught:
                shards.parse(text, name="shard", place="here")
            self.assertEqual(str(caught.exception), f"{rule} {text!r} (here)")


class FromEnvironment(TestCase):
    """``shards = auto``."""

    def test_systems(self) -> None:
        """Each system has its variables, and counts from 0 or from 1."""
        for index, total, first in (
            ("TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0),
            ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
            ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
            ("SEMAPHORE_JOB_INDEX", "SEMAPHORE_JOB_COUNT", 1),
            ("SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
        ):
            for number in (1, 2, 3):
                variables = {index: str(number - 1 + first), total: "3"}
                with self.subTest(index):
                    found = shards.from_environment(variables, "here")
                    self.assertEqual(found, Shard(number, 3))
            self.assertEqual(shards.from_environment({total: "1"}, ""), Shard(1, 1))
            outside = (
                [index, str(first - 1)],
                [index, str(first + 3)],
                [index, "x"],
                [total, "0"],
                [total, "9" * 7],
            )
            for name, text in outside:
                variables = {index: "1", total: "3", name: text}
                with self.subTest(variables), self.assertRaises(InvalidValueError) as caught:
                    shards.from_environment(variables, "here")
                rule = f"shards: {index} and {total} of "
                self.assertTrue(str(caught.exception).startswith(rule), caught.exception)
                numbers = "1 <= I <= N" if first else "0 <= I < N"
                got = f"with {numbers}, got {variables[index]!r} and {variables[total]!r} (here)"
                self.assertTrue(str(caught.exception).endswith(got), caught.exception)

    def test_none(self) -> None:
        """Without these variables there are no shards."""
        self.assertIsNone(shards.from_environment({"CI": "true"}, "here"))

    def test_only(self) -> None:
        """GitLab and Azure count their jobs also where there is one. Another system wins then."""
        variables = {"CI_NODE_TOTAL": "1", "CIRCLE_NODE_INDEX": "1", "CIRCLE_NODE_TOTAL": "4"}
        self.assertEqual(shards.from_environment(variables, ""), Shard(2, 4))
        with self.assertRaises(InvalidValueError):
            shards.from_environment({"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "1"}, "")

    def test_half(self) -> None:
        """One variable without the other is a mistake."""
        for known, missing in (
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"),
            ("CIRCLE_NODE_TOTAL", "CIRCLE_NODE_INDEX"),
        ):
            with self.assertRaises(InvalidValueError) as caught:
                shards.from_environment({known: "2"}, "[aio] shards")
            expected = (
                f"shards: CircleCI sets {known} and {missing}, but here {missing} is not set "
                "([aio] shards)"
            )
            self.assertEqual(str(caught.exception), expected)

    def test_inside(self) -> None:
        """Bazel in a job of another system counts."""
        variables = {"TEST_SHARD_INDEX": "0", "TEST_TOTAL_SHARDS": "2"}
        variables |= {"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "3"}
        self.assertEqual(shards.from_environment(variables, "here"), Shard(1, 2))
