"""nose2_aio.plans"""

from __future__ import annotations

from unittest import TestCase

import nose2_aio as aio
from nose2_aio import plans
from nose2_aio.deadlines import Limit
from nose2_aio.engines import Engine, Plan
from nose2_aio.settings import Settings, resolve

SETTINGS = resolve({"time-limit": "9"}, {})
OVERALL = Limit(9, "[aio] time-limit")


@aio.timeout(2)
@aio.sleep(3)
def tagged() -> None:
    """Do nothing."""


def untagged() -> None:
    """Do nothing."""


class Made(TestCase):
    """Plans from tags and settings."""

    def test_defaults(self) -> None:
        """Without tags and settings: no limit, a second's wait, no sleep."""
        for engine in Engine:
            plan = plans.made(engine, untagged, object, Settings())
            self.assertEqual(plan, Plan(engine, 1, 0, Limit(0, ""), Limit(0, "")))

    def test_until_complete(self) -> None:
        """``timeout`` is the limit, and wins over the setting."""
        plan = plans.made(Engine.UNTIL_COMPLETE, tagged, object, SETTINGS)
        self.assertEqual(plan.limit, Limit(2, "@timeout"))
        plan = plans.made(Engine.UNTIL_COMPLETE, untagged, object, SETTINGS)
        self.assertEqual(plan.limit, OVERALL)

    def test_zero(self) -> None:
        """A timeout of 0 lifts the limit for one test."""
        plan = plans.made(Engine.BY_RESULT, aio.timeout(0)(lambda: None), object, SETTINGS)
        self.assertEqual(plan.limit.seconds, 0)

    def test_forever(self) -> None:
        """``timeout`` is the wait, and the setting limits body and callback."""
        plan = plans.made(Engine.FOREVER, tagged, object, SETTINGS)
        self.assertEqual(plan, Plan(Engine.FOREVER, 2, 3, OVERALL, OVERALL))

    def test_by_result(self) -> None:
        """Undecided, it limits the body, and is the wait if a callback follows."""
        plan = plans.made(Engine.BY_RESULT, tagged, object, SETTINGS)
        self.assertEqual(plan, Plan(Engine.BY_RESULT, 2, 3, Limit(2, "@timeout"), OVERALL))
