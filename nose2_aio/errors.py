"""What can go wrong, as a tree: every exception of ours is an `AioError`.

Each carries its whole message as its one argument, so that it survives pickling on its
way back from a worker process.
"""

from __future__ import annotations

__all__ = [
    "AbandonedLoopError",
    "AioError",
    "CheckError",
    "DeadlockError",
    "DefinitionError",
    "FixtureCancelledError",
    "InterruptedRunError",
    "InvalidTypeError",
    "InvalidValueError",
    "LoopError",
    "LoopStoppedError",
    "TimeLimitError",
    "UnsentError",
    "WorkerDiedError",
    "WorkerStartError",
]


class AioError(Exception):
    """The root of the tree."""


class InvalidValueError(AioError, ValueError):
    """A setting, a tag or an argument has a value that it can't have."""


class InvalidTypeError(InvalidValueError, TypeError):
    """A setting, a tag or an argument has a value of the wrong type."""


class DefinitionError(AioError, TypeError):
    """A test or a fixture can't run the way it is written: it, or a part of it, never would."""


class LoopError(AioError, RuntimeError):
    """There is no usable event loop where one was asked for."""


class LoopStoppedError(LoopError):
    """The tested code stopped the event loop before the test, or the fixture, had run."""


class TimeLimitError(AioError, TimeoutError):
    """A test, or a fixture, took longer than its time limit."""


class DeadlockError(AioError):
    """A test, or a fixture, could never have finished: nothing could have woken its loop."""


class AbandonedLoopError(LoopError):
    """A task that nobody waited for would not end, so its event loop had to be left behind."""


class InterruptedRunError(AioError):
    """A test, or a fixture, was interrupted by Ctrl-C."""


class CheckError(AioError, AssertionError):
    """A test has left something behind: see `nose2_aio.reporting.inspections`."""


class UnsentError(AioError):
    """Stands for an error that can't be sent from a worker process; it says the same."""


class WorkerDiedError(AioError):
    """The worker process that ran a test has died."""


class WorkerStartError(AioError):
    """A worker process could not be started, or has loaded other tests than the main process."""


class FixtureCancelledError(AioError):
    """A fixture of a class or a module was cancelled.

    unittest lets a `BaseException` there, such as `asyncio.CancelledError`, end the whole run.
    """
