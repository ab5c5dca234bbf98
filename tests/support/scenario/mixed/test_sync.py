# A synchronous suite with all that can happen in one.
import sys
import unittest

from nose2.tools import params


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = True

    def setUp(self):
        self.addCleanup(setattr, self, "made", None)

    def test_fails(self):
        self.fail("so")

    def test_errs(self):
        raise LookupError("so")

    def test_skips(self):
        self.skipTest("so")

    @unittest.skip("so")
    def test_skipped(self):
        self.fail()

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

    def test_returns_a_value(self):
        return 5

    def test_returns_a_generator(self):
        return (number for number in range(3))

    def test_prints(self):
        print("printed")
        print("printed too", file=sys.stderr)

    @params(1, 2)
    def test_params(self, value):
        self.assertEqual(value, 1)

    def test_nothing_of_ours_to_see(self):
        self.assertEqual(sorted(vars(self)), self.untouched)

    def test_chained(self):
        try:
            raise LookupError("first")
        except LookupError as error:
            raise ValueError("second") from error

    untouched = sorted({*vars(unittest.TestCase()), "_outcome"})


class FailingSetUp(unittest.TestCase):
    def setUp(self):
        raise LookupError("so")

    def tearDown(self):
        raise AssertionError

    def test(self):
        self.fail()


class FailingTearDown(unittest.TestCase):
    def tearDown(self):
        raise LookupError("so")

    def test(self):
        self.fail("so")


class FailingSetUpClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise LookupError("so")

    def test(self):
        self.fail()


class TestClass:
    def setUp(self):
        self.made = True

    def test_passes(self):
        assert self.made

    def test_fails(self):
        raise AssertionError("so")

    def test_generates(self):
        yield self.check, 1
        yield self.check, 2

    def check(self, number):
        assert number == 1


def check(number):
    assert number == 1


def test_generates():
    yield check, 1
    yield check, 2


def test_passes():
    return "dropped"


def test_fails():
    raise AssertionError("so")


def needs_argument(value):
    raise AssertionError(value)


def test_needs_argument(value):
    raise AssertionError(value)
