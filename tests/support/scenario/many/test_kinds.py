"""Tests of all kinds with all outcomes."""

import asyncio
import logging
import sys
import time
import unittest
import warnings

from nose2.tools import params

import nose2_aio as aio

log = logging.getLogger("many")


async def forgotten():
    pass


class Plain(unittest.TestCase):
    async def test_passes(self):
        await asyncio.sleep(0.02)

    async def test_fails(self):
        await asyncio.sleep(0.01)
        self.assertEqual(1, 2)

    async def test_errs(self):
        await asyncio.sleep(0.01)
        raise LookupError("nowhere")

    async def test_skips(self):
        await asyncio.sleep(0.01)
        self.skipTest("later")

    @unittest.skip("never")
    async def test_skipped(self):
        pass

    async def test_parts(self):
        for part in range(4):
            with self.subTest(part=part):
                await asyncio.sleep(0.005)
                self.assertNotEqual(part, 2)

    @unittest.expectedFailure
    async def test_expected(self):
        await asyncio.sleep(0.01)
        self.fail()

    @unittest.expectedFailure
    async def test_unexpected(self):
        await asyncio.sleep(0.01)

    @aio.timeout(0.2)
    async def test_hangs(self):
        await asyncio.sleep(100)

    async def test_deadlock(self):
        await asyncio.get_running_loop().create_future()

    async def test_leaks(self):
        asyncio.create_task(asyncio.sleep(50), name="left")
        await asyncio.sleep(0.01)

    async def test_forgets(self):
        forgotten()
        await asyncio.sleep(0.01)

    async def test_writes(self):
        for part in range(3):
            print("on stdout", part)
            print("on stderr", part, file=sys.stderr)
            log.warning("logged %d", part)
            await asyncio.sleep(0.003)
        warnings.warn("careful")
        await asyncio.to_thread(print, "in a thread")
        await asyncio.sleep(0.01)
        self.fail("written")

    async def test_writes_too(self):
        for part in range(3):
            print("too, on stdout", part)
            print("too, on stderr", part, file=sys.stderr)
            log.warning("too, logged %d", part)
            await asyncio.sleep(0.004)

    def test_sync(self):
        print("sync")

    def test_sync_fails(self):
        self.fail("sync")

    @aio.virtual_time
    async def test_virtual(self):
        await asyncio.sleep(3600)

    @aio.run_forever(timeout=0.02)
    async def test_forever(self):
        return lambda: None

    async def test_thread(self):
        await asyncio.to_thread(time.sleep, 0.02)


class Fixtures(unittest.TestCase):
    async def setUp(self):
        await asyncio.sleep(0.001)
        self.known = 1
        self.addCleanup(asyncio.sleep, 0.001)

    async def tearDown(self):
        await asyncio.sleep(0.001)
        print("torn down")

    async def test_1(self):
        self.assertEqual(self.known, 1)

    async def test_2(self):
        raise LookupError("in a test with fixtures")


class ClassFixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(0.001)
        print("class set up")
        cls.loop = asyncio.get_running_loop()

    @classmethod
    async def tearDownClass(cls):
        await asyncio.sleep(0.001)
        print("class torn down")

    async def test_1(self):
        self.assertIs(asyncio.get_running_loop(), self.loop)
        await asyncio.sleep(0.01)

    async def test_2(self):
        self.assertIs(asyncio.get_running_loop(), self.loop)
        self.fail("2")


class SyncClassFixtures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.number = 0

    async def test_1(self):
        type(self).number += 1
        await asyncio.sleep(0.01)
        self.assertEqual(self.number, 1)

    async def test_2(self):
        type(self).number += 1
        await asyncio.sleep(0.01)
        self.assertEqual(self.number, 2)


class Broken(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        raise LookupError("in setUpClass")

    async def test(self):
        pass


class TornBadly(unittest.TestCase):
    @classmethod
    async def tearDownClass(cls):
        await asyncio.sleep(0.001)
        raise LookupError("in tearDownClass")

    async def test(self):
        await asyncio.sleep(0.001)


class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(0.001)

    async def test_passes(self):
        await asyncio.sleep(0.02)

    async def test_fails(self):
        await asyncio.sleep(0.01)
        self.fail("isolated")

    @aio.timeout(0.2)
    async def test_hangs(self):
        await asyncio.sleep(100)

    def test_sync(self):
        pass

    async def test_parts(self):
        for part in range(3):
            with self.subTest(part=part):
                await asyncio.sleep(0.005)
                self.assertNotEqual(part, 1)


async def test_function():
    await asyncio.sleep(0.01)


async def test_function_fails():
    await asyncio.sleep(0.01)
    assert False


@params(1, 2, 3)
async def test_params(number):
    await asyncio.sleep(0.01 * number)
    assert number != 2


class TestClass:
    def setUp(self):
        self.own = 1

    async def test_method(self):
        await asyncio.sleep(0.01)
        assert self.own == 1


def test_generator():
    async def check(number):
        await asyncio.sleep(0.01)
        assert number != 1

    for number in range(3):
        yield check, number
