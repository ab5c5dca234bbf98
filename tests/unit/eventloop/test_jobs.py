"""nose2_aio.eventloop.jobs"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import TestCase

from nose2_aio.eventloop.jobs import JobFunction, as_part_of_test, problems_in_thread
from nose2_aio.eventloop.problems import Problems


class Jobs(TestCase):
    """Functions that a test hands to a thread pool."""

    def test_replaced(self) -> None:
        """Only functions for threads are replaced, and no coroutine function."""
        with ThreadPoolExecutor() as pool:
            self.assertIsInstance(as_part_of_test(int, pool, None), JobFunction)
            self.assertIs(as_part_of_test(asyncio.sleep, pool, None), asyncio.sleep)
        self.assertIs(as_part_of_test(int, object(), None), int)

    def test_call(self) -> None:
        """The thread knows the problems while it runs the job. Origins are recorded as here."""
        problems, seen = Problems(), []

        def look() -> None:
            seen.append((problems_in_thread(), sys.get_coroutine_origin_tracking_depth()))

        before = sys.get_coroutine_origin_tracking_depth()
        sys.set_coroutine_origin_tracking_depth(3)
        try:
            job = JobFunction(look, problems)
        finally:
            sys.set_coroutine_origin_tracking_depth(before)
        for function in (job, look):
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
        self.assertEqual(seen, [(problems, 3), (None, 0)])
