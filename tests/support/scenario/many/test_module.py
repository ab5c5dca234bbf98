"""A module with fixtures."""

import asyncio
import unittest

loops = []


async def setUpModule():
    await asyncio.sleep(0.01)
    loops.append(asyncio.get_running_loop())


async def tearDownModule():
    await asyncio.sleep(0.001)
    loops.clear()


class First(unittest.TestCase):
    async def test(self):
        await asyncio.sleep(0.01)
        self.assertIs(loops[0], asyncio.get_running_loop())


class Second(unittest.TestCase):
    async def test(self):
        await asyncio.sleep(0.01)
        self.assertIs(loops[0], asyncio.get_running_loop())
