"""nose2_aio.run"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase, TestSuite, mock

from nose2_aio import run
from nose2_aio.config import settings
from nose2_aio.errors import WorkerStartError


class Workers(TestCase):
    """A run with worker processes."""

    def setUp(self) -> None:
        found = settings.resolve({"workers": "2"}, {})
        self.run = run.Run(found, is_kept=False, is_debugging=lambda: False)

    def test_spawned_worker(self) -> None:
        """A process that is a spawned worker runs units for the main process."""
        worker, result = mock.Mock(), mock.Mock()
        describe: Any = mock.Mock()
        with mock.patch.object(run.role, "current_worker", return_value=worker):
            self.run.execute_in_workers(TestSuite(), result, describe)
        worker.work.assert_called_once_with([], self.run, result=result, describe=describe)

    def test_no_retry(self) -> None:
        """If failed tests can't run again, a line says so. The run goes on."""
        result = SimpleNamespace(shouldStop=False)
        failed = mock.Mock(test=self, exc_info=(1, 2, 3), expected=False)
        error = WorkerStartError("no worker")
        with mock.patch("nose2_aio.workers.worker_run.retry", side_effect=error) as retry:
            self.run._retry(result, mock.Mock())
            self.run.failures.note(failed)
            self.run._retry(result, mock.Mock())  # its setting is 0
            retry.assert_not_called()
            with mock.patch("nose2_aio.workers.retries.are_due", return_value=True):
                self.run._retry(result, mock.Mock())
        self.assertEqual(
            self.run.notes.lines, ["retries: failed tests could not be run again: no worker"]
        )

    def test_repetition(self) -> None:
        """A unit runs on the loops of its repetition, if loops were chosen."""
        with mock.patch.object(self.run.scopes, "begin_repetition") as begin:
            self.run.begin_unit(None)
            begin.assert_not_called()
            self.run.begin_unit(1)
        begin.assert_called_once_with(1)

    def test_merged(self) -> None:
        """Findings of a worker are reported at the end of the run."""
        other = run.Run(self.run.settings, is_kept=False, is_debugging=lambda: False)
        self.assertIsNone(other.take())
        other.note("a note of a worker")
        found = other.take()
        assert found is not None
        self.run.merge(found)
        self.assertEqual(self.run.notes.lines, ["a note of a worker"])
        self.assertIsNone(other.take())
