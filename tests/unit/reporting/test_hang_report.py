"""nose2_aio.reporting.hang_report"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from unittest import TestCase

import nose2_aio as aio
from nose2_aio.eventloop import instrumented
from nose2_aio.introspection.await_chains import Line
from nose2_aio.reporting import hang_report


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

        for left, expected in ((0, ""), (3, "... and 3 tasks more.")):
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
