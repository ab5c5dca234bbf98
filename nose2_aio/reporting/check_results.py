"""Decides what a finding leads to.

- The test fails. Then its error has all findings of the test.
- If the test has already failed, the findings are added to its report.
- Otherwise the summary of the run lists the finding.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nose2_aio.config.checks import CHECKS
from nose2_aio.config.settings import Settings
from nose2_aio.errors import (
    AbandonedLoopError,
    AioError,
    CheckError,
    DeadlockError,
    TimeLimitError,
)
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.reporting.baselines import Baseline
from nose2_aio.reporting.inspections import inspect_after_test

__all__ = ["CheckResults", "SummaryEntry", "texts"]


_HEAD = "this was found at the end of the {what}:\n"
_ALSO = "also found:"
_CAUSES = ("never-awaited", "lost-exceptions")
"""The checks whose findings may be the cause of a failure. Others may be due to it."""
_MAX_FINDINGS = 20
"""How many findings of one test are shown."""
_MAX_NAMES = 3
"""How many tasks are named that are like one that is shown."""
_SECONDS = r"\b[\d.e+-]+ s\b"
_TASK = r"\btask (.*?) \("


class SummaryEntry(NamedTuple):
    """The findings of one test that are in no error."""

    name: str
    findings: tuple[Finding, ...]
    has_passed: bool
    """True if the test has passed. Otherwise its report may have the findings."""


class CheckResults:
    """Turns the findings of each test into an error of the test, or an entry of the summary."""

    def __init__(self, settings: Settings) -> None:
        self._modes = {check.name: settings.mode(check) for check in CHECKS}
        self.baseline = Baseline(settings)
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
        Without ``can_fail`` there is no error: it has failed already, or it can't.

        The problems are removed from ``problems``.
        """
        inspect_after_test(problems)
        findings, abandon_reason = problems.findings, problems.abandon_reason
        vars(problems).clear()
        modes = {**self._modes, **tagged}
        new = self.baseline.new(name, [one for one in findings if modes[one.check] != "ignore"])
        fails = can_fail and not self.baseline.is_to_be_written
        failing = [one for one in new if modes[one.check] == "fail" and fails]
        noted = tuple(one for one in new if one not in failing)
        if abandon_reason and not can_fail:
            noted = (Finding("leaked-tasks", "", abandon_reason), *noted)
        is_abandoned = bool(abandon_reason) and can_fail
        if not (failing or is_abandoned):
            if noted:
                self.entries.append(SummaryEntry(name, noted, has_passed=can_fail))
            return None
        lines = [*texts(failing), *(["", _ALSO, "", *texts(noted)] if noted else [])]
        if is_abandoned:
            return AbandonedLoopError("\n\n".join([abandon_reason, "\n".join(lines)]).rstrip())
        return CheckError("\n".join([_HEAD.format(what=what), *lines]))

    def ignores(self, *names: str) -> bool:
        """Return True if the settings ignore all these checks. A tag may still override that."""
        return all(self._modes[name] == "ignore" for name in names)

    def take(self) -> list[SummaryEntry]:
        """Return the entries for the summary, and forget them."""
        entries, self.entries = self.entries, []
        return entries

    @staticmethod
    def details(entries: Iterable[SummaryEntry], error: BaseException | None) -> list[str]:
        """Return the lines to add to the report of a test that has failed with ``error``."""
        findings = [finding for one in entries for finding in one.findings]
        if isinstance(error, DeadlockError | TimeLimitError):  # it shows all tasks
            findings = [
                one._replace(details=()) if one.check == "leaked-tasks" else one for one in findings
            ]
        is_cause = any(one.check in _CAUSES for one in findings)
        head = f"also found in this test{', perhaps the cause' * is_cause}:\n"
        return [head, *texts(findings), ""]

    def report(self, entries: Sequence[SummaryEntry], told: Container[str]) -> list[str]:
        """Return the lines of the summary.

        ``told`` has the names of failed tests whose reports have the findings.
        """
        entries = [one for one in entries if one.has_passed or one.name not in told]
        if not entries or self.baseline.is_to_be_written:
            return []
        count = sum(len(one.findings) for one in entries)
        things = f"{count} thing{'s' * (count > 1)}"
        lines = [f"The checks found {things} that failed no test:", ""]
        for name, findings, _ in entries:
            text = "\n".join(texts(findings))
            lines += [name, *(f"  {line}" for line in text.splitlines()), ""]
        return lines


def texts(findings: Iterable[Finding]) -> list[str]:
    """Return the text of each finding. Those that differ only in names are shown once."""
    alike: dict[Any, list[Finding]] = {}
    for one in findings:
        details = re.sub(_SECONDS, "", "\n".join(one.details))
        alike.setdefault((one.check, one.place, one.key or one.what, details), []).append(one)
    groups = list(alike.values())
    lines = [_text(*group) for group in groups[:_MAX_FINDINGS]]
    left = sum(map(len, groups[_MAX_FINDINGS:]))
    return [*lines, *([f"... and {left} more"] if left else [])]


def _text(first: Finding, *others: Finding) -> str:
    check, place, what, details, _ = first
    lines = [f"{f'{place}: ' if place else ''}{what} ({check})", *details]
    if others:
        names = [found[1] for one in others if (found := re.search(_TASK, one.what))]
        shown = f": {', '.join(names[:_MAX_NAMES])}" if names else ""
        lines.append(f"  the same for {len(others)} more{shown}{', …' * (len(names) > _MAX_NAMES)}")
    return "\n".join(lines)
