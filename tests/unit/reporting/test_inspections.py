"""nose2_aio.reporting.inspections"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio.config.checks import CHECKS
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.reporting import inspections
from nose2_aio.reporting.inspections import Evidence, Stage


class Checks(TestCase):
    """The list of checks in the settings, and the list of their functions."""

    def test_names(self) -> None:
        """Both lists have the same names in the same order; one function has two checks."""
        names = [check.name for check in CHECKS if check.name != "never-awaited-mocks"]
        self.assertEqual(list(inspections._checks), names)


class Inspect(TestCase):
    """What a check finds."""

    def test_transports(self) -> None:
        """An open child process is found, and not its pipes. Others are found by their type."""
        process, pipe, other, closed = (
            mock.Mock(spec=kind)
            for kind in (
                asyncio.SubprocessTransport,
                asyncio.ReadTransport,
                asyncio.WriteTransport,
                asyncio.WriteTransport,
            )
        )
        process.get_pid.return_value = 7
        process.get_pipe_transport.side_effect = {1: pipe}.get
        other.get_extra_info.return_value = None
        for one in process, pipe, other:
            one.is_closing.return_value = False
        objects = [(one, "a.py:1", "") for one in (process, pipe, other, closed)]
        evidence: Any = SimpleNamespace(objects=lambda _: objects)
        self.assertEqual(
            [one.what for one in inspections._open_transports(evidence)],
            [
                "the transport of the subprocess 7 was still open",
                "a transport (Mock) was still open",
            ],
        )

    def test_failing_check(self) -> None:
        """A check that raises is a finding itself, and the next one runs."""
        problems = Problems()

        def find(_: Evidence) -> Iterator[Finding]:
            yield Finding("leaked-tasks", "", "something")

        def fail(_: Evidence) -> Iterator[Finding]:
            raise LookupError

        checks = {"first": (Stage.AFTER_TEST, fail), "second": (Stage.AFTER_TEST, find)}
        with mock.patch.object(inspections, "_checks", checks):
            inspections.inspect_after_test(problems)
        self.assertEqual(
            [(one.check, one.what) for one in problems.findings],
            [
                ("first", "the check failed itself, with LookupError"),
                ("leaked-tasks", "something"),
            ],
        )

    def test_stages(self) -> None:
        """Checks run in their stage. Those for after the test also run before a close."""

        def named(stage: Stage) -> object:
            return lambda _: iter([Finding(stage.name, "", "")])

        checks = {stage.name: (stage, named(stage)) for stage in Stage}
        with mock.patch.object(inspections, "_checks", checks):
            for stage, expected in (
                (Stage.BEFORE_CANCEL, ["BEFORE_CANCEL"]),
                (Stage.BEFORE_CLOSE, ["BEFORE_CLOSE", "AFTER_TEST"]),
                (Stage.AFTER_TEST, ["AFTER_TEST"]),
            ):
                problems = Problems()
                inspections._inspect(stage, Evidence(problems))
                self.assertEqual([one.check for one in problems.findings], expected)
