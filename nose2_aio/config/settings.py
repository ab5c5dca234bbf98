"""The settings of a run: one frozen `Settings`, resolved once.

The command line wins over the environment, and that over the file.
"""

import os
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nose2_aio.config.checks import CHECKS, Check
from nose2_aio.config.environment import PREFIX
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.options import OPTIONS, SECTION, Option, parse_switch, suggestion
from nose2_aio.config.shards import Shard, from_environment
from nose2_aio.errors import InvalidValueError

__all__ = ["GRACE", "Settings", "default_text", "resolve"]

GRACE = 1.0
"""Seconds that a cancelled test gets to finish. Then it is cancelled again, and gets as long.

It is the default of the setting ``grace``.
"""
_CHECKS_BY_FIELD = {check.name.replace("-", "_"): check for check in CHECKS}


class Settings(NamedTuple):
    """The settings of a run. A tag wins over them for the tests that it is on.

    Instances are compared by identity, so they can be keys of a cache.
    """

    generators: str = "auto"
    """Which generator functions are coroutine tests: one of ``GENERATORS`` in `options`."""
    time_limit: float = 0.0
    """Real seconds that a test may take with its fixtures, or a wider fixture; 0: no limit."""
    slow: float = 30.0
    """Seconds after which a line says that a test or a fixture still runs; 0: never."""
    loop_scope: str = "test"
    """The scope whose tests share a loop, at least: one of `options.LOOP_SCOPES`."""
    loop: tuple[Factory, ...] = ()
    """The loop factories; each coroutine test runs once on a loop of each. Empty: asyncio's."""
    debug: bool = False
    """True if loops run in asyncio's debug mode."""
    isolated_debug: bool = True
    """True if loops of IsolatedAsyncioTestCase run in asyncio's debug mode."""
    modes: Mapping[str, str] = MappingProxyType({})
    """The mode of each check that has a setting: one of `nose2_aio.config.checks.MODES`."""
    strict: bool = False
    """True if each finding of each check fails its test."""
    isolated_checks: bool = False
    """True if the tests of IsolatedAsyncioTestCase are checked too."""
    baseline: str = ""
    """The path of the file with the known findings; "" for none."""
    baseline_update: bool = False
    """True if this run writes the file with the known findings again."""
    grace: float = GRACE
    """Seconds that a cancelled test gets to finish, each of two times: see `GRACE`."""
    exit_grace: float = 2.0
    """Seconds after the summary in which what tests have left running can end by itself."""
    virtual_time: bool = False
    """True if coroutine tests run in virtual time."""
    durations: int | None = None
    """How many of the slowest tests are listed; 0: all; None: no list."""
    report: str = ""
    """The path of the file for the report on all tests; "" for none."""
    deadlocks: str = "fail"
    """What to do if nothing can wake a loop: one of ``DEADLOCKS`` in `options`."""
    workers: int = 0
    """The largest number of worker processes. 0: tests run in nose2's own process."""
    worker_start: str = "auto"
    """How a worker process is started: one of ``WORKER_STARTS`` in `options`."""
    retries: int = 0
    """How often a failed test is run again, at most."""
    flaky: str = "fail"
    """What to do if a test fails and then passes: one of ``FLAKY`` in `options`."""
    repeat: int = 1
    """How often each test is run."""
    shuffle: int | None = None
    """The seed of the random order that units run in; None: in the order of the suite."""
    progress: str = "auto"
    """Whether a terminal shows the progress: one of ``FEEDBACK`` in `options`."""
    shard: Shard | None = None
    """The shard of the suite that this run is; None: all tests run."""
    shards: str = "off"
    """Whether a CI system names the shard: one of ``SHARDS`` in `options`."""
    durations_file: str = ""
    """The path of the file that records how long tests take; "" for none."""
    last_failed: bool = False
    """True if only the tests run that failed when they last ran."""
    failed_first: bool = False
    """True if the tests run first that failed when they last ran."""
    ci_annotations: str = "auto"
    """Whether GitHub Actions gets annotations: one of ``FEEDBACK`` in `options`."""
    places: Mapping[str, str] = MappingProxyType({})
    """Where each given value is from, by the name of its field, as messages show it."""

    def mode(self, check: Check) -> str:
        """Return what to do about a finding of a check: one of `nose2_aio.config.checks.MODES`."""
        return "fail" if self.strict else self.modes.get(check.name, check.default)

    @property
    def are_isolated_checked(self) -> bool:
        """True if the tests of IsolatedAsyncioTestCase are checked."""
        return self.strict or self.isolated_checks

    def conflict_with_mp(self) -> str:
        """Return what is wrong if nose2's plugin ``mp`` runs the tests; "" if nothing is."""
        for name in ("workers", "retries", "repeat"):
            if name in self.places and getattr(self, name) != getattr(Settings(), name):
                return (
                    f"{self.places[name]} can't be used with nose2's plugin mp (-N): leave out -N, "
                    "and use --aio-workers=N"
                )
        return ""


# as functions of ours, they would cost time for each test
Settings.__eq__ = object.__eq__  # type: ignore[method-assign]
Settings.__hash__ = object.__hash__  # type: ignore[method-assign]


def default_text(option: Option) -> str:
    """Return the default of a setting, as it would stand in a file; "none" if it has none."""
    if option.name in _CHECKS_BY_FIELD:
        return _CHECKS_BY_FIELD[option.name].default
    value = getattr(Settings(), option.name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in (None, "", ()) else str(value)


def resolve(
    file: Mapping[str, str],
    command_line: Mapping[str, str],
    everywhere: Collection[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Settings:
    """Return the settings.

    ``file`` has the keys (``time-limit``) and texts of the ``[aio]`` section. Those of
    ``environment`` win over them, and those of ``command_line`` win over both. ``everywhere`` are
    the keys that all sections of the file
    have from its ``[DEFAULT]``: an unknown one is no error here.

    Raises `InvalidValueError` for an unknown key, or else for the first invalid value. Its message
    names the value, the place that it is from, and the valid values.
    """
    _check_keys(file, everywhere)
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for option in OPTIONS:
        for texts, place in (
            (file, f"[{SECTION}] {option.key}"),
            (environment, f"{PREFIX}{option.name.upper()}"),
            (command_line, f"--{SECTION}-{option.key}"),
        ):
            if option.key in texts:
                values[option.name] = option.parse(texts[option.key], name=option.key, place=place)
                where[option.name] = place
    if values.get("shards") == "auto" and "shard" not in values:
        values["shard"] = from_environment(os.environ, where["shards"])
    modes = {
        check.name: values.pop(name) for name, check in _CHECKS_BY_FIELD.items() if name in values
    }
    if values.get("baseline_update") and "baseline" not in values:
        place = where["baseline_update"]
        raise InvalidValueError(f"{place} needs the file to update: --{SECTION}-baseline FILE")
    return Settings(**values, modes=modes, places=where)


def _check_keys(file: Mapping[str, str], everywhere: Collection[str]) -> None:
    known = ["always-on", *(option.key for option in OPTIONS)]
    for key in file:
        if key not in known and key not in everywhere:
            hint = suggestion(key.replace("_", "-"), known)
            raise InvalidValueError(f"unknown key {key!r} in [{SECTION}]: {hint}")
    if "always-on" in file:
        parse_switch(file["always-on"], name="always-on", place=f"[{SECTION}] always-on")
