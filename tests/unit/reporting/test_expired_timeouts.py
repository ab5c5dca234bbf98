"""nose2_aio.reporting.expired_timeouts"""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio.introspection import locations, monitoring
from nose2_aio.reporting import expired_timeouts


class Expired(TestCase):
    """Timeouts that expire."""

    def handle(self, owner: object, name: str, value: object, variables: Any) -> None:
        """Call the handlers of a function, as Python would where it starts and returns."""
        code: Any = locations.code_of(owner, name)
        back = sys._getframe(1)
        frame: Any = SimpleNamespace(f_code=code, f_locals=variables, f_back=back, f_lineno=1)
        handlers = [one.get(id(code)) for one in (monitoring._starts, monitoring._returns)]
        for handler in filter(None, handlers):
            handler(frame, value)

    async def expired(self, timeout: asyncio.Timeout) -> TimeoutError:
        """Return the error of a timeout that has expired."""
        try:
            async with timeout:
                self.handle(asyncio.Timeout, "_on_timeout", None, {"self": timeout})
                timeout.reschedule(0)
                await asyncio.sleep(9)
        except TimeoutError as error:
            return error
        raise AssertionError

    async def test_explain(self) -> None:
        """The note has the seconds, the place and the waits. It is not added twice."""
        timeout = asyncio.timeout(None)
        self.handle(asyncio, "timeout", timeout, {"delay": None})
        error = await self.expired(timeout)
        expired_timeouts.explain(error)
        expired_timeouts.explain(ExceptionGroup("", [error, error]))
        self.assertEqual(len(error.__notes__), 1)
        self.assertRegex(error.__notes__[0], r"^\nThe timeout expired. At that moment:\n  the test")

    async def test_seconds(self) -> None:
        """The seconds are noted where it is made, with a line if that is the user's."""
        for value, expected in ((None, " of 2 s, made at .* in test_seconds,"), ("outside", " of")):
            timeout = asyncio.timeout(None)
            with mock.patch.object(monitoring, "callers", wraps=monitoring.callers) as callers:
                if value == "outside":
                    code = locations.code_of(asyncio, "timeout")
                    callers.side_effect = lambda *_, code=code: ((code, 0),)
                self.handle(asyncio, "timeout", timeout, {"delay": 2})
            self.assertRegex(expired_timeouts._origin_of(timeout), f"^{expected}( 2 s)?$")

    async def test_failing(self) -> None:
        """Nothing that fails here is raised in the event loop."""
        with mock.patch.object(expired_timeouts, "_describe", side_effect=ValueError):
            error = await self.expired(asyncio.timeout(None))
        expired_timeouts.explain(error)
        self.assertFalse(hasattr(error, "__notes__"))
