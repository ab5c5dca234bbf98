"""The settings of a run: one frozen `Settings`, resolved once from file and command line.

Each row of `OPTIONS` is a key of the ``[aio]`` section and, with ``--aio-`` before it, a switch
of the command line, which wins over the file.
"""

from __future__ import annotations

import difflib
import os
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nose2_aio.config import baseline_file, loop_factories, seconds
from nose2_aio.config.checks import CHECKS, MODES, Check
from nose2_aio.config.loop_factories import Factory
from nose2_aio.errors import InvalidValueError

__all__ = ["GRACE", "LOOP_SCOPES", "OPTIONS", "SECTION", "Option", "Settings", "either", "resolve"]

SECTION = "aio"
GRACE = 1.0
"""Seconds that a cancelled test gets to finish. Then it is cancelled again and gets as long again."""
GENERATORS = ("auto", "coroutine", "nose2")
LOOP_SCOPES = ("test", "class", "module", "run")
"""What may share a loop though no async fixture makes it, the narrowest first."""
DEADLOCKS = ("fail", "ignore")
WORKER_STARTS = ("auto", "fork", "spawn")
FLAKY = ("fail", "pass")
_SEEDS = 2**32
_TRUE = ("1", "t", "true", "on", "yes", "y")
_FALSE = ("0", "f", "false", "off", "no", "n")


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """What holds for all tests of a run, unless a tag says otherwise for one of them.

    Two settings are the same only where they are one object, so that what is derived from one
    can be kept.
    """

    generators: str = "auto"
    """Which generator functions are coroutine tests: by their body, all of them, or none."""
    time_limit: float = 0.0
    """Seconds that a test may take with its fixtures, or a wider fixture; 0 for no limit."""
    loop_scope: str = "test"
    """What shares a loop, at least: one of `LOOP_SCOPES`."""
    loop: tuple[Factory, ...] = ()
    """What makes the loops; each coroutine test runs once on each."""
    debug: bool = False
    """Whether loops run in asyncio's debug mode."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """What follows on a check's finding, where that was set: one of `nose2_aio.reporting.inspections.MODES`."""
    strict: bool = False
    """Whether each finding of each check fails its test."""
    isolated_checks: bool = False
    """Whether there are checks for IsolatedAsyncioTestCase too."""
    baseline: str = ""
    """The path of the file with what is known to be left behind."""
    grace: float = GRACE
    """Seconds that what is cancelled has to end, each of two times."""
    virtual_time: bool = False
    """Whether the time of coroutine tests is virtual."""
    real_time_limit: float = 60.0
    """Seconds of real time that a test in virtual time may take; 0 for no limit."""
    durations: int | None = None
    """How many of the slowest tests are listed; 0 for all, None for no list."""
    report: str = ""
    """The path of the file for the report of what tests have cost."""
    deadlocks: str = "fail"
    """What follows where nothing can wake a loop: one of `DEADLOCKS`."""
    workers: int = 0
    """How many worker processes run tests, at most; 0: they run in nose2's own process."""
    worker_start: str = "auto"
    """How a worker process begins: one of `WORKER_STARTS`."""
    retries: int = 0
    """How often a failed test is run again, at most."""
    flaky: str = "fail"
    """What follows on a test that fails and then passes: one of `FLAKY`."""
    repeat: int = 1
    """How often each test is run."""
    shuffle: int | None = None
    """The seed of the random order that units run in; None for the order of the suite."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each value that was given came from, by the name of its field."""

    def mode(self, check: Check) -> str:
        """Return what follows on a finding of a check."""
        return "fail" if self.strict else self.modes.get(check.name, check.default)

    @property
    def are_isolated_checked(self) -> bool:
        """Whether there are checks for IsolatedAsyncioTestCase."""
        return self.strict or self.isolated_checks


class Option(NamedTuple):
    """One setting: its key, how its text is read, and what ``--help`` says of it."""

    key: str
    parse: Callable[[str, str, str], Any]
    metavar: str | None
    help: str
    const: str | None = None
    """What the switch means without a value; None where it needs one."""

    @property
    def name(self) -> str:
        """The name of the `Settings` field."""
        return self.key.replace("-", "_")


def resolve(
    file: Mapping[str, str],
    command_line: Mapping[str, str],
    everywhere: Collection[str] = (),
) -> Settings:
    """Return the settings that the texts in the ``[aio]`` section and on the command line give.

    Both map keys (``time-limit``) to texts; ``everywhere`` are the keys that every section of the
    file has, from its ``[DEFAULT]``, and that may mean nothing here.

    Raises `InvalidValueError`, naming value, place and what would be valid, for the first value
    that is none, and for unknown keys.
    """
    _check_keys(file, everywhere)
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for option in OPTIONS:
        for texts, place in (
            (file, f"[{SECTION}] {option.key}"),
            (command_line, f"--{SECTION}-{option.key}"),
        ):
            if option.key in texts:
                values[option.name] = option.parse(texts[option.key], option.key, place)
                where[option.name] = place
    modes = {check.name: values.pop(name) for name, check in _BY_NAME.items() if name in values}
    return Settings(**values, modes=modes, places=where)


def _check_keys(file: Mapping[str, str], everywhere: Collection[str]) -> None:
    known = ["always-on", *(option.key for option in OPTIONS)]
    for key in file:
        if key not in known and key not in everywhere:
            nearest = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            raise InvalidValueError(f"unknown key {key!r} in [{SECTION}]: {hint}")
    if "always-on" in file:
        _switch(file["always-on"], "always-on", f"[{SECTION}] always-on")


def _switch(text: str, name: str, place: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise InvalidValueError(f"{name} must be true or false, got {text!r} ({place})")
    return word in _TRUE


def either(words: Iterable[str]) -> str:
    """Return words as a choice, for messages."""
    *most, last = words
    return f"{', '.join(most)} or {last}"


def _choice(words: Collection[str]) -> Callable[[str, str, str], str]:
    def parse(text: str, name: str, place: str) -> str:
        if text.strip() in words:
            return text.strip()
        raise InvalidValueError(f"{name} must be {either(words)}, got {text!r} ({place})")

    return parse


def _path(text: str, name: str, place: str) -> str:
    return baseline_file.check_path(text, name=name, place=place)


def _factories(text: str, name: str, place: str) -> tuple[Factory, ...]:
    return loop_factories.parsed(text, name=name, place=place)


def _seconds(text: str, name: str, place: str) -> float:
    return seconds.parsed(text, name=name, place=place)


def _workers(text: str, name: str, place: str) -> int:
    word = text.strip()
    if word == "auto":
        # process_cpu_count is new in Python 3.13
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores()
    if word.isdecimal():
        return int(word)
    raise InvalidValueError(f"{name} must be a whole number >= 0 or auto, got {text!r} ({place})")


def _cores() -> int:
    return os.cpu_count() or 1


def _repeat(text: str, name: str, place: str) -> int:
    if text.strip().isdecimal() and int(text) > 0:
        return int(text)
    raise InvalidValueError(f"{name} must be a whole number >= 1, got {text!r} ({place})")


def _count(text: str, name: str, place: str) -> int:
    if text.strip().isdecimal():
        return int(text)
    raise InvalidValueError(f"{name} must be a whole number >= 0, got {text!r} ({place})")


def _seed(text: str, name: str, place: str) -> int | None:
    """Read a seed, which may be drawn here; on the command line the name of a test may come in."""
    word = text.strip().lower()
    if word.isdecimal():
        return int(word)
    is_switch = place.startswith("--")
    if word == "true" or (word in _TRUE and not is_switch):
        return random.SystemRandom().randrange(_SEEDS)
    if word == "false" or (word in _FALSE and not is_switch):
        return None
    hint = f"write {place}=SEED, or put {place} behind the names of tests"
    raise InvalidValueError(
        f"{name} must be true, false or a seed, a whole number >= 0, got {text!r} ({place})"
        + (f": {hint}" if is_switch else "")
    )


def _new_path(text: str, name: str, place: str) -> str:
    # a test may change the directory
    return str(Path(baseline_file.check_new_path(text, name=name, place=place)).absolute())


OPTIONS = (
    Option(
        "generators",
        _choice(GENERATORS),
        "|".join(GENERATORS),
        "Which generator functions are coroutine tests: those with 'yield from' and no plain "
        "'yield' (auto, the default), all (coroutine) or none (nose2)",
    ),
    Option(
        "time-limit",
        _seconds,
        "SECONDS",
        "Fail a test that takes longer, with its fixtures, or a fixture of a class or a module "
        "(default 0: no limit)",
    ),
    Option(
        "loop-scope",
        _choice(LOOP_SCOPES),
        "|".join(LOOP_SCOPES),
        "Let all coroutine tests of a class, of a module or of the run share a loop (default "
        "test: each has its own, unless an async fixture is wider)",
    ),
    Option(
        "loop",
        _factories,
        "FACTORY[,FACTORY]",
        "Run coroutine tests on loops of this factory, a dotted name such as "
        "uvloop.new_event_loop; with several, once on each (default asyncio)",
    ),
    Option("debug", _switch, None, "Run event loops in asyncio's debug mode (default: off)"),
    *(
        Option(
            check.name,
            _choice(MODES),
            "|".join(MODES),
            f"What to do where {check.help} (default {check.default})",
        )
        for check in CHECKS
    ),
    Option("strict", _switch, None, "Fail a test for whatever a check finds (default: off)"),
    Option(
        "isolated-checks",
        _switch,
        None,
        "Check the tests of IsolatedAsyncioTestCase as well (default: off)",
    ),
    Option(
        "baseline",
        _path,
        "FILE",
        "Tell only what the checks find and what isn't in this file; write it where there is none",
    ),
    Option(
        "grace",
        _seconds,
        "SECONDS",
        "How long what was cancelled may take to end, each of two times (default 1)",
    ),
    Option(
        "virtual-time",
        _switch,
        None,
        "Run coroutine tests and async fixtures in virtual time: waiting for a timer takes no real "
        "time where nothing outside can wake the loop (default: off; a tag wins)",
    ),
    Option(
        "real-time-limit",
        _seconds,
        "SECONDS",
        "Fail a test in virtual time that takes more than this of real time (default 60; 0: no "
        "limit)",
    ),
    Option(
        "durations",
        _count,
        "N",
        "List the N slowest coroutine tests, what they have waited for, and where (0: all; "
        "default: no list)",
    ),
    Option(
        "report",
        _new_path,
        "FILE",
        "Write the times and the waits of each coroutine test to this file, as JSON",
    ),
    Option(
        "deadlocks",
        _choice(DEADLOCKS),
        "|".join(DEADLOCKS),
        "What to do where nothing can wake the loop of a test any more (default fail)",
    ),
    Option(
        "workers",
        _workers,
        "N",
        "Run tests in up to N worker processes at the same time (auto: as many as there are "
        "cores; 1: one after the other, isolated; default 0: in nose2's own process)",
    ),
    Option(
        "worker-start",
        _choice(WORKER_STARTS),
        "|".join(WORKER_STARTS),
        "How a worker process begins: forked from nose2's process, or spawned to load the tests "
        "again (default auto: forked where that is safe)",
    ),
    Option(
        "retries",
        _count,
        "N",
        "Run a failed test again at the end, up to N times, alone in a fresh worker process "
        "(default 0)",
    ),
    Option(
        "flaky",
        _choice(FLAKY),
        "|".join(FLAKY),
        "What to do where a test fails, and passes when it is run again (default fail)",
    ),
    Option(
        "repeat",
        _repeat,
        "N",
        "Run each test N times, and tell which did not always pass (default 1)",
    ),
    Option(
        "shuffle",
        _seed,
        "SEED",
        "Run tests in a random order, and print its seed; with one, in that order again (write "
        "--aio-shuffle=SEED)",
        const="true",
    ),
)
_BY_NAME = {check.name.replace("-", "_"): check for check in CHECKS}
