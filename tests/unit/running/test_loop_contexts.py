"""nose2_aio.running.loop_contexts"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import TestCase, mock

from nose2_aio.errors import InvalidTypeError, LoopError
from nose2_aio.eventloop import event_loops
from nose2_aio.running import loop_contexts


def in_new_thread(function: Callable[[], Any]) -> Any:
    """Call a function in a thread that never had a current event loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


@contextlib.contextmanager
def current(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Make a loop current."""
    before = event_loops.current()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(before)


class Current(TestCase):
    """Which loop is current."""

    def test_none(self) -> None:
        """Without a current loop the answer is None. Asking creates none."""
        self.assertIsNone(in_new_thread(event_loops.current))
        with current(None):
            self.assertIsNone(event_loops.current())
            self.assertIsNone(event_loops.current())

    def test_set(self) -> None:
        """The loop that was set is current."""
        with contextlib.closing(asyncio.new_event_loop()) as loop, current(loop):
            self.assertIs(event_loops.current(), loop)

    async def test_running(self) -> None:
        """The running loop is current."""
        self.assertIs(event_loops.current(), asyncio.get_running_loop())
        self.assertTrue(event_loops.is_running())

    def test_restored(self) -> None:
        """Afterwards the former loop, or none, is current again."""
        with contextlib.closing(asyncio.new_event_loop()) as before:
            for loop in (before, None):
                with current(loop), contextlib.closing(asyncio.new_event_loop()) as other:
                    restore = event_loops.make_current(other)
                    self.assertIs(event_loops.current(), other)
                    restore()
                    self.assertIs(event_loops.current(), loop)

    def test_never_set(self) -> None:
        """If Python creates a loop on demand, it still does so afterwards."""
        policy: Any = asyncio.get_event_loop_policy() if sys.version_info < (3, 14) else None
        if policy is None:
            with current(None), loop_contexts.child_loop():
                pass
            with current(None), self.assertRaises(RuntimeError):
                asyncio.get_event_loop()
            return
        with mock.patch.object(policy, "_local", type(policy._local)()):
            with loop_contexts.child_loop() as closed:
                pass
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                made = asyncio.get_event_loop()
            self.assertIsNot(made, closed)
            made.close()

    def test_policy_of_its_own_kind(self) -> None:
        """A foreign policy without that state is asked in the public way."""
        with (
            mock.patch.object(event_loops, "_thread_state", return_value=None),
            contextlib.closing(asyncio.new_event_loop()) as loop,
            current(loop),
        ):
            with loop_contexts.child_loop():
                self.assertIsNot(event_loops.current(), loop)
            self.assertIs(event_loops.current(), loop)

            def no_loop() -> asyncio.AbstractEventLoop | None:
                with mock.patch("asyncio.get_event_loop", side_effect=RuntimeError):
                    return event_loops.current()

            self.assertIsNone(no_loop())


class Child(TestCase):
    """``child_loop``."""

    def test_life(self) -> None:
        """The loop is new and current inside, and closed after the block, also after an error."""
        before = event_loops.current()
        with self.assertRaises(LookupError), loop_contexts.child_loop() as loop:
            self.assertIs(event_loops.current(), loop)
            self.assertFalse(loop.is_closed())
            raise LookupError
        self.assertTrue(loop.is_closed())
        self.assertIs(event_loops.current(), before)

    def test_closed_by_hand(self) -> None:
        """A loop that the user closes inside the block needs no shutdown."""
        before = event_loops.current()
        with loop_contexts.child_loop() as loop:
            loop.close()
        self.assertIs(event_loops.current(), before)

    def test_leftovers(self) -> None:
        """Leftover tasks are cancelled and end. Async generators and executor are shut down."""
        ended = []
        reports = []

        async def forever() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                ended.append("task")

        async def fails() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                raise LookupError("while cancelled")

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                ended.append("generator")

        async def begin(loop: asyncio.AbstractEventLoop) -> AsyncIterator[int]:
            loop.set_exception_handler(lambda _, report: reports.append(report))
            self.tasks = [asyncio.create_task(forever()), asyncio.create_task(fails())]
            generator = numbers()
            await anext(generator)
            self.thread = await loop.run_in_executor(None, threading.current_thread)
            return generator

        with loop_contexts.child_loop() as loop:
            generator = loop.run_until_complete(begin(loop))
        self.assertEqual(ended, ["task", "generator"])
        self.assertTrue(all(task.done() for task in self.tasks))
        self.assertFalse(self.thread.is_alive())
        self.assertEqual([str(report["exception"]) for report in reports], ["while cancelled"])
        self.assertIsNotNone(generator)

    def test_leftovers_of_leftovers(self) -> None:
        """A task that a leftover task starts while it is cancelled is cancelled too."""
        tasks = []

        async def starts_another() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                tasks.append(asyncio.create_task(asyncio.sleep(3600)))

        async def begin() -> None:
            tasks.append(asyncio.create_task(starts_another()))
            await asyncio.sleep(0)

        with loop_contexts.child_loop() as loop:
            loop.run_until_complete(begin())
        self.assertEqual([task.cancelled() for task in tasks], [True, True])


class Given(TestCase):
    """The loop of a user's ``loop=``."""

    def test_current_loop(self) -> None:
        """``current_loop`` yields the current loop and leaves it open."""
        with contextlib.closing(asyncio.new_event_loop()) as loop, current(loop):
            with loop_contexts.given(loop_contexts.current_loop) as found:
                self.assertIs(found, loop)
            self.assertFalse(loop.is_closed())

    def test_no_current_loop(self) -> None:
        """``current_loop`` without a current loop is an error."""
        with current(None), self.assertRaisesRegex(LoopError, "^there is no current event loop"):
            with loop_contexts.given(loop_contexts.current_loop):
                pass

    def test_own(self) -> None:
        """A loop of the user's is made current. Its context manager closes it."""
        loop = asyncio.new_event_loop()
        with loop_contexts.given(lambda: contextlib.closing(loop)):
            self.assertIs(event_loops.current(), loop)
        self.assertTrue(loop.is_closed())

    def assert_refused(self, value: object, kind: type[Exception], message: str) -> None:
        """Assert that a context manager that yields ``value`` is refused."""
        with (
            self.assertRaises(kind) as caught,
            loop_contexts.given(lambda: contextlib.nullcontext(value)),
        ):
            pass
        self.assertRegex(str(caught.exception), message)

    def test_no_loop(self) -> None:
        """Only an open, idle loop is accepted. The error has the context's place."""
        place = r"\(<lambda>, .*test_loop_contexts\.py:\d+\)$"
        self.assert_refused(None, InvalidTypeError, f"must give an event loop, got None {place}")
        loop = asyncio.new_event_loop()
        loop.close()
        self.assert_refused(loop, LoopError, f"gave a closed event loop {place}")

    async def test_running(self) -> None:
        """A loop that already runs is refused."""
        loop = asyncio.get_running_loop()
        self.assert_refused(loop, LoopError, "gave a loop that runs already")

    def test_no_context_manager(self) -> None:
        """A value that is no context manager is refused, and named."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        for value in (5, loop, contextlib.asynccontextmanager(lambda: None)):
            with self.assertRaisesRegex(
                InvalidTypeError, "^loop= must return a context manager that gives an event loop"
            ):
                with loop_contexts.given(lambda: value):  # noqa: B023
                    pass
