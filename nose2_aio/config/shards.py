"""Which shard of the suite a run is: by ``--aio-shard``, or by the variables of a CI system.

The rules are those of the systems' own manuals:

- Bazel, "Test encyclopedia": ``TEST_SHARD_INDEX`` counts from 0.
- GitLab, "Predefined CI/CD variables": ``CI_NODE_INDEX`` counts from 1, and is set only in jobs
  with ``parallel``. ``CI_NODE_TOTAL`` is set in all jobs, and is 1 without ``parallel``.
- CircleCI, "Built-in environment variables": ``CIRCLE_NODE_INDEX`` counts from 0.
- Buildkite, "Environment variables": ``BUILDKITE_PARALLEL_JOB`` counts from 0.
- Semaphore, "Environment variables": ``SEMAPHORE_JOB_INDEX`` counts from 1.
- Azure Pipelines, "Predefined variables": ``System.JobPositionInPhase`` counts from 1. Without
  ``parallel``, ``System.TotalJobsInPhase`` is 1.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from nose2_aio.errors import InvalidValueError

__all__ = ["SYSTEMS", "Shard", "from_environment", "parse"]


class Shard(NamedTuple):
    """One of several runs that together run the whole suite."""

    number: int
    """Counts from 1."""
    total: int
    """How many runs there are."""

    def __str__(self) -> str:
        return f"shard {self.number} of {self.total}"


class _System(NamedTuple):
    """How a CI system tells a job which one of several it is."""

    name: str
    number: str
    """The variable with the number of the job."""
    total: str
    """The variable with the number of jobs."""
    first: int
    """The number of the first job."""


SYSTEMS = (
    # Bazel comes first: it may run in a job of one of the others
    _System("Bazel", "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0),
    _System("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    _System("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    _System("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
    _System("Semaphore", "SEMAPHORE_JOB_INDEX", "SEMAPHORE_JOB_COUNT", 1),
    _System("Azure Pipelines", "SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
)
"""The systems that ``shards = auto`` knows. The first one counts that has set a variable."""


def parse(text: str, *, name: str, place: str) -> Shard:
    """Return the shard for ``I/N``; raise `InvalidValueError` for any other text."""
    match = re.fullmatch(r"\s*(\d{1,6})/(\d{1,6})\s*", text, re.ASCII)
    if match is not None:
        found = Shard(int(match[1]), int(match[2]))
        if 1 <= found.number <= found.total:
            return found
    raise InvalidValueError(
        f"{name} must be I/N, two whole numbers with 1 <= I <= N, such as 2/4, got {text!r} "
        f"({place})"
    )


def from_environment(variables: Mapping[str, str], place: str) -> Shard | None:
    """Return the shard that the variables of a CI system name; None if none of them is set.

    Raises `InvalidValueError` if only one of its two variables is set, or if one is not valid:
    each of the jobs would run all tests. ``place`` is the place of the setting, for messages.
    """
    only = None
    for system in SYSTEMS:
        index, total = variables.get(system.number), variables.get(system.total)
        if index is None and total == "1":
            only = Shard(1, 1)
            continue
        if index is not None and total is not None:
            return _numbered(system, index, total, place)
        if (index, total) != (None, None):
            names = (system.number, system.total)
            known, missing = names if total is None else reversed(names)
            raise InvalidValueError(
                f"shards: {system.name} sets {known} and {missing}, but here {missing} is not set "
                f"({place})"
            )
    return only


def _numbered(system: _System, index: str, total: str, place: str) -> Shard:
    """Return the shard for the texts of both variables of a system."""
    if re.fullmatch(r"\d{1,6} \d{1,6}", f"{index} {total}", re.ASCII):
        found = Shard(int(index) - system.first + 1, int(total))
        if 1 <= found.number <= found.total:
            return found
    numbers = "1 <= I <= N" if system.first else "0 <= I < N"
    raise InvalidValueError(
        f"shards: {system.number} and {system.total} of {system.name} must be whole numbers I and "
        f"N with {numbers}, got {index!r} and {total!r} ({place})"
    )
