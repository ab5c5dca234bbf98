"""nose2_aio.errors"""

from __future__ import annotations

import pickle
from unittest import TestCase

from nose2_aio import errors


class Tree(TestCase):
    """The exceptions."""

    def test_root(self) -> None:
        """Each is an AioError, and also of the built-in type that users expect."""
        kinds = {
            errors.InvalidValueError: ValueError,
            errors.InvalidTypeError: TypeError,
            errors.DefinitionError: TypeError,
            errors.FixtureExitError: Exception,
            errors.InterruptedRunError: Exception,
            errors.DeadlockError: Exception,
            errors.CheckError: AssertionError,
            errors.UnsentError: Exception,
            errors.WorkerDiedError: Exception,
            errors.WorkerStartError: Exception,
            errors.AbandonedLoopError: errors.LoopError,
            errors.LoopError: RuntimeError,
            errors.LoopStoppedError: errors.LoopError,
            errors.TimeLimitError: TimeoutError,
        }
        for ours, builtin in kinds.items():
            self.assertTrue(issubclass(ours, errors.AioError), ours)
            self.assertTrue(issubclass(ours, builtin), ours)
        every = {errors.AioError, errors.AioWarning, *kinds}
        self.assertEqual(every, {getattr(errors, name) for name in errors.__all__})

    def test_pickle(self) -> None:
        """Each can be sent from a worker process."""
        for name in errors.__all__:
            error = getattr(errors, name)("what, where")
            again = pickle.loads(pickle.dumps(error))
            self.assertIs(type(again), type(error))
            self.assertEqual(str(again), "what, where")
