"""How one test runs, by its tags and the settings. A tag wins over the settings."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory, are_same
from nose2_aio.config.settings import Settings
from nose2_aio.config.tag_lookup import DurationTags
from nose2_aio.eventloop.virtual_clock import HeldTime
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.running.deadlines import Limit, VirtualTime
from nose2_aio.running.engines import SLEEP, TIMEOUT, Engine, Plan

__all__ = ["factories", "limit", "overall", "plan_for", "virtual"]


def plan_for(engine: Engine, function: object, owner: type) -> Plan:
    """Return the plan for a test: ``function`` of the class ``owner``.

    Raises `InvalidValueError` for a tag that was set by hand and is not a number.
    """
    tagged = tag_lookup.read_durations(function, owner)
    return _plan(engine, tagged, tag_lookup.class_with_timeout(function, owner))


def limit(engine: Engine, function: object, owner: type, settings: Settings) -> Limit:
    """Return the time limit of a test, which includes its fixtures.

    Raises `InvalidValueError` for a tag that was set by hand and is not a number.
    """
    tagged = tag_lookup.read_durations(function, owner).timeout
    if tagged is None or engine is Engine.FOREVER:
        return overall(settings)
    name = tag_lookup.class_with_timeout(function, owner)
    return Limit(tagged, f"@timeout on class {name}" if name else "@timeout", is_tagged=True)


def virtual(
    function: object, owner: type, settings: Settings, *, is_virtual: bool = False
) -> VirtualTime | None:
    """Return the virtual time of a test, or of a class's fixture; None for real time.

    ``is_virtual`` says that the loop of the test is in virtual time, unless a tag says otherwise.

    Raises `InvalidValueError` for a tag that was set by hand to an invalid value, and if
    time-machine is needed and not installed.
    """
    tagged = tag_lookup.read_virtual_time(function, owner)
    if tagged is False or not (tagged or is_virtual or settings.virtual_time):
        return None
    is_tagged = bool(tagged) or is_virtual
    place = "@virtual_time" if is_tagged else settings.places.get("virtual_time", "")
    wall = WallClock(place) if tagged == "wall" else None
    return VirtualTime(place, HeldTime(), overall(settings), wall, is_tagged)


def factories(function: object, owner: type, settings: Settings) -> dict[int, Factory]:
    """Return the loop factories of a test or class, by the number of the run's repetition.

    If possible, a repetition has the same factory as that of the class, the module and the run,
    since a test may share their loop. The result is empty if nobody chose a factory.

    Raises `InvalidValueError` for a tag that was set by hand and is not a factory.
    """
    found = dict(enumerate(settings.loop))
    for chosen in (tag_lookup.read_loop(None, owner), tag_lookup.read_loop(function, owner)):
        if chosen:
            found = _aligned(chosen, found)
    return found


def _aligned(chosen: Iterable[Factory], wider: dict[int, Factory]) -> dict[int, Factory]:
    """Return the chosen factories by repetition, aligned with those of a wider scope."""
    found: dict[int, Factory] = {}
    rest = []
    for factory in chosen:
        index = next((i for i in wider if i not in found and are_same(wider[i], factory)), None)
        if index is None:
            rest.append(factory)
        else:
            found[index] = factory
    free = (index for index in itertools.count() if index not in found)
    found.update({next(free): factory for factory in rest})
    return dict(sorted(found.items()))


def overall(settings: Settings) -> Limit:
    """Return the time limit of the settings."""
    return Limit(settings.time_limit, settings.places.get("time_limit", ""))


@functools.lru_cache
def _plan(engine: Engine, tagged: DurationTags, class_name: str) -> Plan:
    return Plan(
        engine=engine,
        timeout=TIMEOUT if tagged.timeout is None else tagged.timeout,
        sleep=SLEEP if tagged.sleep is None else tagged.sleep,
        timeout_class=class_name,
    )
