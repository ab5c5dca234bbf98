"""From tags and settings to the plan of one test: the tag on it wins over both."""

from __future__ import annotations

import functools

from nose2_aio import tags
from nose2_aio.deadlines import Limit, Virtual
from nose2_aio.engines import SLEEP, TIMEOUT, Engine, Plan
from nose2_aio.factories import Factory
from nose2_aio.settings import Settings
from nose2_aio.tags import Tags
from nose2_aio.wall import Wall

__all__ = ["factories", "limit", "made", "overall", "virtual"]


def made(engine: Engine, function: object, owner: type) -> Plan:
    """Return how the test ``function``, of the class ``owner``, is to be run by ``engine``.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to no number.
    """
    return _made(engine, tags.read(function, owner))


def limit(engine: Engine, function: object, owner: type, settings: Settings) -> Limit:
    """Return the time limit of such a test, with all its fixtures.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to no number.
    """
    tagged = tags.read(function, owner).timeout
    if tagged is None or engine is Engine.FOREVER:
        return overall(settings)
    return Limit(tagged, "@timeout")


def virtual(
    function: object, owner: type, settings: Settings, *, is_virtual: bool = False
) -> Virtual | None:
    """Return the virtual time that a test has, or a fixture of a class; None for real time.

    ``is_virtual`` says that its loop is so, where no tag says otherwise.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to nothing valid, and
    where time-machine is needed and not installed.
    """
    tagged = tags.read_virtual_time(function, owner)
    if tagged is False or not (tagged or is_virtual or settings.virtual_time):
        return None
    is_tagged = bool(tagged) or is_virtual
    place = "@virtual_time" if is_tagged else settings.places.get("virtual_time", "")
    real = settings.places.get("real_time_limit", "real-time-limit")
    wall = Wall(place) if tagged == "wall" else None
    return Virtual(place, Limit(settings.real_time_limit, real), wall, is_tagged)


def factories(function: object, owner: type, settings: Settings) -> tuple[Factory, ...]:
    """Return what makes the loops that such a test is to run on; nothing where nobody chose.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to none.
    """
    return tags.read_loop(function, owner) or settings.loop


def overall(settings: Settings) -> Limit:
    """Return the time limit of what has none of its own."""
    return Limit(settings.time_limit, settings.places.get("time_limit", ""))


@functools.lru_cache
def _made(engine: Engine, tagged: Tags) -> Plan:
    return Plan(
        engine=engine,
        timeout=TIMEOUT if tagged.timeout is None else tagged.timeout,
        sleep=SLEEP if tagged.sleep is None else tagged.sleep,
    )
