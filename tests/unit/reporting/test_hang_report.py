"""nose2_aio.reporting.hang_report"""

from __future__ import annotations

import asyncio
from unittest import TestCase

from nose2_aio.reporting import hang_report


class Tasks(TestCase):
    """The tasks in the report on a loop."""

    def test_many(self) -> None:
        """The report shows at most `MAX_TASKS` tasks. Its last line counts the others."""

        async def report(count: int) -> str:
            tasks = [asyncio.create_task(asyncio.sleep(0), name=f"T{n}") for n in range(count)]
            text = hang_report.describe_loop(asyncio.get_running_loop())
            await asyncio.gather(*tasks)
            return text

        for left, expected in ((0, ""), (3, "... and 3 tasks more.")):
            text = asyncio.run(report(hang_report.MAX_TASKS + left))
            self.assertEqual(text.count("sleep"), hang_report.MAX_TASKS)
            self.assertEqual("".join(text.partition("... and")[1:]), expected)
