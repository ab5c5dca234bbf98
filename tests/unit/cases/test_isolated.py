"""nose2_aio.cases.isolated"""

from __future__ import annotations

import asyncio
from unittest import TestCase, mock

from nose2_aio.cases import isolated
from nose2_aio.errors import AbandonedLoopError
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.problems import Problems
from nose2_aio.running.deadlines import Deadline, Limit, TimeLimits
from nose2_aio.running.runner_options import RunnerOptions


class Case(TestCase):
    """A test with a runner of asyncio's, as IsolatedAsyncioTestCase has."""

    def __init__(self) -> None:
        super().__init__()
        self._asyncioRunner = asyncio.Runner()


class Guards(TestCase):
    """Guarding a test of IsolatedAsyncioTestCase."""

    def setUp(self) -> None:
        """Create a test to guard."""
        self.case = Case()
        self.addCleanup(lambda: self.case._asyncioRunner.close())
        self.time_limits = TimeLimits()
        self.problems = Problems()

    def guard(self, *, fails_deadlocks: bool = True) -> isolated._Guard:
        """Return the guard, begun."""
        options = RunnerOptions(self.time_limits, fails_deadlocks=fails_deadlocks)
        guard = isolated._Guard(self.case, options, self.problems, is_checked=True)
        guard.begin()
        self.addCleanup(guard._watching.close)
        return guard

    def test_no_runner(self) -> None:
        """A test without a runner isn't guarded."""
        guard = isolated._Guard(
            TestCase(), RunnerOptions(self.time_limits), self.problems, is_checked=True
        )
        guard.begin()
        guard.inspect()
        with guard.on():
            self.assertIsNone(guard.loop)
        guard.close(lambda: None)

    def test_no_deadlocks(self) -> None:
        """Deadlocks can be ignored."""
        loop_state = instrumented.state_of(self.guard(fails_deadlocks=False).loop)
        assert loop_state is not None
        self.assertIsNone(loop_state.on_deadlock)

    def test_no_end(self) -> None:
        """A loop that can't be closed is reported. Nothing is raised."""

        def close() -> None:
            raise AttributeError("no selector")

        self.guard().close(close)
        self.assertEqual(
            self.problems.abandon_reason,
            "the event loop could not be closed: AttributeError('no selector')",
        )

    def test_not_instrumented(self) -> None:
        """A loop that can't be instrumented isn't inspected. It is closed as usual."""
        close = mock.Mock()
        with mock.patch.object(instrumented, "state_of", lambda _: None):
            guard = self.guard()
            guard.inspect()
            guard.close(close)
        close.assert_called_once_with()
        self.assertEqual(vars(self.problems), {})

    def test_closed(self) -> None:
        """If the test has closed its loop, it isn't inspected."""
        guard = self.guard()
        self.case._asyncioRunner.close()
        guard.inspect()
        self.assertEqual(vars(self.problems), {})

    def test_left_open(self) -> None:
        """A loop that its runner could not close is closed all the same."""
        guard = self.guard()
        loop = guard.loop
        assert loop is not None

        def close() -> None:
            raise AbandonedLoopError("why")

        guard.close(close)
        self.case._asyncioRunner = asyncio.Runner()
        self.assertTrue(loop.is_closed())
        self.assertEqual(self.problems.abandon_reason, "why")

    def test_others_error(self) -> None:
        """An error of foreign code while the runner is closed is raised as it is."""
        error = RuntimeError("theirs")
        with self.assertRaises(RuntimeError) as caught:
            self.guard().close(mock.Mock(side_effect=error))
        self.assertIs(caught.exception, error)
        self.assertEqual(vars(self.problems), {})

    def test_debugged(self) -> None:
        """Under a debugger a limit is lifted when it passes."""
        guard = self.guard()
        self.time_limits.deadline = deadline = Deadline(Limit(0, "here"))
        with mock.patch.object(isolated, "is_debugged", lambda: True):
            guard._expire()
        self.assertEqual(deadline.when, float("inf"))

    def test_extended(self) -> None:
        """If the limit was extended, the alarm is set again."""
        guard = self.guard()
        self.time_limits.deadline = deadline = Deadline(Limit(5, "here"))
        deadline.loop = guard.loop
        guard._expire()
        loop_state = instrumented.state_of(guard.loop)
        assert loop_state is not None and loop_state.alarm is not None
        self.assertEqual(loop_state.alarm[0], deadline.when)

    def test_interrupt_without_place(self) -> None:
        """If Ctrl-C cancelled nothing, the report names no place."""
        error = KeyboardInterrupt()
        self.assertIs(self.guard().explained(error), error)
        self.assertFalse(hasattr(error, "__notes__"))

    def test_main_task(self) -> None:
        """The task that the loop runs for is found among others, if there is one."""
        loop = self.case._asyncioRunner.get_loop()
        others = [loop.create_task(asyncio.sleep(0.01)) for _ in range(3)]
        others[0].add_done_callback(print_nothing)
        self.assertIsNone(isolated._main_task(loop))

        async def main() -> bool:
            return isolated._main_task(loop) is asyncio.current_task()

        self.assertTrue(loop.run_until_complete(main()))
        loop.run_until_complete(asyncio.wait(others))


def print_nothing(_: object) -> None:
    """Do nothing."""
