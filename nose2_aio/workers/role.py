"""What this process is: the main process of a run, or a spawned worker of it.

Each run asks. So this module imports nothing of what workers need.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["SpawnedWorker", "current_worker", "set_worker"]


class SpawnedWorker(Protocol):
    """A spawned worker, see `nose2_aio.workers.spawned`."""

    def work(self, units: Any, hooks: Any, *, result: Any, describe: Any) -> None:
        """Run units for the main process, or refuse if they aren't the same there."""


_current: list[SpawnedWorker] = []


def current_worker() -> SpawnedWorker | None:
    """Return the spawned worker that this process is; None if it isn't one."""
    return _current[-1] if _current else None


def set_worker(worker: SpawnedWorker) -> None:
    """Make this process a spawned worker."""
    _current.append(worker)
