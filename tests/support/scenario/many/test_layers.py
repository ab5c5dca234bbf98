"""Layers."""

import asyncio
import unittest


class Layer:
    @classmethod
    async def setUp(cls):
        await asyncio.sleep(0.001)
        cls.known = 1

    @classmethod
    async def tearDown(cls):
        await asyncio.sleep(0.001)

    @classmethod
    async def testSetUp(cls, test):
        await asyncio.sleep(0.001)
        test.own = 3


class Inner(Layer):
    @classmethod
    async def setUp(cls):
        await asyncio.sleep(0.001)


class InLayer(unittest.TestCase):
    layer = Layer

    async def test_passes(self):
        self.assertEqual((self.own, self.layer.known), (3, 1))
        await asyncio.sleep(0.01)

    async def test_fails(self):
        await asyncio.sleep(0.01)
        self.assertEqual(self.own, 4)


class InInner(unittest.TestCase):
    layer = Inner

    async def test(self):
        print("in the inner layer")
        await asyncio.sleep(0.01)
