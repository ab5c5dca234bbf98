# Every kind of coroutine test there is: each name ends in what must become of it.
import asyncio
import functools
import types
import unittest
from unittest import mock

from nose2.tools import params

import nose2_aio as aio


def quiet(function):
    """A decorator as users write them: it hides that the function is a coroutine function."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Mixin:
    async def test_mixin_fails(self):
        await asyncio.sleep(0)
        self.fail()


class Base(unittest.TestCase):
    async def test_inherited_fails(self):
        await asyncio.sleep(0)
        self.fail()

    async def test_overridden(self):
        self.fail()

    def test_generator_overridden_fails(self):
        yield from asyncio.sleep(0)
        self.fail()


class Derived(Mixin, Base):
    async def test_overridden(self):
        with self.assertRaises(AssertionError):
            await super().test_overridden()

    def test_generator_overridden_fails(self):
        yield from super().test_generator_overridden_fails()


class Case(unittest.TestCase):
    async def test_passes(self):
        await asyncio.sleep(0)

    async def test_fails(self):
        await asyncio.sleep(0)
        self.fail()

    async def test_errs(self):
        await asyncio.sleep(0)
        raise LookupError

    async def test_awaits_another_fails(self):
        await self.test_fails()

    async def test_awaits_a_generator_fails(self):
        await self.test_generator_fails()

    def test_generator_fails(self):
        yield from asyncio.sleep(0)
        self.fail()

    def test_generator_passes(self):
        value = yield from asyncio.sleep(0, "value")
        self.assertEqual(value, "value")

    @types.coroutine
    def test_types_coroutine_fails(self):
        yield
        self.fail()

    @aio.timeout(5)
    def test_tagged_generator_fails(self):
        yield
        self.fail()

    def test_tagged_by_hand_fails(self):
        yield
        self.fail()

    test_tagged_by_hand_fails.timeout = 5

    @mock.patch("asyncio.Queue")
    def test_patched_generator_fails(self, queue):
        yield from asyncio.sleep(0)
        self.fail()

    @mock.patch("asyncio.Queue")
    async def test_patched_fails(self, queue):
        self.assertIs(asyncio.Queue, queue)
        await asyncio.sleep(0)
        self.fail()

    @quiet
    async def test_wrapped_fails(self):
        self.fail()

    def test_returns_awaitable_fails(self):
        return self.test_fails()

    async def _parametrized(self, value):
        await asyncio.sleep(0)
        self.assertEqual(value, 1)

    @params(1, 2)
    async def test_params(self, value):
        await self._parametrized(value)

    @params((1, 1), (1, 2))
    def test_generator_params(self, one, other):
        yield from asyncio.sleep(0)
        self.assertEqual(one, other)

    @unittest.skip("later")
    async def test_skipped(self):
        self.fail()

    async def test_skips_itself_skipped(self):
        await asyncio.sleep(0)
        self.skipTest("now")

    @unittest.expectedFailure
    async def test_expected(self):
        await asyncio.sleep(0)
        self.fail()

    @unittest.expectedFailure
    async def test_unexpected(self):
        await asyncio.sleep(0)

    async def test_subtest_fails(self):
        for number in range(3):
            with self.subTest(number=number):
                await asyncio.sleep(0)
                self.assertNotEqual(number, 1)

    async def test_async_generator_errs(self):
        yield

    @staticmethod
    async def test_static_errs():
        await asyncio.sleep(0)
        raise LookupError

    @classmethod
    async def test_class_method_errs(cls):
        await asyncio.sleep(0)
        raise LookupError

    @staticmethod
    def test_static_generator_errs():
        yield from asyncio.sleep(0)
        raise LookupError

    def test_yields(self):
        yield self._parametrized, 1
        yield self._parametrized, 2


class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_fails(self):
        self.fail()

    def test_generator_fails(self):
        yield from asyncio.sleep(0)
        self.fail()

    async def test_async_generator_errs(self):
        yield

    @params(1, 2)
    async def test_params(self, value):
        self.assertEqual(value, 1)


class TestClass:
    async def test_fails(self):
        await asyncio.sleep(0)
        raise AssertionError

    def test_generator_fails(self):
        yield from asyncio.sleep(0)
        raise AssertionError

    @params(1, 2)
    async def test_params(self, value):
        assert value == 1

    async def check(self, value):
        await asyncio.sleep(0)
        assert value == 1

    def test_yields(self):
        yield self.check, 1
        yield self.check, 2

    async def test_async_generator_errs(self):
        yield


async def test_passes():
    await asyncio.sleep(0)


async def test_fails():
    await asyncio.sleep(0)
    raise AssertionError


def test_generator_fails():
    yield from asyncio.sleep(0)
    raise AssertionError


@quiet
def test_wrapped_generator_fails():
    yield from asyncio.sleep(0)
    raise AssertionError


async def test_async_generator_errs():
    yield


@params(1, 2)
async def test_params(value):
    await asyncio.sleep(0)
    assert value == 1


async def check(value):
    await asyncio.sleep(0)
    assert value == 1


def check_generator(value):
    yield from asyncio.sleep(0)
    assert value == 1


def test_yields():
    yield check, 1
    yield check, 2
    yield check_generator, 1
    yield check_generator, 2
    yield functools.partial(check, 2), ()


class Sync(unittest.TestCase):
    def test_passes(self):
        pass

    def test_fails(self):
        self.fail()
