"""nose2_aio.introspection.tracebacks"""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from unittest import TestCase

from nose2_aio.introspection import tracebacks
from nose2_aio.running import coroutines


def frames(error: BaseException) -> list[str]:
    """Names of the functions in a traceback."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def fails() -> None:
    """Fail."""
    raise LookupError


async def chains() -> None:
    """Fail because of a failure."""
    try:
        await coroutines.called(fails)
    except LookupError as error:
        raise ValueError from error


class Trimmed(TestCase):
    """Frames that are left out."""

    def caught(self, coroutine: object) -> BaseException:
        """What a coroutine raises out of asyncio.run."""
        try:
            asyncio.run(coroutines.called(coroutine))
        except Exception as error:
            return error
        raise AssertionError

    def test_ours_and_the_runners(self) -> None:
        """Ours go wherever they stand; asyncio's at the head."""
        error = self.caught(fails)
        before = frames(error)
        self.assertIn("called", before)
        self.assertIn("run_until_complete", before)
        self.assertIs(tracebacks.trim(error), error)
        self.assertEqual((frames(error)[0], frames(error)[-1]), ("caught", "fails"))
        self.assertNotIn("called", frames(error))

    def test_head(self) -> None:
        """With nothing of the user's before them, asyncio's frames go."""
        error = self.caught(fails)
        assert error.__traceback__ is not None
        error.__traceback__ = error.__traceback__.tb_next
        self.assertEqual(frames(tracebacks.trim(error)), ["fails"])

    def test_causes(self) -> None:
        """What an error came from is trimmed too, and a ring of them is no trap."""
        error = self.caught(chains)
        assert error.__cause__ is not None
        error.__cause__.__context__ = error
        tracebacks.trim(error)
        self.assertEqual(frames(error.__cause__), ["chains", "fails"])

    def test_read_only(self) -> None:
        """An exception that forbids to set attributes is no trap."""

        @dataclasses.dataclass(frozen=True)
        class FrozenError(Exception):
            number: int

        async def raises() -> None:
            raise FrozenError(1)

        error = self.caught(raises)
        self.assertNotIn("called", frames(tracebacks.trim(error)))

    def test_groups(self) -> None:
        """So are the members of exception groups."""
        member = self.caught(fails)
        tracebacks.trim(ExceptionGroup("several", [member]))
        self.assertNotIn("called", frames(member))

    def test_runners_only(self) -> None:
        """An error from asyncio itself keeps its frames."""
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            none = error
        none.__traceback__ = None
        self.assertEqual(frames(tracebacks.trim(none)), [])
        try:
            asyncio.run(5)
        except Exception as error:
            raised = error
        assert raised.__traceback__ is not None
        raised.__traceback__ = raised.__traceback__.tb_next
        self.assertIn("run", frames(tracebacks.trim(raised)))
