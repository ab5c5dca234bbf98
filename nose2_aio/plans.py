"""From tags and settings to the plan of one test: the tag on it wins over both."""

from __future__ import annotations

import functools

from nose2_aio import tags
from nose2_aio.deadlines import Limit
from nose2_aio.engines import SLEEP, TIMEOUT, Engine, Plan
from nose2_aio.factories import Factory
from nose2_aio.settings import Settings
from nose2_aio.tags import Tags

__all__ = ["factories", "limit", "made", "overall"]


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
