"""nose2_aio.concurrency"""

from __future__ import annotations

from unittest import TestCase, mock

from nose2_aio import concurrency


class Files(TestCase):
    """How many tests can run at once with the files that may be open."""

    def test_affordable(self) -> None:
        """As many as are wanted, unless there is a limit; at least one."""
        told: dict[str, None] = {}
        with mock.patch.object(concurrency, "_LIMITS", None):
            self.assertEqual(concurrency._affordable(500, told), 500)
        limits = mock.MagicMock(RLIM_INFINITY=-1)
        for most, expected in ((-1, 500), (10_000, 500), (100, 17), (3, 1)):
            limits.getrlimit.return_value = most, most
            with mock.patch.object(concurrency, "_LIMITS", limits):
                self.assertEqual(concurrency._affordable(500, told), expected)
        self.assertEqual(len(told), 2)
