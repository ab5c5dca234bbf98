"""Decides what a finding leads to: the test fails, or the summary of the run lists the finding.

A test that has already failed does not fail once more: the summary lists all its findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nose2_aio.config import baseline_file
from nose2_aio.config.checks import CHECKS
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AbandonedLoopError, AioError, CheckError
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.reporting.baselines import Baseline, line_of
from nose2_aio.reporting.inspections import inspect_after_test

__all__ = ["CheckResults", "SummaryEntry"]


_HEAD = "this was found at the end of the {what}:\n"
_MAX_FINDINGS = 20
"""How many findings of one test are shown."""


class SummaryEntry(NamedTuple):
    """The findings of one test that the summary of the run lists."""

    name: str
    findings: tuple[Finding, ...]


class CheckResults:
    """Turns the findings of each test into an error of the test, or an entry of the summary."""

    def __init__(self, settings: Settings) -> None:
        self._modes = {check.name: settings.mode(check) for check in CHECKS}
        self._baseline = Baseline(settings.baseline)
        self._shown = baseline_file.shown(settings.baseline)
        self.entries: list[SummaryEntry] = []
        """The entries for the summary that `take` has not returned yet."""

    def error_for(
        self,
        name: str,
        problems: Problems,
        tagged: Mapping[str, str],
        *,
        what: str = "test",
        can_fail: bool = True,
    ) -> AioError | None:
        """Return the error that the test has to fail with, or None; note the other findings.

        ``tagged`` maps names of checks to the modes that a tag gives them.
        ``what`` says what ``name`` is, if it isn't a test.
        Without ``can_fail`` there is no error, and all findings go to the summary.

        The problems are removed from ``problems``.
        """
        inspect_after_test(problems)
        findings, abandon_reason = problems.findings, problems.abandon_reason
        vars(problems).clear()
        modes = {**self._modes, **tagged}
        new = self._baseline.new(name, [one for one in findings if modes[one.check] != "ignore"])
        fails = can_fail and not self._baseline.is_to_be_written
        failing = [one for one in new if modes[one.check] == "fail" and fails]
        noted = tuple(one for one in new if one not in failing)
        if abandon_reason and not can_fail:
            noted = (Finding("leaked-tasks", "", abandon_reason), *noted)
        if noted:
            self.entries.append(SummaryEntry(name, noted))
        if abandon_reason and can_fail:
            return AbandonedLoopError("\n\n".join([abandon_reason, *_texts(failing)]))
        head = _HEAD.format(what=what)
        return CheckError("\n".join([head, *_texts(failing)])) if failing else None

    def ignores(self, *names: str) -> bool:
        """Return True if the settings ignore all these checks. A tag may still override that."""
        return all(self._modes[name] == "ignore" for name in names)

    def take(self) -> list[SummaryEntry]:
        """Return the entries for the summary, and forget them."""
        entries, self.entries = self.entries, []
        return entries

    def report(self, entries: Sequence[SummaryEntry]) -> list[str]:
        """Return the lines of the summary; write the baseline file if it doesn't exist yet."""
        if self._baseline.is_to_be_written:
            lines = [line_of(one.name, each) for one in entries for each in one.findings]
            self._baseline.write(lines)
            return [
                f"baseline: wrote {len(lines)} finding{'s' * (len(lines) != 1)} to {self._shown}",
                "",
            ]
        if not entries:
            return []
        count = sum(len(one.findings) for one in entries)
        things = f"{count} thing{'s' * (count > 1)}"
        lines = [f"The checks found {things} that failed no test:", ""]
        for name, findings in entries:
            texts = "\n".join(_texts(findings))
            lines += [name, *(f"  {line}" for line in texts.splitlines()), ""]
        return lines


def _texts(findings: Iterable[Finding]) -> list[str]:
    found = tuple(findings)
    texts = [
        "\n".join([f"{f'{place}: ' if place else ''}{what} ({check})", *details])
        for check, place, what, details, _ in found[:_MAX_FINDINGS]
    ]
    left = len(found) - _MAX_FINDINGS
    return [*texts, *([f"... and {left} more"] if left > 0 else [])]
