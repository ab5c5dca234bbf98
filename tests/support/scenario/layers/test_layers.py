"""All fixtures of layers, async; some sync ones between."""

import unittest

from recorder import note


class Mixin:
    @classmethod
    async def setUp(cls):
        note("Mixin.setUp")

    @classmethod
    async def tearDown(cls):
        note("Mixin.tearDown")

    @classmethod
    async def testSetUp(cls):
        note("Mixin.testSetUp")

    @classmethod
    async def testTearDown(cls, test):
        note(f"Mixin.testTearDown {test.id().rpartition('.')[2]}")


class Outer:
    @classmethod
    async def setUp(cls):
        note("Outer.setUp")

    @classmethod
    async def tearDown(cls):
        note("Outer.tearDown")

    @classmethod
    async def testSetUp(cls, test):
        note(f"Outer.testSetUp {test.id().rpartition('.')[2]}")

    @classmethod
    async def testTearDown(cls):
        note("Outer.testTearDown")


class Inner(Outer):
    mixins = (Mixin,)

    @classmethod
    def setUp(cls):
        note("Inner.setUp")

    @classmethod
    async def testSetUp(cls):
        note("Inner.testSetUp")


class Late:
    @classmethod
    def setUp(cls):
        note("Late.setUp")

    @classmethod
    async def tearDown(cls):
        note("Late.tearDown")


class OnlyTests:
    @classmethod
    async def testSetUp(cls):
        note("OnlyTests.testSetUp")

    @classmethod
    def testTearDown(cls):
        note("OnlyTests.testTearDown")


class Failing:
    @classmethod
    async def setUp(cls):
        note("Failing.setUp")
        raise LookupError("in a layer")

    @classmethod
    async def tearDown(cls):
        note("never")


class FailingForTests:
    @classmethod
    async def testSetUp(cls):
        note("FailingForTests.testSetUp")
        raise LookupError("in a layer's testSetUp")

    @classmethod
    async def testTearDown(cls):
        note("never")

    @classmethod
    async def tearDown(cls):
        note("FailingForTests.tearDown")
        raise LookupError("in a layer's tearDown")


class InOuter(unittest.TestCase):
    layer = Outer

    async def setUp(self):
        note("InOuter.setUp")

    async def tearDown(self):
        note("InOuter.tearDown")

    async def test_async(self):
        note("InOuter.test_async")
        self.addCleanup(note, "InOuter cleanup")

    def test_sync(self):
        note("InOuter.test_sync")


class InInner(unittest.TestCase):
    layer = Inner

    async def test(self):
        note("InInner.test")


class IsolatedInOuter(unittest.IsolatedAsyncioTestCase):
    layer = Outer

    async def test(self):
        note("IsolatedInOuter.test")


class InLate(unittest.TestCase):
    layer = Late

    async def test_one(self):
        note("InLate.test_one")

    async def test_two(self):
        note("InLate.test_two")


class InOnlyTests(unittest.TestCase):
    layer = OnlyTests

    async def test_async(self):
        note("InOnlyTests.test_async")

    def test_sync(self):
        note("InOnlyTests.test_sync")


class InFailing(unittest.TestCase):
    layer = Failing

    async def test(self):
        note("never")


class InFailingForTests(unittest.TestCase):
    layer = FailingForTests

    async def test_one(self):
        note("InFailingForTests.test_one")

    async def test_two(self):
        note("InFailingForTests.test_two")
