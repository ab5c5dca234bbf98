"""Failures in GitHub Actions: annotations at the lines of code, and a summary of the job.

An annotation is a line of output that GitHub reads; it is shown at the file and line that it names.
The summary is Markdown, appended to the file that ``GITHUB_STEP_SUMMARY`` names. GitHub's pages on
workflow commands describe both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nose2_aio.reporting.failure_lines import FailureLine

__all__ = ["annotation", "summary"]

_IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_MESSAGE, ":": "%3A", ",": "%2C"}
_MOST = 200
"""How many failures the summary has: GitHub shows none of a summary beyond 1 MB."""


def annotation(failure: FailureLine, workspace: str) -> str:
    """Return the line for a failure; a flaky test is a warning.

    ``workspace`` is the folder of the repository: GitHub needs paths relative to it.
    """
    outcome = failure.outcome
    properties = {"title": f"{failure.label} {outcome.name}"}
    if outcome.place is not None:
        file = _below(outcome.place.file, workspace)
        properties = {"file": file, "line": str(outcome.place.line), **properties}
    given = ",".join(f"{name}={_escape(text, _IN_PROPERTY)}" for name, text in properties.items())
    kind = "warning" if failure.label == "FLAKY" else "error"
    return f"::{kind} {given}::{_escape(failure.message, _IN_MESSAGE) or failure.label}"


def summary(failures: Sequence[FailureLine], verdict: str) -> str:
    """Return the summary of a run; ``verdict`` is its heading."""
    lines = [f"### {verdict}", ""]
    if failures:
        lines += ["| | Test | Place | Error |", "| --- | --- | --- | --- |"]
    for one in failures[:_MOST]:
        lines += [_row([one.label, one.outcome.name, str(one.outcome.place or ""), one.message])]
    if len(failures) > _MOST:
        lines += ["", f"and {len(failures) - _MOST} more"]
    return "\n".join([*lines, "", ""])


def _below(file: str, workspace: str) -> str:
    """Return a path as seen from the workspace; a path outside of it stays as it is."""
    try:
        return Path(file).resolve().relative_to(Path(workspace).resolve()).as_posix()
    except ValueError:
        return file


def _escape(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(one, one) for one in text)


def _row(cells: Iterable[str]) -> str:
    """Return a row of a table. No character of a cell has a meaning in Markdown or HTML."""
    return f"| {' | '.join(''.join(map(_plain, cell)) for cell in cells)} |"


def _plain(one: str) -> str:
    return one if one.isalnum() or one in " .,:/" else f"&#{ord(one)};"
