# Tests whose functions have another name than the test: nose2 can't select those by name.
import functools
import unittest


class Case(unittest.TestCase):
    async def _fail(self, value):
        self.assertEqual(value, 1)

    test_lambda_fails = lambda self: self._fail(2)  # noqa: E731
    test_lambda_generator_fails = lambda self: (yield from self._fail(2))  # noqa: E731
    test_lambda_generator_fails.timeout = 5
    test_partial_fails = functools.partialmethod(_fail, 2)
    test_partial_passes = functools.partialmethod(_fail, 1)
