"""nose2_aio.running.plans"""

from __future__ import annotations

from unittest import TestCase

import nose2_aio as aio
from nose2_aio.config.settings import Settings, resolve
from nose2_aio.running import plans
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.engines import Engine, Plan

SETTINGS = resolve({"time-limit": "9"}, {})
OVERALL = Limit(9, "[aio] time-limit")


@aio.timeout(2)
@aio.sleep(3)
def tagged() -> None:
    """Do nothing."""


def untagged() -> None:
    """Do nothing."""


class Plans(TestCase):
    """Plans from tags."""

    def test_defaults(self) -> None:
        """Without tags, the test waits one second and doesn't sleep."""
        for engine in Engine:
            self.assertEqual(plans.plan_for(engine, untagged, object), Plan(engine, 1, 0))

    def test_tags(self) -> None:
        """The tags set how long to wait and to sleep."""
        self.assertEqual(plans.plan_for(Engine.FOREVER, tagged, object), Plan(Engine.FOREVER, 2, 3))


class Limits(TestCase):
    """Time limits from tags and settings."""

    def test_none(self) -> None:
        """Without tags and settings there is no limit."""
        for engine in Engine:
            self.assertEqual(plans.limit(engine, untagged, object, Settings()), Limit(0, ""))

    def test_until_complete(self) -> None:
        """``timeout`` is the limit, and wins over the setting."""
        for engine in (Engine.UNTIL_COMPLETE, Engine.BY_RESULT):
            limit = plans.limit(engine, tagged, object, SETTINGS)
            self.assertEqual(limit, Limit(2, "@timeout", is_tagged=True))
            self.assertEqual(plans.limit(engine, untagged, object, SETTINGS), OVERALL)

    def test_zero(self) -> None:
        """A timeout of 0 lifts the limit for one test."""
        limit = plans.limit(Engine.BY_RESULT, aio.timeout(0)(lambda: None), object, SETTINGS)
        self.assertEqual(limit.seconds, 0)

    def test_forever(self) -> None:
        """For ``run_forever``, ``timeout`` is the wait."""
        self.assertEqual(plans.limit(Engine.FOREVER, tagged, object, SETTINGS), OVERALL)
