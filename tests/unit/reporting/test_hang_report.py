"""nose2_aio.reporting.hang_report"""

from __future__ import annotations

import asyncio
import math
import re
import time
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.eventloop import instrumented
from nose2_aio.introspection.await_chains import Line
from nose2_aio.reporting import hang_report, verdicts
from nose2_aio.reporting.loop_tasks import LoopTasks


class Reports(TestCase):
    """The report of a loop."""

    def test_many(self) -> None:
        """The report shows at most `MAX_TASKS` tasks. Its last line counts the others."""
        namespace: dict[str, Any] = {"asyncio": asyncio, "__name__": "project"}
        count = hang_report.MAX_TASKS + 3
        source = "".join(f"async def f{n}(): await asyncio.sleep(0)\n" for n in range(count))
        exec(compile(source, "/project/f.py", "exec"), namespace)

        async def report(count: int) -> str:
            tasks = [asyncio.create_task(namespace[f"f{n}"](), name=f"T-{n}") for n in range(count)]
            await asyncio.sleep(0)
            text = hang_report.describe_loop(asyncio.get_running_loop())
            await asyncio.gather(*tasks)
            return text

        for left, expected in ((0, ""), (3, "... and 3 more tasks.")):
            text = asyncio.run(report(hang_report.MAX_TASKS + left))
            names = re.findall(r"^T-(\d+) ", text, re.MULTILINE)
            self.assertEqual(names, [str(n) for n in range(hang_report.MAX_TASKS)], text)
            self.assertEqual("".join(text.partition("... and")[1:]), expected)

    @aio.checks(leaked_tasks="ignore")
    async def test_same(self) -> None:
        """Tasks that wait at the same line share one paragraph, in the order of their numbers."""
        tasks = [asyncio.create_task(asyncio.sleep(5 + n), name=f"task-{n}") for n in range(25)]
        await asyncio.sleep(0)
        report = hang_report.describe_loop(asyncio.get_running_loop())
        names = "".join(f"task-{number}, " for number in range(1, 9))
        self.assertRegex(
            report,
            r"\n\ntask-0 \(sleep\), made at .* in test_same:\n"
            rf"  sleeps, .*\n  The same for 24 more: {names}\.\.\.$",
        )
        self.assertEqual(len(tasks), 25)

    async def test_very_many(self) -> None:
        """Of very many tasks, only some are looked at. The others are counted."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(300)]

        async def waits_for(one: asyncio.Future[None]) -> None:
            await one

        tasks = [asyncio.create_task(waits_for(one)) for one in futures]
        gathering = asyncio.gather(*tasks)
        own = asyncio.create_task(self.waits(gathering), name="own")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        began = time.perf_counter()
        report = hang_report.describe_loop(loop, own)
        self.assertLess(time.perf_counter() - began, 5)
        self.assertRegex(report, r"\n\n\.\.\. and 10\d more tasks\.$")
        for future in futures:
            future.set_result(None)
        await own

    async def waits(self, future: Any) -> None:
        """Await a future."""
        await future

    def test_without_lines(self) -> None:
        """The lines of the test's own task are left out if its traceback has them."""
        lines = [Line("a.py:1 in f", "await g()"), Line("a.py:9 in g", "await h()")]
        own = "It waits here:\n  a.py:1 in f  await g()\n  sleeps, 5 s to go"
        for report, shown, expected in (
            (f"verdict\n\n{own}\n\nmore", lines, "verdict\n\nThe test sleeps, 5 s to go.\n\nmore"),
            (f"slow: sleeps, 5 s to go\n\n{own}", lines, "slow: sleeps, 5 s to go"),
            (own, lines[1:], own),
            ("", lines, ""),
        ):
            self.assertEqual(hang_report.without_lines(report, shown), expected)

    def test_none(self) -> None:
        """Without a loop, the report is empty."""
        self.assertEqual(hang_report.describe_loop(None), "")

    async def test_place(self) -> None:
        """It is known where a task was created only if the loop is instrumented."""
        task = asyncio.create_task(asyncio.sleep(0))
        self.assertEqual(instrumented.origin_of(task)[0][0].co_name, "test_place")
        await task
        loop = asyncio.new_event_loop()
        try:
            other = loop.create_task(self.nothing())
            self.assertEqual(instrumented.origin_of(other), ())
        finally:
            await asyncio.to_thread(loop.run_until_complete, other)
            loop.close()

    async def test_host(self) -> None:
        """Only the task that the test runs in is called "the test"."""
        own = asyncio.current_task()
        assert own is not None
        self.assertEqual(hang_report.name_of(own), "the test")
        coroutine = self.nothing()
        coroutine.__qualname__ = own.get_coro().__qualname__  # type: ignore[union-attr]
        other = asyncio.create_task(coroutine, name="other")
        self.assertEqual(hang_report.name_of(other), f"other ({coroutine.__qualname__})")
        await other

    async def nothing(self) -> None:
        """Do nothing."""


class Verdicts(TestCase):
    """The first line."""

    async def report(self) -> str:
        """Return the first line of the report on a loop, without that on the test itself."""
        loop = asyncio.get_running_loop()
        return verdicts.verdict(LoopTasks(loop, None))[0]

    async def test_sources(self) -> None:
        """Of many things that could wake the loop, the first ones are named."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        timers = [loop.call_later(delay, print) for delay in (50, 60, 70, 80, math.inf)]
        timers[3].cancel()
        waiting = asyncio.create_task(event.wait(), name="waiting")
        await asyncio.sleep(0)
        one, *_ = others = [asyncio.create_task(asyncio.sleep(9), name=f"o{n}") for n in range(2)]
        await asyncio.sleep(0)
        with mock.patch.object(instrumented, "describe_wakeup_sources", return_value=[]):
            self.assertRegex(
                await self.report(),
                r"; only the timer for builtins\.print in \S+ s or "
                r"the timer for builtins\.print in \S+ s or 3 other things could wake it$",
            )
        for each in (*timers, *others, waiting):
            each.cancel()
        await asyncio.wait([one, *others, waiting])

    async def test_streams(self) -> None:
        """A task may wait for the other end of a connection, if that is on this loop."""
        reader = asyncio.StreamReader()
        tasks = [asyncio.create_task(reader.read(), name="alone")]

        async def serve(_: object, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ours, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.sleep(0)
        loop_tasks = LoopTasks(asyncio.get_running_loop(), None)
        self.assertEqual(loop_tasks.awaited(tasks[0]), [])
        self.assertEqual(await ours.read(), b"")
        writer.close()
        server.close()
        tasks[0].cancel()
        await asyncio.wait(tasks)

    def test_no_records(self) -> None:
        """On a loop that is not instrumented, less is known."""

        async def main() -> str:
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(self.awaits(loop.create_future()))
            await asyncio.sleep(0)
            text = await self.report()
            task.cancel()
            return text

        self.assertRegex(
            asyncio.run(main()),
            r"^stuck: Task-\d+ \(Verdicts\.awaits\), at .* in awaits: "
            r"waits for the future one that nobody has completed$",
        )

    async def awaits(self, one: asyncio.Future[None]) -> None:
        """Await."""
        await one


class Threads(TestCase):
    """The jobs that an executor runs."""

    def test_same(self) -> None:
        """Jobs at the same lines share one paragraph."""
        executor = mock.Mock(running={-1: "time.sleep", -2: "int", -3: "time.sleep"})
        self.assertEqual(
            hang_report._threads(executor),
            [
                ["2 threads of the executor run time.sleep"],
                ["A thread of the executor runs int"],
            ],
        )
