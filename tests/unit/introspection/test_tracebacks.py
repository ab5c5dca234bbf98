"""nose2_aio.introspection.tracebacks"""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from unittest import TestCase

from nose2_aio.introspection import tracebacks
from nose2_aio.running import coroutines


def frames(error: BaseException) -> list[str]:
    """Return the names of the functions in a traceback."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def fails() -> None:
    """Fail."""
    raise LookupError


async def chains() -> None:
    """Fail because of another error."""
    try:
        await coroutines.call_and_await(fails)
    except LookupError as error:
        raise ValueError from error


class Trimmed(TestCase):
    """Frames that `trim` removes."""

    def caught(self, coroutine: object) -> BaseException:
        """Return the error that a coroutine raises from asyncio.run."""
        try:
            asyncio.run(coroutines.call_and_await(coroutine))
        except Exception as error:
            return error
        raise AssertionError

    def test_ours_and_the_runners(self) -> None:
        """Our frames are removed everywhere, asyncio's at the head."""
        error = self.caught(fails)
        before = frames(error)
        self.assertIn("call_and_await", before)
        self.assertIn("run_until_complete", before)
        self.assertIs(tracebacks.trim(error), error)
        self.assertEqual((frames(error)[0], frames(error)[-1]), ("caught", "fails"))
        self.assertNotIn("call_and_await", frames(error))

    def test_head(self) -> None:
        """asyncio's frames at the head are removed if the user's come after them."""
        error = self.caught(fails)
        assert error.__traceback__ is not None
        error.__traceback__ = error.__traceback__.tb_next
        self.assertEqual(frames(tracebacks.trim(error)), ["fails"])

    def test_causes(self) -> None:
        """Causes and contexts are trimmed, too, even if they are circular."""
        error = self.caught(chains)
        assert error.__cause__ is not None
        error.__cause__.__context__ = error
        tracebacks.trim(error)
        self.assertEqual(frames(error.__cause__), ["chains", "fails"])

    def test_read_only(self) -> None:
        """An exception that forbids to set attributes can be trimmed."""

        @dataclasses.dataclass(frozen=True)
        class FrozenError(Exception):
            number: int

        async def raises() -> None:
            raise FrozenError(1)

        error = self.caught(raises)
        self.assertNotIn("call_and_await", frames(tracebacks.trim(error)))

    def test_groups(self) -> None:
        """The members of exception groups are trimmed."""
        member = self.caught(fails)
        tracebacks.trim(ExceptionGroup("several", [member]))
        self.assertNotIn("call_and_await", frames(member))

    def test_runners_only(self) -> None:
        """An error of asyncio itself keeps its frames."""
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


class AtDefinition(TestCase):
    """A traceback with the line of a definition."""

    def test_line(self) -> None:
        """It has the file, the line and the name. A builtin function has none."""
        error = LookupError("no").with_traceback(tracebacks.at_definition(fails))
        (frame,) = traceback.extract_tb(error.__traceback__)
        self.assertEqual((frame.name, frame.line), ("fails", "async def fails() -> None:"))
        self.assertEqual(frame.filename, fails.__code__.co_filename)
        self.assertIsNone(tracebacks.at_definition(print))
