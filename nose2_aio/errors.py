"""The exceptions of this package, subclasses of `AioError`, and its warning.

Each exception has its whole message as its only argument. So it can be pickled, and sent from a
worker process.
"""

from __future__ import annotations

__all__ = [
    "AbandonedLoopError",
    "AioError",
    "AioWarning",
    "CheckError",
    "DeadlockError",
    "DefinitionError",
    "FixtureExitError",
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
    """The base class of all exceptions of this package."""


class AioWarning(UserWarning):
    """A finding or a note that fails no test, under other runners than nose2."""


class InvalidValueError(AioError, ValueError):
    """A setting, a tag or an argument has an invalid value."""


class InvalidTypeError(InvalidValueError, TypeError):
    """A setting, a tag or an argument has a value of the wrong type."""


class DefinitionError(AioError, TypeError):
    """A test or a fixture is written in a way that it, or a part of it, would never run."""


class LoopError(AioError, RuntimeError):
    """There is no event loop, or none that can be used."""


class LoopStoppedError(LoopError):
    """The tested code stopped the event loop before the test or the fixture had run."""


class TimeLimitError(AioError, TimeoutError):
    """A test or a fixture took longer than its time limit."""


class DeadlockError(AioError):
    """A test or a fixture could never end: nothing was left that could wake its event loop."""


class AbandonedLoopError(LoopError):
    """A task that was left did not end when it was cancelled, so its event loop was abandoned."""


class InterruptedRunError(AioError):
    """A test or a fixture was interrupted by Ctrl-C or SIGTERM."""


class CheckError(AioError, AssertionError):
    """The checks at the end of a test have found something, such as a missing ``await``."""


class UnsentError(AioError):
    """Replaces an error that can't be sent from a worker process, and has its message."""


class WorkerDiedError(AioError):
    """The worker process that ran a test has died."""


class WorkerStartError(AioError):
    """A worker process could not be started, or has loaded other tests than the main process."""


class FixtureExitError(AioError):
    """A fixture of a class or a module was cancelled, or has called ``sys.exit()``.

    It replaces an error such as `SystemExit`: unittest ends the whole run for a `BaseException`
    there, and the run would count as a success.
    """
