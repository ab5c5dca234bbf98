"""What becomes of what the checks have found: the test fails, or it is told at the end of the run.

A test that has failed already isn't failed once more: then all is told at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nose2_aio.config.checks import CHECKS
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AbandonedLoopError, AioError, CheckError
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.reporting.baselines import Baseline, line_of
from nose2_aio.reporting.inspections import inspect_end

__all__ = ["Reported", "Verdicts", "formatted"]


_HEAD = "this was found at the end of the {what}:\n"
_MOST = 20
"""How many findings of one test are told of."""


class Reported(NamedTuple):
    """What there is to tell of one test at the end of the run."""

    name: str
    findings: tuple[Finding, ...]


class Verdicts:
    """Judges what was found, test by test."""

    def __init__(self, settings: Settings) -> None:
        self._modes = {check.name: settings.mode(check) for check in CHECKS}
        self._baseline = Baseline(settings.baseline)
        self._path = settings.baseline
        self.told: list[Reported] = []
        """What there is to tell of the tests since it was taken last."""

    def judge(
        self,
        name: str,
        problems: Problems,
        tagged: Mapping[str, str],
        *,
        what: str = "test",
        can_fail: bool = True,
    ) -> AioError | None:
        """Return what to fail a test with, if so; note what is only told.

        ``what`` says what it is, if it is no test.

        ``tagged`` maps names of checks to what a tag says of them.
        """
        inspect_end(problems)
        is_passed = can_fail
        found, stubborn = problems.findings, problems.abandon_reason
        vars(problems).clear()
        modes = {**self._modes, **tagged}
        new = [one for one in found if modes[one.check] != "ignore"]
        new = self._baseline.new(name, new)
        can_fail = can_fail and not self._baseline.is_to_be_written
        failing = [one for one in new if modes[one.check] == "fail" and can_fail]
        told = tuple(one for one in new if one not in failing)
        if stubborn and not is_passed:
            told = (Finding("leaked-tasks", "", stubborn), *told)
        if told:
            self.told.append(Reported(name, told))
        if stubborn and is_passed:
            return AbandonedLoopError("\n\n".join([stubborn, *_texts(failing)]))
        head = _HEAD.format(what=what)
        return CheckError("\n".join([head, *_texts(failing)])) if failing else None

    def ignores(self, *names: str) -> bool:
        """Tell whether the settings ignore these checks; tags aside."""
        return all(self._modes[name] == "ignore" for name in names)

    def take(self) -> list[Reported]:
        """Return what there is to tell, and forget it."""
        told, self.told = self.told, []
        return told

    def report(self, told: Sequence[Reported]) -> list[str]:
        """Return lines for the end of the run; write the baseline if there was none."""
        count = sum(len(one.findings) for one in told)
        if self._baseline.is_to_be_written:
            lines = [line_of(one.name, each) for one in told for each in one.findings]
            self._baseline.write(lines)
            return [
                f"baseline: wrote {len(lines)} finding{'s' * (len(lines) != 1)} to {self._path}",
                "",
            ]
        if not told:
            return []
        things = f"{count} thing{'s' * (count > 1)}"
        return [f"The checks found {things} that failed no test:", "", *formatted(told)]


def formatted(told: Iterable[Reported]) -> list[str]:
    """Return lines that tell what was found, test by test."""
    lines = []
    for name, findings in told:
        texts = _texts(findings)
        lines += [name, *(f"  {line}" for text in texts for line in text.splitlines()), ""]
    return lines


def _texts(findings: Iterable[Finding]) -> list[str]:
    found = tuple(findings)
    texts = [
        "\n".join([f"{f'{place}: ' if place else ''}{what} ({check})", *details])
        for check, place, what, details, _ in found[:_MOST]
    ]
    return [*texts, *([f"... and {len(found) - _MOST} more"] if len(found) > _MOST else [])]
