"""From tags and settings to the plan of one test: the tag on it wins over both."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory, are_same
from nose2_aio.config.settings import Settings
from nose2_aio.config.tag_lookup import DurationTags
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.running.deadlines import Limit, VirtualTime
from nose2_aio.running.engines import SLEEP, TIMEOUT, Engine, Plan

__all__ = ["factories", "limit", "made", "overall", "virtual"]


def made(engine: Engine, function: object, owner: type) -> Plan:
    """Return how the test ``function``, of the class ``owner``, is to be run by ``engine``.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to no number.
    """
    return _made(engine, tag_lookup.read_durations(function, owner))


def limit(engine: Engine, function: object, owner: type, settings: Settings) -> Limit:
    """Return the time limit of such a test, with all its fixtures.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to no number.
    """
    tagged = tag_lookup.read_durations(function, owner).timeout
    if tagged is None or engine is Engine.FOREVER:
        return overall(settings)
    return Limit(tagged, "@timeout")


def virtual(
    function: object, owner: type, settings: Settings, *, is_virtual: bool = False
) -> VirtualTime | None:
    """Return the virtual time that a test has, or a fixture of a class; None for real time.

    ``is_virtual`` says that its loop is so, where no tag says otherwise.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to nothing valid, and
    where time-machine is needed and not installed.
    """
    tagged = tag_lookup.read_virtual_time(function, owner)
    if tagged is False or not (tagged or is_virtual or settings.virtual_time):
        return None
    is_tagged = bool(tagged) or is_virtual
    place = "@virtual_time" if is_tagged else settings.places.get("virtual_time", "")
    real = settings.places.get("real_time_limit", "real-time-limit")
    wall = WallClock(place) if tagged == "wall" else None
    return VirtualTime(place, Limit(settings.real_time_limit, real), wall, is_tagged)


def factories(function: object, owner: type, settings: Settings) -> dict[int, Factory]:
    """Return what makes the loops of a test, or of a class, by the repetitions of the run.

    In each it is the one of the class, of the module and of the run if it can be, as these share
    their loops with it. Nothing where nobody chose.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to none.
    """
    found = dict(enumerate(settings.loop))
    for chosen in (tag_lookup.read_loop(None, owner), tag_lookup.read_loop(function, owner)):
        if chosen:
            found = _aligned(chosen, found)
    return found


def _aligned(chosen: Iterable[Factory], wider: dict[int, Factory]) -> dict[int, Factory]:
    """Return what was chosen, each in the repetition that has the same in a wider scope."""
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
    """Return the time limit of what has none of its own."""
    return Limit(settings.time_limit, settings.places.get("time_limit", ""))


@functools.lru_cache
def _made(engine: Engine, tagged: DurationTags) -> Plan:
    return Plan(
        engine=engine,
        timeout=TIMEOUT if tagged.timeout is None else tagged.timeout,
        sleep=SLEEP if tagged.sleep is None else tagged.sleep,
    )
