"""The options of a run: the key of each setting, how its text is parsed, and its help.

Each row of `OPTIONS` is a key of the ``[aio]`` section and, with ``--aio-`` before it, a switch
of the command line.
"""

import difflib
import os
from collections.abc import Collection, Iterable
from typing import Any, Literal, NamedTuple, Protocol, get_args

from nose2_aio.config import baseline_file, durations_file, loop_factories, seconds, shards
from nose2_aio.config.checks import CHECKS, MODES
from nose2_aio.errors import InvalidValueError

__all__ = [
    "LOOP_SCOPES",
    "OPTIONS",
    "SECTION",
    "LoopScope",
    "Option",
    "either",
    "parse_switch",
    "suggestion",
]

SECTION = "aio"
"""The section of the configuration file, and the prefix of the command line switches."""
GENERATORS = ("auto", "coroutine", "nose2")
LoopScope = Literal["test", "class", "module", "run"]
LOOP_SCOPES: tuple[LoopScope, ...] = get_args(LoopScope)
"""Which tests may share a loop without an async fixture, the narrowest scope first."""
DEADLOCKS = ("fail", "ignore")
WORKER_STARTS = ("auto", "fork", "spawn")
FLAKY = ("fail", "pass")
SHARDS = ("auto", "off")
FEEDBACK = ("auto", "off")
_SEEDS = 2**32
"""The number of seeds that a random one is drawn from."""
_TRUE = ("1", "t", "true", "on", "yes", "y")
_FALSE = ("0", "f", "false", "off", "no", "n")


class _Parser(Protocol):
    """Parses the text of a setting. ``name`` and ``place`` are for messages."""

    def __call__(self, text: str, /, *, name: str, place: str) -> Any: ...


class Option(NamedTuple):
    """One setting, as it is given in the ``[aio]`` section and on the command line."""

    key: str
    """Its key in the section, such as ``time-limit``."""
    parse: _Parser
    """Returns the value of its text; raises `InvalidValueError`."""
    metavar: str | None
    """The name of the switch's value in ``--help``; None for a switch without a value."""
    help: str
    """What it does, without its default: `nose2_aio.config.settings.default_text`."""
    const: str | None = None
    """The text that the switch stands for if it has no value; None if it must have one."""
    is_path: bool = False
    """True if its text is the path of a file."""

    @property
    def name(self) -> str:
        """The name of the `Settings` field."""
        return self.key.replace("-", "_")


def parse_switch(text: str, *, name: str, place: str) -> bool:
    """Return True or False for one of several words; raise `InvalidValueError` for any other."""
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise InvalidValueError(f"{name} must be true or false, got {text!r} ({place})")
    return word in _TRUE


def either(words: Iterable[str]) -> str:
    """Return words as a choice, for messages: ``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}"


def suggestion(unknown: str, known: Collection[str], prefix: str = "") -> str:
    """Return what a message says about an unknown word: the most similar known one, or all."""
    nearest = difflib.get_close_matches(unknown, known, n=1)
    if nearest:
        return f"did you mean {prefix + nearest[0]!r}?"
    return f"known: {', '.join(prefix + one for one in known)}"


def _whole_parser(least: int) -> _Parser:
    def parse(text: str, *, name: str, place: str) -> int:
        if text.strip().isdecimal() and int(text) >= least:
            return int(text)
        raise InvalidValueError(f"{name} must be a whole number >= {least}, got {text!r} ({place})")

    return parse


def _parse_workers(text: str, *, name: str, place: str) -> int:
    word = text.strip()
    if word == "auto":
        # process_cpu_count is new in Python 3.13
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if word.isdecimal():
        return int(word)
    raise InvalidValueError(f"{name} must be a whole number >= 0 or auto, got {text!r} ({place})")


def _parse_seed(text: str, *, name: str, place: str) -> int | None:
    """Return a seed: the given one, a random one for true, or None for false.

    On the command line, argparse takes what follows on the switch for its value. That may be the
    name of a test, such as ``t``. So only ``true`` and ``false`` themselves count there.
    """
    word = text.strip().lower()
    if word.isdecimal():
        return int(word)
    is_switch = place.startswith("--")
    if word == "true" or (word in _TRUE and not is_switch):
        import random

        return random.SystemRandom().randrange(_SEEDS)
    if word == "false" or (word in _FALSE and not is_switch):
        return None
    hint = f"write {place}=SEED, or put {place} after the names of tests"
    raise InvalidValueError(
        f"{name} must be true, false or a seed, a whole number >= 0, got {text!r} ({place})"
        + (f": {hint}" if is_switch else "")
    )


def _choice(key: str, words: Collection[str], help_: str) -> Option:
    def parse(text: str, *, name: str, place: str) -> str:
        if text.strip() in words:
            return text.strip()
        raise InvalidValueError(f"{name} must be {either(words)}, got {text!r} ({place})")

    return Option(key, parse, "|".join(words), help_)


def _switch(key: str, help_: str) -> Option:
    return Option(key, parse_switch, None, help_)


OPTIONS = (
    _choice(
        "generators",
        GENERATORS,
        "Which generator functions are coroutine tests. auto: those with 'yield from' and no "
        "plain 'yield'. coroutine: all. nose2: none",
    ),
    Option(
        "time-limit",
        seconds.parse,
        "SECONDS",
        "Seconds that a test may take with its fixtures, and that a fixture of a class or a "
        "module may take. They are real seconds, in virtual time too. 0: no limit. The tag "
        "@timeout wins. On a run_forever test, the tag is no limit, but the wait before the "
        "callback",
    ),
    Option(
        "slow",
        seconds.parse,
        "SECONDS",
        "Seconds after which a line on stderr says that a test or a fixture still runs, and "
        "what it waits for. The line comes again after twice as long, and so on. 0: never",
    ),
    _choice(
        "loop-scope",
        LOOP_SCOPES,
        "Which coroutine tests share a loop: those of a class, of a module or of the run. "
        "test: each has its own loop, unless a wider scope has an async fixture",
    ),
    Option(
        "loop",
        loop_factories.parse,
        "FACTORY[,FACTORY]",
        "The loop factory of coroutine tests: a dotted name such as uvloop.new_event_loop. "
        "With several, each test runs once on each loop. Without it: asyncio's own loop",
    ),
    _switch("debug", "Run event loops in asyncio's debug mode"),
    _switch(
        "isolated-debug",
        "Run tests of IsolatedAsyncioTestCase in asyncio's debug mode, as unittest does, whatever "
        "'debug' says. That is slow",
    ),
    *(_choice(check.name, MODES, f"What to do if {check.help}") for check in CHECKS),
    _switch("strict", "Fail a test for each finding of each check"),
    _switch("isolated-checks", "Check the tests of IsolatedAsyncioTestCase as well"),
    Option(
        "baseline",
        baseline_file.check_path,
        "FILE",
        "Report only findings of the checks that are not in this file. If there is no such "
        "file, write it with all findings",
        is_path=True,
    ),
    _switch(
        "baseline-update",
        "Add new findings to the file of the baseline, and remove those of tests that pass "
        "without them",
    ),
    Option(
        "grace",
        seconds.parse,
        "SECONDS",
        "Seconds that a cancelled test gets to finish. Then it is cancelled again, and gets "
        "as long once more",
    ),
    Option(
        "exit-grace",
        seconds.parse,
        "SECONDS",
        "Seconds after the summary in which threads and child processes that tests have left "
        "can end. Then the process ends without them",
    ),
    _switch(
        "virtual-time",
        "Run coroutine tests and async fixtures in virtual time: waiting for a timer takes no "
        "real time, unless something outside may wake the loop. A tag wins",
    ),
    Option(
        "durations",
        _whole_parser(0),
        "N",
        "List the N slowest coroutine tests, what they waited for, and where. 0: all",
    ),
    Option(
        "report",
        baseline_file.check_new_path,
        "FILE",
        "Write the outcome, place and time of each test to this file, as JSON",
        is_path=True,
    ),
    _choice(
        "deadlocks",
        DEADLOCKS,
        "What to do if nothing can wake the loop of a test any more",
    ),
    Option(
        "workers",
        _parse_workers,
        "N",
        "Run tests in up to N worker processes at the same time. auto: one for each core. 1: "
        "one test after the other, in a process of its own. 0: in nose2's own process",
    ),
    _choice(
        "worker-start",
        WORKER_STARTS,
        "How a worker process starts. fork: as a copy of nose2's process. spawn: it loads "
        "the tests again. auto: fork if that is safe",
    ),
    Option(
        "retries",
        _whole_parser(0),
        "N",
        "Run a failed test again at the end, up to N times, alone in a fresh worker process",
    ),
    _choice("flaky", FLAKY, "What to do if a test fails, and passes when it is run again"),
    Option(
        "repeat",
        _whole_parser(1),
        "N",
        "Run each test N times, and report which tests did not always pass",
    ),
    Option(
        "shuffle",
        _parse_seed,
        "SEED",
        "Run tests in a random order, and print its seed. With a seed: in the order of that "
        "seed. Write '=' before the seed",
        const="true",
    ),
    _choice(
        "progress",
        FEEDBACK,
        "auto: on a terminal, show how far the run is, and each failure when it happens. off: "
        "show nose2's dots",
    ),
    Option(
        "shard",
        shards.parse,
        "I/N",
        "Run only the tests of shard I of N, such as 2/4: each test is in exactly one shard",
    ),
    _choice(
        "shards",
        SHARDS,
        "auto: run the shard that the CI system names, by its variables: Bazel, GitLab, "
        "CircleCI, Buildkite, Semaphore or Azure Pipelines. off: run all tests",
    ),
    Option(
        "durations-file",
        durations_file.check_path,
        "FILE",
        "Record in this file how long tests take, and use it to balance shards and workers",
        is_path=True,
    ),
    _switch(
        "last-failed",
        "Run only the tests that failed when they last ran. If there are none, run all",
    ),
    _switch("failed-first", "Run the tests first that failed when they last ran"),
    _choice(
        "ci-annotations",
        FEEDBACK,
        "auto: in GitHub Actions, show failures at their lines of code and in the summary of "
        "the job. off: don't",
    ),
)
